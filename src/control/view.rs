//! What the control task shows of itself: reports built from state, health, promises and counters.

use super::observe::LastSeen;
use super::report::{DrainView, MemberDrain, MemberView, PoolView, Status, SwitchView, ZoneView};
use super::task::Control;
use crate::clock;
use crate::drain::{DrainReport, MemberFacts, PoolKey};
use crate::health::Health;
use crate::moment::Moment;
use crate::state::observed::hold_on;
use crate::state::{MemberKey, PoolStatus, Rejection, Split, serials};
use crate::steering::{Fallback, Member, Pool, Switch};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// A wall-clock reading as RFC 3339 text, UTC, with milliseconds.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    // Beyond year 9999 the format ends; no reading of ours is there.
    let capped = unix_ms.min(253_402_300_799_000);
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(capped)).to_string()
}

impl Control {
    /// Everything there is to see.
    pub(super) fn status(&self) -> Status {
        let now = clock::now();
        let mut switches: Vec<SwitchView> = (0..self.live.len())
            .map(|index| self.switch_view(u32::try_from(index).expect("few switches"), now))
            .collect();
        switches.sort_by(|a, b| a.name.cmp(&b.name));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: self.desired.revision,
            snapshot: self.snapshots.load().number,
            started_at: rfc3339(self.started.unix_ms),
            store: self.store.condition(),
            store_errors: self.store_errors,
            alarms: self.alarms(&switches),
            geo: self.geo_views(now),
            geo_refused: self.geo_trouble.clone(),
            zones: self
                .desired
                .definitions
                .zones
                .iter()
                .map(|zone| ZoneView {
                    apex: zone.apex.to_string(),
                    serial: serials::current(&self.desired, zone),
                    file_serial: zone.file_serial,
                    updated_sets: self.desired.edited.get(&zone.apex).map_or(0, |edited| edited.sets.len()),
                    secondaries: self.secondary_views(zone),
                    copy: self.copy_view(zone),
                })
                .collect(),
            switches,
        }
    }

    /// One switch by name.
    pub(super) fn switch_view_by_name(&self, name: &str) -> Result<SwitchView, Rejection> {
        let index = self.catalogue.index_of(name).ok_or_else(|| self.unknown_switch(name))?;
        Ok(self.switch_view(index, clock::now()))
    }

    /// The rejection that names the switches there are.
    fn unknown_switch(&self, name: &str) -> Rejection {
        crate::state::apply::unknown_switch(&self.desired, name)
    }

    /// One switch by index.
    fn switch_view(&self, index: u32, now: Moment) -> SwitchView {
        let switch = self.switch_at(index);
        let live = &self.live[index as usize];
        let state = self.desired.switches.get(&switch.name);
        let split = self.desired.split(switch);
        let total: u32 = split.values().map(|weight| u32::from(*weight)).sum();
        let zone = &self.desired.definitions.zones[self.catalogue.switches[index as usize].zone as usize];
        let prepared_until = state.and_then(|s| s.prepared_until_unix_ms).filter(|until| now.unix_ms < *until);
        SwitchView {
            name: switch.name.to_string(),
            zone: zone.apex.to_string(),
            owners: switch.owners.iter().map(ToString::to_string).collect(),
            policy: switch.policy,
            ttl_s: live.compiled.ttl_s,
            ttl_cause: live.cause.words().to_owned(),
            revision: state.map_or(0, |s| s.revision),
            changed_at: state.and_then(|s| s.changed_at).map(|at| rfc3339(at.unix_ms)),
            fallback: fallback_words(&switch.fallback),
            fallback_in_use: live.fallback_in_use,
            prepared_until: prepared_until.map(rfc3339),
            prepared_in_ms: prepared_until.map(|_| self.prepared_in_ms(switch, now)),
            previous: state.and_then(|s| s.previous.as_ref()).map(plain),
            differs: differs(switch, &split, state),
            rollout: state
                .and_then(|s| s.rollout.as_ref())
                .map(|rollout| Box::new(self.rollout_view(switch, rollout, now))),
            pools: switch
                .pools
                .iter()
                .enumerate()
                .map(|(at, pool)| self.pool_view(switch, at, total, &live.status(at, pool), now))
                .collect(),
        }
    }

    /// How long until every answer given before `prepare` is gone.
    fn prepared_in_ms(&self, switch: &Switch, now: Moment) -> u64 {
        let ready = self.prepared_ready.get(&switch.name).copied();
        ready.unwrap_or_else(|| self.ready_after_start(&switch.name)).saturating_sub(now.boot_ms)
    }

    /// When every answer of the last process with the steady TTL is gone, boot clock.
    pub(super) fn ready_after_start(&self, name: &str) -> u64 {
        let Some((_, switch)) = self.desired.definitions.switch(name) else { return 0 };
        let longer_ms = u64::from(switch.ttl_s.saturating_sub(self.ttl_of(name))) * 1000;
        self.started.boot_ms + self.longest_promise_ms(name).unwrap_or(0) + longer_ms
    }

    /// One pool.
    fn pool_view(&self, switch: &Arc<Switch>, at: usize, total: u32, status: &PoolStatus, now: Moment) -> PoolView {
        let pool = &switch.pools[at];
        let weight = self.desired.split(switch).get(&pool.name).copied().unwrap_or(0);
        let slot = self.slots.of(&switch.name, &pool.name).0;
        let counted = self.cells.fold_pool(slot);
        let share = if total == 0 { 0.0 } else { f64::from(weight) * 100.0 / f64::from(total) };
        PoolView {
            name: pool.name.to_string(),
            weight,
            share_percent: (share * 100.0).round() / 100.0,
            role: if weight > 0 { "active" } else { "standby" }.to_owned(),
            eligible: status.eligible,
            why: status.why.clone(),
            expect_version: self.desired.expect_version(&switch.name, pool).map(str::to_owned),
            monitored: !switch.monitors_of(pool).is_empty(),
            hold: hold_on(&self.desired, &switch.name, &pool.name, None, now.unix_ms).map(|h| h.hold.clone()),
            slot,
            answers: counted.answers,
            answers_recently: self.recent.answers(&switch.name, at),
            pin_answers: counted.pinned_answers,
            drain: self.drain_report(switch, at, false, now),
            register_max: pool.register.as_ref().map(|terms| terms.max),
            discovery: self.discovery_view(switch, pool),
            members: pool
                .members
                .iter()
                .zip(&status.members)
                .map(|(m, eligible)| self.member_view(switch, pool, m, *eligible, now))
                .collect(),
        }
    }

    /// One member.
    fn member_view(&self, switch: &Switch, pool: &Pool, member: &Member, eligible: bool, now: Moment) -> MemberView {
        let key = MemberKey::new(switch, pool, member);
        let seen = self.observed.members.get(&key);
        let LastSeen { since, latency_us, version, certificate_days, passed, failed } = self.watch.last_seen(&key);
        MemberView {
            name: member.name().to_string(),
            addresses: member.addresses().map(|address| address.to_string()).collect(),
            weight: member.weight,
            health: seen.map_or(Health::Unknown, |s| s.health),
            eligible,
            hold: hold_on(&self.desired, &switch.name, &pool.name, Some(&member.name()), now.unix_ms)
                .map(|h| h.hold.clone()),
            since: since.map(|at| rfc3339(at.unix_ms)),
            failure: seen.and_then(|s| s.failure.clone()),
            latency_us,
            probes_passed: passed,
            probes_failed: failed,
            seen_version: version,
            certificate_days,
            origin: self.origin_view(switch, pool, member, now),
        }
    }

    /// One pool's drain verdict, with each member's.
    pub(super) fn drain_view(&self, name: &str, pool: &str, release_warm: bool) -> Result<DrainView, Rejection> {
        let index = self.catalogue.index_of(name).ok_or_else(|| self.unknown_switch(name))?;
        let switch = self.switch_at(index);
        let (at, pool) = switch.pool(pool).ok_or_else(|| Rejection::UnknownPool {
            switch: name.to_owned(),
            name: pool.to_owned(),
            known: switch.pools.iter().map(|p| p.name.to_string()).collect(),
        })?;
        let now = clock::now();
        let report = self.drain_report(switch, at, release_warm, now);
        let present: Vec<MemberFacts> = pool.members.iter().map(MemberFacts::of).collect();
        let key = PoolKey { switch: switch.name.clone(), pool: pool.name.clone() };
        let left = self.ledger.left(&key).filter(|left| !present.contains(left));
        let left: Vec<_> = left.map(|member| self.member_drain(member, None, release_warm, now)).collect();
        let members = present.iter().map(|member| self.member_drain(member, Some(&report), release_warm, now));
        let members = members.chain(left).collect();
        Ok(DrainView { switch: name.to_owned(), pool: pool.name.to_string(), report, members })
    }

    /// A member's verdict covers every switch that names one of its addresses (§4.1), and its pool, unless it has left.
    fn member_drain(
        &self,
        member: &MemberFacts,
        of_pool: Option<&DrainReport>,
        release_warm: bool,
        now: Moment,
    ) -> MemberDrain {
        let verdicts: Vec<DrainReport> =
            member.addresses.iter().filter_map(|address| self.address_verdict(*address, release_warm, now)).collect();
        let safe = verdicts.iter().chain(of_pool).all(|verdict| verdict.safe_to_close);
        let mut reasons: Vec<String> = match of_pool {
            Some(of_pool) if safe => of_pool.reasons.clone(),
            _ => {
                let why = verdicts.iter().filter(|verdict| verdict.safe_to_close == safe);
                why.flat_map(|verdict| verdict.reasons.iter().cloned()).collect()
            }
        };
        if reasons.is_empty() {
            reasons = of_pool.map_or_else(Vec::new, |of_pool| of_pool.reasons.clone());
        }
        reasons.dedup();
        MemberDrain {
            member: member.name.to_string(),
            left: of_pool.is_none(),
            addresses: member.addresses.iter().map(ToString::to_string).collect(),
            safe_to_close: safe,
            reasons,
        }
    }

    /// The verdict on an address, over every pool that names it.
    fn address_verdict(&self, address: IpAddr, release_warm: bool, now: Moment) -> Option<DrainReport> {
        let keys = self.ledger.pools_naming(address);
        let inputs: Vec<_> = keys.iter().map(|key| self.verdict_input(key, release_warm)).collect();
        self.ledger.member_verdict(address, &inputs, now)
    }
}

/// The fallback in words.
fn fallback_words(fallback: &Fallback) -> String {
    match fallback {
        Fallback::LastActive => "last-active: the pools with weight, health ignored".to_owned(),
        Fallback::Standby => "standby: healthy pools at weight 0, then last-active".to_owned(),
        Fallback::All => "all: every pool, health ignored".to_owned(),
        Fallback::Pool(pool) => format!("pool {pool}, health ignored"),
        Fallback::NoData => "nodata: an empty answer".to_owned(),
    }
}

/// Where run-time state differs from the files.
fn differs(switch: &Switch, split: &Split, state: Option<&crate::state::SwitchState>) -> Vec<String> {
    let Some(state) = state else { return Vec::new() };
    let mut lines = Vec::new();
    for pool in &switch.pools {
        let weight = split.get(&pool.name).copied().unwrap_or(0);
        if weight != pool.weight {
            lines.push(format!("weight of {}: {weight}, files say {}", pool.name, pool.weight));
        }
    }
    for (pool, version) in &state.versions {
        let file = switch.pool(pool).and_then(|(_, p)| p.expect_version.as_deref()).unwrap_or("none");
        if file != version {
            lines.push(format!("expect_version of {pool}: {version}, files say {file}"));
        }
    }
    if state.salt.is_some() {
        lines.push("salt: reshuffled at run time".to_owned());
    }
    lines
}

/// A split with plain strings.
fn plain(split: &Split) -> BTreeMap<String, u16> {
    split.iter().map(|(pool, weight)| (pool.to_string(), *weight)).collect()
}
