//! Guests: members that came by themselves, beside those of the files (§2.5).
//!
//! A guest is part of its switch's stored state. The definitions in use hold switches with their
//! guests seated behind the members of the files, so that answers, probes, drains and rollouts know
//! one kind of member.

use crate::steering::{Member, Switch};
use std::sync::Arc;

/// A member that the files do not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Its pool.
    pub pool: Arc<str>,
    /// Name, addresses, weight, version.
    pub member: Member,
    /// How it came.
    pub origin: Origin,
}

/// How a guest came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It registered.
    Registered(Lease),
    /// A name in DNS has its address.
    Discovered {
        /// It has it no longer, and the member stays until others are healthy, or until then at the latest (wall
        /// clock, milliseconds).
        leaves_unix_ms: Option<u64>,
    },
}

/// How long a registration lasts. When it was last renewed is known to the running process alone:
/// after a start each lasts its whole time again, so that nobody is dropped for our absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Time without a heartbeat after which it ends, milliseconds.
    pub ttl_ms: u64,
    /// The token it was made with.
    pub by: String,
    /// It has ended, and the member stays since its pool would be left with nobody.
    pub stale: bool,
}

impl Guest {
    /// Its lease, if it registered.
    #[must_use]
    pub const fn lease(&self) -> Option<&Lease> {
        match &self.origin {
            Origin::Registered(lease) => Some(lease),
            Origin::Discovered { .. } => None,
        }
    }

    /// Whether DNS no longer has it.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self.origin, Origin::Discovered { leaves_unix_ms: Some(_) })
    }

    /// Whether this is the registration `id` of a pool.
    #[must_use]
    pub fn is_registration(&self, pool: &str, id: &str) -> bool {
        &*self.pool == pool && self.lease().is_some() && self.member.name() == id
    }
}

/// A switch of the files with its guests behind the members of each pool.
#[must_use]
pub fn seated(written: &Arc<Switch>, guests: &[Guest]) -> Arc<Switch> {
    if guests.is_empty() {
        return written.clone();
    }
    let mut switch = (**written).clone();
    for pool in &mut switch.pools {
        let mut coming =
            guests.iter().filter(|guest| guest.pool == pool.name).map(|guest| guest.member.clone()).peekable();
        if coming.peek().is_some() {
            pool.members = pool.members.iter().cloned().chain(coming).collect();
        }
    }
    Arc::new(switch)
}
