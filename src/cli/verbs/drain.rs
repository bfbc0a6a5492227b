//! `drain`: the verdict, or waiting for it.

use super::Session;
use super::waiting::{self, Look};
use crate::admin::report::DrainView;
use crate::cli::args::DrainArgs;
use crate::cli::client::{Answer, Call};
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::drain;
use crate::drain::DrainState;

/// What to do after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// It may be closed.
    Close,
    /// Not yet.
    Wait,
    /// It never will by waiting.
    Never(String),
}

/// Shows the verdict; with `--wait`, when it is good.
pub(super) async fn run(session: &Session, args: DrainArgs) -> Result<Exit, Failure> {
    let (answer, next) = if args.wait { wait(session, &args).await? } else { look(session, &args).await? };
    session.print::<DrainView>(&answer, drain::show)?;
    match next {
        Next::Close => Ok(Exit::Done),
        Next::Wait => Ok(Exit::Failed),
        Next::Never(why) => Err(Failure::failed(why).after_the_answer()),
    }
}

/// One look.
async fn look(session: &Session, args: &DrainArgs) -> Result<(Answer, Next), Failure> {
    let call = Call::get(&["switches", &args.switch, "drain", &args.pool])
        .query("release_warm", args.release_warm.then_some(true));
    let answer = session.client.send(call).await?;
    let next = judge(&answer.read()?, args.verified);
    Ok((answer, next))
}

/// What a verdict means to somebody who waits.
fn judge(view: &DrainView, verified: bool) -> Next {
    let report = &view.report;
    let name = format!("{}/{}", view.switch, view.pool);
    if report.state == DrainState::Serving {
        return Next::Never(format!(
            "{name} is serving: {}. Move its traffic first (`tidegate flip {} POOL`)",
            report.reasons.join("; "),
            view.switch
        ));
    }
    if verified && report.idle.is_none() {
        return Next::Never(format!(
            "{name} has no idle reading that could confirm it: configure one (`idle`), or leave --verified out"
        ));
    }
    if report.safe_to_close && (report.verified || !verified) { Next::Close } else { Next::Wait }
}

/// Looks again and again.
async fn wait(session: &Session, args: &DrainArgs) -> Result<(Answer, Next), Failure> {
    let name = format!("{}/{}", args.switch, args.pool);
    let found = waiting::until(&name, args.timeout, async |_| match look(session, args).await? {
        (answer, Next::Wait) => {
            let view: DrainView = answer.read()?;
            Ok(Look::Not(format!("{:?}", view.report.state), drain::progress(&view)))
        }
        finished => Ok(Look::There(finished)),
    });
    match found.await? {
        Some(finished) => Ok(finished),
        None => timed_out(session, args).await,
    }
}

/// The last word after the time is up.
async fn timed_out(session: &Session, args: &DrainArgs) -> Result<(Answer, Next), Failure> {
    match look(session, args).await? {
        (answer, Next::Wait) => {
            session.print::<DrainView>(&answer, drain::show)?;
            let limit = waiting::words(args.timeout);
            let sentence = format!("{}/{} may not be closed after waiting {limit}", args.switch, args.pool);
            Err(Failure::new(Exit::TimedOut, sentence).after_the_answer())
        }
        finished => Ok(finished),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::switch::samples::report;
    use crate::drain::IdleStatus;

    fn view(state: DrainState) -> DrainView {
        DrainView { switch: "model".into(), pool: "blue".into(), report: report(state, None), members: Vec::new() }
    }

    #[test]
    fn only_a_good_verdict_closes_and_a_serving_pool_never_does() {
        assert_eq!(judge(&view(DrainState::Drained), false), Next::Close);
        for state in [DrainState::Draining, DrainState::DnsDrained, DrainState::Tail] {
            assert_eq!(judge(&view(state), false), Next::Wait);
        }
        assert!(matches!(judge(&view(DrainState::Serving), false), Next::Never(why) if why.contains("flip")));
        let mut warm = view(DrainState::Drained);
        warm.report.safe_to_close = false;
        assert_eq!(judge(&warm, false), Next::Wait);
    }

    #[test]
    fn verified_needs_an_idle_reading_that_agrees() {
        assert!(matches!(judge(&view(DrainState::Tail), true), Next::Never(why) if why.contains("idle")));
        let mut read = view(DrainState::Drained);
        read.report.idle = Some(IdleStatus { in_a_row: 1, needed: 3, last_value: None, floor: None, error: None });
        assert_eq!(judge(&read, true), Next::Wait);
        read.report.verified = true;
        assert_eq!(judge(&read, true), Next::Close);
    }
}
