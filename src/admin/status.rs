//! `GET /v1/status`: everything there is to see.

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::problem::Problem;
use super::switches::Tagged;
use crate::control::report::Status;
use axum::extract::State;

/// The whole state; a scoped token sees its switches only.
pub(super) async fn show(State(context): State<AdminContext>, principal: Principal) -> Result<Tagged<Status>, Problem> {
    principal.need(Role::Viewer)?;
    let mut status = context.handle().status().await.ok_or_else(Problem::shutting_down)?;
    status.switches.retain(|switch| principal.sees(&switch.name));
    Ok(Tagged { revision: status.revision, body: status })
}
