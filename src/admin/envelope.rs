//! What every exchange has, whatever it is about: an id, a negotiated type, no caching, a measured time.
//!
//! Nothing allows other origins (no `Access-Control-Allow-*`): a page elsewhere cannot read replies,
//! and a preflight is refused like any request without a token.

use super::context::AdminContext;
use super::problem::Problem;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The header with the id.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over.
const LONGEST_ID: usize = 128;

/// The id of a request, among its extensions.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub String);

/// Around every exchange.
pub(super) async fn wrap(State(context): State<AdminContext>, mut request: Request, next: Next) -> Response {
    let begun = crate::clock::boot_ns();
    let id = request_id(request.headers());
    let method = known_method(request.method().as_str());
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let (path, acceptable) = (request.uri().path().to_owned(), acceptable(&route, request.headers()));
    request.extensions_mut().insert(RequestId(id.clone()));
    #[cfg(feature = "otel")]
    let span = super::traces::begin(method, &route, &path, &id, request.headers());
    let answered = next.run(request);
    #[cfg(feature = "otel")]
    let answered = tracing::Instrument::instrument(answered, span.clone());
    let response = if acceptable { answered.await } else { not_acceptable(&path).into_response() };
    let mut response = match response.extensions().get::<Problem>() {
        Some(problem) => with_id(problem.clone(), &id, response.headers()),
        None => response,
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    #[cfg(feature = "otel")]
    super::traces::end(&span, response.status().as_u16());
    let elapsed_ns = crate::clock::boot_ns().saturating_sub(begun);
    tracing::debug!(method, path, status = response.status().as_u16(), request_id = id, "admin request");
    context.requests().took(method, &route, response.status().as_u16(), elapsed_ns);
    response
}

/// The caller's id where it is fit for a log, else a fresh one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fit = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/=+@".contains(&b))
    };
    given.filter(fit).map_or_else(|| format!("{:016x}", crate::clock::random_u64()), str::to_owned)
}

/// A method as a label; whatever else somebody invents shares one.
fn known_method(method: &str) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    known.into_iter().find(|name| *name == method).unwrap_or("other")
}

/// The problem again, with the request's id among its members and the headers it had.
fn with_id(problem: Problem, id: &str, headers: &HeaderMap) -> Response {
    let mut response = problem.with("request_id", id).into_response();
    if let Some(allow) = headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, allow.clone());
    }
    response
}

/// Whether the client takes what the route has; scrapers negotiate by themselves.
fn acceptable(route: &str, headers: &HeaderMap) -> bool {
    if !route.starts_with("/v1/") {
        return true;
    }
    let (kind, whole) =
        if route == "/v1/events" { ("text", "text/event-stream") } else { ("application", "application/json") };
    let mut ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    ranges.peek().is_none()
        || ranges.flat_map(|list| list.split(',')).any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            range.is_empty() || range == "*/*" || range == whole || range.strip_suffix("/*") == Some(kind)
        })
}

/// 406.
fn not_acceptable(path: &str) -> Problem {
    let detail = format!(
        "{path} answers with application/json (/v1/events: text/event-stream), which the header Accept rules out"
    );
    Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn an_id_is_taken_over_when_it_is_fit_for_a_log() {
        assert_eq!(request_id(&with(REQUEST_ID, "ci-7:a/b")), "ci-7:a/b");
        for unfit in ["", "two words", "a\"b", &"x".repeat(129)] {
            let made = request_id(&with(REQUEST_ID, unfit));
            assert!(made != unfit && made.len() == 16, "{made}");
        }
    }

    #[test]
    fn what_a_client_accepts_decides() {
        let takes = |route: &str, accept: &str| acceptable(route, &with(header::ACCEPT, accept));
        assert!(acceptable("/v1/status", &HeaderMap::new()));
        for yes in ["*/*", "application/*", "text/html, application/json;q=0.1", "APPLICATION/JSON", ""] {
            assert!(takes("/v1/status", yes), "{yes}");
        }
        assert!(!takes("/v1/status", "text/html") && !takes("/v1/events", "application/json"));
        assert!(takes("/v1/events", "text/event-stream") && takes("/metrics", "text/html"));
    }
}
