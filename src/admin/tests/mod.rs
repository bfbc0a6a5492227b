//! The interface over real loopback sockets, with a small task in place of the control task.

mod access;
mod bodies;
mod changes;
mod envelope;
pub(super) mod fake;
mod streams;
