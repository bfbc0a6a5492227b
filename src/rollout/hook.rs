//! Whom a rollout calls, when, and what the answer means (§5.6, §4.4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The points at which somebody is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookKind {
    /// Before anything moves; anything but 2xx waits.
    ConfirmStart,
    /// Before each step; anything but 2xx waits.
    ConfirmStep,
    /// Before the last step; anything but 2xx waits.
    ConfirmPromotion,
    /// Before anything moves; anything but 2xx counts as a failure.
    PreStart,
    /// Before each step; anything but 2xx counts as a failure.
    PreStep,
    /// Before the last step; anything but 2xx counts as a failure.
    PrePromotion,
    /// After each step's gates; a failure is told and nothing more.
    PostStep,
    /// After the promotion; a failure is told and nothing more.
    PostPromotion,
    /// A rolling rollout: update this member; 2xx says that it was done or begun.
    Update,
    /// A pool has lost its weight: stop accepting, close long connections.
    OnDraining,
    /// A pool may be closed.
    OnDrained,
    /// A rollout went back.
    OnRollback,
    /// Everything that happens to the switch.
    Event,
}

impl HookKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::ConfirmStart,
        Self::ConfirmStep,
        Self::ConfirmPromotion,
        Self::PreStart,
        Self::PreStep,
        Self::PrePromotion,
        Self::PostStep,
        Self::PostPromotion,
        Self::Update,
        Self::OnDraining,
        Self::OnDrained,
        Self::OnRollback,
        Self::Event,
    ];

    /// Whether anything but 2xx only waits.
    #[must_use]
    pub const fn confirms(self) -> bool {
        matches!(self, Self::ConfirmStart | Self::ConfirmStep | Self::ConfirmPromotion)
    }

    /// Whether anything but 2xx counts toward failing the rollout.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::PreStart | Self::PreStep | Self::PrePromotion | Self::Update)
    }

    /// Whether the rollout waits for the answer at all.
    #[must_use]
    pub const fn is_waited_for(self) -> bool {
        self.confirms() || self.counts() || matches!(self, Self::PostStep)
    }

    /// The name in plans, payloads and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ConfirmStart => "confirm-start",
            Self::ConfirmStep => "confirm-step",
            Self::ConfirmPromotion => "confirm-promotion",
            Self::PreStart => "pre-start",
            Self::PreStep => "pre-step",
            Self::PrePromotion => "pre-promotion",
            Self::PostStep => "post-step",
            Self::PostPromotion => "post-promotion",
            Self::Update => "update",
            Self::OnDraining => "on-draining",
            Self::OnDrained => "on-drained",
            Self::OnRollback => "on-rollback",
            Self::Event => "event",
        }
    }
}

/// Somebody who is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When.
    pub kind: HookKind,
    /// Where: a `POST` with a JSON body.
    pub url: String,
    /// A file on the server with the secret that signs the body (HMAC-SHA256); unsigned when absent.
    pub secret_file: Option<String>,
    /// Of one attempt, milliseconds (10 s).
    pub timeout_ms: u64,
    /// Attempts after the first for notifications (5); hooks that are waited for are asked again each look.
    pub retries: u32,
}

/// A call that the rollout waits for; equal calls are the same call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HookCall {
    /// The rollout.
    pub rollout: u64,
    /// The point.
    pub kind: HookKind,
    /// The step it is about.
    pub step: usize,
    /// The member it is about.
    pub member: Option<String>,
}

/// The answer to a [`HookCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookAnswer {
    /// What was asked.
    pub call: HookCall,
    /// 2xx, or what came instead, in words.
    pub outcome: Result<(), String>,
}
