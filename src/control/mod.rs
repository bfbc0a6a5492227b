//! The single writer: every change enters one closed [`event::Event`] enum handled by one task.
//!
//! Only that task commits to the store and publishes snapshots. Others hold a [`Handle`]: they ask,
//! and are answered once the change is durable and no reader answers from an older snapshot.

mod alarm;
mod arrivals;
mod audit;
mod change;
mod copies;
pub mod event;
mod geo;
pub mod handle;
pub mod happenings;
mod observe;
mod publish;
mod recent;
mod release_evidence;
mod release_hooks;
mod release_views;
mod releases;
pub mod report;
mod rollout_report;
mod secondaries;
mod shares;
mod slots;
pub mod start;
mod stored;
mod task;
mod tick;
mod trials;
pub mod updates;
mod view;
mod zone_report;

pub use copies::CopyReport;
pub use handle::{Asked, Caller, Handle, IdempotencyKey, Refused, Reloading, Replied};
pub use start::{Start, StartError, Started};
pub use task::{Loaded, Loader};
pub use view::rfc3339;
