//! Secondaries as control knows them: what serial each shows, for reports and drains.

use super::report::SecondaryView;
use super::task::Control;
use super::view::rfc3339;
use crate::clock;
use crate::dns::Name;
use crate::state::{Secondary, SecondaryReport, TransferRules, ZoneDefinition, serials};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of all secondaries.
#[derive(Debug)]
pub(super) struct Secondaries {
    /// For zones that do not say it themselves.
    pub(super) rules: Arc<TransferRules>,
    /// What each showed last, by zone.
    shown: BTreeMap<(Name, Secondary), Shown>,
}

/// What a secondary showed last.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// Its serial, if it ever showed one.
    pub(super) serial: Option<u32>,
    /// When it showed it, milliseconds since 1970.
    pub(super) at_unix_ms: Option<u64>,
    /// Why it does not answer, while it does not.
    pub(super) trouble: Option<String>,
}

impl Secondaries {
    /// Nothing is known yet.
    pub(super) fn new(rules: Arc<TransferRules>) -> Self {
        Self { rules, shown: BTreeMap::new() }
    }

    /// What is known of a secondary of a zone.
    pub(super) fn shown(&self, zone: &Name, secondary: &Secondary) -> Shown {
        self.shown.get(&(zone.clone(), secondary.clone())).cloned().unwrap_or_default()
    }
}

impl Control {
    /// What is known of the secondaries of a zone.
    pub(super) fn secondary_views(&self, zone: &ZoneDefinition) -> Vec<SecondaryView> {
        let served = serials::current(&self.desired, zone);
        let view = |secondary: &Secondary| {
            let Shown { serial, at_unix_ms, trouble } = self.secondaries.shown(&zone.apex, secondary);
            SecondaryView {
                address: secondary.address.to_string(),
                serial,
                // A newer one than ours is not behind.
                behind: serial
                    .map(|serial| served.wrapping_sub(serial))
                    .map(|steps| if steps < 1 << 31 { steps } else { 0 }),
                shown_at: at_unix_ms.map(rfc3339),
                trouble,
            }
        };
        self.secondaries.rules.secondaries.iter().map(view).collect()
    }

    /// A secondary was asked for its serial.
    pub(super) fn secondary_shown(&mut self, report: SecondaryReport) {
        let SecondaryReport { zone, secondary, shown } = report;
        let known = self.secondaries.shown.entry((zone, secondary)).or_default();
        match shown {
            Ok(serial) => {
                *known = Shown { serial: Some(serial), at_unix_ms: Some(clock::now().unix_ms), trouble: None };
            }
            Err(why) => known.trouble = Some(why),
        }
    }
}
