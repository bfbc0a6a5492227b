//! Zones that are copies: what was brought of them is served and kept, and who asks for them is told which there are.
//!
//! A copy is served before it is kept: its primaries have it still.

use super::alarm::Alarm;
use super::report::CopyView;
use super::task::Control;
use super::view::rfc3339;
use crate::clock;
use crate::dns::Name;
use crate::moment::Moment;
use crate::state::{Brought, Copies, CopyTask, Definitions, ZoneCopy, ZoneDefinition, v1};
use crate::store::{CopyRow, Loaded, StoreError};
use crate::zone::Closed;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What asking the primaries of a zone brought.
#[derive(Debug)]
pub struct CopyReport {
    /// The zone.
    pub zone: Name,
    /// What was brought.
    pub brought: Brought,
    /// Told once it is served, and kept as far as it can be.
    pub done: oneshot::Sender<()>,
}

impl Control {
    /// Takes in what asking the primaries of a zone brought.
    pub(super) fn copy_brought(&mut self, report: CopyReport, now: Moment) {
        let CopyReport { zone: apex, brought, done } = report;
        let is_copy = |zone: &&Arc<ZoneDefinition>| zone.is_copy() && zone.apex == apex;
        if !self.desired.definitions.zones.iter().any(|zone| is_copy(&zone)) {
            // The files have changed meanwhile.
            let _ = done.send(());
            return;
        }
        let copy = self.desired.copies.entry(apex.clone()).or_insert_with(|| ZoneCopy::none_of(&apex));
        let has_good = !matches!(brought, Brought::Nothing(_));
        let is_new = copy.take(brought, now);
        let (data, confirmed_unix_ms) = (Arc::clone(&copy.data), copy.confirmed_unix_ms);
        if is_new {
            self.serve_copy(&apex, now);
        }
        let store = self.store.clone();
        tokio::spawn(async move {
            let kept = match (has_good, is_new) {
                (false, _) => Ok(()),
                (true, false) => store.confirm_copy(&apex, confirmed_unix_ms).await,
                (true, true) => match tokio::task::spawn_blocking(move || v1::encode_copy(&data)).await {
                    Ok(body) => store.keep_copy(CopyRow { zone: apex.clone(), body, confirmed_unix_ms }).await,
                    Err(error) => Err(StoreError::Failed(error.to_string())),
                },
            };
            if let Err(error) = kept {
                tracing::error!(zone = %apex, %error, "a copy of a zone could not be kept: a restart begins with the one before");
            }
            // Nobody waits any more when the zone's task has ended.
            let _ = done.send(());
        });
    }

    /// Closes zones whose copies are too old.
    pub(super) fn expire_zone_copies(&mut self, now: Moment) {
        let copies = self.desired.copies.iter_mut();
        let over: Vec<Name> = copies.filter_map(|(apex, copy)| copy.expire(now).then(|| apex.clone())).collect();
        for apex in over {
            tracing::error!(zone = %apex, "the copy of the zone is too old (SOA EXPIRE): queries get SERVFAIL until a primary gives it again");
            self.serve_copy(&apex, now);
        }
    }

    /// Puts the copy of a zone in place of what was served.
    fn serve_copy(&mut self, apex: &Name, now: Moment) {
        let Some(&index) = self.catalogue.zone_by_apex.get(apex) else { return };
        let Some(copy) = self.desired.copies.get(apex) else { return };
        let serial = copy.data.soa().map_or(0, crate::zone::Soa::file_serial);
        self.catalogue.replace_zone(apex, Arc::clone(&copy.data));
        // Answers that point into the zone last as long as what it has.
        let pointing: Vec<u32> = self.catalogue.pointing().collect();
        self.publish(&pointing, &[(index, serial)], now);
    }

    /// Tells who asks primaries which zones there are, and forgets kept copies of others.
    pub(super) fn follow_copies(&self) {
        let copies = self.desired.definitions.zones.iter().filter(|zone| zone.is_copy());
        let task = |zone: &Arc<ZoneDefinition>| CopyTask { zone: zone.apex.clone(), primaries: zone.primaries.clone() };
        let wanted: Arc<[CopyTask]> = copies.map(task).collect();
        let zones: Vec<Name> = wanted.iter().map(|task| task.zone.clone()).collect();
        self.copies_wanted.send_replace(wanted);
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.keep_copies_of(&zones).await {
                tracing::warn!(%error, "copies of zones that are none any more could not be deleted");
            }
        });
    }

    /// Copies that need attention.
    pub(super) fn copy_alarms(&self) -> impl Iterator<Item = Alarm> {
        self.desired.definitions.zones.iter().filter_map(|zone| {
            let copy = self.copy_view(zone)?;
            let why = copy.trouble.as_deref();
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            let what = match &*copy.state {
                "served" if why.is_empty() => return None,
                "served" => {
                    let until = copy.good_until.unwrap_or_default();
                    format!("no primary confirms it, and the copy is good until {until}{why}")
                }
                "expired" => format!("the copy is too old, queries get SERVFAIL{why}"),
                _ => format!("no primary has given it yet, queries get SERVFAIL{why}"),
            };
            Some(Alarm::of_zone(&zone.apex.to_string(), &what))
        })
    }

    /// How the copy of a zone is, where that is one.
    pub(super) fn copy_view(&self, zone: &ZoneDefinition) -> Option<CopyView> {
        if !zone.is_copy() {
            return None;
        }
        let copy = self.desired.copies.get(&zone.apex).cloned().unwrap_or_else(|| ZoneCopy::none_of(&zone.apex));
        let good_until = copy.good_until_unix_ms();
        Some(CopyView {
            primaries: zone.primaries.iter().map(|primary| primary.address.to_string()).collect(),
            state: match copy.data.why_closed() {
                None => "served",
                Some(Closed::NotLoaded) => "not-loaded",
                Some(Closed::Expired) => "expired",
            }
            .to_owned(),
            confirmed_at: (copy.confirmed_unix_ms > 0).then(|| rfc3339(copy.confirmed_unix_ms)),
            good_until: good_until.map(rfc3339),
            good_until_unix_ms: good_until,
            confirmed_unix_ms: (copy.confirmed_unix_ms > 0).then_some(copy.confirmed_unix_ms),
            trouble: copy.trouble,
        })
    }
}

/// Kept copies of zones that are copies still.
pub(super) fn kept(loaded: &Loaded, definitions: &Definitions) -> Copies {
    let mut copies = Copies::new();
    let now = clock::now();
    for CopyRow { zone, body, confirmed_unix_ms } in &loaded.copies {
        if !definitions.zones.iter().any(|definition| definition.is_copy() && definition.apex == *zone) {
            continue;
        }
        match v1::decode_copy(zone, body) {
            Some(data) => {
                let mut copy = ZoneCopy::kept(data, *confirmed_unix_ms, now);
                copy.expire(now);
                copies.insert(zone.clone(), copy);
            }
            None => tracing::warn!(%zone, "the kept copy cannot be read: it is asked for anew"),
        }
    }
    copies
}
