//! `POST /v1/switches/{s}/overrides`: holds on a pool or member (§2.4).

use super::context::AdminContext;
use super::incoming::{Incoming, Segments, Wish};
use super::problem::Problem;
use super::requests::{HoldWord, OverrideBody};
use crate::control::Replied;
use crate::health::OverrideKind;
use crate::state::Command;
use axum::Json;
use axum::extract::State;

/// Sets or clears an override.
pub(super) async fn set(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    incoming.may_change(&switch)?;
    let body: OverrideBody = incoming.json()?;
    let hold = match body.hold {
        HoldWord::ForceUp => Some(OverrideKind::ForceUp),
        HoldWord::ForceDown => Some(OverrideKind::ForceDown),
        HoldWord::None => None,
    };
    let for_ms =
        body.lasts.as_deref().map(duration_ms).transpose().map_err(|why| Problem::invalid_field("for", why))?;
    let command = Command::Override { switch, pool: body.pool, member: body.member, hold, for_ms };
    let wish = Wish { command, reason: body.reason, force: body.force, dry_run: body.dry_run };
    incoming.change(&context, wish).await.map(Json)
}

/// Milliseconds in `90s`, `2h`, `1h 30m`.
pub(super) fn duration_ms(text: &str) -> Result<u64, String> {
    let duration = humantime::parse_duration(text.trim())
        .map_err(|error| format!("`{text}` is not a duration such as 90s, 30m or 2h: {error}"))?;
    u64::try_from(duration.as_millis()).map_err(|_| format!("`{text}` is too long"))
}
