//! Lengths of time and shares, as people write them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A length of time: `"10m"`, `"500ms"`, or a number of seconds. Milliseconds within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub u64);

/// A share: `"10%"`, or a fraction of one such as `0.1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Portion(pub f64);

impl Portion {
    /// Hundredths of a percent; `None` when it is not within 0 to 100 % or has more than two decimals.
    #[must_use]
    pub fn hundredths(self) -> Option<u16> {
        let units = self.0 * 10_000.0;
        let whole = units.round();
        if !(0.0..=10_000.0).contains(&whole) || (units - whole).abs() > 1e-6 {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole and within range, as just tested
        let whole = whole as u16;
        Some(whole)
    }
}

/// A share of so many hundredths of a percent.
#[must_use]
pub fn percent_of(hundredths: u16) -> Portion {
    Portion(f64::from(hundredths) / 10_000.0)
}

impl fmt::Display for Portion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.0 * 1e6).round() / 1e4;
        write!(f, "{percent}%")
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_duration(Duration::from_millis(self.0)).to_string();
        f.write_str(&text.replace(' ', ""))
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time with its unit, or a number of seconds; replies have the text.",
            "anyOf": [{ "type": "string", "examples": ["30s", "10m"] }, { "type": "number", "minimum": 0 }],
        })
    }
}

impl JsonSchema for Portion {
    fn schema_name() -> Cow<'static, str> {
        "Portion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A percentage, or a fraction of one; replies have the text.",
            "anyOf": [{ "type": "string", "examples": ["10%"] }, { "type": "number" }],
        })
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LengthVisitor;
        impl Visitor<'_> for LengthVisitor {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as \"30s\" or \"10m\", or a number of seconds")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Length, E> {
                let parsed = humantime::parse_duration(text).ok().and_then(|d| u64::try_from(d.as_millis()).ok());
                parsed.map(Length).ok_or_else(|| {
                    E::custom(format!(
                        "`{text}` is no length of time: write a number with its unit, such as \"30s\" or \"10m\""
                    ))
                })
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Length, E> {
                seconds.checked_mul(1000).map(Length).ok_or_else(|| E::custom("too long a time"))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Length, E> {
                let seconds = u64::try_from(seconds).map_err(|_| E::custom("a length of time is not negative"))?;
                self.visit_u64(seconds)
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Length, E> {
                let length = Duration::try_from_secs_f64(seconds).ok().and_then(|d| u64::try_from(d.as_millis()).ok());
                length.map(Length).ok_or_else(|| E::custom(format!("`{seconds}` is no length of time in seconds")))
            }
        }
        deserializer.deserialize_any(LengthVisitor)
    }
}

impl Serialize for Portion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Portion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PortionVisitor;
        impl Visitor<'_> for PortionVisitor {
            type Value = Portion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage in quotes such as \"10%\", or a fraction such as 0.1")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Portion, E> {
                let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
                let percent = percent.filter(|percent| percent.is_finite());
                percent
                    .map(|percent| Portion(percent / 100.0))
                    .ok_or_else(|| E::custom(format!("`{text}` is no share: write a percentage such as \"10%\"")))
            }

            fn visit_f64<E: Error>(self, fraction: f64) -> Result<Portion, E> {
                if fraction.is_finite() { Ok(Portion(fraction)) } else { Err(E::custom("a share is a finite number")) }
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Portion, E> {
                if n <= 1 {
                    return Ok(Portion(if n == 1 { 1.0 } else { 0.0 }));
                }
                Err(E::custom(format!("`{n}` is no share: write \"{n}%\" if percent is meant")))
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Portion, E> {
                let n = u64::try_from(n).map_err(|_| E::custom("a share is not negative"))?;
                self.visit_u64(n)
            }
        }
        deserializer.deserialize_any(PortionVisitor)
    }
}
