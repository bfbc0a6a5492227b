//! Every refusal the API knows: status by status, with the slugs of their `type`.

use crate::admin::problem::TYPE_PREFIX;
use serde_json::{Map, Value, json};

/// Status, what it means, and the last parts of `type`.
pub(super) const PROBLEMS: &[(u16, &str, &[&str])] = &[
    (400, "The request did not arrive whole", &["body-broken-off"]),
    (401, "No good token", &["token-missing", "token-malformed", "token-wrong", "token-expired"]),
    (403, "The token does not allow it", &["wrong-role", "out-of-scope", "caller-network"]),
    (
        404,
        "There is no such thing",
        &[
            "no-such-path",
            "unknown-switch",
            "unknown-pool",
            "unknown-member",
            "unknown-token",
            "no-override",
            "no-rollout",
            "no-trial",
            "not-steered",
        ],
    ),
    (405, "The path does not take the method", &["wrong-method"]),
    (406, "No media type that is accepted is at hand", &["not-acceptable"]),
    (408, "The body took too long", &["body-too-slow"]),
    (
        409,
        "Refused by a guard; `forceable` says whether `force` would do",
        &[
            "too-soon",
            "not-eligible",
            "unmonitored",
            "no-eligible-weight",
            "too-many-moving",
            "pool-has-weight",
            "nothing-to-undo",
            "removes-serving",
            "serial-jump",
            "rollout-running",
            "rollout-refused",
            "rollout-policy",
            "no-longer-prepared",
            "file-exists",
            "no-registration",
            "member-of-files",
            "address-taken",
            "pool-full",
            "last-member",
            "name-taken",
            "last-admin",
        ],
    ),
    (412, "The revision moved", &["stale-revision"]),
    (413, "The body is too large", &["body-too-large"]),
    (415, "The body is not JSON", &["not-json"]),
    (
        422,
        "Understood, and wrong; `errors` says where",
        &[
            "invalid-request",
            "weight-out-of-range",
            "weights-sum-to-zero",
            "percent-sum",
            "override-duration",
            "missing-reason",
            "which-pool",
            "bad-plan",
            "named-twice",
            "bad-registration",
            "nothing-named",
            "idempotency-key-reused",
            "invalid-files",
        ],
    ),
    (429, "Too many wrong tokens from this address", &["too-many-wrong-tokens"]),
    (503, "Not at the moment", &["store-away", "on-copy", "shutting-down", "not-ready"]),
    (507, "The disk is full", &["disk-full"]),
];

/// The schema of every problem.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457. Further members depend on the type.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "description": "Stable; what programs may rely on." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "A sentence for people." },
            "request_id": { "type": "string", "description": "As in X-Request-Id." },
            "errors": {
                "type": "array",
                "description": "What is at fault, where that can be said.",
                "items": { "type": "object", "required": ["detail"], "properties": {
                    "pointer": { "type": "string", "description": "JSON pointer into the body." },
                    "header": { "type": "string" },
                    "parameter": { "type": "string", "description": "Of the query or path." },
                    "detail": { "type": "string" },
                } },
            },
            "guard": { "type": "string", "description": "With 409: the guard that refused." },
            "forceable": { "type": "boolean", "description": "With 409: whether `force` would do." },
            "known": { "type": "array", "items": { "type": "string" }, "description": "The names there are." },
            "revision": { "type": "integer", "description": "With 412: the current one." },
        },
    })
}

/// One response per status.
pub(super) fn responses() -> Value {
    let mut responses = Map::new();
    for (status, meaning, slugs) in PROBLEMS {
        let types: Vec<String> = slugs.iter().map(|slug| format!("{TYPE_PREFIX}{slug}")).collect();
        let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
        for (of, header) in [
            (401, "WWW-Authenticate"),
            (405, "Allow"),
            (409, "Retry-After"),
            (429, "Retry-After"),
            (503, "Retry-After"),
        ] {
            if of == *status {
                headers[header] = json!({ "$ref": format!("#/components/headers/{header}") });
            }
        }
        let schema = json!({
            "allOf": [{ "$ref": "#/components/schemas/Problem" }],
            "properties": { "type": { "enum": types }, "status": { "const": status } },
        });
        let example = json!({
            "type": types.first(), "title": crate::admin::problem::title_of(*status), "status": status, "detail": meaning,
        });
        responses.insert(
            status.to_string(),
            json!({
                "description": meaning, "headers": headers,
                "content": { "application/problem+json": { "schema": schema, "example": example } },
            }),
        );
    }
    Value::Object(responses)
}
