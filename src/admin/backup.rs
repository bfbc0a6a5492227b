//! `POST /v1/backup` and `POST /v1/accept-copy`: the state file (§7.4).

use super::auth::Role;
use super::changes::Nothing;
use super::context::AdminContext;
use super::incoming::Incoming;
use super::problem::Problem;
use super::requests::BackupBody;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// What was written.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Written {
    /// The new file.
    written: PathBuf,
}

/// What was confirmed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Accepted {
    /// Always true.
    accepted: bool,
}

/// Writes a consistent backup to a new file on the server.
pub(super) async fn write(State(context): State<AdminContext>, incoming: Incoming) -> Result<Json<Written>, Problem> {
    incoming.principal.need_everywhere(Role::Admin)?;
    incoming.no_guards_for("backup")?;
    let body: BackupBody = incoming.json()?;
    if !body.to.is_absolute() {
        return Err(Problem::invalid_field("to", "the path must be absolute: it is a place on the server's disk"));
    }
    if tokio::fs::symlink_metadata(&body.to).await.is_ok() {
        let detail = format!("{} exists already: a backup never overwrites a file", body.to.display());
        return Err(Problem::new(StatusCode::CONFLICT, "file-exists", detail)
            .with("guard", "file-exists")
            .with("forceable", false));
    }
    context.handle().backup(body.to.clone()).await.ok_or_else(Problem::shutting_down)??;
    tracing::info!(who = incoming.principal.name, to = %body.to.display(), "backup written");
    Ok(Json(Written { written: body.to }))
}

/// Confirms that the checked copy becomes the state.
pub(super) async fn accept_copy(
    State(context): State<AdminContext>,
    incoming: Incoming,
) -> Result<Json<Accepted>, Problem> {
    incoming.principal.need_everywhere(Role::Admin)?;
    incoming.no_guards_for("accept-copy")?;
    incoming.json_or_default::<Nothing>()?;
    context.handle().accept_copy(incoming.principal.caller()).await.ok_or_else(Problem::shutting_down)??;
    Ok(Json(Accepted { accepted: true }))
}
