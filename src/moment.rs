//! A point in time as the pure rooms see it.
//!
//! Pure code never reads a clock: `clock` (shell) makes a [`Moment`] and everybody passes it on.
//! Two readings travel together because they answer different questions: promises and intervals
//! are counted on the boot clock, which no operator or NTP daemon can move; audit rows and expiry
//! dates that people read are on the wall clock.

use serde::{Deserialize, Serialize};

/// One reading of both clocks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct Moment {
    /// Milliseconds since boot, suspended time included (CLOCK_BOOTTIME).
    pub boot_ms: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z (CLOCK_REALTIME).
    pub unix_ms: u64,
}

impl Moment {
    /// The moment `ms` later on both clocks.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self { boot_ms: self.boot_ms.saturating_add(ms), unix_ms: self.unix_ms.saturating_add(ms) }
    }
}
