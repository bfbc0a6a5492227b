//! Desired state as data: definitions, run-time state, commands, and what each command changes.
//!
//! Pure: `apply(desired, command, now)` returns a change or a rejection; `compile` turns state and
//! observed health into what `snapshot` publishes. Never talks to a store, a socket or a clock.

pub mod definitions;

pub use definitions::{AnswerSettings, Definitions, ZoneDefinition};
