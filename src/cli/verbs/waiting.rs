//! Looking again and again until something is so, with progress, within a limit.

use super::Session;
use crate::admin::report::SwitchView;
use crate::cli::args::Settle;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::times;
use crate::cli::terminal::Progress;
use crate::drain::DrainState;
use std::time::Duration;
use tokio::time::Instant;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a server may be away while one waits for it: a restart takes less.
const AWAY_LIMIT: Duration = Duration::from_secs(120);

/// What a look saw.
pub(super) enum Look<T> {
    /// It is so.
    There(T),
    /// Not yet: the stage, which tells a change from mere time passing, and a line for people.
    Not(String, String),
}

/// Looks each second; `None` when the time is up. A server that is away for a moment is waited for.
pub(super) async fn until<T>(
    what: &str,
    limit: Option<Duration>,
    mut look: impl AsyncFnMut(&mut Progress) -> Result<Look<T>, Failure>,
) -> Result<Option<T>, Failure> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut away_since = None;
    let mut progress = Progress::new();
    loop {
        match look(&mut progress).await {
            Ok(Look::There(found)) => return Ok(Some(found)),
            Ok(Look::Not(stage, line)) => {
                away_since = None;
                progress.show(&stage, &line);
            }
            Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::TimedOut) => {
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= AWAY_LIMIT {
                    return Err(failure);
                }
                progress.show("away", &format!("{what}: the server does not answer, trying again"));
            }
            Err(failure) => return Err(failure),
        }
        let pause = Instant::now() + LOOK_EVERY;
        if let Some(deadline) = deadline.filter(|deadline| *deadline < pause) {
            tokio::time::sleep_until(deadline).await;
            return Ok(None);
        }
        tokio::time::sleep_until(pause).await;
    }
}

/// The limit in words.
pub(super) fn words(limit: Option<Duration>) -> String {
    limit.map_or_else(String::new, |limit| times::span(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)))
}

/// Waits until no cache that honours TTLs holds an answer of a pool these switches left.
pub(super) async fn left_behind(session: &Session, switches: &[&str], settle: &Settle) -> Result<Exit, Failure> {
    let what = switches.join(", ");
    let look = async |_: &mut Progress| {
        for name in switches {
            let view = switch(session, name).await?;
            if let Some((stage, line)) = still_cached(&view) {
                return Ok(Look::Not(stage, line));
            }
        }
        Ok(Look::There(()))
    };
    match until(&what, settle.timeout, look).await? {
        Some(()) => {
            session.remark(&format!("{what}: no cache that honours TTLs holds an older answer"));
            Ok(Exit::Done)
        }
        None => Err(Failure::new(
            Exit::TimedOut,
            format!(
                "{what}: older answers may still be cached after waiting {}; the change itself is done",
                words(settle.timeout)
            ),
        )
        .after_the_answer()),
    }
}

/// The first pool without weight whose answers may still be cached.
fn still_cached(view: &SwitchView) -> Option<(String, String)> {
    let pool = view.pools.iter().find(|pool| pool.weight == 0 && pool.drain.state == DrainState::Draining)?;
    let left = pool
        .drain
        .remaining_ms
        .filter(|left| *left > 0)
        .map_or_else(String::new, |left| format!(", at least {} left", times::span(left.div_ceil(1000) * 1000)));
    Some((pool.name.clone(), format!("{}: answers naming {} may still be cached{left}", view.name, pool.name)))
}

/// Waits until a prepared switch can be flipped within its short TTL.
pub(super) async fn prepared(session: &Session, name: &str, settle: &Settle) -> Result<Exit, Failure> {
    let look = async |_: &mut Progress| {
        let view = switch(session, name).await?;
        match preparing(&view)? {
            None => Ok(Look::There(view.ttl_s)),
            Some(line) => Ok(Look::Not("preparing".to_owned(), line)),
        }
    };
    match until(name, settle.timeout, look).await? {
        Some(ttl_s) => {
            session.remark(&format!("{name}: ready, a flip reaches everybody within {ttl_s} s"));
            Ok(Exit::Done)
        }
        None => Err(Failure::new(
            Exit::TimedOut,
            format!(
                "{name}: longer-lived answers may still be cached after waiting {}; it stays prepared",
                words(settle.timeout)
            ),
        )
        .after_the_answer()),
    }
}

/// What a preparation still waits for.
fn preparing(view: &SwitchView) -> Result<Option<String>, Failure> {
    if view.prepared_until.is_none() {
        let why = format!("{} is prepared no longer: it was flipped, or the preparation lapsed", view.name);
        return Err(Failure::failed(why).after_the_answer());
    }
    Ok(view.prepared_in_ms.filter(|left| *left > 0).map(|left| {
        let left = times::span(left.div_ceil(1000) * 1000);
        format!("{}: TTL {} s, longer-lived answers expire within {left}", view.name, view.ttl_s)
    }))
}

/// Waits for a prepared flip's own reply, telling how long it will be.
pub(super) async fn beside<T>(
    session: &Session,
    switches: &[&str],
    flip: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut progress = Progress::new();
    let mut flip = std::pin::pin!(flip);
    loop {
        let pause = async {
            tokio::time::sleep(LOOK_EVERY).await;
            let mut lines = Vec::new();
            for name in switches {
                // What this shows is a courtesy; the flip's own reply decides.
                lines.extend(switch(session, name).await.ok().and_then(|view| preparing(&view).ok().flatten()));
            }
            lines
        };
        tokio::select! {
            reply = &mut flip => return reply,
            lines = pause => {
                if let Some(line) = lines.first() {
                    progress.show("preparing", line);
                }
            }
        }
    }
}

/// A switch as it is.
async fn switch(session: &Session, name: &str) -> Result<SwitchView, Failure> {
    session.client.send(Call::get(&["switches", name])).await?.read()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::switch::samples::model;

    #[test]
    fn a_pool_without_weight_is_waited_for_while_its_answers_are_cached() {
        let mut view = model();
        let (stage, line) = still_cached(&view).unwrap();
        assert_eq!(
            (stage.as_str(), line.as_str()),
            ("green", "model: answers naming green may still be cached, at least 25 s left")
        );
        for pool in &mut view.pools {
            pool.drain.state = if pool.weight == 0 { DrainState::Tail } else { DrainState::Serving };
        }
        assert_eq!(still_cached(&view), None);
    }

    #[test]
    fn a_preparation_that_lapsed_is_a_failure() {
        let mut view = model();
        assert_eq!(preparing(&view).unwrap_err().exit, Exit::Failed);
        view.prepared_until = Some("1970-01-01T01:00:00Z".into());
        view.prepared_in_ms = Some(19_500);
        assert_eq!(
            preparing(&view).unwrap().as_deref(),
            Some("model: TTL 30 s, longer-lived answers expire within 20 s")
        );
        view.prepared_in_ms = Some(0);
        assert_eq!(preparing(&view).unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_it_is_so_or_the_time_is_up_and_outlives_a_restart() {
        let mut looks = 0;
        let found = until("model", None, async |_| {
            looks += 1;
            match looks {
                1 => Ok(Look::Not("a".into(), "not yet".into())),
                2 | 3 => Err(Failure::new(Exit::Unreachable, "away")),
                _ => Ok(Look::There(looks)),
            }
        });
        assert_eq!(found.await.unwrap(), Some(4));
        let never =
            until::<()>("model", Some(Duration::from_secs(5)), async |_| Ok(Look::Not("a".into(), "no".into())));
        assert_eq!(never.await.unwrap(), None);
        let away = until::<()>("model", None, async |_| Err(Failure::new(Exit::Unreachable, "away")));
        assert_eq!(away.await.unwrap_err().exit, Exit::Unreachable);
        let refused = until::<()>("model", None, async |_| Err(Failure::failed("no")));
        assert_eq!(refused.await.unwrap_err().exit, Exit::Failed);
    }
}
