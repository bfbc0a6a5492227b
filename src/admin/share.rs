//! A pool's part of a split as people write it: a weight, or a percentage.

use crate::state::WeightChange;
use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// One pool's part of a split: a weight, or a percentage with at most two decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// 0 to 10000; a larger one is refused later, with the pool's name.
    Weight(u32),
    /// Hundredths of a percent.
    Percent(u32),
}

impl Share {
    /// Reads `9000` or `10.25%`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(number) = text.strip_suffix('%') {
            return percent(number.trim_end())
                .map(Self::Percent)
                .ok_or_else(|| format!("`{text}` is not a percentage from 0% to 100% with at most two decimals"));
        }
        text.parse()
            .map(Self::Weight)
            .map_err(|_| format!("`{text}` is neither a whole number from 0 to 10000 nor a percentage such as 10%"))
    }
}

/// Hundredths of a percent in `12`, `12.5` or `12.34`.
fn percent(number: &str) -> Option<u32> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 3 || decimals.len() > 2 {
        return None;
    }
    let mut hundredths: u32 = decimals.parse().ok()?;
    if decimals.len() == 1 {
        hundredths *= 10;
    }
    let total = whole.parse::<u32>().ok()? * 100 + hundredths;
    (total <= 10_000).then_some(total)
}

impl JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A weight from 0 to 10000, or a percentage with at most two decimals.",
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 10_000 },
                { "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,2})? *%$", "examples": ["10%"] },
            ],
        })
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Weight(weight) => serializer.serialize_u32(*weight),
            Self::Percent(hundredths) => {
                serializer.collect_str(&format_args!("{}.{:02}%", hundredths / 100, hundredths % 100))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShareVisitor;
        impl Visitor<'_> for ShareVisitor {
            type Value = Share;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number from 0 to 10000, or a percentage in quotes such as \"10%\"")
            }

            fn visit_u64<E: de::Error>(self, weight: u64) -> Result<Share, E> {
                u32::try_from(weight)
                    .map(Share::Weight)
                    .map_err(|_| E::custom(format!("weight {weight} is out of range: 0 to 10000")))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
                if text.ends_with('%') {
                    Share::parse(text).map_err(E::custom)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }
        }
        deserializer.deserialize_any(ShareVisitor)
    }
}

/// A map whose keys are there once: JSON leaves open which of two would count.
pub(super) fn each_pool_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Share>, D::Error> {
    struct MapVisitor;
    impl<'de> Visitor<'de> for MapVisitor {
        type Value = BTreeMap<String, Share>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("pools with their weights or percentages, such as {\"green\": \"10%\"}")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut weights = BTreeMap::new();
            while let Some((pool, share)) = entries.next_entry::<String, Share>()? {
                if weights.contains_key(&pool) {
                    return Err(de::Error::custom(format!("pool `{pool}` is named twice")));
                }
                weights.insert(pool, share);
            }
            Ok(weights)
        }
    }
    deserializer.deserialize_map(MapVisitor)
}

/// One unit for all pools, or why not.
///
/// # Errors
/// When none is given or the units are mixed.
pub fn weight_change(weights: &BTreeMap<String, Share>) -> Result<WeightChange, String> {
    let mut plain = BTreeMap::new();
    let mut percent = BTreeMap::new();
    for (pool, share) in weights {
        match share {
            Share::Weight(weight) => plain.insert(pool.clone(), *weight),
            Share::Percent(hundredths) => percent.insert(pool.clone(), *hundredths),
        };
    }
    match (plain.is_empty(), percent.is_empty()) {
        (true, true) => Err("no pool is named: give at least one, such as {\"green\": \"10%\"}".to_owned()),
        (false, true) => Ok(WeightChange::Weights(plain)),
        (true, false) => Ok(WeightChange::Percent(percent)),
        (false, false) => Err("weights and percentages cannot be mixed in one split".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_are_whole_numbers_or_percentages_of_at_most_two_decimals() {
        assert_eq!(Share::parse("9000"), Ok(Share::Weight(9000)));
        assert_eq!(Share::parse("10%"), Ok(Share::Percent(1000)));
        assert_eq!(Share::parse("0.5%"), Ok(Share::Percent(50)));
        assert_eq!(Share::parse("0.05%"), Ok(Share::Percent(5)));
        assert_eq!(Share::parse("100.00 %"), Ok(Share::Percent(10_000)));
        for wrong in ["", "%", "-1", "-1%", "1e3", "1.005%", "100.01%", "9999%", ".5%", "5.%", "+5%", "٣%", "ten"] {
            assert!(Share::parse(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn json_shares_are_numbers_or_percent_texts() {
        let read = |text: &str| serde_json::from_str::<Share>(text);
        assert_eq!(read("9000").unwrap(), Share::Weight(9000));
        assert_eq!(read("\"12.5%\"").unwrap(), Share::Percent(1250));
        for wrong in ["\"9000\"", "-5", "1.5", "true", "null", "99999999999", "\"200%\"", "[]"] {
            assert!(read(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn units_are_not_mixed_and_something_is_named() {
        let mixed = BTreeMap::from([("a".to_owned(), Share::Weight(1)), ("b".to_owned(), Share::Percent(100))]);
        assert!(weight_change(&mixed).is_err());
        assert!(weight_change(&BTreeMap::new()).is_err());
    }

    proptest! {
        #[test]
        fn every_percentage_survives_the_wire(hundredths in 0_u32..=10_000) {
            let share = Share::Percent(hundredths);
            let text = serde_json::to_string(&share).unwrap();
            prop_assert_eq!(serde_json::from_str::<Share>(&text).unwrap(), share);
        }

        #[test]
        fn no_text_panics_the_parser(text in ".*") {
            let _ = Share::parse(&text);
        }
    }
}
