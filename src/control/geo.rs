//! Databases replaced while running: search them for what the rules name, then publish what changed.
//!
//! The search runs on a thread of its own; what it finds is taken in only if the definitions are
//! still those it searched for. A bad file changes nothing and raises an alarm until a good one comes.

use super::event::{Event, GeoSearched};
use super::report::GeoView;
use super::task::Control;
use super::view::rfc3339;
use crate::moment::Moment;
use crate::steering::{GeoDatabases, GeoReport};
use std::sync::Arc;

impl Control {
    /// Takes in what the watch of the files found.
    pub(super) fn geo_reported(&mut self, report: GeoReport) {
        self.geo_reports += 1;
        match report {
            Ok(databases) => self.search(databases),
            Err(why) => self.refuse_geo(why),
        }
    }

    /// Searches new databases for what the definitions name; the outcome comes back as an event.
    fn search(&self, databases: GeoDatabases) {
        let (definitions, events) = (self.desired.definitions.clone(), self.events.clone());
        tokio::spawn(async move {
            let (zones, of) = (definitions.clone(), databases.clone());
            let found = tokio::task::spawn_blocking(move || zones.with_databases(&of)).await;
            let outcome = match found {
                Ok(found) => found.map(Arc::new).map_err(|error| error.to_string()),
                Err(panic) => Err(format!("searching the databases failed: {panic}")),
            };
            // The receiver is gone only when the server ends.
            let _ = events.send(Event::GeoSearched(Box::new(GeoSearched { databases, definitions, outcome }))).await;
        });
    }

    /// Takes in what was found, and publishes the switches whose rules concern other networks.
    pub(super) async fn geo_searched(&mut self, searched: GeoSearched, now: Moment) {
        let GeoSearched { databases, definitions, outcome } = searched;
        if !Arc::ptr_eq(&definitions, &self.desired.definitions) {
            return self.search(databases);
        }
        let found = match outcome {
            Ok(found) => found,
            Err(why) => return self.refuse_geo(why),
        };
        let touched: Vec<u32> = (0u32..)
            .zip(&self.catalogue.switches)
            .filter(|(_, placed)| found.networks(&placed.switch.name) != definitions.networks(&placed.switch.name))
            .map(|(index, _)| index)
            .collect();
        for facts in &found.geo.databases {
            let built = rfc3339(facts.built_unix_s.saturating_mul(1000));
            tracing::info!(kind = %facts.kind, file = &*facts.file, content = &*facts.content, built, switches = touched.len(), "database taken in");
        }
        self.geo_trouble = None;
        self.desired.definitions = found;
        if !touched.is_empty() {
            self.publish_unasked(touched, now).await;
        }
    }

    /// Keeps what there is.
    fn refuse_geo(&mut self, why: String) {
        tracing::error!(why, "new databases refused: answers go on by the last good ones");
        self.geo_trouble = Some(why);
    }

    /// The databases in use.
    pub(super) fn geo_views(&self, now: Moment) -> Vec<GeoView> {
        let view = |facts: &crate::steering::GeoFacts| GeoView {
            kind: facts.kind.to_string(),
            file: facts.file.to_string(),
            content: facts.content.to_string(),
            built_at: rfc3339(facts.built_unix_s.saturating_mul(1000)),
            built_unix_s: facts.built_unix_s,
            age_s: (now.unix_ms / 1000).saturating_sub(facts.built_unix_s),
        };
        self.desired.definitions.geo.databases.iter().map(view).collect()
    }
}
