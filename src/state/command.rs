//! What can be asked, and what it changes.

mod rejection;

pub use rejection::Rejection;

use super::Definitions;
use super::edits::ZoneChange;
use super::runtime::Split;
use super::update_rules::Grants;
use crate::dns::update::Update;
use crate::health::OverrideKind;
use crate::rollout::v1::PlanForm;
use crate::rollout::{HookAnswer, Signals};
use crate::steering::Member;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Moves all weight to one pool, on each switch named; all or none.
    Flip(Vec<FlipTarget>),
    /// Sets a split.
    SetWeights {
        /// The switch.
        switch: String,
        /// The new weights.
        weights: WeightChange,
    },
    /// Returns to the split before the last change of weights.
    Undo {
        /// The switch.
        switch: String,
    },
    /// Lowers the TTL ahead of a flip.
    Prepare {
        /// The switch.
        switch: String,
    },
    /// Sets or clears an override on a pool or member.
    Override {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// One member (by name or address), or the whole pool.
        member: Option<String>,
        /// What to hold; `None` clears.
        hold: Option<OverrideKind>,
        /// How long, milliseconds: 1 minute to 72 hours.
        for_ms: Option<u64>,
    },
    /// Sets the version a pool's members must show; `None` returns to the files'.
    ExpectVersion {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// The version.
        version: Option<String>,
    },
    /// Forgets what was set at run time: weights, versions, overrides, preparation.
    Reset {
        /// The switch.
        switch: String,
    },
    /// Something about a rollout.
    Rollout {
        /// The switch.
        switch: String,
        /// What.
        verb: RolloutVerb,
    },
    /// Registers a member, or renews its registration (§2.5).
    Register {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// The member.
        member: Registration,
        /// Where the caller is, when its token may only register members.
        from: Option<IpAddr>,
    },
    /// Ends a registration.
    Unregister {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// The member.
        id: String,
    },
    /// Registrations whose time is over (the server's own).
    Expire {
        /// The switch.
        switch: String,
        /// Pool and name of each member.
        over: Vec<(Arc<str>, Arc<str>)>,
    },
    /// What DNS has for a pool (the server's own).
    Discovered {
        /// The switch.
        switch: String,
        /// The pool.
        pool: String,
        /// The members.
        members: Vec<Member>,
    },
    /// Edits the static data of a zone (RFC 2136), as far as whoever asks may.
    Update(Box<Update>, Grants),
    /// Replaces the definitions.
    Reload(Arc<Definitions>),
}

/// What is asked of a rollout, by a person or by the server itself.
#[derive(Debug, Clone, PartialEq)]
pub enum RolloutVerb {
    /// Begin one.
    Start(Box<RolloutStart>),
    /// Begin the last one anew.
    Retry,
    /// Stay at the step.
    Pause,
    /// Go on; the hold begins anew.
    Resume,
    /// Skip the rest of the step.
    Promote {
        /// All steps.
        full: bool,
    },
    /// Back to the stable pool at once.
    Abort,
    /// A second has passed (the server's own).
    Tick(Box<Signals>),
    /// A hook has answered (the server's own).
    Hook(HookAnswer),
}

/// A rollout to begin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RolloutStart {
    /// The pool to release; may be left out where only one could be meant.
    pub to: Option<String>,
    /// The version it must show from here on.
    pub version: Option<String>,
    /// A plan for this time, instead of the files'.
    pub plan: Option<PlanForm>,
    /// A fresh salt, so that other users than last time are the first.
    pub reshuffle: Option<String>,
}

/// A member that registers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name, unique in the pool.
    pub id: String,
    /// Answered to A.
    pub ipv4: Option<Ipv4Addr>,
    /// Answered to AAAA.
    pub ipv6: Option<Ipv6Addr>,
    /// Weight inside the pool, 1 to 10000.
    pub weight: u16,
    /// The version it must show, where that differs from its pool's.
    pub version: Option<String>,
    /// How long it lasts without a heartbeat, milliseconds.
    pub ttl_ms: u64,
}

/// One switch of a flip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlipTarget {
    /// The switch.
    pub switch: String,
    /// The pool that gets all weight.
    pub to: String,
}

/// New weights, in one of the two units of §1.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightChange {
    /// Integers 0..10000 per pool; pools not named keep theirs.
    Weights(BTreeMap<String, u32>),
    /// Hundredths of a percent per pool; if some pools are not named they share the rest in their
    /// old ratio.
    Percent(BTreeMap<String, u32>),
}

/// A command with what surrounds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Why; needed with `force`, recorded always.
    pub reason: Option<String>,
    /// Overrides the guards that may be overridden.
    pub force: bool,
    /// The revision the caller saw.
    pub if_match: Option<u64>,
    /// Who asks, for holds and the audit.
    pub by: String,
}

/// What an accepted command changes; committed by the store, then absorbed and published.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The revision it makes; equal to the current one when nothing changes.
    pub revision: u64,
    /// New run-time state of the switches it touches; `None` removes the state.
    pub switches: Vec<(Arc<str>, Option<super::SwitchState>)>,
    /// New serials of the zones whose answers change.
    pub serials: Vec<(crate::dns::Name, u32)>,
    /// New edits of the zones it edits, and of those whose edits a reload moves.
    pub zones: Vec<ZoneChange>,
    /// New definitions, when it was a reload.
    pub definitions: Option<Arc<Definitions>>,
    /// Per switch, the split before and after, where it changes.
    pub splits: Vec<SplitChange>,
    /// What the operator should know: file edits not applied, a fallback in use.
    pub notes: Vec<String>,
}

/// How one switch's split changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitChange {
    /// The switch.
    pub switch: Arc<str>,
    /// The weights before.
    pub before: Split,
    /// The weights after.
    pub after: Split,
}
