//! Verbs that only look: `status`, `explain`, `history`, `updates`, `report`.

use super::Session;
use crate::admin::explain::Explained;
use crate::admin::history::HistoryPage;
use crate::admin::report::{Status, SwitchView};
use crate::admin::updates::UpdatesPage;
use crate::cli::args::{ExplainArgs, HistoryArgs, StatusArgs, UpdatesArgs};
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print;
use crate::rollout::trial::report::TrialReport;

/// Everything, or one switch.
pub(super) async fn status(session: &Session, args: StatusArgs) -> Result<Exit, Failure> {
    match args.switch {
        None => session.show::<Status>(Call::get(&["status"]), print::status::show).await,
        Some(switch) => session.show::<SwitchView>(Call::get(&["switches", &switch]), print::switch::show).await,
    }
}

/// An A/B test.
pub(super) async fn report(session: &Session, switch: &str) -> Result<Exit, Failure> {
    session.show::<TrialReport>(Call::get(&["switches", switch, "report"]), print::report::show).await
}

/// One choice laid open.
pub(super) async fn explain(session: &Session, args: ExplainArgs) -> Result<Exit, Failure> {
    let call = Call::get(&["explain"]).query("owner", Some(args.owner)).query("client", args.client);
    session.show::<Explained>(call, print::explain::show).await
}

/// The audit.
pub(super) async fn history(session: &Session, args: HistoryArgs) -> Result<Exit, Failure> {
    let call = Call::get(&["history"])
        .query("switch", args.switch)
        .query("limit", Some(args.limit))
        .query("before", args.before);
    session.show::<HistoryPage>(call, print::history::show).await
}

/// The sets that dynamic updates changed.
pub(super) async fn updates(session: &Session, args: UpdatesArgs) -> Result<Exit, Failure> {
    let call = Call::get(&["updates"])
        .query("name", args.name)
        .query("zone", args.zone)
        .query("limit", Some(args.limit))
        .query("after", args.after);
    session.show::<UpdatesPage>(call, print::updates::show).await
}
