//! What the program counts, and how it is shown.
//!
//! [`cells`] holds the counters that answering threads write without sharing; [`exposition`]
//! turns them, and the rows that control hands over, into text for Prometheus; `sketch` tells how many
//! clients a watched pool's answers went to; `process` asks the operating system about this process. This room imports
//! nothing of ours and never reads a clock.

pub mod cells;
pub mod exposition;
mod families;
mod latency;
mod pool_cells;
mod process;
mod requests;
mod seats;
mod sketch;

pub use cells::{Cells, Count, Registry, Responses, SharedWriter, SoleWriter, Tally};
pub use latency::LatencyTotals;
pub use pool_cells::PoolTotals;
pub use process::ProcessFigures;
pub use requests::RequestTotals;
pub use seats::SEATS;
pub use sketch::{Distinct, Seen, Sketched};
