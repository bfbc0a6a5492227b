//! Who takes a pool's answers, in bounded memory: how many clients, and which take most.
//!
//! Distinct clients by HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with Ertl's estimator
//! (2017), which needs no table of biases. Heavy ones by Space-Saving (Metwally, Agrawal, El Abbadi
//! 2005). A sketch is made by control and only written by answering threads: no allocation, and no
//! wait: an answer that meets another writer is not sketched.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64};

/// Clients counted by name.
const HEAVY: usize = 64;

/// Bits of a client's number that choose its register.
const PRECISION: u32 = 12;

/// Registers: 4096 give a standard error of 1.04 / 64, 1.6 %.
const REGISTERS: usize = 1 << PRECISION;

/// The largest rank that the rest of the bits can have.
const MAX_RANK: usize = 64 - PRECISION as usize + 1;

/// How often a reader tries for a moment without a writer.
const READ_TRIES: u32 = 1000;

/// One answer of a switch that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Which sketch.
    pub seat: u16,
    /// The stretch of time it belongs to; a later one begins the sketch anew.
    pub epoch: u32,
    /// The client's number, well mixed.
    pub client: NonZeroU64,
}

/// One client counted by name.
#[derive(Debug, Default)]
struct Counter {
    client: AtomicU64,
    count: AtomicU64,
    /// How much of `count` may belong to others.
    error: AtomicU64,
}

/// One pool's clients as one writer saw them.
#[derive(Debug)]
pub(super) struct Sketch {
    busy: AtomicBool,
    epoch: AtomicU32,
    answers: AtomicU64,
    heavy: [Counter; HEAVY],
    registers: [AtomicU8; REGISTERS],
}

/// What all writers saw of one pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketched {
    /// Answers sketched.
    pub answers: u64,
    /// Clients with the answers that are surely theirs, by number.
    pub heavy: Vec<(u64, u64)>,
    registers: Vec<u8>,
}

/// How many clients there were, about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distinct {
    /// The estimate.
    pub clients: f64,
    /// Its standard error as a share of it.
    pub relative_error: f64,
}

impl Sketch {
    /// An empty one, on the heap at once.
    pub(super) fn boxed() -> Box<Self> {
        Box::new(Self {
            busy: AtomicBool::new(false),
            epoch: AtomicU32::new(0),
            answers: AtomicU64::new(0),
            heavy: std::array::from_fn(|_| Counter::default()),
            registers: std::array::from_fn(|_| AtomicU8::new(0)),
        })
    }

    /// Takes an answer in.
    pub(super) fn see(&self, epoch: u32, client: NonZeroU64) {
        if self.busy.compare_exchange(false, true, Acquire, Relaxed).is_err() {
            return;
        }
        let current = self.epoch.load(Relaxed);
        if current < epoch {
            self.begin(epoch);
        }
        if current <= epoch {
            self.answers.store(self.answers.load(Relaxed) + 1, Relaxed);
            self.mark(client.get());
            self.count(client.get());
        }
        self.busy.store(false, Release);
    }

    fn begin(&self, epoch: u32) {
        self.epoch.store(epoch, Relaxed);
        self.answers.store(0, Relaxed);
        for counter in &self.heavy {
            counter.client.store(0, Relaxed);
            counter.count.store(0, Relaxed);
            counter.error.store(0, Relaxed);
        }
        self.registers.iter().for_each(|register| register.store(0, Relaxed));
    }

    fn mark(&self, client: u64) {
        let (at, rank) = place(client);
        if let Some(register) = self.registers.get(at).filter(|register| register.load(Relaxed) < rank) {
            register.store(rank, Relaxed);
        }
    }

    fn count(&self, client: u64) {
        let mut least: (Option<&Counter>, u64) = (None, u64::MAX);
        for counter in &self.heavy {
            let count = counter.count.load(Relaxed);
            if counter.client.load(Relaxed) == client {
                counter.count.store(count + 1, Relaxed);
                return;
            }
            if count < least.1 {
                least = (Some(counter), count);
            }
        }
        if let (Some(counter), count) = least {
            counter.client.store(client, Relaxed);
            counter.count.store(count + 1, Relaxed);
            counter.error.store(count, Relaxed);
        }
    }

    /// Adds what this writer saw in an epoch to what the others did.
    pub(super) fn fold(&self, epoch: u32, into: &mut Sketched) {
        // Never for long: a writer is done within microseconds. Without luck a few figures may be torn.
        let free = || self.busy.compare_exchange(false, true, Acquire, Relaxed).is_ok();
        let held = (0..READ_TRIES).any(|_| {
            std::hint::spin_loop();
            free()
        });
        if self.epoch.load(Relaxed) == epoch {
            self.add_to(into);
        }
        if held {
            self.busy.store(false, Release);
        }
    }

    fn add_to(&self, into: &mut Sketched) {
        into.answers += self.answers.load(Relaxed);
        for (sum, register) in into.registers.iter_mut().zip(&self.registers) {
            *sum = (*sum).max(register.load(Relaxed));
        }
        for counter in &self.heavy {
            let client = counter.client.load(Relaxed);
            let surely = counter.count.load(Relaxed).saturating_sub(counter.error.load(Relaxed));
            if client == 0 || surely == 0 {
                continue;
            }
            match into.heavy.iter_mut().find(|(known, _)| *known == client) {
                Some((_, count)) => *count += surely,
                None => into.heavy.push((client, surely)),
            }
        }
    }
}

/// Register and rank of a client.
fn place(client: u64) -> (usize, u8) {
    let at = usize::try_from(client >> (64 - PRECISION)).expect("12 bits");
    let rest = client << PRECISION | 1 << (PRECISION - 1);
    (at, u8::try_from(rest.leading_zeros() + 1).expect("at most 64"))
}

impl Default for Sketched {
    fn default() -> Self {
        Self { answers: 0, heavy: Vec::new(), registers: vec![0; REGISTERS] }
    }
}

impl Sketched {
    /// Both together: clients of both count once.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.answers += other.answers;
        for (register, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *register = (*register).max(*theirs);
        }
        for (client, count) in &other.heavy {
            match self.heavy.iter_mut().find(|(known, _)| known == client) {
                Some((_, sum)) => *sum += count,
                None => self.heavy.push((*client, *count)),
            }
        }
        self
    }

    /// How many clients there were (Ertl 2017, algorithm 6).
    #[must_use]
    pub fn distinct(&self) -> Distinct {
        let m = REGISTERS as f64;
        let mut with_rank = [0.0; MAX_RANK + 1];
        for register in &self.registers {
            if let Some(count) = with_rank.get_mut(usize::from(*register)) {
                *count += 1.0;
            }
        }
        let mut sum = m * above_all(1.0 - with_rank[MAX_RANK] / m);
        for count in with_rank.iter().take(MAX_RANK).skip(1).rev() {
            sum = 0.5 * (sum + count);
        }
        sum += m * below_all(with_rank[0] / m);
        let clients = if sum.is_finite() { m * m / (2.0 * std::f64::consts::LN_2 * sum) } else { 0.0 };
        // Few clients err by collisions only, as linear counting does (Whang et al. 1990).
        let load = clients / m;
        let by_collisions = if clients > 0.0 { (m * (load.exp() - load - 1.0)).max(0.0).sqrt() / clients } else { 0.0 };
        Distinct { clients, relative_error: by_collisions.min(1.04 / m.sqrt()) }
    }
}

/// Ertl's sigma: the share of registers nobody has touched.
fn below_all(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// Ertl's tau: the share of registers that are full.
fn above_all(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u64) -> NonZeroU64 {
        let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        NonZeroU64::new(z ^ (z >> 31)).unwrap_or(NonZeroU64::MIN)
    }

    fn folded(sketches: &[&Sketch], epoch: u32) -> Sketched {
        let mut sum = Sketched::default();
        sketches.iter().for_each(|sketch| sketch.fold(epoch, &mut sum));
        sum
    }

    #[test]
    fn distinct_clients_are_counted_within_the_stated_error() {
        for count in [1u64, 3, 20, 100, 1_000, 5_000, 10_000, 20_000, 200_000] {
            let sketch = Sketch::boxed();
            for n in 0..count {
                sketch.see(1, client(n + count * 7));
                sketch.see(1, client(n + count * 7));
            }
            let seen = folded(&[&sketch], 1);
            let distinct = seen.distinct();
            let off = (distinct.clients / count as f64 - 1.0).abs();
            assert!(off <= 4.0 * distinct.relative_error + 1e-3, "{count}: {distinct:?}");
            assert!(distinct.relative_error <= 0.0163);
            assert_eq!(seen.answers, 2 * count);
        }
        assert_eq!(Sketched::default().distinct(), Distinct { clients: 0.0, relative_error: 0.0 });
    }

    #[test]
    fn writers_merge_as_one_that_saw_everything() {
        let (one, other, both) = (Sketch::boxed(), Sketch::boxed(), Sketch::boxed());
        for n in 0..3_000 {
            one.see(4, client(n));
            other.see(4, client(n + 1_500));
            both.see(4, client(n));
            both.see(4, client(n + 1_500));
        }
        assert_eq!(folded(&[&one, &other], 4).distinct(), folded(&[&both], 4).distinct());
        let apart = folded(&[&one], 4).merged(&folded(&[&other], 4));
        assert_eq!(apart.distinct(), folded(&[&both], 4).distinct());
        assert_eq!(apart.answers, 6_000);
    }

    #[test]
    fn heavy_clients_are_found_among_many_light_ones() {
        let sketch = Sketch::boxed();
        // Ten clients take half of 40,000 answers; 20,000 others one each.
        for n in 0..20_000u64 {
            sketch.see(1, client(n % 10));
            sketch.see(1, client(1_000 + n));
        }
        let seen = folded(&[&sketch], 1);
        for heavy in 0..10 {
            let count = seen.heavy.iter().find(|(known, _)| *known == client(heavy).get()).map(|(_, count)| *count);
            assert!(count.is_some_and(|count| (1_600..=2_000).contains(&count)), "{heavy}: {count:?}");
        }
        let named: u64 = seen.heavy.iter().map(|(_, count)| count).sum();
        assert!(named <= seen.answers && seen.heavy.len() <= HEAVY);
    }

    #[test]
    fn a_later_epoch_begins_anew_and_an_earlier_one_is_not_let_in() {
        let sketch = Sketch::boxed();
        sketch.see(1, client(1));
        sketch.see(2, client(2));
        sketch.see(1, client(3));
        assert_eq!(folded(&[&sketch], 1), Sketched::default());
        let seen = folded(&[&sketch], 2);
        assert_eq!((seen.answers, seen.heavy.as_slice()), (1, &[(client(2).get(), 1)][..]));
    }

    #[test]
    fn many_writers_at_once_leave_figures_that_make_sense() {
        let sketch = Sketch::boxed();
        std::thread::scope(|scope| {
            for writer in 0..4u64 {
                let sketch = &sketch;
                scope.spawn(move || {
                    for n in 0..5_000 {
                        sketch.see(1, client(n * 4 + writer));
                    }
                });
            }
            for _ in 0..50 {
                folded(&[&sketch], 1);
            }
        });
        // How many were not sketched since they met another writer is the scheduler's affair; that the figures
        // agree, and that nobody was left behind as busy, is not.
        let counted = |seen: &Sketched| seen.heavy.iter().map(|(_, count)| count).sum::<u64>();
        let met = folded(&[&sketch], 1);
        assert!((1..=20_000).contains(&met.answers) && counted(&met) <= met.answers);
        (0..5_000).for_each(|n| sketch.see(1, client(n)));
        let alone = folded(&[&sketch], 1);
        assert!(alone.answers == met.answers + 5_000 && counted(&alone) <= alone.answers);
    }
}
