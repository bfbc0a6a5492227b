//! Desired state as data: definitions, run-time state, commands, and what each command changes.
//!
//! Pure: `apply(desired, command, now)` returns a change or a rejection; `compile` turns state and
//! observed health into what `snapshot` publishes. Never talks to a store, a socket or a clock.

pub mod apply;
pub mod catalog;
pub mod catalogue;
pub mod command;
pub mod compile;
pub mod copies;
pub mod definitions;
pub mod edit_bounds;
pub mod edits;
pub mod guests;
pub mod observed;
pub mod runtime;
pub mod serials;
mod switch_names;
#[cfg(test)]
mod tests;
pub mod transfers;
pub mod update_rules;
pub mod v1;

pub use apply::{apply, initial_serials};
pub use catalog::{CatalogTaken, with_catalog};
pub use catalogue::{Catalogue, Placed};
pub use command::{
    Change, Command, FlipTarget, Registration, Rejection, Request, RolloutStart, RolloutVerb, SplitChange, WeightChange,
};
pub use compile::{Compilation, TtlCause, compile_switch};
pub use copies::{Brought, Copies, CopyTask, ZoneCopy};
pub use definitions::{AnswerSettings, Definitions, ZoneDefinition};
pub use edits::{EditedSet, EditedZone, EditedZones, SetKey, ZoneChange};
pub use guests::{Guest, Lease, Origin};
pub use observed::{MemberKey, Observed, PoolStatus, Seen};
pub use runtime::{Desired, Hold, Split, SwitchState};
pub use transfers::{Peer, SecondaryReport, TransferOverride, TransferRules, TransferTable};
pub use update_rules::{Grants, UpdateNames, UpdateRule, UpdateRules};
