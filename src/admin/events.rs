//! `GET /v1/events`: what happens, as server-sent events.
//!
//! A reader that comes back with `Last-Event-ID` gets what it missed, as far as it is still kept; the
//! first event (`connected`) says how many those are, and whether others were lost (`missed`). One that
//! is too slow is told how many were dropped (`event: lagged`). Who missed something reads `/v1/status`.
//! A stream ends with its token: when that is revoked or has expired, no event follows.

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::problem::Problem;
use crate::clock;
use crate::control::report::{Happening, What};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;

/// A comment line this often shows both ends that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Streams until the client leaves or the server goes down.
pub(super) async fn stream(
    State(context): State<AdminContext>,
    principal: Principal,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    principal.need(Role::Viewer)?;
    let last_seen = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut resumed = context.handle().happenings(last_seen);
    resumed.past = resumed.past.into_iter().filter_map(|happening| seen(&principal, happening)).collect();
    let greeting = json!({
        "revision": context.handle().snapshot().revision,
        "replayed": resumed.past.len(),
        "missed": resumed.missed,
        "last_seen": last_seen,
    });
    let feed = Feed {
        past: resumed.past,
        happenings: resumed.future,
        stopping: context.stopping(),
        greeting: Some(greeting),
        context,
        principal,
    };
    let events = futures_util::stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One reader's stream.
struct Feed {
    /// What it missed, sent after the greeting.
    past: VecDeque<Arc<Happening>>,
    happenings: broadcast::Receiver<Arc<Happening>>,
    stopping: watch::Receiver<bool>,
    /// Sent first.
    greeting: Option<serde_json::Value>,
    context: AdminContext,
    principal: Principal,
}

impl Feed {
    /// Whether the token is still good.
    fn is_welcome(&self) -> bool {
        self.context.tokens().knows(&self.principal.id, clock::unix_ms())
    }

    /// The next event this reader may see.
    async fn next(&mut self) -> Option<Event> {
        if !self.is_welcome() {
            return None;
        }
        if let Some(greeting) = self.greeting.take() {
            return Some(Event::default().event("connected").data(greeting.to_string()));
        }
        if let Some(happening) = self.past.pop_front() {
            return event_of(&happening);
        }
        loop {
            let received = tokio::select! {
                received = self.happenings.recv() => Some(received),
                _ = self.stopping.wait_for(|stop| *stop) => return None,
                () = sleep(KEEP_ALIVE) => None,
            };
            if !self.is_welcome() {
                return None;
            }
            let Some(received) = received else { continue };
            match received {
                Ok(happening) => {
                    if let Some(happening) = seen(&self.principal, happening) {
                        return event_of(&happening);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    return Some(Event::default().event("lagged").data(json!({ "missed": missed }).to_string()));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// A happening on the wire: its kind as the event's name, its number as the id.
fn event_of(happening: &Happening) -> Option<Event> {
    let body = serde_json::to_value(happening).ok()?;
    let name = body.get("event")?.as_str()?.to_owned();
    Some(Event::default().event(name).id(happening.id.to_string()).data(body.to_string()))
}

/// What a token sees of a happening, if anything: of a change to several switches, a scoped one is told its own.
fn seen(principal: &Principal, mut happening: Arc<Happening>) -> Option<Arc<Happening>> {
    if principal.switches.is_empty() {
        return Some(happening);
    }
    let may_see = match &happening.what {
        What::Changed { switches, .. } => {
            let known = switches.iter().filter(|switch| principal.sees(switch)).count();
            if known > 0
                && known < switches.len()
                && let What::Changed { switches, .. } = &mut Arc::make_mut(&mut happening).what
            {
                switches.retain(|switch| principal.sees(switch));
            }
            known > 0
        }
        What::Health { switch, .. }
        | What::Eligible { switch, .. }
        | What::Fallback { switch, .. }
        | What::Drain { switch, .. }
        | What::Rollout { switch, .. }
        | What::Looked { switch, .. }
        | What::Source { switch, .. } => principal.sees(switch),
        What::Store { .. } => true,
    };
    may_see.then_some(happening)
}
