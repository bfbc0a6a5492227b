//! From HTTP to typed requests: the token, the guards in the headers, the body with its limits.

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::envelope::RequestId;
use super::problem::Problem;
use super::serve::Peer;
use crate::control::{Asked, IdempotencyKey, Replied};
use crate::state::{Command, Request};
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;

/// The largest body that is read.
pub(super) const BODY_LIMIT: usize = 64 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest reason that is kept.
const REASON_LIMIT: usize = 1000;

/// The longest idempotency key.
const KEY_LIMIT: usize = 255;

/// Lets in who has a good token, and hands on who that is.
pub(super) async fn authenticate(
    State(context): State<AdminContext>,
    mut request: axum::extract::Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    match admit(&context, request.headers(), peer) {
        Ok(mut principal) => {
            if let Some(id) = request.extensions().get::<RequestId>() {
                principal.request_id.clone_from(&id.0);
            }
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Who sends these headers, from that address.
pub(super) fn admit(
    context: &AdminContext,
    headers: &HeaderMap,
    peer: Option<std::net::IpAddr>,
) -> Result<Principal, Problem> {
    let from = peer.map(|address| address.to_string()).unwrap_or_default();
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let now = crate::clock::now();
    context.tokens().authenticate(token, &from, now.unix_ms).map_err(|why| {
        let throttled = peer.is_some_and(|address| context.wrong_tokens().failed(address, now.boot_ms));
        if !throttled {
            tracing::warn!(%from, ?why, "request without a good token refused");
        }
        Problem::unauthorized(why, throttled)
    })
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::unauthorized(super::auth::Unauthorized::Missing, false))
    }
}

/// Query parameters, refused with a problem when they do not fit.
#[derive(Debug)]
pub(super) struct Asking<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asking<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::from_request_parts(parts, state).await.map_err(|rejection| bad_query(&rejection))?;
        Ok(Self(value))
    }
}

/// 422 with serde's words, and the parameter where they name one.
fn bad_query(rejection: &QueryRejection) -> Problem {
    type AtPath = serde_path_to_error::Error<serde::de::value::Error>;
    let mut cause = rejection.source();
    let at_path = std::iter::from_fn(|| {
        let error = cause?;
        cause = error.source();
        Some(error)
    })
    .find_map(|error| error.downcast_ref::<AtPath>());
    let field = at_path.and_then(|error| {
        let text = error.inner().to_string();
        let named = ["unknown field `", "missing field `", "duplicate field `"]
            .iter()
            .find_map(|start| text.strip_prefix(start));
        let named = named.and_then(|rest| rest.split('`').next()).map(str::to_owned);
        named.or_else(|| error.path().iter().next().map(ToString::to_string))
    });
    let problem = Problem::invalid(rejection.body_text()).with("in", "query");
    match field {
        Some(field) => problem.with("field", field),
        None => problem,
    }
}

/// Names in the path, refused with a problem when they are no text.
#[derive(Debug)]
pub(super) struct Segments<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(value) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::invalid(rejection.body_text()).with("in", "path"))?;
        Ok(Self(value))
    }
}

/// A request that changes something.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Who asks.
    pub principal: Principal,
    /// The revision the caller saw.
    pub if_match: Option<u64>,
    /// The caller's own key for this change.
    pub idempotency: Option<IdempotencyKey>,
    body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Incoming {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let principal = Principal::from_request_parts(&mut parts, state).await?;
        let if_match = if_match(&parts.headers)?;
        let key = idempotency_key(&parts.headers)?;
        let (method, path) = (parts.method.clone(), parts.uri.to_string());
        let is_json = is_json(&parts.headers);
        let body = read_body(axum::extract::Request::from_parts(parts, body), state).await?;
        if !is_json && !body.is_empty() {
            let detail = "the body must be JSON, and Content-Type: application/json should say so";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
        }
        let idempotency = key.map(|key| {
            let mut hash = Sha256::new();
            for part in [method.as_str().as_bytes(), path.as_bytes(), &body] {
                hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(part);
            }
            IdempotencyKey { key, request_hash: super::auth::hex(&hash.finalize()) }
        });
        Ok(Self { principal, if_match, idempotency, body })
    }
}

/// The body within its limits of size and time.
async fn read_body<S: Send + Sync>(request: axum::extract::Request, state: &S) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            format!("the body is larger than {BODY_LIMIT} bytes"),
        )),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body-broken-off", "the body did not arrive whole")),
        Err(_) => {
            let detail = format!("the body took longer than {} s to arrive", BODY_TIMEOUT.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", detail))
        }
    }
}

/// `If-Match: "12"`, `12` or `*`.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    number.parse().map(Some).map_err(|_| {
        Problem::invalid_field(
            "If-Match",
            format!("If-Match must be a revision such as \"12\" (the ETag of a GET), not {text}"),
        )
    })
}

/// `Idempotency-Key`, printable and not too long.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > KEY_LIMIT || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        let detail = format!("Idempotency-Key must be 1 to {KEY_LIMIT} printable ASCII characters without spaces");
        return Err(Problem::invalid_field("Idempotency-Key", detail));
    }
    Ok(Some(text.to_owned()))
}

impl Incoming {
    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        from_json(&self.body)
    }

    /// The body as JSON, or the default when there is none.
    pub(super) fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }

    /// Asks for the change and waits until it is durable and applied.
    pub(super) async fn change(&self, context: &AdminContext, wish: Wish) -> Result<Replied, Problem> {
        Ok(context.handle().change(self.asked(wish)?).await?)
    }

    /// Asks what the change would do; a key that was used already gets the first reply, or is refused.
    pub(super) async fn trial(&self, context: &AdminContext, wish: Wish) -> Result<Replied, Problem> {
        let mut asked = self.asked(Wish { dry_run: true, ..wish })?;
        asked.idempotency.clone_from(&self.idempotency);
        Ok(context.handle().change(asked).await?)
    }

    /// The command as the control task takes it.
    pub(super) fn asked(&self, wish: Wish) -> Result<Asked, Problem> {
        let request = Request {
            command: wish.command,
            reason: reason(wish.reason)?,
            force: wish.force,
            if_match: self.if_match,
            by: self.principal.name.clone(),
        };
        Ok(Asked {
            request,
            dry_run: wish.dry_run,
            caller: self.principal.caller(),
            idempotency: self.idempotency.clone().filter(|_| !wish.dry_run),
        })
    }

    /// Refuses guards that would have no effect here: a caller who sends one relies on it.
    pub(super) fn no_guards_for(&self, what: &str) -> Result<(), Problem> {
        let sent = match (&self.if_match, &self.idempotency) {
            (Some(_), _) => "If-Match",
            (_, Some(_)) => "Idempotency-Key",
            (None, None) => return Ok(()),
        };
        Err(Problem::invalid_field(sent, format!("{what} takes no {sent}: leave the header out")))
    }

    /// Passes when the token may change this switch.
    pub(super) fn may_change(&self, switch: &str) -> Result<(), Problem> {
        self.principal.need_on(Role::Operator, switch)
    }
}

/// A reason worth keeping: trimmed, not blank, not too long.
pub(super) fn reason(given: Option<String>) -> Result<Option<String>, Problem> {
    let reason = given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if reason.as_ref().is_some_and(|text| text.len() > REASON_LIMIT) {
        return Err(Problem::invalid_field("reason", format!("a reason has at most {REASON_LIMIT} bytes")));
    }
    if reason.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
        return Err(Problem::invalid_field(
            "reason",
            "a reason is one line, without control characters: it stands in logs",
        ));
    }
    Ok(reason)
}

/// A command with what its body said beside it.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub command: Command,
    pub reason: Option<String>,
    pub force: bool,
    pub dry_run: bool,
}

/// Whether the headers call the body JSON, or nothing at all.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// A whole body as JSON. Every body is an object; serde would take a list as the fields in their order.
fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(body).map_err(|error| bad_json(&error, ""))?;
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| bad_json(error.inner(), &pointer(error.path())))?;
    reader.end().map_err(|error| bad_json(&error, ""))?;
    Ok(value)
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(step).map(|step| format!("/{step}")).collect()
}

/// 422 with serde's words, and the field where they name one.
fn bad_json(error: &serde_json::Error, pointer: &str) -> Problem {
    let text = error.to_string();
    let mut pointer = pointer.to_owned();
    if let Some(missing) = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        pointer = format!("{pointer}/{missing}");
    }
    let mut problem = Problem::invalid(format!("the body is not what is expected here: {text}"))
        .with("line", error.line())
        .with("column", error.column())
        .with("errors", serde_json::json!([{ "pointer": pointer, "detail": text }]));
    if error.is_data()
        && let Some(field) = text.split('`').nth(1)
        && (text.starts_with("unknown field") || text.starts_with("missing field"))
    {
        problem = problem.with("field", field);
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn if_match_takes_a_revision_quoted_or_not_and_a_star() {
        assert_eq!(if_match(&with("if-match", "\"12\"")).unwrap(), Some(12));
        assert_eq!(if_match(&with("if-match", "12")).unwrap(), Some(12));
        assert_eq!(if_match(&with("if-match", "*")).unwrap(), None);
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        for wrong in ["", "\"12", "W/\"12\"", "-1", "twelve", "\"12\", \"13\""] {
            assert!(if_match(&with("if-match", wrong)).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn idempotency_keys_have_a_length() {
        assert_eq!(idempotency_key(&with("idempotency-key", "deploy-7")).unwrap().as_deref(), Some("deploy-7"));
        for refused in [" ", "two words", "a\tb"] {
            assert!(idempotency_key(&with("idempotency-key", refused)).is_err(), "{refused}");
        }
        let long = HeaderMap::from_iter([(
            header::HeaderName::from_static("idempotency-key"),
            HeaderValue::from_str(&"k".repeat(256)).unwrap(),
        )]);
        assert!(idempotency_key(&long).is_err());
    }

    #[test]
    fn bad_json_names_the_field() {
        use super::super::requests::{FlipBody, FlipManyBody, PlainBody};
        let wrong = |body: &str| from_json::<FlipBody>(body.as_bytes()).unwrap_err().body();
        let body = wrong(r#"{"to":"green","forse":1}"#);
        assert_eq!((&body["field"], &body["errors"][0]["pointer"]), (&"forse".into(), &"/forse".into()));
        let body = wrong("{}");
        assert_eq!((&body["field"], &body["errors"][0]["pointer"]), (&"to".into(), &"/to".into()));
        assert_eq!(wrong(r#"{"to":"green"} {}"#)["errors"][0]["pointer"], "");
        let list = from_json::<PlainBody>(b" []").unwrap_err().body();
        assert_eq!((&list["status"], &list["errors"][0]["pointer"]), (&422.into(), &"".into()), "{list}");
        let many = br#"{"switches":[{"switch":"a","to":"green"},{"switch":"b","to":7}]}"#;
        assert_eq!(from_json::<FlipManyBody>(many).unwrap_err().body()["errors"][0]["pointer"], "/switches/1/to");
    }
}
