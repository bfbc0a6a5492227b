//! What the program counts, and how it is shown.
//!
//! `cells` holds the counters that answering threads write without sharing, and `registry` adds them
//! up; [`exposition`] turns the sums, and the rows that control hands over, into text for Prometheus;
//! `sketch` tells how many clients a watched pool's answers went to; `process` asks the operating
//! system about this process. This room imports nothing of ours and never reads a clock.

mod cells;
mod count;
pub mod exposition;
mod families;
mod latency;
mod pool_cells;
mod process;
mod registry;
mod requests;
mod seats;
mod sketch;

pub use cells::{Cells, SharedWriter, SoleWriter, Tally};
pub use count::Count;
pub use latency::LatencyTotals;
pub use pool_cells::PoolTotals;
pub use process::ProcessFigures;
pub use registry::{Registry, Responses};
pub use requests::RequestTotals;
pub use seats::SEATS;
pub use sketch::{Distinct, Seen, Sketched};
