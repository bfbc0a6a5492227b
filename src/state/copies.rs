//! Zones that are copies of what primaries elsewhere have (RFC 1034 §4.3.5).
//!
//! A copy is no desired state: its primaries can give it again. It is kept so that a start need not wait for them,
//! with the time at which one of them confirmed it last, since from then on it is good for EXPIRE.

use super::transfers::Peer;
use crate::dns::Name;
use crate::moment::Moment;
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
    /// Until when it is good without a primary, boot clock, milliseconds.
    good_until_boot_ms: u64,
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
}

impl ZoneCopy {
    /// No copy yet.
    #[must_use]
    pub fn none_of(apex: &Name) -> Self {
        let data = Arc::new(Zone::closed(apex, Closed::NotLoaded));
        Self { data, confirmed_unix_ms: 0, good_until_boot_ms: 0, trouble: None }
    }

    /// A copy as it was kept.
    #[must_use]
    pub fn kept(data: Zone, confirmed_unix_ms: u64, now: Moment) -> Self {
        let data = Arc::new(data);
        let age_ms = now.unix_ms.saturating_sub(confirmed_unix_ms);
        let good_until_boot_ms = (now.boot_ms + expire_ms(&data)).saturating_sub(age_ms);
        Self { data, confirmed_unix_ms, good_until_boot_ms, trouble: None }
    }

    /// Until when it is good, wall clock, milliseconds; `None` when there is none.
    #[must_use]
    pub fn good_until_unix_ms(&self) -> Option<u64> {
        self.data.soa().map(|_| self.confirmed_unix_ms.saturating_add(expire_ms(&self.data)))
    }

    /// Takes in what was brought; whether other data are served from here on.
    pub fn take(&mut self, brought: Brought, now: Moment) -> bool {
        let is_new = matches!(brought, Brought::Version(_));
        match brought {
            Brought::Nothing(why) => {
                self.trouble = Some(why);
                return false;
            }
            Brought::Version(data) => self.data = data,
            Brought::Confirmed => {}
        }
        self.good_until_boot_ms = now.boot_ms + expire_ms(&self.data);
        (self.confirmed_unix_ms, self.trouble) = (now.unix_ms, None);
        is_new
    }

    /// Closes the zone when its copy is too old; whether it was just now.
    pub fn expire(&mut self, now: Moment) -> bool {
        let is_over = self.data.soa().is_some() && self.good_until_boot_ms <= now.boot_ms;
        if is_over {
            self.data = Arc::new(Zone::closed(self.data.apex(), Closed::Expired));
        }
        is_over
    }
}

/// How long a copy is good, milliseconds.
fn expire_ms(data: &Zone) -> u64 {
    u64::from(data.soa().map_or(0, Soa::expire)) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::RecordType;
    use crate::dns::rdata::parse_rdata_text;
    use crate::zone::{LineRef, ZoneText};

    fn at(unix_ms: u64, boot_ms: u64) -> Moment {
        Moment { unix_ms, boot_ms }
    }

    /// A zone whose copies are good for 10 s.
    fn zone() -> Zone {
        let apex: Name = "example.test.".parse().unwrap();
        let mut text = ZoneText::default();
        let line = LineRef { file: text.add_file("test".into()), line: 1 };
        let soa = parse_rdata_text(RecordType::SOA, "ns hostmaster 1 2 3 10 5", &apex).unwrap();
        text.push(&apex, RecordType::SOA, 60, &soa, line);
        Zone::build(&apex, &text, &[])
    }

    #[test]
    fn a_copy_is_good_for_expire_since_it_was_confirmed_whatever_the_wall_clock_does() {
        let mut copy = ZoneCopy::none_of(&"example.test.".parse().unwrap());
        assert!(!copy.expire(at(0, u64::MAX)), "what is closed does not close");
        assert!(copy.take(Brought::Version(Arc::new(zone())), at(1_000_000, 50_000)));
        assert!(!copy.expire(at(9_000_000, 59_999)), "the wall clock leapt");
        assert!(!copy.take(Brought::Confirmed, at(1_000_000, 59_999)));
        assert!(!copy.take(Brought::Nothing("away".into()), at(1_000_000, 65_000)));
        assert!(!copy.expire(at(0, 69_998)) && copy.expire(at(0, 69_999)) && !copy.expire(at(0, 70_000)));
        assert_eq!((copy.data.why_closed(), copy.good_until_unix_ms()), (Some(Closed::Expired), None));
    }

    #[test]
    fn a_start_makes_no_copy_younger() {
        for (age_ms, is_over) in [(9_999, false), (10_000, true), (1_000_000, true)] {
            // The machine started a second ago.
            let now = at(5_000_000, 1_000);
            let mut copy = ZoneCopy::kept(zone(), now.unix_ms - age_ms, now);
            assert_eq!(copy.expire(now), is_over, "{age_ms}");
        }
    }
}
