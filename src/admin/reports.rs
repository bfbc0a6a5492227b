//! `GET /v1/switches/{s}/report`: what an A/B test under `policy = "fixed"` shows (§1.6).

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::incoming::Segments;
use super::problem::Problem;
use crate::rollout::trial::report::TrialReport;
use axum::Json;
use axum::extract::State;

/// Shares, metrics with differences and intervals, and what they cannot say.
pub(super) async fn show(
    State(context): State<AdminContext>,
    principal: Principal,
    Segments(name): Segments<String>,
) -> Result<Json<TrialReport>, Problem> {
    principal.need_on(Role::Viewer, &name)?;
    Ok(Json(context.handle().report(&name).await.ok_or_else(Problem::shutting_down)??))
}
