//! One row per operation of the API; a route without a row fails a test.

use crate::admin::{
    backup, changes, drain, explain, history, me, members, requests, rollouts, switches, tokens, updates,
};
use crate::control::Replied;
use crate::control::report::{DrainView, Happening, RecentView, RolloutView, SamplesTaken, Status, SwitchView};
use crate::rollout::trial::report::TrialReport;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes a type's schema.
type Make = fn(&mut SchemaGenerator) -> Schema;

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Anyone,
    /// No token on loopback, any token elsewhere.
    Scraper,
    AnyToken,
    Viewer,
    Operator,
    Admin,
    Member,
}

impl Access {
    /// For the description.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Anyone => "Needs no token.",
            Self::Scraper => "Needs a token of role `viewer` or more, unless the server is asked on loopback.",
            Self::AnyToken => "Needs a token of any role.",
            Self::Viewer => "Needs a token of role `viewer` or more; a scoped token sees its switches only.",
            Self::Operator => "Needs a token of role `operator` or more, with the switch in its scope.",
            Self::Admin => "Needs a token of role `admin`, not limited to some switches.",
            Self::Member => "Needs a token of role `member` or `operator`, with the switch in its scope.",
        }
    }
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub id: &'static str,
    pub summary: &'static str,
    pub access: Access,
    pub query: Option<Make>,
    pub body: Option<Make>,
    pub body_required: bool,
    /// JSON.
    pub example: &'static str,
    /// Takes `If-Match` and `Idempotency-Key`.
    pub guards: bool,
    pub status: &'static str,
    pub media: &'static str,
    pub reply: Make,
    pub reply_headers: &'static [&'static str],
    /// Beyond those of every operation of its kind.
    pub also: &'static [u16],
}

impl Operation {
    /// The statuses of problems it may answer with.
    pub(super) fn refusals(&self) -> Vec<u16> {
        let mut all: Vec<u16> = match (self.access, self.method) {
            (Access::Anyone, _) => vec![405, 406],
            (_, "get") => vec![401, 403, 405, 406, 422, 429, 503],
            _ => vec![400, 401, 403, 405, 406, 408, 409, 413, 415, 422, 429, 503, 507],
        };
        if self.path.contains('{') || self.id == "flipSeveral" {
            all.push(404);
        }
        if self.guards {
            all.push(412);
        }
        all.extend(self.also);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The group it is shown in.
    pub(super) fn tag(&self) -> &'static str {
        let after = |part| self.path.contains(part);
        match () {
            () if after("rollout") || after("samples") => "rollouts",
            () if after("/tokens") || after("/backup") || after("/accept-copy") || after("/reload") => "server",
            () if !after("/v1/") || after("openapi") => "machines",
            () if self.method == "get" => "seeing",
            () => "changes",
        }
    }

    /// A reading operation with a JSON reply.
    const fn get(path: &'static str, id: &'static str, summary: &'static str, reply: Make) -> Self {
        Self {
            method: "get",
            path,
            id,
            summary,
            access: Access::Viewer,
            query: None,
            body: None,
            body_required: false,
            example: "",
            guards: false,
            status: "200",
            media: "application/json",
            reply,
            reply_headers: &[],
            also: &[],
        }
    }

    /// A change of a switch: guarded, answered with what it did.
    const fn change(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        body: Make,
        example: &'static str,
    ) -> Self {
        Self {
            method: "post",
            access: Access::Operator,
            body: Some(body),
            body_required: true,
            example,
            guards: true,
            ..Self::get(path, id, summary, of::<Replied>)
        }
    }

    const fn tagged(self) -> Self {
        Self { reply_headers: &["ETag"], ..self }
    }

    const fn body_may_be_absent(self) -> Self {
        Self { body_required: false, ..self }
    }

    const fn replying(self, reply: Make) -> Self {
        Self { reply, ..self }
    }

    const fn without_guards(self, reply: Make) -> Self {
        Self { guards: false, reply, ..self }
    }

    const fn by(self, access: Access) -> Self {
        Self { access, ..self }
    }

    const fn asking(self, query: Make) -> Self {
        Self { query: Some(query), ..self }
    }

    const fn also(self, also: &'static [u16]) -> Self {
        Self { also, ..self }
    }

    const fn text(self, media: &'static str) -> Self {
        Self { media, ..self }
    }
}

/// A type's schema, by reference where it has a name.
fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// A type's schema in place, to be taken apart.
fn flat<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    T::json_schema(schemas)
}

/// Any JSON object.
fn object(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}

use Operation as O;

/// A body that says why, or nothing.
const WHY: &str = r#"{"reason": "p95 of green is worse"}"#;

/// Every operation.
pub(super) const OPERATIONS: &[Operation] = &[
    O { access: Access::AnyToken, ..O::get("/v1/me", "me", "Whose token this is", of::<me::Me>) },
    O::get("/v1/status", "status", "Everything there is to see", of::<Status>).tagged(),
    O::get("/v1/switches", "listSwitches", "All switches at one revision", of::<switches::SwitchList>).tagged(),
    O::get("/v1/switches/{switch}", "showSwitch", "One switch", of::<SwitchView>).tagged(),
    O::get("/v1/switches/{switch}/recent", "recent", "The last 15 minutes of a switch, for charts", of::<RecentView>),
    O::get("/v1/switches/{switch}/report", "report", "What an A/B test shows", of::<TrialReport>),
    O::change(
        "/v1/switches/{switch}/flip",
        "flip",
        "Moves all weight of a switch to one pool",
        of::<requests::FlipBody>,
        r#"{"to": "green", "reason": "release 42"}"#,
    ),
    O::change(
        "/v1/switches/{switch}/set-weights",
        "setWeights",
        "Sets a split",
        of::<requests::SetWeightsBody>,
        r#"{"weights": {"green": "10%"}, "reason": "a first look"}"#,
    ),
    O::change("/v1/switches/{switch}/undo", "undo", "Returns to the previous split", of::<requests::PlainBody>, WHY)
        .body_may_be_absent(),
    O::change(
        "/v1/switches/{switch}/prepare",
        "prepare",
        "Lowers the TTL ahead of a flip",
        of::<requests::PlainBody>,
        WHY,
    )
    .body_may_be_absent(),
    O::change(
        "/v1/switches/{switch}/reset",
        "reset",
        "Forgets what was set at run time",
        of::<requests::PlainBody>,
        WHY,
    )
    .body_may_be_absent(),
    O::change(
        "/v1/switches/{switch}/overrides",
        "setOverride",
        "Holds a pool or member up or down for a while, or lets it go",
        of::<requests::OverrideBody>,
        r#"{"pool": "green", "hold": "force-down", "for": "2h", "reason": "maintenance"}"#,
    ),
    O::change(
        "/v1/switches/{switch}/expect-version",
        "expectVersion",
        "Sets the version a pool's members must show",
        of::<requests::ExpectVersionBody>,
        r#"{"pool": "green", "version": "v2"}"#,
    ),
    O::get("/v1/switches/{switch}/drain/{pool}", "drain", "May the pool be closed?", of::<DrainView>)
        .asking(flat::<drain::DrainQuery>),
    O::get("/v1/switches/{switch}/rollout", "showRollout", "The rollout that runs, or the last one", of::<RolloutView>)
        .tagged(),
    O::change(
        "/v1/switches/{switch}/rollout",
        "startRollout",
        "Begins a rollout",
        of::<requests::RolloutBody>,
        r#"{"to": "green", "version": "v2", "reason": "release 42"}"#,
    )
    .body_may_be_absent(),
    O::change(
        "/v1/switches/{switch}/rollout/pause",
        "pauseRollout",
        "Stops where it is",
        of::<requests::PlainBody>,
        WHY,
    )
    .body_may_be_absent(),
    O::change("/v1/switches/{switch}/rollout/resume", "resumeRollout", "Goes on", of::<requests::PlainBody>, WHY)
        .body_may_be_absent(),
    O::change(
        "/v1/switches/{switch}/rollout/promote",
        "promoteRollout",
        "Skips the rest of the step, or all steps",
        of::<requests::PromoteBody>,
        r#"{"full": true, "reason": "seen enough"}"#,
    )
    .body_may_be_absent(),
    O::change(
        "/v1/switches/{switch}/rollout/abort",
        "abortRollout",
        "Back to the stable pool at once",
        of::<requests::PlainBody>,
        WHY,
    )
    .body_may_be_absent(),
    O::change(
        "/v1/switches/{switch}/rollout/retry",
        "retryRollout",
        "The last one once more",
        of::<requests::PlainBody>,
        WHY,
    )
    .body_may_be_absent(),
    O {
        method: "put",
        ..O::change(
            "/v1/switches/{switch}/pools/{pool}/members/{id}",
            "registerMember",
            "Registers a member, or renews its registration",
            of::<requests::RegisterBody>,
            r#"{"address": "192.0.2.11", "version": "v2", "ttl": "30s"}"#,
        )
    }
    .by(Access::Member)
    .replying(of::<members::Registered>),
    O {
        method: "delete",
        ..O::change(
            "/v1/switches/{switch}/pools/{pool}/members/{id}",
            "unregisterMember",
            "Ends a registration",
            of::<requests::PlainBody>,
            WHY,
        )
    }
    .body_may_be_absent()
    .by(Access::Member),
    O::change(
        "/v1/switches/{switch}/samples",
        "pushSamples",
        "Evidence for the rollout that runs, or for the A/B test",
        of::<requests::SamplesBody>,
        r#"{"samples": [{"metric": "latency", "pool": "green", "value": 0.21}]}"#,
    )
    .without_guards(of::<SamplesTaken>)
    .by(Access::Member),
    O::get(
        "/v1/rollouts",
        "listRollouts",
        "The last rollout of every switch that has had one",
        of::<rollouts::RolloutList>,
    )
    .tagged(),
    O::change(
        "/v1/flip",
        "flipSeveral",
        "Moves several switches at once, all or none",
        of::<requests::FlipManyBody>,
        r#"{"switches": [{"switch": "model", "to": "green"}, {"switch": "search", "to": "green"}]}"#,
    ),
    O::get("/v1/explain", "explain", "Which pool a client gets, and why", of::<explain::Explained>)
        .asking(flat::<explain::ExplainQuery>)
        .also(&[404]),
    O {
        reply_headers: &["Link"],
        ..O::get("/v1/history", "history", "The audit, newest first", of::<history::HistoryPage>)
    }
    .asking(flat::<history::Paging>)
    .also(&[404]),
    O {
        reply_headers: &["Link"],
        ..O::get("/v1/updates", "updates", "The sets that dynamic updates changed", of::<updates::UpdatesPage>)
    }
    .asking(flat::<updates::Paging>),
    O::get("/v1/events", "events", "What happens, as server-sent events; resumes after Last-Event-ID", of::<Happening>)
        .text("text/event-stream"),
    O::change(
        "/v1/reload",
        "reload",
        "Reads the files again; all valid, or nothing changes",
        of::<requests::PlainBody>,
        WHY,
    )
    .body_may_be_absent()
    .without_guards(of::<Replied>),
    O::change(
        "/v1/backup",
        "backup",
        "Writes a consistent backup to a new file on the server",
        of::<requests::BackupBody>,
        r#"{"to": "/var/backups/tidegate.db"}"#,
    )
    .without_guards(of::<backup::Written>)
    .by(Access::Admin),
    O::change(
        "/v1/accept-copy",
        "acceptCopy",
        "Confirms that the checked copy becomes the state",
        of::<changes::Nothing>,
        "{}",
    )
    .body_may_be_absent()
    .without_guards(of::<backup::Accepted>)
    .by(Access::Admin),
    O::get("/v1/tokens", "listTokens", "All tokens, without secrets", of::<tokens::TokenList>).by(Access::Admin),
    O {
        status: "201",
        ..O::change(
            "/v1/tokens",
            "createToken",
            "Makes a token; the only sight of its secret",
            of::<requests::TokenBody>,
            r#"{"name": "deploy", "role": "operator", "switches": ["model"], "expires_in": "90d"}"#,
        )
    }
    .without_guards(of::<tokens::TokenCreated>)
    .by(Access::Admin),
    O {
        method: "delete",
        ..O::get("/v1/tokens/{id}", "revokeToken", "Removes a token, by id or name", of::<tokens::Revoked>)
    }
    .by(Access::Admin),
    O::get("/v1/openapi.json", "openapi", "This document", object).by(Access::Anyone),
    O::get("/metrics", "metrics", "Counters and gauges for Prometheus", of::<String>)
        .by(Access::Scraper)
        .text("text/plain")
        .also(&[403, 401]),
    O::get("/healthz", "alive", "The process is alive", of::<String>).by(Access::Anyone).text("text/plain"),
    O::get("/readyz", "ready", "Queries are answered", of::<String>).by(Access::Anyone).text("text/plain").also(&[503]),
];
