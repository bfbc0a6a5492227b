//! Secondaries as control knows them: what serial each shows, for reports and drains.

use super::report::SecondaryView;
use super::task::Control;
use super::view::rfc3339;
use crate::clock;
use crate::dns::Name;
use crate::drain::Carried;
use crate::moment::Moment;
use crate::state::{
    Catalogue, Definitions, Peer, SecondaryReport, TransferRules, TransferTable, ZoneDefinition, serials,
};
use crate::zone::Soa;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What is known of all secondaries.
#[derive(Debug)]
pub(super) struct Secondaries {
    /// For zones that do not say it themselves.
    server: Arc<TransferRules>,
    /// The rules of every zone, for who transfers them.
    table: watch::Sender<Arc<TransferTable>>,
    /// The store took no serial for what is being published.
    pub(super) unadvanced: bool,
    /// What each showed last, by zone.
    shown: BTreeMap<(Name, Peer), Shown>,
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
    pub(super) fn new(server: Arc<TransferRules>, table: watch::Sender<Arc<TransferTable>>) -> Self {
        Self { server, table, unadvanced: false, shown: BTreeMap::new() }
    }

    /// Takes the rules of other definitions, before these are published.
    pub(super) fn follow_definitions(&self, definitions: &Definitions) {
        self.table.send_replace(Arc::new(TransferTable::of_zones(&self.server, definitions)));
    }

    /// The rules of one zone.
    fn rules_of(&self, apex: &Name) -> Arc<TransferRules> {
        Arc::clone(self.table.borrow().of(apex))
    }

    /// What is known of a secondary of a zone.
    pub(super) fn shown(&self, zone: &Name, secondary: &Peer) -> Shown {
        self.shown.get(&(zone.clone(), secondary.clone())).cloned().unwrap_or_default()
    }
}

impl Control {
    /// What is known of the secondaries of a zone.
    pub(super) fn secondary_views(&self, zone: &ZoneDefinition) -> Vec<SecondaryView> {
        let served = serials::current(&self.desired, zone);
        let view = |secondary: &Peer| {
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
        self.secondaries.rules_of(&zone.apex).secondaries.iter().map(view).collect()
    }

    /// Takes note in the ledger of what transfers hold of a switch from now on.
    pub(super) fn carry(&mut self, index: u32, now: Moment) {
        let zone = self.desired.definitions.zones[self.catalogue.switches[index as usize].zone as usize].clone();
        let secondaries = self.labels(&zone.apex);
        let switch = self.switch_at(index).name.clone();
        let compiled = self.live[index as usize].compiled.clone();
        let pool = compiled.transferred().map(|(_, pool)| {
            let promise_s = pool.sets.iter().map(|set| set.promise_s).max().unwrap_or(compiled.ttl_s);
            (&pool.name, u64::from(promise_s) * 1000)
        });
        // Without a serial of its own a change is transferred with the next one.
        let step = u32::from(self.secondaries.unadvanced);
        let carried = Carried {
            zone: &zone.apex.to_string(),
            serial: serials::current(&self.desired, &zone).wrapping_add(step),
            expire_ms: u64::from(self.desired.data_of(&zone).soa().map_or(0, Soa::expire)) * 1000,
            secondaries: &secondaries,
            switch: &switch,
            pool,
        };
        self.ledger.carry(&carried, now.boot_ms);
    }

    /// Takes note of switches that are no more: secondaries may still hold their pools.
    pub(super) fn carry_no_more(&mut self, before: &Catalogue, now: Moment) {
        for gone in before.switches.iter().filter(|placed| self.catalogue.index_of(&placed.switch.name).is_none()) {
            let Some(zone) = before.zones.zones().get(gone.zone as usize) else { continue };
            let secondaries = self.labels(zone.apex());
            let serial = self.desired.serials.get(zone.apex()).copied().unwrap_or(0);
            let carried = Carried {
                zone: &zone.apex().to_string(),
                serial,
                expire_ms: u64::from(zone.soa().map_or(0, Soa::expire)) * 1000,
                secondaries: &secondaries,
                switch: &gone.switch.name,
                pool: None,
            };
            self.ledger.carry(&carried, now.boot_ms);
        }
    }

    /// Secondaries of a zone as the ledger calls them.
    fn labels(&self, apex: &Name) -> Vec<String> {
        self.secondaries.rules_of(apex).secondaries.iter().map(|secondary| secondary.address.to_string()).collect()
    }

    /// A secondary was asked for its serial.
    pub(super) fn secondary_shown(&mut self, report: SecondaryReport) {
        let SecondaryReport { zone, secondary, shown } = report;
        let (report_zone, address) = (zone.clone(), secondary.address);
        let known = self.secondaries.shown.entry((zone, secondary)).or_default();
        match shown {
            Ok(serial) => {
                let now = clock::now();
                let (apex, label) = (report_zone.to_string(), address.to_string());
                self.ledger.secondary_shows(&apex, &label, serial, now.boot_ms);
                *known = Shown { serial: Some(serial), at_unix_ms: Some(now.unix_ms), trouble: None };
            }
            Err(why) => known.trouble = Some(why),
        }
    }
}
