//! Chance that a seed repeats: splitmix64 (Steele, Lea and Flood 2014), and draws made of it.
//!
//! For simulations and suggestions that must come out the same twice; never for secrets.

/// A stream of numbers that its seed alone decides.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

/// Draws one by one below this many expected hits; beyond it a normal draw is as good.
const NORMAL_FROM: f64 = 30.0;

impl Seeded {
    /// The stream of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of one of many runs of a seed.
    #[must_use]
    pub fn of_run(seed: u64, run: u64) -> Self {
        let mut runs = Self(seed ^ run.wrapping_mul(0xd605_1f2c_9b2d_8a67));
        Self(runs.draw())
    }

    /// 64 bits.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to and without 1.
    pub fn fraction(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // 53 bits are exact
        let cell = (self.draw() >> 11) as f64;
        cell / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.fraction(), self.fraction());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// The whole number around `value` whose mean is `value`.
    pub fn rounded(&mut self, value: f64) -> f64 {
        let floor = value.max(0.0).floor();
        floor + f64::from(u8::from(self.fraction() < value - floor))
    }

    /// Hits of `n` tries (a whole number) with chance `p` each.
    pub fn binomial(&mut self, n: f64, p: f64) -> f64 {
        if n <= 0.0 || p <= 0.0 {
            return 0.0;
        }
        if p >= 1.0 {
            return n;
        }
        if p > 0.5 {
            return n - self.binomial(n, 1.0 - p);
        }
        let mean = n * p;
        if mean >= NORMAL_FROM {
            let sd = (mean * (1.0 - p)).sqrt();
            return (mean + sd * self.normal()).round().clamp(0.0, n);
        }
        // By the waiting times between hits, which are geometric (Devroye 1986, X.4.3).
        let log_miss = (-p).ln_1p();
        let (mut hits, mut tries) = (0.0, 0.0);
        loop {
            tries += ((1.0 - self.fraction()).ln() / log_miss).floor() + 1.0;
            if tries > n {
                return hits;
            }
            hits += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_stream_and_runs_differ() {
        let stream = |seed, run| {
            let mut draws = Seeded::of_run(seed, run);
            [draws.draw(), draws.draw(), draws.draw()]
        };
        assert_eq!(stream(7, 3), stream(7, 3));
        assert_ne!(stream(7, 3), stream(7, 4));
        assert_ne!(stream(7, 3), stream(8, 3));
        // The reference output of splitmix64 for seed 0.
        assert_eq!(Seeded::new(0).draw(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn binomial_draws_have_the_mean_and_spread_of_the_formula() {
        for (n, p) in [(10.0, 0.3), (1.0, 0.01), (60.0, 0.9), (5_000.0, 0.02), (200.0, 0.4), (3.0, 1.0), (3.0, 0.0)] {
            let mut draws = Seeded::new(11);
            let runs = 20_000;
            let seen: Vec<f64> = (0..runs).map(|_| draws.binomial(n, p)).collect();
            assert!(seen.iter().all(|hits| (0.0..=n).contains(hits) && hits.fract() == 0.0));
            let mean = seen.iter().sum::<f64>() / f64::from(runs);
            let variance = seen.iter().map(|hits| (hits - mean).powi(2)).sum::<f64>() / f64::from(runs);
            let sd = (n * p * (1.0 - p)).sqrt();
            assert!((mean - n * p).abs() <= 5.0 * sd / f64::from(runs).sqrt(), "{n} {p}: {mean}");
            assert!((variance.sqrt() - sd).abs() <= 0.03 * sd + 1e-12, "{n} {p}: {}", variance.sqrt());
        }
    }

    #[test]
    fn rounding_by_chance_keeps_the_mean() {
        let mut draws = Seeded::new(5);
        let sum: f64 = (0..10_000).map(|_| draws.rounded(2.25)).sum();
        assert!((sum / 10_000.0 - 2.25).abs() < 0.02, "{sum}");
        assert_eq!(draws.rounded(3.0), 3.0);
    }
}
