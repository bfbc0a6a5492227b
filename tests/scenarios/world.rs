//! One server's core without its shell: files, state, health, ledger and snapshot under one clock.
//!
//! Does what the control task does around the pure rooms, in the same order: decide, absorb, compile,
//! announce, publish, settle; once a second fold, heartbeat, recompile what time changed.

mod folder;
mod publish;

use folder::Folder;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use tidegate::answer::{self, Asker, Transport};
use tidegate::drain::{DrainReport, Ledger, PoolKey, VerdictInput, v1 as drain_v1};
use tidegate::health::{self, ProbeOutcome, Tracker};
use tidegate::moment::Moment;
use tidegate::snapshot::Snapshot;
use tidegate::state::{
    Catalogue, Change, Definitions, Desired, MemberKey, Observed, PoolStatus, Rejection, Request, Seen, TtlCause,
    apply, initial_serials, v1,
};
use tidegate::steering::{CompiledSwitch, Member, PoolSlot, Switch, named_by_rules};

/// The longest a wait goes between two beats: below the gap that counts as a standstill.
const BEAT_MS: u64 = 4_000;

/// What is published of a switch.
struct Live {
    compiled: Arc<CompiledSwitch>,
    pools: Vec<PoolStatus>,
    cause: TtlCause,
    fallback: bool,
}

/// A running server.
pub(crate) struct World {
    folder: Folder,
    pub(crate) now: Moment,
    boot: u32,
    pub(crate) desired: Desired,
    observed: Observed,
    catalogue: Catalogue,
    /// A tracker per member and monitor.
    trackers: BTreeMap<(MemberKey, usize), Tracker>,
    slots: HashMap<(Arc<str>, Arc<str>), PoolSlot>,
    /// What a worker's cells hold: the latest promise by slot and whether under a pin.
    promised: BTreeMap<(u32, bool), u64>,
    ledger: Ledger,
    /// The ledger and health as last saved.
    saved: String,
    live: Vec<Live>,
    snapshot: Snapshot,
    draw: u64,
}

impl World {
    /// A first start on these files.
    pub(crate) fn start(files: &BTreeMap<String, String>) -> Result<Self, String> {
        let folder = Folder::new();
        folder.change(files)?;
        let now = Moment { boot_ms: 1_000_000, unix_ms: 1_800_000_000_000 };
        let mut world = Self {
            desired: Desired { definitions: folder.load()?, ..Desired::default() },
            folder,
            now,
            boot: 1,
            observed: Observed::default(),
            catalogue: Catalogue::default(),
            trackers: BTreeMap::new(),
            slots: HashMap::new(),
            promised: BTreeMap::new(),
            ledger: Ledger::start(None, "boot 1", now, &[], false),
            saved: String::new(),
            live: Vec::new(),
            snapshot: Snapshot::default(),
            draw: 7,
        };
        world.open(None)?;
        Ok(world)
    }

    /// Another process on the same files: `crash` loses the last second, `reboot` the boot clock.
    pub(crate) fn restart(&mut self, crash: bool, reboot: bool, down_ms: u64) -> Result<(), String> {
        if !crash {
            self.fold();
            self.ledger.close();
            self.saved = self.ledger.image().to_text();
        }
        let switches: Vec<(Arc<str>, String)> =
            self.desired.switches.iter().map(|(name, state)| (name.clone(), v1::encode_switch(state))).collect();
        let trackers: Vec<_> =
            self.trackers.iter().map(|(key, tracker)| (key.clone(), health::v1::write(tracker))).collect();
        self.now = self.now.plus_ms(down_ms);
        if reboot {
            self.boot += 1;
            self.now.boot_ms = 30_000;
        }
        self.desired.definitions = self.folder.load()?;
        self.desired.switches.clear();
        let mut notes = Vec::new();
        for (name, text) in switches {
            let state = v1::decode_switch(&text).map_err(|error| error.to_string())?;
            if let Some(state) = apply::adopt(&self.desired.definitions, &name, &state, self.now, &mut notes) {
                self.desired.switches.insert(name, state);
            }
        }
        self.trackers.clear();
        for (key, text) in trackers {
            self.trackers.insert(key, health::v1::read(&text, self.now).map_err(|error| error.to_string())?);
        }
        self.promised.clear();
        let image = drain_v1::Image::from_text(&self.saved).map_err(|error| error.to_string())?;
        self.open(Some(image))
    }

    /// Begins to answer.
    fn open(&mut self, image: Option<drain_v1::Image>) -> Result<(), String> {
        let first = initial_serials(&self.desired).map_err(|rejection| rejection.to_string())?;
        self.desired.serials.extend(first);
        self.adopt_definitions();
        let boot = format!("boot {}", self.boot);
        let facts: Vec<_> = (0..self.count())
            .map(|index| (self.switch(index).name.clone(), self.facts(index, &self.compile(index))))
            .collect();
        self.ledger = Ledger::start(image, &boot, self.now, &facts, false);
        self.publish_all();
        self.save();
        Ok(())
    }

    /// Reads the files again after a change to them.
    pub(crate) fn reread(&self, files: &BTreeMap<String, String>) -> Result<Arc<Definitions>, String> {
        self.folder.change(files)?;
        self.folder.load()
    }

    /// Decides a request and publishes what it changes.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Change, Rejection> {
        let change = apply(&self.desired, &self.observed, request, self.now)?;
        let moved = change.revision != self.desired.revision;
        self.desired.absorb(&change);
        if change.definitions.is_some() {
            self.adopt_definitions();
            self.publish_all();
        } else if moved {
            let touched: Vec<u32> =
                change.switches.iter().filter_map(|(name, _)| self.catalogue.index_of(name)).collect();
            self.publish(&touched);
        }
        Ok(change)
    }

    /// Outcomes of probes of one member, or of all members of a pool.
    pub(crate) fn probe(
        &mut self,
        switch: &str,
        pool: &str,
        member: Option<&str>,
        failure: Option<&str>,
    ) -> Result<(), String> {
        let (_, switch) = self.desired.definitions.switch(switch).ok_or_else(|| format!("no switch {switch}"))?;
        let switch = switch.clone();
        let (_, pool) = switch.pool(pool).ok_or_else(|| format!("no pool {pool}"))?;
        let meant: Vec<&Member> = pool.members.iter().filter(|m| member.is_none_or(|name| m.name() == *name)).collect();
        if meant.is_empty() {
            return Err(format!("no member {}", member.unwrap_or_default()));
        }
        let outcome = ProbeOutcome {
            failure: failure.map(str::to_owned),
            latency_us: 1000,
            seen_version: None,
            certificate_days: None,
        };
        for member in meant {
            let key = MemberKey::new(&switch, pool, member);
            for (at, monitor) in switch.monitors_of(pool).iter().enumerate() {
                self.trackers.entry((key.clone(), at)).or_default().observe(monitor, &outcome, self.now);
            }
        }
        self.judge();
        self.republish();
        Ok(())
    }

    /// Lets time pass, beat by beat.
    pub(crate) fn wait(&mut self, ms: u64) {
        let step = if ms > 120_000 { BEAT_MS } else { 1_000 };
        let end = self.now.plus_ms(ms);
        while self.now.unix_ms < end.unix_ms {
            self.now = self.now.plus_ms(step.min(end.unix_ms - self.now.unix_ms));
            self.fold();
            self.ledger.heartbeat(self.now.boot_ms);
            self.republish();
            self.save();
        }
    }

    /// Sends a query over UDP; the reply's bytes.
    pub(crate) fn answer(&mut self, client: IpAddr, query: &[u8]) -> Vec<u8> {
        self.draw = self.draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let draw = self.draw ^ (self.draw >> 29);
        let asker = Asker { client, transport: Transport::Udp, draw };
        let mut buffer = query.to_vec();
        buffer.resize(4096, 0);
        let outcome = answer::respond(&self.snapshot, &asker, &mut buffer, query.len());
        buffer.truncate(outcome.len);
        if let Some(chosen) = outcome.choice {
            let until = self.now.boot_ms + u64::from(chosen.promise_s) * 1000;
            let cell = self.promised.entry((chosen.slot.0, chosen.pinned)).or_default();
            *cell = until.max(*cell);
        }
        buffer
    }

    /// The verdict on a pool.
    pub(crate) fn drain(&mut self, switch: &str, pool: &str) -> Result<DrainReport, String> {
        self.fold();
        let key = PoolKey { switch: switch.into(), pool: pool.into() };
        self.desired
            .definitions
            .switch(switch)
            .and_then(|(_, s)| s.pool(pool))
            .ok_or_else(|| format!("no pool {pool} of {switch}"))?;
        Ok(self.ledger.verdict(&self.verdict_input(&key), self.now))
    }

    /// The verdict on an address, over every pool that names it.
    pub(crate) fn drain_address(&mut self, address: IpAddr) -> Result<DrainReport, String> {
        self.fold();
        let keys = self.ledger.pools_naming(address);
        let inputs: Vec<_> = keys.iter().map(|key| self.verdict_input(key)).collect();
        self.ledger.member_verdict(address, &inputs, self.now).ok_or_else(|| format!("nothing is known of {address}"))
    }

    fn verdict_input<'k>(&self, key: &'k PoolKey) -> VerdictInput<'k> {
        let index = self.catalogue.index_of(&key.switch);
        let found = index.and_then(|index| Some((index, self.switch(index).pool(&key.pool)?.0)));
        let weight = |(index, at): (u32, usize)| self.live[index as usize].compiled.pools[at].weight;
        let by_fallback = |(index, at): (u32, usize)| self.live[index as usize].fallback && self.may(index)[at];
        VerdictInput {
            has_weight: found.is_some_and(|at| weight(at) > 0),
            has_rule: found.is_some_and(|(index, at)| named_by_rules(self.switch(index))[at]),
            in_fallback_use: found.is_some_and(by_fallback),
            ..VerdictInput::of_promises(key)
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.catalogue.switches.len()).expect("few switches")
    }

    fn switch(&self, index: u32) -> &Arc<Switch> {
        &self.catalogue.switches[index as usize].switch
    }

    /// Builds what follows from the definitions alone.
    fn adopt_definitions(&mut self) {
        self.catalogue = Catalogue::build(&self.desired);
        for placed in &self.catalogue.switches {
            for pool in &placed.switch.pools {
                let next = PoolSlot(u32::try_from(self.slots.len()).expect("few pools"));
                self.slots.entry((placed.switch.name.clone(), pool.name.clone())).or_insert(next);
            }
        }
        self.live.clear();
        self.judge();
    }

    /// Fills `observed` from the trackers.
    fn judge(&mut self) {
        self.observed.members.clear();
        for placed in &self.catalogue.switches {
            for (pool, member) in placed.switch.pools.iter().flat_map(|p| p.members.iter().map(move |m| (p, m))) {
                let monitors = placed.switch.monitors_of(pool).len();
                if monitors == 0 {
                    continue;
                }
                let key = MemberKey::new(&placed.switch, pool, member);
                let trackers: Vec<Option<&Tracker>> =
                    (0..monitors).map(|at| self.trackers.get(&(key.clone(), at))).collect();
                let health = health::worst(
                    trackers.iter().map(|tracker| tracker.map_or(health::Health::Unknown, Tracker::verdict)),
                );
                let failure = trackers
                    .iter()
                    .flatten()
                    .filter(|t| t.verdict() != health::Health::Up)
                    .find_map(|t| t.last()?.0.failure.clone());
                self.observed.members.insert(key, Seen { health, failure });
            }
        }
    }

    /// Takes the cells' promises over into the ledger.
    fn fold(&mut self) {
        for ((switch, pool), slot) in &self.slots {
            let key = PoolKey { switch: switch.clone(), pool: pool.clone() };
            for pinned in [false, true] {
                if let Some(until) = self.promised.get(&(slot.0, pinned)) {
                    self.ledger.fold(&key, *until, pinned);
                }
            }
        }
    }

    fn save(&mut self) {
        self.saved = self.ledger.image().to_text();
    }
}
