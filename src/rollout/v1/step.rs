//! A step as it is written: a share alone, or a table.
//!
//! Read by a visitor of its own: serde's untagged enums forget what is wrong and where it stands.

use super::gate::GateForm;
use super::scalar::{Length, Portion};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A step: `"10%"`, or a table.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum StepForm {
    /// Its share alone.
    Share(Portion),
    /// With more to say.
    Table(StepTable),
}

/// `{ weight = "10%", hold = "10m" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepTable {
    /// The canary's share.
    pub weight: Portion,
    /// How long it is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Length>,
    /// Instead of the plan's gates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Vec<GateForm>>,
    /// Wait for a person before the next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<bool>,
}

/// Reads a [`StepForm`].
struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = StepForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share such as \"10%\", or a table such as { weight = \"10%\", hold = \"10m\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StepForm, E> {
        Portion::deserialize(text.into_deserializer()).map(StepForm::Share)
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<StepForm, E> {
        Portion::deserialize(n.into_deserializer()).map(StepForm::Share)
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<StepForm, E> {
        Portion::deserialize(n.into_deserializer()).map(StepForm::Share)
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<StepForm, E> {
        Portion::deserialize(n.into_deserializer()).map(StepForm::Share)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StepForm, A::Error> {
        StepTable::deserialize(MapAccessDeserializer::new(map)).map(StepForm::Table)
    }
}

impl<'de> Deserialize<'de> for StepForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}
