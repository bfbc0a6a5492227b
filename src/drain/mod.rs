//! What was promised to whom and until when: the ledger behind "may the old side be closed?" (§4).
//!
//! Pure: promises are folded in from the workers' cells by `control`, moments are arguments.

use serde::{Deserialize, Serialize};

/// Where an old side stands on its way out (§4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrainState {
    /// Has weight, or a rule names it.
    Serving,
    /// No weight; answers naming it may still be cached.
    Draining,
    /// No cache that honours TTLs holds it any more.
    DnsDrained,
    /// Waiting for those who do not honour TTLs.
    Tail,
    /// Tail over, and the idle reading (where there is one) agrees.
    Drained,
}
