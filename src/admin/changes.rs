//! `POST /v1/switches/{s}/set-weights`, `/undo`, `/prepare`, `/reset`, `/expect-version` and `POST /v1/reload`.

use super::auth::Role;
use super::context::AdminContext;
use super::incoming::{Incoming, Segments, Wish, reason};
use super::problem::Problem;
use super::requests::{ExpectVersionBody, PlainBody, SetWeightsBody};
use super::share::weight_change;
use crate::control::{Reloading, Replied};
use crate::state::Command;
use axum::Json;
use axum::extract::State;

/// Sets a split.
pub(super) async fn set_weights(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    incoming.may_change(&switch)?;
    let body: SetWeightsBody = incoming.json()?;
    let weights = weight_change(&body.weights).map_err(|why| Problem::invalid_field("weights", why))?;
    let command = Command::SetWeights { switch, weights };
    let wish = Wish { command, reason: body.reason, force: body.force, dry_run: body.dry_run };
    incoming.change(&context, wish).await.map(Json)
}

/// Returns to the previous split.
pub(super) async fn undo(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    plain(&context, &incoming, &switch, Command::Undo { switch: switch.clone() }).await
}

/// Lowers the TTL ahead of a flip.
pub(super) async fn prepare(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    plain(&context, &incoming, &switch, Command::Prepare { switch: switch.clone() }).await
}

/// Forgets what was set at run time.
pub(super) async fn reset(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    plain(&context, &incoming, &switch, Command::Reset { switch: switch.clone() }).await
}

/// A change whose body says nothing but why.
async fn plain(
    context: &AdminContext,
    incoming: &Incoming,
    switch: &str,
    command: Command,
) -> Result<Json<Replied>, Problem> {
    incoming.may_change(switch)?;
    let body: PlainBody = incoming.json_or_default()?;
    let wish = Wish { command, reason: body.reason, force: body.force, dry_run: body.dry_run };
    incoming.change(context, wish).await.map(Json)
}

/// Sets the version a pool's members must show.
pub(super) async fn expect_version(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    incoming.may_change(&switch)?;
    let body: ExpectVersionBody = incoming.json()?;
    if body.version.as_ref().is_some_and(|version| !is_version(version)) {
        return Err(Problem::invalid_field(
            "version",
            "a version is a text of 1 to 256 bytes without control characters, or null for the one in the files",
        ));
    }
    let command = Command::ExpectVersion { switch, pool: body.pool, version: body.version };
    let wish = Wish { command, reason: body.reason, force: body.force, dry_run: body.dry_run };
    incoming.change(&context, wish).await.map(Json)
}

/// Whether a member could show this version.
pub(super) fn is_version(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Reads the files again; all valid, or nothing changes.
pub(super) async fn reload(State(context): State<AdminContext>, incoming: Incoming) -> Result<Json<Replied>, Problem> {
    incoming.principal.need_everywhere(Role::Operator)?;
    incoming.no_guards_for("reload")?;
    let body: PlainBody = incoming.json_or_default()?;
    let reason = reason(body.reason)?;
    let reloading = Reloading { caller: incoming.principal.caller(), reason, force: body.force, dry_run: body.dry_run };
    Ok(Json(context.handle().reload(reloading).await?))
}

/// A body that says nothing.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
