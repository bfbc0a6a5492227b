//! The HTTP interface of operators: API v1, metrics, health of the server itself (§7.1, §9).
//!
//! Handlers translate between HTTP and the control task's [`crate::control::Handle`], nothing more:
//! no handler decides. One resource per file; the one error map is [`problem`]. Adding a resource is
//! a file and a line in `router`.

pub mod auth;
mod backup;
mod changes;
mod context;
mod dashboard;
mod drain;
mod envelope;
mod events;
pub mod explain;
mod flips;
pub mod history;
mod incoming;
pub mod me;
pub mod members;
mod openapi;
mod overrides;
pub mod problem;
mod recent;
mod reports;
pub mod requests;
pub mod rollouts;
mod samples;
mod serve;
mod server_health;
pub mod share;
mod status;
mod switches;
#[cfg(test)]
mod tests;
mod throttle;
pub mod tokens;
#[cfg(feature = "otel")]
mod traces;
pub mod updates;

pub use crate::control::Replied;
pub use crate::control::report;
pub use context::{AdminContext, MetricsText};
pub use serve::{Exposure, Peer, ServeError, serve};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use problem::Problem;

/// Every route; on loopback `/metrics` needs no token.
fn router(context: AdminContext, on_loopback: bool) -> Router {
    let v1 = Router::new()
        .route("/me", get(me::show))
        .route("/status", get(status::show))
        .route("/switches", get(switches::list))
        .route("/switches/{switch}", get(switches::show))
        .route("/switches/{switch}/recent", get(recent::show))
        .route("/switches/{switch}/report", get(reports::show))
        .route("/switches/{switch}/flip", post(flips::one))
        .route("/switches/{switch}/set-weights", post(changes::set_weights))
        .route("/switches/{switch}/undo", post(changes::undo))
        .route("/switches/{switch}/prepare", post(changes::prepare))
        .route("/switches/{switch}/reset", post(changes::reset))
        .route("/switches/{switch}/overrides", post(overrides::set))
        .route("/switches/{switch}/expect-version", post(changes::expect_version))
        .route("/switches/{switch}/drain/{pool}", get(drain::show))
        .route("/switches/{switch}/rollout", get(rollouts::show).post(rollouts::start))
        .route("/switches/{switch}/rollout/pause", post(rollouts::pause))
        .route("/switches/{switch}/rollout/resume", post(rollouts::resume))
        .route("/switches/{switch}/rollout/promote", post(rollouts::promote))
        .route("/switches/{switch}/rollout/abort", post(rollouts::abort))
        .route("/switches/{switch}/rollout/retry", post(rollouts::retry))
        .route("/switches/{switch}/samples", post(samples::push))
        .route("/switches/{switch}/pools/{pool}/members/{id}", put(members::register).delete(members::unregister))
        .route("/rollouts", get(rollouts::list))
        .route("/flip", post(flips::several))
        .route("/explain", get(explain::show))
        .route("/history", get(history::list))
        .route("/updates", get(updates::list))
        .route("/events", get(events::stream))
        .route("/reload", post(changes::reload))
        .route("/backup", post(backup::write))
        .route("/accept-copy", post(backup::accept_copy))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", delete(tokens::revoke))
        .fallback(not_found)
        .layer(from_fn_with_state(context.clone(), incoming::authenticate));
    Router::new()
        .nest("/v1", v1)
        .route("/", get(dashboard::page))
        .route("/dashboard/{file}", get(dashboard::file))
        .route("/v1/openapi.json", get(openapi::show))
        .route("/metrics", get(server_health::metrics))
        .route("/healthz", get(server_health::alive))
        .route("/readyz", get(server_health::ready))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(incoming::BODY_LIMIT))
        .layer(axum::Extension(server_health::OpenMetrics { without_token: on_loopback }))
        .layer(from_fn_with_state(context.clone(), envelope::wrap))
        .with_state(context)
}

/// 404 for paths that do not exist.
async fn not_found(uri: Uri) -> Problem {
    let detail =
        format!("there is nothing at {}: the API lives under /v1 (status, switches, flip, history, ...)", uri.path());
    Problem::new(axum::http::StatusCode::NOT_FOUND, "no-such-path", detail)
}

/// 405 for paths that exist.
async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}; the header Allow says what it takes", uri.path());
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail)
}
