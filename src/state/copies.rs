//! Zones that are copies of what primaries elsewhere have (RFC 1034 §4.3.5).
//!
//! A copy is no desired state: its primaries can give it again. It is kept so that a start need not wait for them,
//! with the time at which one of them confirmed it last, since from then on it is good for EXPIRE.

use super::transfers::Peer;
use crate::dns::Name;
use crate::zone::{Closed, Soa, Zone};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Copies by apex.
pub type Copies = BTreeMap<Name, ZoneCopy>;

/// What there is of a zone that is a copy.
#[derive(Debug, Clone)]
pub struct ZoneCopy {
    /// What is served.
    pub data: Arc<Zone>,
    /// When a primary confirmed it last, wall clock, milliseconds; 0: never.
    pub confirmed_unix_ms: u64,
    /// Why no primary confirmed it the last time they were asked.
    pub trouble: Option<String>,
}

/// A zone to keep a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyTask {
    /// The zone.
    pub zone: Name,
    /// Whom to ask, in this order.
    pub primaries: Arc<[Peer]>,
    /// When what is served of it was confirmed, wall clock, milliseconds.
    pub confirmed_unix_ms: u64,
}

/// What asking the primaries of a zone brought.
#[derive(Debug, Clone)]
pub enum Brought {
    /// Another version of the zone.
    Version(Arc<Zone>),
    /// The serial that is served.
    Confirmed,
    /// Nothing, and why.
    Nothing(String),
    /// Nothing for too long: the copy is no longer good.
    Expired,
}

impl ZoneCopy {
    /// No copy yet.
    #[must_use]
    pub fn none_of(apex: &Name) -> Self {
        Self { data: Arc::new(Zone::closed(apex, Closed::NotLoaded)), confirmed_unix_ms: 0, trouble: None }
    }

    /// A copy as it was kept; closed when that was too long ago.
    #[must_use]
    pub fn kept(data: Zone, confirmed_unix_ms: u64, now_unix_ms: u64) -> Self {
        let mut copy = Self { data: Arc::new(data), confirmed_unix_ms, trouble: None };
        if copy.good_until_unix_ms().is_some_and(|until| until <= now_unix_ms) {
            copy.take(Brought::Expired, now_unix_ms);
        }
        copy
    }

    /// Until when it is good, wall clock, milliseconds; `None` when it is not.
    #[must_use]
    pub fn good_until_unix_ms(&self) -> Option<u64> {
        let expire_s = self.data.soa().map(Soa::expire)?;
        Some(self.confirmed_unix_ms.saturating_add(u64::from(expire_s) * 1000))
    }

    /// Takes in what was brought; whether other data are served from here on.
    pub fn take(&mut self, brought: Brought, now_unix_ms: u64) -> bool {
        match brought {
            Brought::Version(data) => {
                *self = Self { data, confirmed_unix_ms: now_unix_ms, trouble: None };
                return true;
            }
            Brought::Confirmed => (self.confirmed_unix_ms, self.trouble) = (now_unix_ms, None),
            Brought::Nothing(why) => self.trouble = Some(why),
            Brought::Expired => {
                self.data = Arc::new(Zone::closed(self.data.apex(), Closed::Expired));
                return true;
            }
        }
        false
    }
}
