//! The single writer: every change enters one closed [`event::Event`] enum handled by one task.
//!
//! Only that task commits to the store and publishes snapshots. Others hold a [`Handle`]: they ask,
//! and are answered once the change is durable and no reader answers from an older snapshot.

pub mod handle;
pub mod report;

pub use handle::{Asked, Caller, Handle, IdempotencyKey, Refused, Reloading, Replied};
