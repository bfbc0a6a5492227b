//! `GET /v1/switches/{s}/recent`: the last 15 minutes of a switch, for charts.

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::incoming::Segments;
use super::problem::Problem;
use crate::control::report::RecentView;
use axum::Json;
use axum::extract::State;

/// Answers and probe latency of each pool, a row every 10 s.
pub(super) async fn show(
    State(context): State<AdminContext>,
    principal: Principal,
    Segments(name): Segments<String>,
) -> Result<Json<RecentView>, Problem> {
    principal.need_on(Role::Viewer, &name)?;
    Ok(Json(context.handle().recent(&name).await.ok_or_else(Problem::shutting_down)??))
}
