//! What the bodies of requests look like on the wire, for the server and for the CLI.
//!
//! Unknown fields are refused, so that a misspelt `"forse"` is an error and not a surprise.

use super::share::{Share, each_pool_once};
use crate::state::FlipTarget;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// `POST /v1/switches/{s}/flip`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlipBody {
    /// The pool that gets all weight.
    pub to: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden.
    #[serde(default)]
    pub force: bool,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Lower the TTL first, and flip when every longer-lived answer is gone: the reply comes a TTL later.
    #[serde(default)]
    pub prepare: bool,
    /// Whose workers must answer from the change before the reply.
    #[serde(default, skip_serializing_if = "Wait::is_default")]
    pub wait: Wait,
}

/// Whose workers a reply waits for; on a single node both mean the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// This node's.
    #[default]
    Node,
    /// Those of every live node.
    All,
}

impl Wait {
    /// Whether nothing was asked for.
    #[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
    fn is_default(&self) -> bool {
        *self == Self::Node
    }
}

/// `POST /v1/flip`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlipManyBody {
    /// Each switch with its pool; all flip or none.
    #[schemars(length(min = 1))]
    pub switches: Vec<FlipPart>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden.
    #[serde(default)]
    pub force: bool,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Lower the TTLs first, and flip when every longer-lived answer is gone.
    #[serde(default)]
    pub prepare: bool,
}

/// One switch of a flip of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlipPart {
    /// The switch.
    pub switch: String,
    /// The pool that gets all weight.
    pub to: String,
}

/// `POST /v1/switches/{s}/set-weights`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetWeightsBody {
    /// Weights (0 to 10000) or percentages (`"10%"`), not mixed.
    #[serde(deserialize_with = "each_pool_once")]
    pub weights: BTreeMap<String, Share>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden.
    #[serde(default)]
    pub force: bool,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST` of `/undo`, `/prepare`, `/reset` under a switch; the whole body may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlainBody {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden.
    #[serde(default)]
    pub force: bool,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `PUT /v1/switches/{s}/pools/{p}/members/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// One address, or one of each family.
    pub address: Addresses,
    /// Weight inside the pool, 1 to 10000 (1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// The version it must show, where that differs from its pool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How long it lasts without a heartbeat, such as `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Why; the member's address when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// An address as text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Addresses {
    /// `"192.0.2.10"`.
    One(String),
    /// `["192.0.2.10", "2001:db8::10"]`.
    Several(Vec<String>),
}

impl Default for Addresses {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Addresses {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &String> {
        match self {
            Self::One(text) => std::slice::from_ref(text).iter(),
            Self::Several(texts) => texts.iter(),
        }
    }
}

/// `POST /v1/switches/{s}/overrides`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
    /// The pool.
    pub pool: String,
    /// One member, by name or address; the whole pool when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// `force-up`, `force-down` or `none`.
    pub hold: HoldWord,
    /// How long, such as `2h`: 1 minute to 72 hours. Not needed with `none`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden.
    #[serde(default)]
    pub force: bool,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What an override holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HoldWord {
    /// Eligible whatever is measured.
    ForceUp,
    /// Not eligible whatever is measured.
    ForceDown,
    /// Clears what is there.
    None,
}

/// `POST /v1/switches/{s}/expect-version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectVersionBody {
    /// The pool.
    pub pool: String,
    /// The version its members must show; `null` returns to the files'.
    #[serde(deserialize_with = "present_or_null")]
    pub version: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden.
    #[serde(default)]
    pub force: bool,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /v1/switches/{s}/rollout`; the whole body may be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutBody {
    /// The pool to release; may be absent where only one could be meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The version it must show from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A plan for this time, instead of the files'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<crate::rollout::v1::PlanForm>,
    /// Draw a new salt, so that other users than last time come first.
    #[serde(default)]
    pub reshuffle: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden.
    #[serde(default)]
    pub force: bool,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /v1/switches/{s}/rollout/promote`; the whole body may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteBody {
    /// All steps at once.
    #[serde(default)]
    pub full: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden.
    #[serde(default)]
    pub force: bool,
    /// Answer what would change, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /v1/switches/{s}/samples`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplesBody {
    /// At most 1000.
    #[schemars(length(min = 1, max = 1000))]
    pub samples: Vec<SampleForm>,
}

/// One sample: `value`, or `count` with `total`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleForm {
    /// The metric, as the plan's gates name it.
    #[schemars(length(min = 1, max = 128))]
    pub metric: String,
    /// The pool it was measured on.
    pub pool: String,
    /// One number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// So many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<f64>,
    /// Of so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// When (RFC 3339); as it arrives when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The sender's own id: a second sample with it is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// `POST /v1/backup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupBody {
    /// An absolute path on the server that does not exist yet.
    pub to: std::path::PathBuf,
}

/// `POST /v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// The operator's name for it; stands in the audit.
    pub name: String,
    /// `viewer`, `operator`, `admin` or `member`.
    pub role: super::auth::Role,
    /// The switches it is limited to; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<String>,
    /// How long it is good for, such as `90d`; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
}

/// `version` must be there, as a text or `null`: leaving it out must not mean "reset".
fn present_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

impl From<&FlipPart> for FlipTarget {
    fn from(part: &FlipPart) -> Self {
        Self { switch: part.switch.clone(), to: part.to.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_named_twice_is_refused() {
        let body = r#"{"weights":{"green":1,"blue":2,"green":3}}"#;
        assert!(
            serde_json::from_str::<SetWeightsBody>(body).unwrap_err().to_string().contains("`green` is named twice")
        );
    }

    #[test]
    fn unknown_fields_and_a_missing_version_are_refused() {
        assert!(
            serde_json::from_str::<FlipBody>(r#"{"to":"green","forse":true}"#)
                .unwrap_err()
                .to_string()
                .contains("forse")
        );
        assert!(serde_json::from_str::<ExpectVersionBody>(r#"{"pool":"green"}"#).is_err());
        let reset: ExpectVersionBody = serde_json::from_str(r#"{"pool":"green","version":null}"#).unwrap();
        assert_eq!(reset.version, None);
    }
}
