//! Never too early: random worlds of answers, flips, crashes and reboots against one that knows all.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;

const POOLS: [&str; 3] = ["blue", "green", "grey"];
const SWITCHES: [&str; 2] = ["model", "other"];

/// What a view says about one switch.
#[derive(Debug, Clone)]
struct View {
    weights: [bool; 3],
    /// Grey is the fallback's pool; whether it is in force.
    fallback: bool,
    ttl_s: u64,
    /// One bit per address of each pool.
    members: [u8; 3],
}

/// Both switches, with the number of the view.
#[derive(Debug, Clone)]
struct Views(u64, [View; 2]);

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A worker answers from the view it holds.
    Answer { worker: usize, switch: usize, pool: usize },
    /// Time passes; the control task ticks each second.
    Wait(u16),
    /// A change of one switch; a crash may come before the save, the commit or the publication.
    Change { switch: usize, weights: [bool; 3], ttl_s: u64, members: [u8; 3], crash_before: Option<u8> },
    /// Health puts the fallback in force or lifts it: published without a commit.
    Fallback { switch: usize, on: bool },
    /// A worker takes the newest view.
    CatchUp(usize),
    /// The control task sees that all workers have the newest view.
    Settle,
    /// The process dies; the machine may reboot, the files may be edited meanwhile. Half of them pass
    /// for handovers, so that the wait for stale answers does not hide what the bounds themselves say.
    Crash { reboot: bool, down_ms: u16, ttl_s: Option<u64>, continuous: bool },
    /// Somebody sets the wall clock.
    SetClock(i32),
}

/// Everything, with the truth beside what the program can know.
struct World {
    /// True time; no process sees it.
    true_ms: u64,
    boot_began_ms: u64,
    boot: u32,
    wall_ms: i64,
    tail_ms: u64,
    disk: Option<(String, BTreeMap<Arc<str>, String>)>,
    durable: Views,
    ledger: Ledger,
    newest: Views,
    workers: [Views; 2],
    cells: BTreeMap<(usize, usize), u64>,
    /// True time until which an answer naming this pool is cached somewhere.
    pools: BTreeMap<(usize, usize), u64>,
    addresses: BTreeMap<u8, u64>,
}

impl View {
    fn answers(&self, pool: usize) -> bool {
        self.weights[pool] || (pool == 2 && self.fallback)
    }

    fn facts(&self, tail_ms: u64) -> Vec<PoolFacts> {
        let fact = |pool: usize| PoolFacts {
            pool: POOLS[pool].into(),
            answered: self.answers(pool),
            may_answer: self.answers(pool) || pool == 2,
            promise_ms: self.ttl_s * 1000,
            tail_ms,
            members: (0..8).filter(|bit| self.members[pool] & 1 << bit != 0).map(member).collect(),
        };
        (0..3).map(fact).collect()
    }
}

impl World {
    fn new(tail_ms: u64) -> Self {
        let view =
            View { weights: [true, false, false], fallback: false, ttl_s: 30, members: [0b11, 0b1100, 0b11_0001] };
        let views = Views(0, [view.clone(), view]);
        let mut world = Self {
            true_ms: 1_000_000,
            boot_began_ms: 900_000,
            boot: 0,
            wall_ms: 0,
            tail_ms,
            disk: None,
            durable: views.clone(),
            ledger: Ledger::start(None, "0", Moment::default(), &[], false),
            newest: views.clone(),
            workers: [views.clone(), views],
            cells: BTreeMap::new(),
            pools: BTreeMap::new(),
            addresses: BTreeMap::new(),
        };
        world.start(false);
        world
    }

    fn now(&self) -> Moment {
        Moment {
            boot_ms: self.true_ms - self.boot_began_ms,
            unix_ms: u64::try_from(self.true_ms as i64 + self.wall_ms).unwrap_or(0),
        }
    }

    fn start(&mut self, continuous: bool) {
        let facts: Vec<_> =
            (0..2).map(|at| (Arc::from(SWITCHES[at]), self.durable.1[at].facts(self.tail_ms))).collect();
        let image = self.disk.as_ref().map(|(head, rows)| {
            v1::Image::from_text(head).unwrap().with_rows(rows.values().map(String::as_str)).unwrap()
        });
        self.ledger = Ledger::start(image, &self.boot.to_string(), self.now(), &facts, continuous);
        self.newest = Views(0, self.durable.1.clone());
        self.workers = [self.newest.clone(), self.newest.clone()];
        self.cells.clear();
        self.save();
    }

    fn save(&mut self) {
        let (head, rows) = self.disk.get_or_insert_default();
        *head = self.ledger.head().to_text();
        for (switch, text) in self.ledger.take_unsaved() {
            match text {
                Some(text) => drop(rows.insert(switch, text)),
                None => drop(rows.remove(&switch)),
            }
        }
        let saved = v1::Image::from_text(head).unwrap().with_rows(rows.values().map(String::as_str)).unwrap();
        assert_eq!(saved, self.ledger.image(), "what is saved in parts is the whole");
    }

    fn fold(&mut self) {
        for ((switch, pool), until) in &self.cells {
            self.ledger.fold(&PoolKey { switch: SWITCHES[*switch].into(), pool: POOLS[*pool].into() }, *until, false);
        }
    }

    fn tick(&mut self) {
        self.fold();
        self.ledger.heartbeat(self.now().boot_ms);
        self.ledger.forget_drained(self.now().boot_ms, |_, _| false);
        self.save();
    }

    fn crash(&mut self, reboot: bool, down_ms: u64, continuous: bool) {
        self.true_ms += down_ms;
        if reboot {
            self.boot += 1;
            self.boot_began_ms = self.true_ms - 500.min(down_ms);
        }
        self.start(continuous);
    }

    /// Announces, saves if asked to, commits and publishes; or crashes on the way.
    fn publish(&mut self, switch: usize, view: View, commit: bool, crash_before: Option<u8>) {
        let saved = self.ledger.version();
        let number = self.newest.0 + 1;
        self.ledger.announce(number, &SWITCHES[switch].into(), &view.facts(self.tail_ms));
        if crash_before == Some(0) {
            return self.crash(false, 100, true);
        }
        if self.ledger.version() != saved {
            self.save();
        }
        if crash_before == Some(1) {
            return self.crash(false, 100, true);
        }
        if commit {
            self.durable.1[switch] = View { fallback: false, ..view.clone() };
        }
        if crash_before == Some(2) {
            return self.crash(false, 100, true);
        }
        self.newest.0 = number;
        self.newest.1[switch] = view;
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Answer { worker, switch, pool } => {
                let view = &self.workers[worker].1[switch];
                if !view.answers(pool) {
                    return;
                }
                let (cached, until) = (self.true_ms + view.ttl_s * 1000, self.now().boot_ms + view.ttl_s * 1000);
                for bit in (0..8).filter(|bit| view.members[pool] & 1 << bit != 0) {
                    let known = self.addresses.entry(bit).or_default();
                    *known = cached.max(*known);
                }
                let known = self.pools.entry((switch, pool)).or_default();
                *known = cached.max(*known);
                let cell = self.cells.entry((switch, pool)).or_default();
                *cell = until.max(*cell);
            }
            Step::Wait(ms) => {
                for passed in (0..u64::from(ms)).step_by(1000) {
                    self.true_ms += 1000.min(u64::from(ms) - passed);
                    self.tick();
                }
            }
            Step::Change { switch, weights, ttl_s, members, crash_before } => {
                let weights = if weights == [false; 3] { [true, false, false] } else { weights };
                let view = View { weights, ttl_s, members, fallback: self.newest.1[switch].fallback };
                self.publish(switch, view, true, crash_before);
            }
            Step::Fallback { switch, on } => {
                let view = View { fallback: on, ..self.newest.1[switch].clone() };
                self.publish(switch, view, false, None);
            }
            Step::CatchUp(worker) => self.workers[worker] = self.newest.clone(),
            Step::Settle => {
                if self.workers.iter().all(|views| views.0 == self.newest.0) {
                    self.fold();
                    self.ledger.settle(self.newest.0);
                }
            }
            Step::Crash { reboot, down_ms, ttl_s, continuous } => {
                for view in &mut self.durable.1 {
                    view.ttl_s = ttl_s.unwrap_or(view.ttl_s);
                }
                self.crash(reboot, u64::from(down_ms), continuous);
            }
            Step::SetClock(ms) => self.wall_ms = i64::from(ms) * 1000,
        }
    }

    fn input<'a>(&self, key: &'a PoolKey) -> VerdictInput<'a> {
        let switch = SWITCHES.iter().position(|name| **name == *key.switch).unwrap();
        let pool = POOLS.iter().position(|name| **name == *key.pool).unwrap();
        let view = &self.newest.1[switch];
        VerdictInput {
            has_weight: self.durable.1[switch].weights[pool],
            in_fallback_use: pool == 2 && view.fallback,
            ..input(key)
        }
    }

    /// Every verdict against the truth.
    fn check(&self) -> Result<(), TestCaseError> {
        for (switch, pool) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            let key = PoolKey { switch: SWITCHES[switch].into(), pool: POOLS[pool].into() };
            let report = self.ledger.verdict(&self.input(&key), self.now());
            if report.state >= DrainState::DnsDrained || report.safe_to_close {
                let truth = self.pools.get(&(switch, pool)).copied().unwrap_or(0);
                prop_assert!(
                    self.true_ms >= truth,
                    "{key:?} is {:?} {} ms too early",
                    report.state,
                    truth - self.true_ms
                );
                prop_assert!(
                    self.workers.iter().all(|views| !views.1[switch].answers(pool)),
                    "{key:?} is {:?} while a worker answers it",
                    report.state
                );
            }
        }
        for bit in 0..8u8 {
            let address: IpAddr = [192, 0, 2, bit].into();
            let keys = self.ledger.pools_naming(address);
            let inputs: Vec<_> = keys.iter().map(|key| self.input(key)).collect();
            let report = self.ledger.member_verdict(address, &inputs, self.now());
            if report.is_none_or(|report| report.state >= DrainState::DnsDrained || report.safe_to_close) {
                let truth = self.addresses.get(&bit).copied().unwrap_or(0);
                prop_assert!(self.true_ms >= truth, "{address} {} ms too early", truth - self.true_ms);
                let answers = |views: &Views| {
                    views
                        .1
                        .iter()
                        .any(|view| (0..3).any(|pool| view.answers(pool) && view.members[pool] & 1 << bit != 0))
                };
                prop_assert!(!self.workers.iter().any(answers), "{address} while a worker answers it");
            }
        }
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let ttl = || prop_oneof![Just(5u64), Just(10), Just(30), Just(60)];
    let members =
        || prop_oneof![Just([0b11u8, 0b1100, 0b11_0001]), Just([0b10, 0b1100, 0b1000]), Just([0b1, 0b1_0000, 0])];
    prop_oneof![
        12 => (0usize..2, 0usize..2, 0usize..3).prop_map(|(worker, switch, pool)| Step::Answer { worker, switch, pool }),
        4 => prop_oneof![3 => 0u16..3000, 1 => 5000u16..60_000].prop_map(Step::Wait),
        4 => (0usize..2, any::<[bool; 3]>(), ttl(), members(), prop_oneof![5 => Just(None), 1 => (0u8..3).prop_map(Some)])
            .prop_map(|(switch, weights, ttl_s, members, crash_before)| Step::Change { switch, weights, ttl_s, members, crash_before }),
        1 => (0usize..2, any::<bool>()).prop_map(|(switch, on)| Step::Fallback { switch, on }),
        6 => (0usize..2).prop_map(Step::CatchUp),
        6 => Just(Step::Settle),
        1 => (any::<bool>(), 0u16..20_000, proptest::option::of(ttl()), any::<bool>())
            .prop_map(|(reboot, down_ms, ttl_s, continuous)| Step::Crash { reboot, down_ms, ttl_s, continuous }),
        1 => any::<i32>().prop_map(Step::SetClock),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_verdict_is_ever_too_early(steps in proptest::collection::vec(step(), 1..120), tail_ms in prop_oneof![Just(0u64), Just(7000)]) {
        let mut world = World::new(tail_ms);
        for step in steps {
            world.take(step);
            world.check()?;
        }
        // And not for ever: with everybody caught up and quiet, what has no weight drains.
        for step in [Step::Fallback { switch: 0, on: false }, Step::Fallback { switch: 1, on: false }, Step::CatchUp(0), Step::CatchUp(1), Step::Settle, Step::Wait(60_000), Step::Wait(60_000), Step::Wait(30_000)] {
            world.take(step);
            world.check()?;
        }
        for (switch, pool) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            let key = PoolKey { switch: SWITCHES[switch].into(), pool: POOLS[pool].into() };
            let report = world.ledger.verdict(&world.input(&key), world.now());
            prop_assert_eq!(report.safe_to_close, !world.durable.1[switch].weights[pool], "{:?}: {:?}", key, report);
        }
    }
}
