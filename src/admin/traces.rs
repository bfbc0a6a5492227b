//! The span of a request (feature `otel`), as OpenTelemetry's conventions for HTTP servers name its parts.

use axum::http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A span whose parent is the caller's, where the request carries a `traceparent` (W3C Trace Context).
pub(super) fn begin(method: &str, route: &str, path: &str, id: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: "tidegate::traces",
        "admin request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        url.path = path,
        http.response.status_code = Empty,
        tidegate.request_id = id,
    );
    // It fails only where nobody collects spans.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    span
}

/// How it ended; an error is one of the server's own (5xx).
pub(super) fn end(span: &Span, status: u16) {
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}
