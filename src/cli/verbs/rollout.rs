//! `rollout`: begin, watch, stop and end releases by evidence.

use super::waiting::{self, Look};
use super::{Session, change, guarded, look};
use crate::admin::Replied;
use crate::admin::report::RolloutView;
use crate::admin::requests::{PromoteBody, RolloutBody};
use crate::admin::rollouts::RolloutList;
use crate::cli::args::{PromoteArgs, RolloutStartArgs, RolloutStatusArgs, RolloutVerb, Waiting};
use crate::cli::client::{Answer, Call};
use crate::cli::exit::{Exit, Failure};
use crate::cli::planned;
use crate::cli::print::{change as print_change, rollout as print};
use crate::cli::terminal::Progress;
use crate::rollout::Phase;

/// One verb.
pub(super) async fn run(session: &Session, verb: RolloutVerb) -> Result<Exit, Failure> {
    match verb {
        RolloutVerb::Start(args) => start(session, args).await,
        RolloutVerb::Status(args) => status(session, args).await,
        RolloutVerb::Pause(args) => change::plain(session, &["rollout", "pause"], "paused", args).await,
        RolloutVerb::Resume(args) => change::plain(session, &["rollout", "resume"], "resumed", args).await,
        RolloutVerb::Promote(args) => promote(session, args).await,
        RolloutVerb::Abort(args) => change::plain(session, &["rollout", "abort"], "aborted", args).await,
        RolloutVerb::Retry(args) => change::plain(session, &["rollout", "retry"], "begun anew", args).await,
        RolloutVerb::Undo(args) => change::plain(session, &["undo"], "returned", args).await,
        RolloutVerb::List { .. } => session.show::<RolloutList>(Call::get(&["rollouts"]), print::list).await,
        RolloutVerb::History(args) => look::history(session, args).await,
    }
}

/// Begins a rollout, and waits for its end where that is asked.
async fn start(session: &Session, args: RolloutStartArgs) -> Result<Exit, Failure> {
    let plan = match &args.plan {
        Some(path) => Some(planned::read(path)?),
        None => planned::of_flags(args.kind.as_deref(), args.steps.as_deref(), args.hold.as_deref())?,
    };
    let body = RolloutBody {
        to: args.to.clone(),
        version: args.version.clone(),
        plan,
        reshuffle: args.reshuffle,
        reason: args.guards.reason.clone(),
        force: args.guards.force,
        dry_run: args.guards.dry_run,
    };
    let call = guarded(Call::post(&["switches", &args.switch, "rollout"], &body)?, &args.guards);
    let answer = session.client.send(call).await?;
    if !args.waiting.wait || args.guards.dry_run {
        session.print::<Replied>(&answer, |page, replied| print_change::show(page, "rollout begun", replied))?;
        return Ok(Exit::Done);
    }
    wait(session, &args.switch, &args.waiting).await
}

/// Where it stands.
async fn status(session: &Session, args: RolloutStatusArgs) -> Result<Exit, Failure> {
    if args.waiting.wait {
        return wait(session, &args.switch, &args.waiting).await;
    }
    let name = args.switch.clone();
    session.show::<RolloutView>(view(&args.switch), |page, rollout| print::show(page, &name, rollout)).await
}

fn view(switch: &str) -> Call {
    Call::get(&["switches", switch, "rollout"])
}

/// Skips steps.
async fn promote(session: &Session, args: PromoteArgs) -> Result<Exit, Failure> {
    let body = PromoteBody {
        full: args.full,
        reason: args.guards.reason.clone(),
        force: args.guards.force,
        dry_run: args.guards.dry_run,
    };
    let call = guarded(Call::post(&["switches", &args.switch, "rollout", "promote"], &body)?, &args.guards);
    session.show::<Replied>(call, |page, replied| print_change::show(page, "promoted", replied)).await
}

/// Looks until it ends, telling what happens meanwhile.
async fn wait(session: &Session, switch: &str, waiting: &Waiting) -> Result<Exit, Failure> {
    let mut told = 0;
    let found = waiting::until(switch, waiting.timeout, async |progress| {
        let answer = session.client.send(view(switch)).await?;
        let rollout: RolloutView = answer.read()?;
        told = tell(progress, &rollout, told);
        Ok(match ended(&rollout, waiting) {
            Some(end) => Look::There((answer, end)),
            None => Look::Not(print::stage(&rollout), print::progress(switch, &rollout)),
        })
    });
    match found.await? {
        Some((answer, end)) => finish(session, switch, &answer, end),
        None => Err(Failure::new(
            Exit::TimedOut,
            format!("the rollout of {switch} has not ended; it goes on (`tidegate rollout status {switch}`)"),
        )),
    }
}

/// Tells what was not told yet, a line each.
fn tell(progress: &mut Progress, rollout: &RolloutView, told: usize) -> usize {
    for entry in rollout.timeline.iter().skip(told) {
        progress.finish();
        crate::cli::terminal::remark(&print::entry(entry));
    }
    rollout.timeline.len()
}

/// How it ended for somebody who waits; `None`: it has not.
fn ended(rollout: &RolloutView, waiting: &Waiting) -> Option<Result<(), String>> {
    let why = || rollout.timeline.last().map(|entry| entry.what.clone()).unwrap_or_default();
    match rollout.phase {
        Phase::Promoted => Some(Ok(())),
        Phase::Aborted | Phase::Failed => Some(Err(why())),
        Phase::Paused if waiting.fail_on_pause => Some(Err(why())),
        Phase::Pending | Phase::Progressing | Phase::Paused => None,
    }
}

/// The last word; what happened meanwhile was told line by line.
fn finish(session: &Session, switch: &str, answer: &Answer, end: Result<(), String>) -> Result<Exit, Failure> {
    session.print::<RolloutView>(answer, |page, rollout| print::show_standing(page, switch, rollout))?;
    match end {
        Ok(()) => Ok(Exit::Done),
        Err(why) => {
            let sentence = format!("the rollout of {switch} did not reach its end: {why}");
            Err(Failure::failed(sentence).after_the_answer())
        }
    }
}
