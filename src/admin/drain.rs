//! `GET /v1/switches/{s}/drain/{pool}`: may it be closed? (§4.3)

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::incoming::{Asking, Segments};
use super::problem::Problem;
use crate::control::report::DrainView;
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

/// The query of the resource.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainQuery {
    /// Ignore that the pool is kept warm.
    #[serde(default)]
    release_warm: bool,
}

/// The verdict with its reasons.
pub(super) async fn show(
    State(context): State<AdminContext>,
    principal: Principal,
    Segments((switch, pool)): Segments<(String, String)>,
    Asking(query): Asking<DrainQuery>,
) -> Result<Json<DrainView>, Problem> {
    principal.need_on(Role::Viewer, &switch)?;
    let view =
        context.handle().drain(&switch, &pool, query.release_warm).await.ok_or_else(Problem::shutting_down)??;
    Ok(Json(view))
}
