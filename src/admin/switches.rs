//! `GET /v1/switches` and `GET /v1/switches/{s}`, tagged with the revision for `If-Match`.

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::incoming::Segments;
use super::problem::Problem;
use crate::control::report::SwitchView;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All switches at one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct SwitchList {
    /// The state's revision.
    pub revision: u64,
    /// Sorted by name.
    pub switches: Vec<SwitchView>,
}

/// A body with the revision as its ETag.
#[derive(Debug)]
pub(super) struct Tagged<T> {
    /// The state's revision.
    pub revision: u64,
    /// What is sent.
    pub body: T,
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.revision)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// All switches the token may see.
pub(super) async fn list(
    State(context): State<AdminContext>,
    principal: Principal,
) -> Result<Tagged<SwitchList>, Problem> {
    principal.need(Role::Viewer)?;
    let status = context.handle().status().await.ok_or_else(Problem::shutting_down)?;
    let switches = status.switches.into_iter().filter(|switch| principal.sees(&switch.name)).collect();
    let revision = status.revision;
    Ok(Tagged { revision, body: SwitchList { revision, switches } })
}

/// One switch. The ETag is the state's revision, not the switch's, since that is what `If-Match` guards.
pub(super) async fn show(
    State(context): State<AdminContext>,
    principal: Principal,
    Segments(name): Segments<String>,
) -> Result<Tagged<SwitchView>, Problem> {
    principal.need_on(Role::Viewer, &name)?;
    // Read before the view: a change in between makes the tag stale, never the view.
    let revision = context.handle().snapshot().revision;
    let body = context.handle().switch(&name).await.ok_or_else(Problem::shutting_down)??;
    Ok(Tagged { revision, body })
}
