//! May it be closed? A pool's verdict, and a member's over every switch that names its address (§4.2, §4.3).

use super::ledger::{Ledger, MemberFacts, PoolKey, signed};
use super::rows::{Bound, Entry};
use super::{DrainState, SLACK_MS, STALE_MS};
use crate::moment::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What a verdict on a pool depends on besides its promises.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictInput<'a> {
    /// The pool.
    pub key: &'a PoolKey,
    /// Whether its weight in force is above 0.
    pub has_weight: bool,
    /// Whether a rule can give it to somebody.
    pub has_rule: bool,
    /// Whether a running rollout goes to it, or may come back to it.
    pub in_rollout: bool,
    /// Whether the fallback in force names it.
    pub in_fallback_use: bool,
    /// How busy it still is; `None`: no idle reading is configured.
    pub idle: Option<IdleStatus>,
    /// A rollout keeps it warm for `undo` until then (wall clock, milliseconds).
    pub warm_until_unix_ms: Option<u64>,
    /// The operator gives that up.
    pub release_warm: bool,
    /// Others that may still answer with it: a secondary that is behind, a node not heard from.
    pub blocked_by: &'a [String],
}

/// How busy an old side still is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdleStatus {
    /// Readings in a row at or below the floor.
    pub in_a_row: u32,
    /// How many it takes.
    pub needed: u32,
    /// The last reading.
    pub last_value: Option<f64>,
    /// The floor it is compared with, when known.
    pub floor: Option<f64>,
    /// Why there is no reading, if there is none.
    pub error: Option<String>,
}

/// The verdict with its reasons. Moments are on the wall clock, milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrainReport {
    /// Where it stands.
    pub state: DrainState,
    /// Whether it may be closed.
    pub safe_to_close: bool,
    /// Whether an idle reading confirms it.
    pub verified: bool,
    /// Why it may not be closed, or why it may.
    pub reasons: Vec<String>,
    /// When the last cached answer naming it expires; `None`: never answered.
    pub last_promise_expires_at_ms: Option<u64>,
    /// When no cache that honours TTLs holds it any more; unknown while it is answered.
    pub dns_drained_at_ms: Option<u64>,
    /// When those who do not honour TTLs have been waited for; unknown while it is answered.
    pub tail_ends_at_ms: Option<u64>,
    /// Kept warm until then.
    pub warm_until_ms: Option<u64>,
    /// Least time until it may be closed; `None`: depends on more than time.
    pub remaining_ms: Option<u64>,
    /// When the last cached answer under a pin expires; holds no drain.
    pub pin_promises_until_ms: Option<u64>,
    /// The idle reading.
    pub idle: Option<IdleStatus>,
}

impl Ledger {
    /// The verdict on a pool.
    #[must_use]
    pub fn verdict(&self, input: &VerdictInput<'_>, now: Moment) -> DrainReport {
        self.verdict_with(input, self.held_by(input.key), now)
    }

    /// The verdict on what this node itself promised: secondaries that are behind do not count.
    #[must_use]
    pub fn own_verdict(&self, input: &VerdictInput<'_>, now: Moment) -> DrainReport {
        self.verdict_with(input, Vec::new(), now)
    }

    fn verdict_with(&self, input: &VerdictInput<'_>, held_by: Vec<String>, now: Moment) -> DrainReport {
        let entry = self.entry(input.key);
        let bound = entry.map(|entry| entry.bound).unwrap_or_default();
        let mut answered = Vec::new();
        if input.has_weight {
            answered.push("it has weight".to_owned());
        }
        if input.has_rule {
            answered.push("a rule gives it to some clients".to_owned());
        }
        if input.in_rollout {
            answered.push("a rollout that runs needs it".to_owned());
        }
        let serving = !answered.is_empty();
        if input.in_fallback_use {
            answered.push("the fallback answers it".to_owned());
        }
        if !serving && !input.in_fallback_use && entry.is_some_and(|entry| entry.answered_in.is_some()) {
            answered.push("not every worker has left the view that answers it".to_owned());
        }
        answered.extend_from_slice(input.blocked_by);
        answered.extend(held_by);
        let mut report = judge(bound, serving, answered, input, now);
        report.pin_promises_until_ms = entry.and_then(Entry::pins_until).map(|until| on_wall(until, now));
        report
    }

    /// The pools whose answers may name this address.
    #[must_use]
    pub fn pools_naming(&self, address: IpAddr) -> Vec<PoolKey> {
        let rows = self.switches.iter().flat_map(|(switch, rows)| rows.iter().map(move |entry| (switch, entry)));
        let naming = rows.filter(|(_, entry)| entry.names(address));
        naming.map(|(switch, entry)| PoolKey { switch: switch.clone(), pool: entry.pool.clone() }).collect()
    }

    /// Members that have left a pool, and that its answers may still name.
    pub fn left(&self, key: &PoolKey) -> impl Iterator<Item = &MemberFacts> {
        let entry = self.switches.get(&key.switch).and_then(|rows| rows.get(&key.pool));
        entry.into_iter().flat_map(|entry| entry.left().keys())
    }

    /// The verdict on a member: the worst of every pool that names its address, and of those it left.
    ///
    /// `pools` is one input for each of [`Ledger::pools_naming`]. `None`: nothing is known of the address.
    #[must_use]
    pub fn member_verdict(&self, address: IpAddr, pools: &[VerdictInput<'_>], now: Moment) -> Option<DrainReport> {
        let in_pools = pools.iter().map(|input| self.verdict(input, now).labelled(input.key));
        let rows = self.switches.iter().flat_map(|(switch, rows)| rows.iter().map(move |entry| (switch, entry)));
        let left = rows.flat_map(|(switch, entry)| {
            let key = PoolKey { switch: switch.clone(), pool: entry.pool.clone() };
            let gone = entry.left().iter().filter(|(member, _)| has(member, address));
            gone.map(move |(_, bound)| {
                judge(*bound, false, Vec::new(), &VerdictInput::of_promises(&key), now).labelled(&key)
            })
            .collect::<Vec<_>>()
        });
        in_pools.chain(left).reduce(DrainReport::worse)
    }
}

/// Whether a member has this address.
fn has(member: &MemberFacts, address: IpAddr) -> bool {
    member.addresses.contains(&address)
}

impl<'a> VerdictInput<'a> {
    /// A pool of which nothing but its promises speaks for keeping it, as of a member that left.
    #[must_use]
    pub fn of_promises(key: &'a PoolKey) -> Self {
        Self {
            key,
            has_weight: false,
            has_rule: false,
            in_rollout: false,
            in_fallback_use: false,
            idle: None,
            warm_until_unix_ms: None,
            release_warm: false,
            blocked_by: &[],
        }
    }
}

/// Judges a bound; `answered` holds the reasons why more answers may name it.
fn judge(bound: Bound, serving: bool, answered: Vec<String>, input: &VerdictInput<'_>, now: Moment) -> DrainReport {
    let boot = signed(now.boot_ms);
    let active = !answered.is_empty();
    let after = |ms: u64| bound.until.map(|until| until.saturating_add(signed(ms)));
    let drained_at = after(SLACK_MS);
    let tail_end = after(bound.tail_ms.max(SLACK_MS));
    let passed = |at: Option<i64>| at.is_none_or(|at| at <= boot);
    let idle_agrees = input.idle.as_ref().is_none_or(|idle| idle.in_a_row >= idle.needed);
    let state = if serving {
        DrainState::Serving
    } else if active || !passed(drained_at) {
        DrainState::Draining
    } else if !passed(tail_end) && !passed(after(SLACK_MS + STALE_MS)) {
        DrainState::DnsDrained
    } else if !passed(tail_end) || !idle_agrees {
        DrainState::Tail
    } else {
        DrainState::Drained
    };
    let warm_until = input.warm_until_unix_ms.filter(|until| *until > now.unix_ms);
    let warm = warm_until.is_some() && !input.release_warm;
    let wait = tail_end.map_or(0, |end| u64::try_from(end.saturating_sub(boot)).unwrap_or(0));
    let warm_wait = warm_until.filter(|_| warm).map_or(0, |until| until.saturating_sub(now.unix_ms));
    DrainReport {
        state,
        safe_to_close: state == DrainState::Drained && !warm,
        verified: state == DrainState::Drained && input.idle.is_some(),
        reasons: reasons(state, answered, input, warm),
        last_promise_expires_at_ms: bound.until.map(|until| on_wall(until, now)),
        dns_drained_at_ms: drained_at.filter(|_| !active).map(|at| on_wall(at, now)),
        tail_ends_at_ms: tail_end.filter(|_| !active).map(|at| on_wall(at, now)),
        warm_until_ms: input.warm_until_unix_ms,
        remaining_ms: (!active && (idle_agrees || wait > 0)).then_some(wait.max(warm_wait)),
        pin_promises_until_ms: None,
        idle: input.idle.clone(),
    }
}

/// The reasons in words.
fn reasons(state: DrainState, answered: Vec<String>, input: &VerdictInput<'_>, warm: bool) -> Vec<String> {
    let mut reasons = answered;
    match state {
        DrainState::Serving => {}
        DrainState::Draining if !reasons.is_empty() => {}
        DrainState::Draining => reasons.push("answers naming it may still be cached".to_owned()),
        DrainState::DnsDrained => reasons.push("caches that honour TTLs have let go; others are waited for".to_owned()),
        DrainState::Tail if input.idle.as_ref().is_some_and(|idle| idle.in_a_row < idle.needed) => {
            reasons.push("the idle reading does not agree yet".to_owned());
        }
        DrainState::Tail => reasons.push("those who do not honour TTLs are waited for".to_owned()),
        DrainState::Drained if input.idle.is_some() => {
            reasons.push("all promises have ended and the idle reading agrees".to_owned());
        }
        DrainState::Drained => reasons.push("all promises have ended; no idle reading confirms it".to_owned()),
    }
    if let Some(idle) = input.idle.as_ref().filter(|_| state != DrainState::Serving) {
        let value = idle.last_value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        let floor = idle.floor.map_or_else(|| "not known yet".to_owned(), |floor| floor.to_string());
        let in_a_row = idle.in_a_row.min(idle.needed);
        reasons.push(format!("idle reading: {value}, floor {floor}, {in_a_row} of {} in a row", idle.needed));
        reasons.extend(idle.error.as_ref().map(|error| format!("idle reading failed: {error}")));
    }
    if warm {
        reasons.push("kept warm for undo; release it with --release-warm".to_owned());
    }
    reasons
}

/// A boot-clock moment on the wall clock as it goes now.
fn on_wall(boot_ms: i64, now: Moment) -> u64 {
    let shifted = i128::from(now.unix_ms) + i128::from(boot_ms) - i128::from(now.boot_ms);
    u64::try_from(shifted.max(0)).unwrap_or(u64::MAX)
}

impl DrainReport {
    /// Says in each reason which pool it is about.
    fn labelled(mut self, key: &PoolKey) -> Self {
        for reason in &mut self.reasons {
            *reason = format!("{}/{}: {reason}", key.switch, key.pool);
        }
        self
    }

    /// Both verdicts together: safe only if both are.
    fn worse(self, other: Self) -> Self {
        let latest = |a: Option<u64>, b: Option<u64>| a.max(b);
        let active = self.state == DrainState::Serving || other.state == DrainState::Serving;
        let both = |a: Option<u64>, b: Option<u64>| if active { None } else { a.max(b) };
        Self {
            state: self.state.min(other.state),
            safe_to_close: self.safe_to_close && other.safe_to_close,
            verified: self.verified && other.verified,
            reasons: self.reasons.into_iter().chain(other.reasons).collect(),
            last_promise_expires_at_ms: latest(self.last_promise_expires_at_ms, other.last_promise_expires_at_ms),
            dns_drained_at_ms: both(self.dns_drained_at_ms, other.dns_drained_at_ms),
            tail_ends_at_ms: both(self.tail_ends_at_ms, other.tail_ends_at_ms),
            warm_until_ms: latest(self.warm_until_ms, other.warm_until_ms),
            remaining_ms: self.remaining_ms.zip(other.remaining_ms).map(|(a, b)| a.max(b)),
            pin_promises_until_ms: latest(self.pin_promises_until_ms, other.pin_promises_until_ms),
            idle: self.idle.or(other.idle),
        }
    }
}
