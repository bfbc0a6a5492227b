//! `/healthz`, `/readyz` and `/metrics`: what machines ask about the server itself.

use super::auth::Role;
use super::context::AdminContext;
use super::incoming::admit;
use super::problem::Problem;
use super::serve::Peer;
use crate::metrics::exposition::Format;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Whether `/metrics` is open to whoever can reach it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenMetrics {
    /// True on loopback.
    pub without_token: bool,
}

/// The process is alive.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Queries are answered: a snapshot is published.
pub(super) async fn ready(State(context): State<AdminContext>) -> Result<&'static str, Problem> {
    if context.handle().snapshot().number > 0 {
        return Ok("ready\n");
    }
    let detail = "no zone data is published yet: the first round of probes may still be running";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail))
}

/// The counters, in the form the scraper accepts.
pub(super) async fn metrics(
    State(context): State<AdminContext>,
    Extension(open): Extension<OpenMetrics>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !open.without_token {
        admit(&context, &headers, peer.map(|Extension(peer)| peer.0.ip()))?.need(Role::Viewer)?;
    }
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::of_accept(&accept.join(","));
    let text = context.metrics(format).await;
    Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response())
}
