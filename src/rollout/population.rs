//! Resolver populations: who asks for an owner, and how often (§5.7, §5.8).
//!
//! Recorded ones come as text: a line `client,queries per second` each (comma, semicolon, tab or
//! blanks between, an optional heading), or a JSON array of `{"client", "qps"}`. Where nothing was
//! recorded, a Zipf law stands in: few resolvers serve most users.

use crate::steering::Client;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// One resolver, or one subnet that it speaks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolver {
    /// An address in its prefix.
    pub address: IpAddr,
    /// Requests of the users behind it, by second: what they would ask if nothing were cached.
    pub qps: f64,
}

/// Resolvers with their users, and which of them share a client key.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    resolvers: Vec<Resolver>,
    /// Per resolver: the number of its client key.
    keys: Vec<u32>,
    key_count: u32,
}

/// More resolvers than this are not simulated.
pub const MAX_RESOLVERS: u32 = 1_000_000;

/// Why a population makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PopulationError {
    /// A line that cannot be read.
    #[error("line {line}: `{text}` is not `client,queries-per-second`, such as `203.0.113.0/24,12.5`")]
    Line {
        /// From 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// JSON of another shape.
    #[error("not a JSON array of {{\"client\": \"203.0.113.0/24\", \"qps\": 12.5}}: {0}")]
    Json(String),
    /// Rates below zero, or none above it.
    #[error("rates must be numbers from 0 on, and one at least above 0")]
    Rates,
    /// None or too many.
    #[error("{0} resolvers: from 1 to 1000000 can be simulated")]
    Size(usize),
    /// An exponent that makes no sense.
    #[error("the exponent must be from 0 (all alike) to 5")]
    Exponent,
}

impl Population {
    /// Takes these resolvers.
    ///
    /// # Errors
    /// When there are none, too many, or their rates make no sense.
    pub fn new(resolvers: Vec<Resolver>) -> Result<Self, PopulationError> {
        if resolvers.is_empty() || resolvers.len() > MAX_RESOLVERS as usize {
            return Err(PopulationError::Size(resolvers.len()));
        }
        let sane = |resolver: &Resolver| resolver.qps >= 0.0 && resolver.qps <= 1e12;
        if !resolvers.iter().all(sane) || resolvers.iter().all(|resolver| resolver.qps == 0.0) {
            return Err(PopulationError::Rates);
        }
        let mut known = HashMap::new();
        let mut keys = Vec::with_capacity(resolvers.len());
        for resolver in &resolvers {
            let client = Client { address: resolver.address, subnet: None, label: None };
            let next = u32::try_from(known.len()).expect("at most MAX_RESOLVERS");
            keys.push(*known.entry(client.fingerprint()).or_insert(next));
        }
        let key_count = u32::try_from(known.len()).expect("at most MAX_RESOLVERS");
        Ok(Self { resolvers, keys, key_count })
    }

    /// `n` resolvers whose rates fall with their rank as `1 / rank^exponent` (Zipf), `qps` in sum.
    ///
    /// # Errors
    /// When a figure makes no sense.
    pub fn zipf(n: u32, exponent: f64, qps: f64) -> Result<Self, PopulationError> {
        if n == 0 || n > MAX_RESOLVERS {
            return Err(PopulationError::Size(n as usize));
        }
        if !(0.0..=5.0).contains(&exponent) {
            return Err(PopulationError::Exponent);
        }
        if !(qps > 0.0 && qps.is_finite()) {
            return Err(PopulationError::Rates);
        }
        let weight = |rank: u32| f64::from(rank).powf(-exponent);
        let sum: f64 = (1..=n).map(weight).sum();
        let resolver = |rank: u32| Resolver { address: stand_in(rank), qps: qps * weight(rank) / sum };
        Self::new((1..=n).map(resolver).collect())
    }

    /// Reads a recorded population.
    ///
    /// # Errors
    /// The first line that cannot be read, or figures that make no sense.
    pub fn read(text: &str) -> Result<Self, PopulationError> {
        if text.trim_start().starts_with('[') {
            return Self::new(from_json(text)?);
        }
        let mut resolvers = Vec::new();
        let mut heading_allowed = true;
        for (at, line) in text.lines().enumerate() {
            let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
            if line.is_empty() {
                continue;
            }
            match resolver_of(line) {
                Some(resolver) => resolvers.push(resolver),
                None if heading_allowed => {}
                None => return Err(PopulationError::Line { line: at + 1, text: line.chars().take(60).collect() }),
            }
            heading_allowed = false;
        }
        Self::new(resolvers)
    }

    /// The resolvers, in the order given.
    #[must_use]
    pub fn resolvers(&self) -> &[Resolver] {
        &self.resolvers
    }

    /// Per resolver the number of its client key, from 0.
    #[must_use]
    pub fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// Distinct client keys.
    #[must_use]
    pub fn key_count(&self) -> u32 {
        self.key_count
    }

    /// Requests by second.
    #[must_use]
    pub fn qps(&self) -> f64 {
        self.resolvers.iter().map(|resolver| resolver.qps).sum()
    }

    /// Rates by client key.
    #[must_use]
    pub fn rates_by_key(&self) -> Vec<f64> {
        let mut rates = vec![0.0; self.key_count as usize];
        for (resolver, key) in self.resolvers.iter().zip(&self.keys) {
            if let Some(rate) = rates.get_mut(*key as usize) {
                *rate += resolver.qps;
            }
        }
        rates
    }

    /// How many equal client keys would make shares stray as much: 1 / sum of squared shares.
    #[must_use]
    pub fn effective(&self) -> f64 {
        let rates = self.rates_by_key();
        let (sum, squares) = rates.iter().fold((0.0, 0.0), |(sum, squares), rate| (sum + rate, squares + rate * rate));
        sum * sum / squares
    }
}

/// The address of the resolver of this rank: a documentation /56 of its own (RFC 3849).
fn stand_in(rank: u32) -> IpAddr {
    let prefix = 0x2001_0db8u128 << 96;
    IpAddr::V6(Ipv6Addr::from(prefix | u128::from(rank) << 72))
}

/// One line.
fn resolver_of(line: &str) -> Option<Resolver> {
    let mut words =
        line.split([',', ';', '\t', ' ']).map(|word| word.trim().trim_matches('"')).filter(|w| !w.is_empty());
    let (client, rate) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some(Resolver { address: address_of(client)?, qps: rate.parse().ok().filter(|rate: &f64| rate.is_finite())? })
}

/// An address, or the first of a prefix.
fn address_of(client: &str) -> Option<IpAddr> {
    client.parse().ok().or_else(|| client.parse::<IpNet>().ok().map(|net| net.network()))
}

fn from_json(text: &str) -> Result<Vec<Resolver>, PopulationError> {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Form {
        client: String,
        qps: f64,
    }
    let forms: Vec<Form> = serde_json::from_str(text).map_err(|error| PopulationError::Json(error.to_string()))?;
    let resolver = |form: Form| {
        let address = address_of(&form.client);
        address
            .map(|address| Resolver { address, qps: form.qps })
            .ok_or_else(|| PopulationError::Json(format!("`{}` is no address and no prefix", form.client)))
    };
    forms.into_iter().map(resolver).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_populations_are_read_in_every_form() {
        let wanted = [("203.0.113.0", 12.5), ("2001:db8:7::", 3.0), ("192.0.2.9", 0.25)];
        for text in [
            "client-prefix,queries-per-second\n203.0.113.0/24,12.5\n2001:db8:7::/56,3\n192.0.2.9,0.25\n",
            "203.0.113.0/24\t12.5\n# ours\n\n2001:db8:7::/56\t3 # big\n192.0.2.9\t0.25",
            "203.0.113.0/24; 12.5\n2001:db8:7::/56; 3\n192.0.2.9; 0.25\n",
            r#"[{"client":"203.0.113.0/24","qps":12.5},{"client":"2001:db8:7::/56","qps":3},{"client":"192.0.2.9","qps":0.25}]"#,
        ] {
            let population = Population::read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let seen: Vec<(String, f64)> =
                population.resolvers().iter().map(|r| (r.address.to_string(), r.qps)).collect();
            assert_eq!(seen, wanted.map(|(address, qps)| (address.to_owned(), qps)));
        }
    }

    #[test]
    fn what_cannot_be_read_names_its_line() {
        let error = |text: &str| Population::read(text).unwrap_err().to_string();
        assert!(error("192.0.2.1,1\n192.0.2.2\n").starts_with("line 2: `192.0.2.2`"));
        assert!(error("192.0.2.1,1\nmany,1\n").starts_with("line 2: `many,1`"));
        assert!(error("192.0.2.1,-1\n").contains("from 0 on"));
        assert!(error("192.0.2.1,0\n").contains("above 0"));
        assert!(error("").contains("0 resolvers"));
        assert!(error("heading only\n").contains("0 resolvers"));
        assert!(error("[{\"client\":\"x\",\"qps\":1}]").contains("`x`"));
        assert!(error("[{\"client\":\"192.0.2.1\"}]").contains("qps"));
    }

    #[test]
    fn equal_resolvers_count_as_many_as_they_are() {
        let equal = Population::zipf(500, 0.0, 100.0).unwrap();
        assert!((equal.effective() - 500.0).abs() < 1e-6);
        assert_eq!((equal.key_count(), equal.resolvers().len()), (500, 500));
        let skewed = Population::zipf(500, 1.2, 100.0).unwrap();
        assert!((1.0..100.0).contains(&skewed.effective()), "{}", skewed.effective());
        assert!((skewed.qps() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn resolvers_of_one_prefix_are_one_client_key() {
        let population = Population::read("192.0.2.1,1\n192.0.2.77,3\n198.51.100.1,4\n").unwrap();
        assert_eq!((population.keys(), population.key_count()), (&[0, 0, 1][..], 2));
        assert_eq!(population.rates_by_key(), [4.0, 4.0]);
        assert!((population.effective() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn figures_that_make_no_sense_are_refused() {
        assert_eq!(Population::zipf(0, 1.0, 1.0), Err(PopulationError::Size(0)));
        assert_eq!(Population::zipf(5, -1.0, 1.0), Err(PopulationError::Exponent));
        assert_eq!(Population::zipf(5, f64::NAN, 1.0), Err(PopulationError::Exponent));
        assert_eq!(Population::zipf(5, 1.0, 0.0), Err(PopulationError::Rates));
    }
}
