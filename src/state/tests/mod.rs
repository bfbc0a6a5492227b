//! The rules of the product page held against `apply`, `pool_status`, `compile` and the stored form.
//!
//! One small world: zone `example.test` with switch `model` (blue, green, base; monitored) and `flag`
//! (TXT only), zone `second.test` with switch `chat` (no monitors).

mod catalogue;
mod compiling;
mod edits;
mod expected_versions;
mod flips;
mod guards;
mod guests;
mod overrides;
mod percentages;
mod rejections;
mod reloads;
mod resets;
mod rollouts;
mod sequences;
mod serial_numbers;
mod stored;
mod undos;
mod updates;

use super::*;
use crate::dns::{Name, RecordType, Rrset};
use crate::health::{Health, Monitor, MonitorKind, OverrideKind};
use crate::moment::Moment;
use crate::steering::{Extras, Given, Member, Policy, Pool, Switch, Terms};
use crate::zone::master;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One minute.
const MINUTE_MS: u64 = 60_000;

/// State, what is seen, and the time.
#[derive(Clone)]
struct World {
    desired: Desired,
    observed: Observed,
    now: Moment,
}

impl World {
    /// The usual world, everything healthy.
    fn new() -> Self {
        Self::of(definitions(|_| {}))
    }

    /// These definitions, everything healthy, an hour after boot.
    fn of(definitions: Definitions) -> Self {
        let mut world = Self {
            desired: Desired { definitions: Arc::new(definitions), ..Desired::default() },
            observed: Observed::default(),
            now: Moment { boot_ms: 3_600_000, unix_ms: 1_800_000_000_000 },
        };
        for switch in world.switches() {
            for pool in &switch.pools {
                world.set_health(&switch.name, &pool.name, Health::Up);
            }
        }
        world
    }

    fn switches(&self) -> Vec<Arc<Switch>> {
        self.desired.definitions.zones.iter().flat_map(|zone| zone.switches.iter().cloned()).collect()
    }

    fn switch(&self, name: &str) -> Arc<Switch> {
        self.desired.definitions.switch(name).unwrap().1.clone()
    }

    /// What the probes say of every member of a pool.
    fn set_health(&mut self, switch: &str, pool: &str, health: Health) {
        let switch = self.switch(switch);
        let (_, pool) = switch.pool(pool).unwrap();
        for member in pool.members.iter() {
            let failure = (health == Health::Down).then(|| "connection refused".to_owned());
            self.observed.members.insert(MemberKey::new(&switch, pool, member), Seen { health, failure });
        }
    }

    fn later(&mut self, ms: u64) -> &mut Self {
        self.now = self.now.plus_ms(ms);
        self
    }

    /// Decides a request; changes nothing.
    fn decide(&self, request: &Request) -> Result<Change, Rejection> {
        apply(&self.desired, &self.observed, request, self.now)
    }

    /// Decides a plain command.
    fn ask(&self, command: Command) -> Result<Change, Rejection> {
        self.decide(&request(command))
    }

    /// Decides a forced command.
    fn ask_forced(&self, command: Command) -> Result<Change, Rejection> {
        self.decide(&Request { force: true, ..request(command) })
    }

    /// The change of a plain command, taken in, a minute later.
    fn take(&mut self, command: Command) -> Change {
        self.later(MINUTE_MS);
        let change = self.ask(command).unwrap();
        self.desired.absorb(&change);
        change
    }

    /// The same with force.
    fn take_forced(&mut self, command: Command) -> Change {
        self.later(MINUTE_MS);
        let change = self.ask_forced(command).unwrap();
        self.desired.absorb(&change);
        change
    }

    /// `blue 10000 green 0`, in the order of the file.
    fn split(&self, switch: &str) -> String {
        let switch = self.switch(switch);
        let split = self.desired.split(&switch);
        switch.pools.iter().map(|p| format!("{} {}", p.name, split[&p.name])).collect::<Vec<_>>().join(" ")
    }

    fn state(&self, switch: &str) -> &SwitchState {
        &self.desired.switches[switch]
    }
}

fn request(command: Command) -> Request {
    Request { command, reason: Some("because".to_owned()), force: false, if_match: None, by: "ada".to_owned() }
}

fn flip(switch: &str, to: &str) -> Command {
    Command::Flip(vec![target(switch, to)])
}

fn target(switch: &str, to: &str) -> FlipTarget {
    FlipTarget { switch: switch.to_owned(), to: to.to_owned() }
}

fn weights(switch: &str, given: &[(&str, u32)]) -> Command {
    Command::SetWeights { switch: switch.to_owned(), weights: WeightChange::Weights(named(given)) }
}

/// In hundredths of a percent.
fn percent(switch: &str, given: &[(&str, u32)]) -> Command {
    Command::SetWeights { switch: switch.to_owned(), weights: WeightChange::Percent(named(given)) }
}

fn named(given: &[(&str, u32)]) -> BTreeMap<String, u32> {
    given.iter().map(|(pool, weight)| ((*pool).to_owned(), *weight)).collect()
}

fn undo(switch: &str) -> Command {
    Command::Undo { switch: switch.to_owned() }
}

fn prepare(switch: &str) -> Command {
    Command::Prepare { switch: switch.to_owned() }
}

fn reset(switch: &str) -> Command {
    Command::Reset { switch: switch.to_owned() }
}

fn expect_version(switch: &str, pool: &str, version: Option<&str>) -> Command {
    Command::ExpectVersion { switch: switch.to_owned(), pool: pool.to_owned(), version: version.map(str::to_owned) }
}

/// An hour's hold.
fn hold(switch: &str, pool: &str, member: Option<&str>, kind: Option<OverrideKind>) -> Command {
    Command::Override {
        switch: switch.to_owned(),
        pool: pool.to_owned(),
        member: member.map(str::to_owned),
        hold: kind,
        for_ms: kind.map(|_| 60 * MINUTE_MS),
    }
}

fn reload(definitions: Definitions) -> Command {
    Command::Reload(Arc::new(definitions))
}

/// The usual definitions, changed before they are sealed.
fn definitions(change: impl FnOnce(&mut Draft)) -> Definitions {
    let monitors = vec![Arc::new(tcp_monitor())];
    let mut flag = switch("flag", "dark.example.test", vec![pool("off", 10_000, &[]), pool("on", 0, &[])]);
    for pool in &mut flag.pools {
        pool.records = vec![Rrset { rtype: RecordType::TXT, ttl: 30, rdatas: vec![Box::from(&b"\x01x"[..])] }];
    }
    let mut model = switch(
        "model",
        "model.example.test",
        vec![
            pool("blue", 10_000, &["192.0.2.1", "192.0.2.2"]),
            pool("green", 0, &["192.0.2.3"]),
            pool("base", 0, &["192.0.2.4"]),
        ],
    );
    model.monitors = monitors;
    let chat = switch(
        "chat",
        "*.chat.second.test",
        vec![pool("old", 9_000, &["192.0.2.5"]), pool("new", 1_000, &["192.0.2.6"])],
    );
    let mut draft =
        Draft { example: zone("example.test", 100), model, flag, second: Some(zone("second.test", 7)), chat };
    change(&mut draft);
    draft.seal()
}

/// Definitions that can still be changed.
struct Draft {
    example: DraftZone,
    model: Switch,
    flag: Switch,
    second: Option<DraftZone>,
    chat: Switch,
}

impl Draft {
    fn seal(self) -> Definitions {
        let mut zones = vec![Arc::new(self.example.seal(vec![Arc::new(self.flag), Arc::new(self.model)]))];
        if let Some(second) = self.second {
            zones.push(Arc::new(second.seal(vec![Arc::new(self.chat)])));
        }
        Definitions::new(zones)
    }
}

/// A zone without its switches.
struct DraftZone {
    apex: Name,
    text: crate::zone::ZoneText,
    file_serial: u32,
    max_moving: Option<u32>,
}

impl DraftZone {
    fn seal(self, switches: Vec<Arc<Switch>>) -> ZoneDefinition {
        ZoneDefinition::compile(self.apex, &self.text, self.file_serial, switches, self.max_moving)
    }
}

fn zone(apex: &str, serial: u32) -> DraftZone {
    let apex: Name = apex.parse().unwrap();
    let text = format!(
        "$TTL 3600\n@ IN SOA ns1 hostmaster {serial} 7200 900 1209600 300\n@ IN NS ns1\nns1 IN A 192.0.2.53\nedge 77 IN A 192.0.2.54\n"
    );
    let mut include = |_: &str, _: &str| Err("nothing to include".to_owned());
    let text = master::parse("test.zone", text.as_bytes(), &apex, &mut include)
        .unwrap_or_else(|e| panic!("{}", e[0].render()));
    DraftZone { apex, text, file_serial: serial, max_moving: None }
}

fn switch(name: &str, owner: &str, pools: Vec<Pool>) -> Switch {
    Switch {
        name: name.into(),
        owners: vec![owner.parse().unwrap()],
        pools,
        terms: Arc::new(Terms::of(Policy::Sticky)),
    }
}

fn pool(name: &str, weight: u16, addresses: &[&str]) -> Pool {
    let member = |address: &&str| Member::new(address.parse().ok(), address.parse().ok(), Given::default());
    Pool::new(name.into(), weight, addresses.iter().map(member).collect::<Vec<_>>(), Extras::default())
}

fn tcp_monitor() -> Monitor {
    Monitor {
        name: "tcp".to_owned(),
        kind: MonitorKind::Tcp { port: 80, send: None, expect: None },
        interval_ms: 2000,
        timeout_ms: 1000,
        fall: 3,
        rise: 5,
        window: None,
        manual_resume: false,
    }
}
