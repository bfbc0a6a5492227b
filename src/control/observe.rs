//! Probe outcomes to observed health: one tracker per distinct probe, shared by all who ask for it.

use crate::health::{Health, ProbeOutcome, ProbeReport, ProbeTarget, Tracker, v1, worst};
use crate::moment::Moment;
use crate::state::{Catalogue, Desired, MemberKey, Observed, Seen};
use crate::steering::{Member, Pool, Switch};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Why a member whose probes pass is down under `manual_resume`.
const WAITS: &str = "its probes pass, and it waits for an operator (manual_resume): reset the switch to let it back";

/// Every probe there is, what it found, and whom it concerns.
#[derive(Debug, Default)]
pub(super) struct Watch {
    tracked: HashMap<Arc<str>, Tracked>,
    /// The probes of each member.
    of_member: HashMap<MemberKey, Vec<Arc<str>>>,
    /// Probes whose verdict changed since the last save.
    unsaved: HashSet<Arc<str>>,
    /// Saved probes that are gone.
    gone: Vec<String>,
}

#[derive(Debug)]
struct Tracked {
    target: ProbeTarget,
    tracker: Tracker,
    users: Vec<MemberKey>,
    passed: u64,
    failed: u64,
}

/// A member whose health changed.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) member: MemberKey,
    pub(super) from: Health,
    pub(super) to: Health,
    pub(super) failure: Option<String>,
}

/// What the last probes say of one member, for people.
#[derive(Debug, Default)]
pub(super) struct LastSeen {
    pub(super) since: Option<Moment>,
    pub(super) latency_us: Option<u64>,
    pub(super) version: Option<String>,
    pub(super) certificate_days: Option<i64>,
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Watch {
    /// Adopts the probes the catalogue and the versions in force ask for; those that stay keep their history.
    pub(super) fn rebuild(
        &mut self,
        catalogue: &Catalogue,
        desired: &Desired,
        saved: &BTreeMap<String, String>,
        now: Moment,
    ) {
        let mut before = std::mem::take(&mut self.tracked);
        let probes = std::mem::take(&mut self.of_member);
        for placed in &catalogue.switches {
            let switch = &placed.switch;
            for (pool, member) in members(switch) {
                let key = MemberKey::new(switch, pool, member);
                for target in targets(desired, switch, pool, member) {
                    let id: Arc<str> = target.key().into();
                    // Another monitor is no other server: until it has spoken, what the ones before said holds.
                    let others = probes.get(&key).filter(|ids| !ids.contains(&id)).into_iter().flatten();
                    let others = others.filter_map(|id| before.get(id).or_else(|| self.tracked.get(id)));
                    let trusted = up_since(others, &target);
                    self.seat(&key, &id, target, |id, target| {
                        let new = |target| match trusted {
                            Some(since) => Tracked::new(target, Tracker::trusting(since)),
                            None => fresh(target, saved.get(id), now),
                        };
                        before.remove(id).map_or_else(|| new(target), Tracked::without_users)
                    });
                }
            }
        }
        self.gone.extend(before.keys().map(ToString::to_string));
        self.unsaved.retain(|id| self.tracked.contains_key(id));
    }

    /// Follows a switch whose guests changed, before its answers do: what is new, or came again with another
    /// address or version, has its own probes to pass (§2.5). Probes that nobody asks for any more go with the
    /// next [`Self::rebuild`].
    pub(super) fn reseat(
        &mut self,
        (before, after): (&Switch, &Switch),
        desired: &Desired,
        observed: &mut Observed,
        now: Moment,
    ) {
        let mut gone: HashMap<MemberKey, &Member> =
            members(before).map(|(pool, member)| (MemberKey::new(before, pool, member), member)).collect();
        let mut come = Vec::new();
        for (pool, member) in members(after) {
            let key = MemberKey::new(after, pool, member);
            if gone.get(&key).is_some_and(|known| known.is_same_server(member)) {
                gone.remove(&key);
            } else {
                come.push((key, pool, member));
            }
        }
        for key in gone.keys() {
            for id in self.of_member.remove(key).into_iter().flatten() {
                if let Some(tracked) = self.tracked.get_mut(&id) {
                    tracked.users.retain(|user| user != key);
                }
            }
            observed.members.remove(key);
            observed.proven.remove(key);
        }
        for (key, pool, member) in come {
            for target in targets(desired, after, pool, member) {
                let id = target.key().into();
                self.seat(&key, &id, target, |_, target| fresh(target, None, now));
            }
            if self.of_member.contains_key(&key) {
                self.judge(&key, observed);
            }
        }
    }

    /// Gives a member one of its probes: one there is, or a new one.
    fn seat(
        &mut self,
        key: &MemberKey,
        id: &Arc<str>,
        target: ProbeTarget,
        new: impl FnOnce(&str, ProbeTarget) -> Tracked,
    ) {
        self.of_member.entry(key.clone()).or_default().push(id.clone());
        let tracked = self.tracked.entry(id.clone()).or_insert_with(|| new(id, target));
        tracked.users.push(key.clone());
    }

    /// Whom a probe concerns.
    pub(super) fn users(&self, target_key: &str) -> &[MemberKey] {
        self.tracked.get(target_key).map_or(&[], |tracked| &tracked.users)
    }

    /// What is to be probed.
    pub(super) fn targets(&self) -> Arc<[ProbeTarget]> {
        self.tracked.values().map(|tracked| tracked.target.clone()).collect()
    }

    /// Whether every probe has a verdict.
    pub(super) fn round_complete(&self) -> bool {
        self.tracked.values().all(|tracked| tracked.tracker.verdict() != Health::Unknown)
    }

    /// Takes in an outcome; returns the members whose health it changes.
    pub(super) fn probed(&mut self, probed: &ProbeReport, observed: &mut Observed) -> Vec<Moved> {
        let Some(tracked) = self.tracked.get_mut(&probed.target_key) else { return Vec::new() };
        if probed.outcome.passed() {
            tracked.passed += 1;
        } else {
            tracked.failed += 1;
        }
        let transition = tracked.tracker.observe(&tracked.target.monitor, &probed.outcome, probed.at);
        if transition.is_some() {
            self.unsaved.insert(probed.target_key.clone());
        }
        let users = tracked.users.clone();
        users.into_iter().filter_map(|member| self.judge(&member, observed)).collect()
    }

    /// Ends the `manual_resume` latch of a switch's probes.
    pub(super) fn resume(&mut self, switch: &str, now: Moment, observed: &mut Observed) -> Vec<Moved> {
        let mut concerned = Vec::new();
        for (id, tracked) in &mut self.tracked {
            if tracked.users.iter().any(|user| &*user.switch == switch)
                && tracked.tracker.resume(&tracked.target.monitor, now).is_some()
            {
                self.unsaved.insert(id.clone());
                concerned.extend(tracked.users.clone());
            }
        }
        concerned.into_iter().filter_map(|member| self.judge(&member, observed)).collect()
    }

    /// Fills `observed` anew after the catalogue changed.
    pub(super) fn judge_all(&mut self, observed: &mut Observed) {
        observed.members.clear();
        observed.proven.retain(|member| self.of_member.contains_key(member));
        for (member, ids) in &self.of_member {
            let seen = self.seen(member);
            if seen.health == Health::Up {
                observed.proven.insert(member.clone());
            }
            observed.members.insert(member.clone(), seen);
            if observed.proven.contains(member) {
                // Other monitors or another version make other probes, not another member.
                for id in ids {
                    if self.tracked.get_mut(id).is_some_and(|tracked| tracked.tracker.inherit_up()) {
                        self.unsaved.insert(id.clone());
                    }
                }
            }
        }
    }

    /// Tells which members the last process had seen up, though they may be down by now.
    pub(super) fn recall_proven(&self, observed: &mut Observed) {
        let was_up = |id: &Arc<str>| self.tracked.get(id).is_some_and(|tracked| tracked.tracker.was_up());
        let proven = self.of_member.iter().filter(|(_, ids)| ids.iter().all(was_up));
        observed.proven.extend(proven.map(|(member, _)| member.clone()));
    }

    /// Judges one member; `Some` when its health changed.
    fn judge(&self, member: &MemberKey, observed: &mut Observed) -> Option<Moved> {
        let seen = self.seen(member);
        if seen.health == Health::Up && !observed.proven.contains(member) {
            observed.proven.insert(member.clone());
        }
        let before = observed.members.insert(member.clone(), seen.clone()).unwrap_or_default();
        (before.health != seen.health).then(|| Moved {
            member: member.clone(),
            from: before.health,
            to: seen.health,
            failure: seen.failure,
        })
    }

    /// The worst of a member's probes.
    fn seen(&self, member: &MemberKey) -> Seen {
        let trackers = || self.of_member.get(member).into_iter().flatten().filter_map(|id| self.tracked.get(id));
        let health = worst(trackers().map(|tracked| tracked.tracker.verdict()));
        let failure = trackers().find_map(|tracked| {
            let failing = tracked.tracker.verdict() != Health::Up;
            let (outcome, _) = tracked.tracker.last()?;
            let waits = || tracked.tracker.is_latched().then(|| WAITS.to_owned());
            if failing { outcome.failure.clone().or_else(waits) } else { None }
        });
        Seen { health, failure }
    }

    /// What the last probes say of a member, for people.
    pub(super) fn last_seen(&self, member: &MemberKey) -> LastSeen {
        let mut last = LastSeen::default();
        for tracked in self.of_member.get(member).into_iter().flatten().filter_map(|id| self.tracked.get(id)) {
            last.since = last.since.max(tracked.tracker.since());
            last.passed += tracked.passed;
            last.failed += tracked.failed;
            if let Some((outcome, _)) = tracked.tracker.last() {
                last.absorb(outcome);
            }
        }
        last
    }

    /// The texts to save: changed verdicts, and the keys that are gone.
    pub(super) fn drain_unsaved(&mut self) -> (Vec<(String, String)>, Vec<String>) {
        let changed = self
            .unsaved
            .drain()
            .filter_map(|id| self.tracked.get(&id).map(|tracked| (id.to_string(), v1::write(&tracked.tracker))))
            .collect();
        (changed, std::mem::take(&mut self.gone))
    }
}

impl Tracked {
    fn new(target: ProbeTarget, tracker: Tracker) -> Self {
        Self { target, tracker, users: Vec::new(), passed: 0, failed: 0 }
    }

    fn without_users(mut self) -> Self {
        self.users.clear();
        self
    }
}

impl LastSeen {
    fn absorb(&mut self, outcome: &ProbeOutcome) {
        self.latency_us = self.latency_us.max(Some(outcome.latency_us));
        if outcome.seen_version.is_some() {
            self.version.clone_from(&outcome.seen_version);
        }
        self.certificate_days = match (self.certificate_days, outcome.certificate_days) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Every member of a switch, with its pool.
fn members(switch: &Switch) -> impl Iterator<Item = (&Pool, &Member)> {
    switch.pools.iter().flat_map(|pool| pool.members.iter().map(move |member| (pool, member)))
}

/// Since when probes of the same server for the same version all say Up, if they do.
fn up_since<'t>(probes: impl Iterator<Item = &'t Tracked>, target: &ProbeTarget) -> Option<Option<Moment>> {
    let is_same = |tracked: &&Tracked| {
        tracked.target.address == target.address && tracked.target.expect_version == target.expect_version
    };
    let same: Vec<&Tracked> = probes.filter(is_same).collect();
    let all_up = !same.is_empty() && same.iter().all(|tracked| tracked.tracker.verdict() == Health::Up);
    all_up.then(|| same.iter().map(|tracked| tracked.tracker.since()).max().flatten())
}

/// A tracker with its saved history, or a new one.
fn fresh(target: ProbeTarget, saved: Option<&String>, now: Moment) -> Tracked {
    let restored = saved.map(|text| v1::read(text, now));
    let tracker = restored.unwrap_or_else(|| Ok(Tracker::new())).unwrap_or_else(|error| {
        tracing::warn!(target = target.key(), %error, "the stored health of a probe is not used; probing from the start");
        Tracker::new()
    });
    Tracked::new(target, tracker)
}

/// The probes of one member: each monitor at each of its addresses.
fn targets<'a>(
    desired: &'a Desired,
    switch: &'a Switch,
    pool: &'a Pool,
    member: &'a Member,
) -> impl Iterator<Item = ProbeTarget> + 'a {
    let version: Option<Arc<str>> = desired.expect_version_of(&switch.name, pool, member).map(Arc::from);
    let addresses = [member.ipv4.map(IpAddr::V4), member.ipv6.map(IpAddr::V6)];
    addresses.into_iter().flatten().flat_map(move |address| {
        let version = version.clone();
        switch.monitors_of(pool).iter().map(move |monitor| ProbeTarget {
            address,
            monitor: monitor.clone(),
            expect_version: if monitor.checks_version() { version.clone() } else { None },
        })
    })
}
