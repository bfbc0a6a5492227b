//! What can be asked, and why it may be refused.

use super::Definitions;
use super::apply::UpdateRefusal;
use super::edits::ZoneChange;
use super::runtime::Split;
use super::update_rules::Grants;
use crate::dns::update::Update;
use crate::health::OverrideKind;
use crate::rollout::v1::PlanForm;
use crate::rollout::{HookAnswer, PlanProblem, Refusal, Signals};
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

/// Why a command is refused. The text is the sentence a person reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum Rejection {
    #[error("there is no switch `{name}`{}", suggestion(.known))]
    UnknownSwitch { name: String, known: Vec<String> },
    #[error("switch `{switch}` has no pool `{name}`{}", suggestion(.known))]
    UnknownPool { switch: String, name: String, known: Vec<String> },
    #[error("pool `{pool}` of switch `{switch}` has no member `{name}`{}", suggestion(.known))]
    UnknownMember { switch: String, pool: String, name: String, known: Vec<String> },
    #[error(
        "the state is at revision {current}, not {asked}: look again (`tidegate status`) and repeat with the new revision"
    )]
    StaleRevision { asked: u64, current: u64 },
    #[error("weight {weight} of pool `{pool}` is out of range: weights are whole numbers from 0 to 10000")]
    WeightOutOfRange { pool: String, weight: u32 },
    #[error("the weights of switch `{switch}` would sum to 0: one pool must keep weight")]
    WeightsSumToZero { switch: String },
    #[error("the percentages sum to {hundredths_text} %, not 100 %")]
    PercentSum { hundredths_text: String },
    #[error(
        "switch `{switch}` changed {ago_ms} ms ago and may change again in {wait_ms} ms (min_interval): wait, undo, or force with a reason"
    )]
    TooSoon { switch: String, ago_ms: u64, wait_ms: u64 },
    #[error("pool `{pool}` of switch `{switch}` is not eligible: {why}; heal it, or force with a reason")]
    NotEligible { switch: String, pool: String, why: String },
    #[error(
        "pool `{pool}` of switch `{switch}` has no monitor, so nothing shows that it is ready: give it one, or force with a reason"
    )]
    Unmonitored { switch: String, pool: String },
    #[error(
        "no eligible pool of switch `{switch}` would keep weight: bring another one up first, or force with a reason"
    )]
    NoEligibleWeight { switch: String },
    #[error(
        "{moving} switches of zone {zone} are moving already ({names}); at most {limit} may at once (max_moving): wait until one has drained, or force with a reason"
    )]
    TooManyMoving { zone: String, moving: u32, limit: u32, names: String },
    #[error(
        "pool `{pool}` of switch `{switch}` has weight: changing the version it must show could take it out of service: move its traffic first, or force with a reason"
    )]
    PoolHasWeight { switch: String, pool: String },
    #[error("switch `{switch}` has no earlier split to return to")]
    NothingToUndo { switch: String },
    #[error("an override needs how long it holds: 1 minute to 72 hours (given: {given})")]
    OverrideDuration { given: String },
    #[error("there is no override on {what} to clear")]
    NoOverride { what: String },
    #[error("a reason is needed {why}")]
    MissingReason { why: &'static str },
    #[error(
        "the reload would remove {what}, which has weight: move its traffic first, or force the reload with a reason"
    )]
    RemovesServing { what: String },
    #[error(
        "the SOA serial of zone {zone} jumps from {from} to {to}, by more than 2147483647: secondaries would see it go back (RFC 1982): choose one that is at most that much larger"
    )]
    SerialJump { zone: String, from: u32, to: u32 },
    #[error(
        "a rollout of switch `{switch}` is {phase}, and it alone moves the weights: abort it first (`tidegate rollout abort {switch}`), or force with a reason, which aborts it"
    )]
    RolloutRunning { switch: String, phase: &'static str },
    #[error("switch `{switch}` has had no rollout: begin one with `tidegate rollout start {switch}`")]
    NoRollout { switch: String },
    #[error(
        "switch `{switch}` has no A/B test: reports are kept of switches with policy = \"fixed\"; of a rollout, see its status"
    )]
    NoTrial { switch: String },
    #[error("{refusal} (switch `{switch}`)")]
    RolloutRefused { switch: String, refusal: Refusal },
    #[error("switch `{switch}` has policy `{policy}`, which a rollout cannot move: use `sticky` or `random`")]
    RolloutPolicy { switch: String, policy: &'static str },
    #[error("switch `{switch}` has several pools that could be released: name one of them{}", suggestion(.known))]
    WhichPool { switch: String, known: Vec<String> },
    #[error("the plan for switch `{switch}` cannot be followed: {}", joined(.problems))]
    BadPlan { switch: String, problems: Vec<PlanProblem> },
    #[error(
        "pool `{pool}` of switch `{switch}` takes no registrations: its files would have to say `register = {{ max = 20, networks = [...] }}`"
    )]
    NoRegistration { switch: String, pool: String },
    #[error("members of pool `{pool}` register from {networks}, and this request comes from {address}")]
    CallerNetwork { pool: String, address: IpAddr, networks: String },
    #[error("{why}")]
    BadRegistration { field: &'static str, why: String },
    #[error("pool `{pool}` has a member `{id}` in its files: register under another id")]
    MemberOfFiles { pool: String, id: String },
    #[error("{address} is already in pool `{pool}`, as member `{member}`: a pool has each address once")]
    AddressTaken { pool: String, address: IpAddr, member: String },
    #[error(
        "pool `{pool}` has {max} registered members, which is its maximum: remove one, or raise `max` in its files"
    )]
    PoolFull { pool: String, max: u16 },
    #[error(
        "without `{id}` no member of pool `{pool}` would be healthy, and clients are answered from it: move its traffic first, or force with a reason"
    )]
    LastMember { pool: String, id: String },
    #[error("a flip names switch `{switch}` twice")]
    NamedTwice { switch: String },
    #[error("a flip needs at least one switch")]
    NothingNamed,
    #[error("{0}")]
    Update(UpdateRefusal),
}

impl Rejection {
    /// Whether `force` with a reason would get past it.
    #[must_use]
    pub const fn forceable(&self) -> bool {
        matches!(
            self,
            Self::TooSoon { .. }
                | Self::NotEligible { .. }
                | Self::Unmonitored { .. }
                | Self::NoEligibleWeight { .. }
                | Self::TooManyMoving { .. }
                | Self::PoolHasWeight { .. }
                | Self::RemovesServing { .. }
                | Self::RolloutRunning { .. }
                | Self::LastMember { .. }
        )
    }

    /// A stable short name, for programs: the last part of the problem type.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::UnknownSwitch { .. } => "unknown-switch",
            Self::UnknownPool { .. } => "unknown-pool",
            Self::UnknownMember { .. } => "unknown-member",
            Self::StaleRevision { .. } => "stale-revision",
            Self::WeightOutOfRange { .. } => "weight-out-of-range",
            Self::WeightsSumToZero { .. } => "weights-sum-to-zero",
            Self::PercentSum { .. } => "percent-sum",
            Self::TooSoon { .. } => "too-soon",
            Self::NotEligible { .. } => "not-eligible",
            Self::Unmonitored { .. } => "unmonitored",
            Self::NoEligibleWeight { .. } => "no-eligible-weight",
            Self::TooManyMoving { .. } => "too-many-moving",
            Self::PoolHasWeight { .. } => "pool-has-weight",
            Self::NothingToUndo { .. } => "nothing-to-undo",
            Self::OverrideDuration { .. } => "override-duration",
            Self::NoOverride { .. } => "no-override",
            Self::MissingReason { .. } => "missing-reason",
            Self::RemovesServing { .. } => "removes-serving",
            Self::SerialJump { .. } => "serial-jump",
            Self::RolloutRunning { .. } => "rollout-running",
            Self::NoRollout { .. } => "no-rollout",
            Self::NoTrial { .. } => "no-trial",
            Self::RolloutRefused { .. } => "rollout-refused",
            Self::RolloutPolicy { .. } => "rollout-policy",
            Self::WhichPool { .. } => "which-pool",
            Self::BadPlan { .. } => "bad-plan",
            Self::NoRegistration { .. } => "no-registration",
            Self::CallerNetwork { .. } => "caller-network",
            Self::BadRegistration { .. } => "bad-registration",
            Self::MemberOfFiles { .. } => "member-of-files",
            Self::AddressTaken { .. } => "address-taken",
            Self::PoolFull { .. } => "pool-full",
            Self::LastMember { .. } => "last-member",
            Self::NamedTwice { .. } => "named-twice",
            Self::NothingNamed => "nothing-named",
            Self::Update(_) => "update-refused",
        }
    }
}

/// `: did you mean ...` or the names there are.
fn suggestion(known: &[String]) -> String {
    match known {
        [] => String::new(),
        [one] => format!("; there is `{one}`"),
        many => {
            format!("; there are {}", many.iter().take(12).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Every fault of a plan in one line.
fn joined(problems: &[PlanProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
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
