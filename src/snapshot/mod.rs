//! The immutable view queries read, and its swap cell.
//!
//! A [`Snapshot`] is numbered and never changes. What a flip changes (one switch, some serials) is
//! small: [`Snapshot::with_changes`] shares everything else with its predecessor. The cell knows
//! when nobody reads an older snapshot any more, which is what "applied" means (§3.3).

use crate::steering::CompiledSwitch;
use crate::zone::ZoneSet;
use std::sync::Arc;
