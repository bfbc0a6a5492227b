//! An operator's hold on a pool or member: forced up or down, with a reason and an expiry (§2.4).
//!
//! Owns the type and its limits; who set it and where it is kept is `state`'s business. The measured
//! health is never changed by a hold, so it can be shown beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shortest hold, milliseconds (1 minute).
pub const SHORTEST_MS: u64 = 60_000;

/// The longest hold, milliseconds (72 hours): nobody remembers one for longer.
pub const LONGEST_MS: u64 = 72 * 3_600_000;

/// Which way a hold forces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OverrideKind {
    /// Eligible whatever is measured.
    ForceUp,
    /// Not eligible whatever is measured.
    ForceDown,
}

/// A hold in force until its expiry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Which way.
    pub kind: OverrideKind,
    /// Why, in the operator's words.
    pub reason: String,
    /// When it ends, milliseconds since 1970 (UTC).
    pub expires_unix_ms: u64,
}

/// Why a hold is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// No reason was given.
    #[error("an override needs a reason: the next person on call must know why")]
    NoReason,
    /// Too short or too long.
    #[error("an override lasts 1 minute to 72 hours; asked for {0} s")]
    Length(u64),
}

impl Override {
    /// A hold that ends `lasts_ms` after `now_unix_ms`.
    ///
    /// # Errors
    /// [`OverrideError`] when the reason is blank or the length out of limits.
    pub fn new(kind: OverrideKind, reason: &str, now_unix_ms: u64, lasts_ms: u64) -> Result<Self, OverrideError> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(OverrideError::NoReason);
        }
        if !(SHORTEST_MS..=LONGEST_MS).contains(&lasts_ms) {
            return Err(OverrideError::Length(lasts_ms / 1000));
        }
        Ok(Self { kind, reason: reason.to_owned(), expires_unix_ms: now_unix_ms.saturating_add(lasts_ms) })
    }

    /// Whether it still holds.
    #[must_use]
    pub fn in_force(&self, now_unix_ms: u64) -> bool {
        now_unix_ms < self.expires_unix_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_needs_a_reason_and_a_length_within_limits() {
        let hold = |reason, lasts| Override::new(OverrideKind::ForceDown, reason, 1_000, lasts);
        assert_eq!(hold("  ", SHORTEST_MS), Err(OverrideError::NoReason));
        assert_eq!(hold("disk swap", SHORTEST_MS - 1), Err(OverrideError::Length(59)));
        assert_eq!(hold("disk swap", LONGEST_MS + 1), Err(OverrideError::Length(259_200)));
        assert!(hold("disk swap", SHORTEST_MS).is_ok());
        assert!(hold("disk swap", LONGEST_MS).is_ok());
    }

    #[test]
    fn a_hold_ends_at_its_expiry() {
        let hold = Override::new(OverrideKind::ForceUp, "probe is wrong", 1_000, SHORTEST_MS).unwrap();
        assert!(hold.in_force(60_999));
        assert!(!hold.in_force(61_000));
    }

    #[test]
    fn a_hold_survives_its_json_form() {
        let hold = Override::new(OverrideKind::ForceUp, "probe is wrong", 0, SHORTEST_MS).unwrap();
        let text = serde_json::to_string(&hold).unwrap();
        assert_eq!(text, r#"{"kind":"force-up","reason":"probe is wrong","expires_unix_ms":60000}"#);
        assert_eq!(serde_json::from_str::<Override>(&text).unwrap(), hold);
    }
}
