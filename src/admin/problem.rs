//! The one map from what went wrong to what the API says: `application/problem+json` (RFC 9457).
//!
//! `type` is stable and ends in a slug that programs may rely on; `detail` is the sentence for people.

use super::auth::{Role, Unauthorized};
use crate::control::Refused;
use crate::state::Rejection;
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// What every problem's `type` begins with.
pub const TYPE_PREFIX: &str = "urn:tidegate:problem:";

/// One problem, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The last part of `type`.
    pub slug: &'static str,
    /// The sentence.
    pub detail: String,
    /// Further members of the object; boxed, since errors travel through every handler.
    pub extras: Box<Map<String, Value>>,
    /// Seconds for `Retry-After`.
    pub retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem without extras.
    #[must_use]
    pub fn new(status: StatusCode, slug: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, detail: detail.into(), extras: Box::default(), retry_after_s: None }
    }

    /// 422: the request is understood and wrong.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", detail)
    }

    /// The same, naming the field at fault.
    #[must_use]
    pub fn invalid_field(field: &str, detail: impl Into<String>) -> Self {
        Self::invalid(detail).with("field", field)
    }

    /// 403: the token's role does not suffice.
    #[must_use]
    pub fn wrong_role(needed: Role, has: Role) -> Self {
        let detail = format!("this needs a token of role `{}`; yours has role `{}`", needed.word(), has.word());
        Self::new(StatusCode::FORBIDDEN, "wrong-role", detail).with("needed_role", needed.word())
    }

    /// 403: the token is limited to other switches.
    #[must_use]
    pub fn out_of_scope(switch: &str, scope: &[String]) -> Self {
        let detail = format!("your token does not reach switch `{switch}`: it is limited to {}", scope.join(", "));
        Self::new(StatusCode::FORBIDDEN, "out-of-scope", detail).with("scope", scope)
    }

    /// 403: the token is limited to some switches, and this concerns the whole server.
    #[must_use]
    pub fn needs_all_switches(scope: &[String]) -> Self {
        let detail = format!("this concerns the whole server, and your token is limited to {}", scope.join(", "));
        Self::new(StatusCode::FORBIDDEN, "out-of-scope", detail).with("scope", scope)
    }

    /// 401, or 429 when the same address failed too often.
    #[must_use]
    pub fn unauthorized(why: Unauthorized, throttled: bool) -> Self {
        if throttled {
            let detail =
                "too many requests with a wrong token from this address: wait a minute; a good token is always let in";
            let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-wrong-tokens", detail);
            problem.retry_after_s = Some(60);
            return problem;
        }
        let (slug, detail) = match why {
            Unauthorized::Missing => (
                "token-missing",
                "a token is needed: send `Authorization: Bearer tg_...`; the first one is in the file admin-token of the server's state folder",
            ),
            Unauthorized::Malformed => {
                ("token-malformed", "the token does not have the form tg_<id>_<secret>: check that it was copied whole")
            }
            Unauthorized::Wrong => (
                "token-wrong",
                "this server does not know the token: it was revoked, belongs to another server, or was not copied whole",
            ),
            Unauthorized::Expired => {
                ("token-expired", "the token has expired: ask an admin for a new one (`tidegate token create`)")
            }
        };
        Self::new(StatusCode::UNAUTHORIZED, slug, detail)
    }

    /// 503 while the server goes down.
    #[must_use]
    pub fn shutting_down() -> Self {
        Refused::ShuttingDown.into()
    }

    /// Adds a member to the object.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extras.insert(key.to_owned(), value.into());
        self
    }

    /// The object that is sent.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("{TYPE_PREFIX}{}", self.slug),
            "title": title_of(self.status.as_u16()),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Value::Object(object) = &mut body {
            object.extend((*self.extras).clone());
            if let (Some(Value::String(field)), false) = (self.extras.get("field"), self.extras.contains_key("errors"))
            {
                let (place, at) = match field.as_str() {
                    "If-Match" | "Idempotency-Key" => ("header", field.clone()),
                    "owner" | "client" | "limit" => ("parameter", field.clone()),
                    _ => ("pointer", format!("/{field}")),
                };
                object.insert("errors".to_owned(), json!([{ place: at, "detail": self.detail }]));
            }
        }
        body
    }
}

/// The title that goes with a status.
pub(super) fn title_of(status: u16) -> &'static str {
    match status {
        401 => "Who is asking?",
        403 => "Not allowed",
        404 => "Not found",
        405 => "Wrong method",
        406 => "Not acceptable",
        409 => "Refused by a guard",
        412 => "Stale revision",
        413 => "Body too large",
        408 => "Too slow",
        415 => "Not JSON",
        422 => "Invalid request",
        429 => "Too many attempts",
        503 => "Not available",
        507 => "Disk full",
        other => StatusCode::from_u16(other).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tidegate\""));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For `envelope`, which adds the request's id.
        response.extensions_mut().insert(self);
        response
    }
}

/// The status of each rejection, and the field at fault where there is one.
#[must_use]
pub const fn status_of(rejection: &Rejection) -> (StatusCode, Option<&'static str>) {
    use Rejection as R;
    match rejection {
        R::UnknownSwitch { .. }
        | R::UnknownPool { .. }
        | R::UnknownMember { .. }
        | R::NoOverride { .. }
        | R::NoRollout { .. }
        | R::NoTrial { .. } => (StatusCode::NOT_FOUND, None),
        R::StaleRevision { .. } => (StatusCode::PRECONDITION_FAILED, None),
        R::WeightOutOfRange { .. } | R::WeightsSumToZero { .. } | R::PercentSum { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, Some("weights"))
        }
        R::OverrideDuration { .. } => (StatusCode::UNPROCESSABLE_ENTITY, Some("for")),
        R::MissingReason { .. } => (StatusCode::UNPROCESSABLE_ENTITY, Some("reason")),
        R::BadPlan { .. } => (StatusCode::UNPROCESSABLE_ENTITY, Some("plan")),
        R::WhichPool { .. } => (StatusCode::UNPROCESSABLE_ENTITY, Some("to")),
        R::NamedTwice { .. } | R::NothingNamed => (StatusCode::UNPROCESSABLE_ENTITY, Some("switches")),
        R::CallerNetwork { .. } => (StatusCode::FORBIDDEN, None),
        R::BadRegistration { field, .. } => (StatusCode::UNPROCESSABLE_ENTITY, Some(field)),
        R::NoRegistration { .. }
        | R::MemberOfFiles { .. }
        | R::AddressTaken { .. }
        | R::PoolFull { .. }
        | R::LastMember { .. }
        | R::TooSoon { .. }
        | R::NotEligible { .. }
        | R::Unmonitored { .. }
        | R::NoEligibleWeight { .. }
        | R::TooManyMoving { .. }
        | R::PoolHasWeight { .. }
        | R::NothingToUndo { .. }
        | R::RemovesServing { .. }
        | R::RolloutRunning { .. }
        | R::RolloutRefused { .. }
        | R::RolloutPolicy { .. }
        | R::SerialJump { .. }
        | R::Update(_) => (StatusCode::CONFLICT, None),
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let (status, field) = status_of(&rejection);
        let mut problem = Self::new(status, rejection.slug(), rejection.to_string());
        if status == StatusCode::CONFLICT {
            problem = problem.with("guard", rejection.slug()).with("forceable", rejection.forceable());
        }
        if let Some(field) = field {
            problem = problem.with("field", field);
        }
        match &rejection {
            Rejection::TooSoon { wait_ms, .. } => {
                problem.retry_after_s = Some(wait_ms.div_ceil(1000));
                problem.with("wait_ms", *wait_ms)
            }
            Rejection::BadPlan { problems, .. } => {
                problem.with("problems", problems.iter().map(ToString::to_string).collect::<Vec<_>>())
            }
            Rejection::StaleRevision { current, .. } => problem.with("revision", *current),
            Rejection::UnknownSwitch { known, .. }
            | Rejection::UnknownPool { known, .. }
            | Rejection::WhichPool { known, .. }
            | Rejection::UnknownMember { known, .. } => problem.with("known", known.clone()),
            _ => problem,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (status, slug) = match &error {
            StoreError::Conflict { .. } => (StatusCode::PRECONDITION_FAILED, "stale-revision"),
            StoreError::Full { .. } => (StatusCode::INSUFFICIENT_STORAGE, "disk-full"),
            StoreError::OnCopy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "on-copy"),
            StoreError::Newer { .. }
            | StoreError::BothDamaged { .. }
            | StoreError::Locked { .. }
            | StoreError::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-away"),
        };
        Self::new(status, slug, error.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::Rejected(rejection) => rejection.into(),
            Refused::Store(error) => error.into(),
            Refused::KeyReused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
                .with("field", "Idempotency-Key"),
            Refused::Files(problems) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-files", detail).with("problems", problems)
            }
            Refused::ShuttingDown => {
                let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", detail);
                problem.retry_after_s = Some(5);
                problem
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_rejection() -> Vec<Rejection> {
        let (switch, pool, name, zone) =
            ("model".to_owned(), "green".to_owned(), "x".to_owned(), "example.test.".to_owned());
        vec![
            Rejection::UnknownSwitch { name: name.clone(), known: vec![switch.clone()] },
            Rejection::UnknownPool { switch: switch.clone(), name: name.clone(), known: vec![] },
            Rejection::UnknownMember { switch: switch.clone(), pool: pool.clone(), name, known: vec![] },
            Rejection::StaleRevision { asked: 1, current: 2 },
            Rejection::WeightOutOfRange { pool: pool.clone(), weight: 10_001 },
            Rejection::WeightsSumToZero { switch: switch.clone() },
            Rejection::PercentSum { hundredths_text: "99.99".into() },
            Rejection::TooSoon { switch: switch.clone(), ago_ms: 1, wait_ms: 4999 },
            Rejection::NotEligible { switch: switch.clone(), pool: pool.clone(), why: "down".into() },
            Rejection::Unmonitored { switch: switch.clone(), pool: pool.clone() },
            Rejection::NoEligibleWeight { switch: switch.clone() },
            Rejection::TooManyMoving { zone: zone.clone(), moving: 2, limit: 2, names: "a, b".into() },
            Rejection::PoolHasWeight { switch: switch.clone(), pool },
            Rejection::NothingToUndo { switch: switch.clone() },
            Rejection::OverrideDuration { given: "1s".into() },
            Rejection::NoOverride { what: "green".into() },
            Rejection::MissingReason { why: "with force" },
            Rejection::RemovesServing { what: "pool green".into() },
            Rejection::SerialJump { zone, from: 1, to: 3_000_000_000 },
            Rejection::RolloutRunning { switch: switch.clone(), phase: "paused" },
            Rejection::NoRollout { switch: switch.clone() },
            Rejection::NoTrial { switch: switch.clone() },
            Rejection::RolloutRefused { switch: switch.clone(), refusal: crate::rollout::Refusal::NotPaused },
            Rejection::RolloutPolicy { switch: switch.clone(), policy: "fixed" },
            Rejection::WhichPool { switch: switch.clone(), known: vec![] },
            Rejection::BadPlan { switch: switch.clone(), problems: vec![] },
            Rejection::NoRegistration { switch: switch.clone(), pool: "green".into() },
            Rejection::CallerNetwork {
                pool: "green".into(),
                address: std::net::Ipv4Addr::LOCALHOST.into(),
                networks: "10.0.0.0/8".into(),
            },
            Rejection::BadRegistration { field: "ttl", why: "too long".into() },
            Rejection::MemberOfFiles { pool: "green".into(), id: "a".into() },
            Rejection::AddressTaken {
                pool: "green".into(),
                address: std::net::Ipv4Addr::LOCALHOST.into(),
                member: "b".into(),
            },
            Rejection::PoolFull { pool: "green".into(), max: 20 },
            Rejection::LastMember { pool: "green".into(), id: "a".into() },
            Rejection::NamedTwice { switch },
            Rejection::NothingNamed,
        ]
    }

    #[test]
    fn every_rejection_has_a_client_error_and_only_guards_say_whether_force_would_do() {
        for rejection in every_rejection() {
            let problem = Problem::from(rejection.clone());
            assert!(problem.status.is_client_error(), "{rejection:?}");
            assert!(
                crate::admin::openapi::lists(problem.status.as_u16(), rejection.slug()),
                "the API's document lacks {}",
                rejection.slug()
            );
            let body = problem.body();
            assert_eq!(body["type"], format!("{TYPE_PREFIX}{}", rejection.slug()));
            assert_eq!(body["status"], problem.status.as_u16());
            assert_eq!(body["detail"], rejection.to_string());
            assert_eq!(body.get("guard").is_some(), problem.status == StatusCode::CONFLICT);
            assert!(
                !rejection.forceable() || body["forceable"] == true,
                "a forceable rejection is a guard: {rejection:?}"
            );
        }
    }

    #[test]
    fn a_full_disk_is_507_and_a_store_that_is_away_503() {
        let status = |error: StoreError| Problem::from(Refused::Store(error)).status.as_u16();
        assert_eq!(status(StoreError::Full { path: "/var/lib/tidegate".into() }), 507);
        assert_eq!(status(StoreError::Failed("I/O error".into())), 503);
        assert_eq!(status(StoreError::OnCopy { why: "torn page".into() }), 503);
        assert_eq!(status(StoreError::Conflict { expected: 1, current: 2 }), 412);
    }

    #[test]
    fn a_reused_key_and_bad_files_are_422_and_shutdown_asks_to_come_back() {
        assert_eq!(Problem::from(Refused::KeyReused).status.as_u16(), 422);
        let files = Problem::from(Refused::Files(vec!["a.toml:3:1: no".into()]));
        assert_eq!((files.status.as_u16(), &files.body()["problems"][0]), (422, &json!("a.toml:3:1: no")));
        let down = Problem::shutting_down().into_response();
        assert_eq!(down.status().as_u16(), 503);
        assert!(down.headers().contains_key("retry-after"));
    }

    #[test]
    fn a_wrong_role_says_which_is_needed() {
        let problem = Problem::wrong_role(Role::Operator, Role::Viewer);
        assert_eq!(problem.status.as_u16(), 403);
        assert_eq!(problem.body()["needed_role"], "operator");
    }
}
