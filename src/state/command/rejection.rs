//! Why a command is refused: the sentence a person reads, and the short name a program reads.

use crate::rollout::{PlanProblem, Refusal};
use crate::state::apply::UpdateRefusal;
use std::net::IpAddr;

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
        "without `{id}` pool `{pool}` would not be eligible or have no member, and clients are answered from it: move its traffic first, or force with a reason"
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
