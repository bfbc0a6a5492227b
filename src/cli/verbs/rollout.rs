//! `rollout`: begin, watch, stop and end releases by evidence.

use super::{Session, change, guarded, look};
use crate::admin::Replied;
use crate::admin::report::RolloutView;
use crate::admin::requests::{PromoteBody, RolloutBody};
use crate::admin::rollouts::RolloutList;
use crate::cli::args::{PromoteArgs, RolloutStartArgs, RolloutStatusArgs, RolloutVerb, Waiting};
use crate::cli::client::{Answer, Call};
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::{change as print_change, rollout as print};
use crate::cli::terminal::Progress;
use crate::rollout::Phase;
use crate::rollout::v1::PlanForm;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a server may be away while one waits for it: a restart takes less.
const AWAY_LIMIT: Duration = Duration::from_secs(120);

/// The largest plan that is read.
const PLAN_LIMIT: u64 = 60 * 1024;

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
        Some(path) => Some(read_plan(path)?),
        None => plan_of_flags(&args)?,
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

/// The plan that the flags describe, if they describe one.
fn plan_of_flags(args: &RolloutStartArgs) -> Result<Option<PlanForm>, Failure> {
    if args.kind.is_none() && args.steps.is_none() && args.hold.is_none() {
        return Ok(None);
    }
    let mut form = serde_json::Map::new();
    form.extend(args.kind.as_ref().map(|kind| ("kind".to_owned(), kind.as_str().into())));
    form.extend(args.steps.as_ref().map(|steps| {
        ("steps".to_owned(), steps.iter().map(|step| serde_json::Value::from(step.trim())).collect::<Vec<_>>().into())
    }));
    form.extend(args.hold.as_ref().map(|hold| ("hold".to_owned(), hold.as_str().into())));
    serde_json::from_value(form.into()).map(Some).map_err(|error| Failure::usage(format!("the plan: {error}")))
}

/// Reads a plan of TOML or JSON.
fn read_plan(path: &Path) -> Result<PlanForm, Failure> {
    let shown = path.display();
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(PLAN_LIMIT).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(PLAN_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("cannot read the plan {shown}: {error}")))?;
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text).map_err(|error| Failure::usage(format!("the plan {shown}: {error}")));
    }
    toml::from_str(&text).map_err(|error| Failure::usage(format!("the plan {shown}: {error}")))
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
    let deadline = waiting.timeout.map(|limit| Instant::now() + limit);
    let mut away_since = None;
    let mut told = 0;
    let mut progress = Progress::new();
    loop {
        match session.client.send(view(switch)).await {
            Ok(answer) => {
                away_since = None;
                let rollout: RolloutView = answer.read()?;
                told = tell(&mut progress, &rollout, told);
                if let Some(end) = ended(&rollout, waiting) {
                    progress.finish();
                    return finish(session, switch, &answer, end);
                }
                progress.show(&print::stage(&rollout), &print::progress(switch, &rollout));
            }
            Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::TimedOut) => {
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= AWAY_LIMIT {
                    return Err(failure);
                }
                progress.show("away", &format!("{switch}: the server does not answer, trying again"));
            }
            Err(failure) => return Err(failure),
        }
        let pause = Instant::now() + LOOK_EVERY;
        if let Some(deadline) = deadline.filter(|deadline| *deadline < pause) {
            tokio::time::sleep_until(deadline).await;
            progress.finish();
            let sentence =
                format!("the rollout of {switch} has not ended; it goes on (`tidegate rollout status {switch}`)");
            return Err(Failure::new(Exit::TimedOut, sentence));
        }
        tokio::time::sleep_until(pause).await;
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

/// The last word.
fn finish(session: &Session, switch: &str, answer: &Answer, end: Result<(), String>) -> Result<Exit, Failure> {
    session.print::<RolloutView>(answer, |page, rollout| print::show(page, switch, rollout))?;
    match end {
        Ok(()) => Ok(Exit::Done),
        Err(why) => Err(Failure::failed(format!("the rollout of {switch} did not reach its end: {why}"))),
    }
}
