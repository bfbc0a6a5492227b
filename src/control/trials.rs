//! A/B tests: switches under `policy = "fixed"` whose answers and samples are kept for a report (§1.6).
//!
//! A test begins when its split comes into force, and another split begins another. It outlives a restart:
//! what it knows is saved with what else is observed, each second, and may lose the last one. Clients are
//! counted in memory alone, so their shares begin anew with each process.

use super::task::Control;
use super::view::rfc3339;
use crate::clock;
use crate::rollout::Sample;
use crate::rollout::evidence::Dropped;
use crate::rollout::share::HonestShare;
use crate::rollout::trial::report::{self, TrialReport};
use crate::rollout::trial::{Trial, v1};
use crate::state::{Change, Definitions, Rejection};
use crate::steering::{Policy, Switch, same_shares};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Tests kept at once.
const MAX_TRIALS: usize = 1_000;

/// Series of all tests together, some 200 bytes each: 4 MB.
const MAX_SERIES: usize = 20_000;

/// Between two countings of answers, milliseconds.
const COUNT_EVERY_MS: u64 = 5_000;

/// The tests.
#[derive(Debug, Default)]
pub(super) struct Trials {
    kept: BTreeMap<Arc<str>, Kept>,
    /// Those that ended since the last save.
    gone: BTreeSet<Arc<str>>,
    /// When answers were last counted, boot clock.
    counted_ms: u64,
}

/// One test.
#[derive(Debug)]
struct Kept {
    trial: Trial,
    /// Answers of each pool since the start of the process, when last counted.
    totals: BTreeMap<Arc<str>, u64>,
    unsaved: bool,
}

impl Trials {
    /// Takes over what the last process knew.
    pub(super) fn restore(saved: &[(String, String)]) -> Self {
        let mut trials = Self::default();
        for (switch, text) in saved {
            match v1::of_text(text) {
                Ok(trial) => {
                    let kept = Kept { trial, totals: BTreeMap::new(), unsaved: false };
                    trials.kept.insert(switch.as_str().into(), kept);
                }
                Err(error) => {
                    tracing::error!(switch, error, "what was kept of an A/B test cannot be read; it begins anew");
                }
            }
        }
        trials
    }

    /// Ends a test.
    fn end(&mut self, switch: &Arc<str>) {
        if self.kept.remove(switch).is_some() {
            self.gone.insert(switch.clone());
        }
    }

    /// Series that may be added.
    fn room(&self) -> usize {
        MAX_SERIES.saturating_sub(self.kept.values().map(|kept| kept.trial.series_kept()).sum())
    }

    /// What is to be saved: tests that changed, and names of those that ended.
    pub(super) fn take_unsaved(&mut self) -> (Vec<(String, String)>, Vec<String>) {
        let changed = self.kept.iter_mut().filter(|(_, kept)| kept.unsaved).map(|(switch, kept)| {
            kept.unsaved = false;
            (switch.to_string(), v1::to_text(&kept.trial))
        });
        let changed: Vec<_> = changed.collect();
        let gone = std::mem::take(&mut self.gone).into_iter().filter(|switch| !self.kept.contains_key(switch));
        (changed, gone.map(|switch| switch.to_string()).collect())
    }
}

impl Control {
    /// Begins, goes on or ends the test of a switch, before it is compiled; when its split came into force.
    pub(super) fn follow_trial(&mut self, switch: &Arc<Switch>) -> Option<u64> {
        let name = &switch.name;
        if switch.policy != Policy::Fixed {
            self.trials.end(name);
            return None;
        }
        let split = self.desired.split(switch);
        let known =
            self.trials.kept.get(name).map(|kept| (same_shares(&kept.trial.split, &split), kept.trial.since_unix_ms));
        match known {
            Some((true, since)) => return Some(since),
            Some((false, _)) => self.trials.end(name),
            None => {}
        }
        if self.trials.kept.len() >= MAX_TRIALS {
            tracing::warn!(switch = %name, "too many A/B tests at once: no report is kept of this one");
            return None;
        }
        let since = clock::unix_ms();
        let totals = switch.pools.iter().map(|pool| (pool.name.clone(), self.answers_of(switch, &pool.name))).collect();
        self.trials.kept.insert(name.clone(), Kept { trial: Trial::begin(split, since), totals, unsaved: true });
        Some(since)
    }

    /// What a change says of the tests it ends, since their reports go with them.
    pub(super) fn trials_ended_by(&self, change: &Change) -> Vec<String> {
        let ends = |name: &Arc<str>, trial: &Trial| {
            let another = change.splits.iter().find(|moved| moved.switch == *name);
            let is_fixed =
                |files: &Arc<Definitions>| files.switch(name).is_some_and(|(_, switch)| switch.policy == Policy::Fixed);
            another.is_some_and(|moved| !same_shares(&trial.split, &moved.after))
                || change.definitions.as_ref().is_some_and(|files| !is_fixed(files))
        };
        let ended = self.trials.kept.iter().filter(|(name, kept)| ends(name, &kept.trial));
        let said = ended.map(|(name, kept)| {
            let since = rfc3339(kept.trial.since_unix_ms);
            format!("the A/B test of switch `{name}` since {since} ends, and its report with it")
        });
        said.collect()
    }

    /// Answers that named a pool since the start of the process.
    fn answers_of(&self, switch: &Switch, pool: &str) -> u64 {
        self.cells.fold_pool(self.slots.of(&switch.name, pool).0).answers
    }

    /// Counts the answers of every test now and then, and forgets tests of switches that a reload removed.
    pub(super) fn count_trials(&mut self, boot_ms: u64) {
        if boot_ms.saturating_sub(self.trials.counted_ms) < COUNT_EVERY_MS {
            return;
        }
        self.trials.counted_ms = boot_ms;
        let names: Vec<Arc<str>> = self.trials.kept.keys().cloned().collect();
        for name in names {
            match self.catalogue.index_of(&name) {
                Some(index) => self.count_trial(&self.switch_at(index).clone()),
                None => self.trials.end(&name),
            }
        }
    }

    /// Counts the answers of one test.
    fn count_trial(&mut self, switch: &Switch) {
        let totals: Vec<(Arc<str>, u64)> =
            switch.pools.iter().map(|pool| (pool.name.clone(), self.answers_of(switch, &pool.name))).collect();
        let Some(kept) = self.trials.kept.get_mut(&switch.name) else { return };
        for (pool, total) in totals {
            let before = kept.totals.insert(pool.clone(), total).unwrap_or(0);
            if total > before {
                kept.trial.answered(&pool, total - before);
                kept.unsaved = true;
            }
        }
    }

    /// Takes one sample into the test of a switch.
    pub(super) fn take_into_trial(
        &mut self,
        switch: &Switch,
        sample: &Sample,
        now_unix_ms: u64,
    ) -> Result<(), Dropped> {
        let room = self.trials.room();
        let Some(kept) = self.trials.kept.get_mut(&switch.name) else { return Err(Dropped::Unwanted) };
        if !kept.trial.has(&sample.pool) {
            self.intake.count(Dropped::Unwanted);
            return Err(Dropped::Unwanted);
        }
        self.intake.judge(sample, kept.trial.since_unix_ms, now_unix_ms)?;
        let taken = kept.trial.take(&sample.metric, &sample.pool, sample.value, room);
        kept.unsaved |= taken.is_ok();
        taken.inspect_err(|why| self.intake.count(*why))
    }

    /// What the test of a switch shows.
    pub(super) fn trial_report(&mut self, name: &str) -> Result<TrialReport, Rejection> {
        let Some(index) = self.catalogue.index_of(name) else {
            return Err(crate::state::apply::unknown_switch(&self.desired, name));
        };
        let switch = self.switch_at(index).clone();
        self.count_trial(&switch);
        let Some(kept) = self.trials.kept.get(name) else { return Err(Rejection::NoTrial { switch: name.to_owned() }) };
        let whole: f64 = kept.trial.split.values().map(|weight| f64::from(*weight)).sum();
        let shares = switch.pools.iter().enumerate().map(|(at, pool)| {
            let target = kept.trial.split.get(&pool.name).map_or(0.0, |weight| f64::from(*weight) / whole);
            let seen = self.clients_of(&switch, at, None);
            (pool.name.to_string(), seen.map(|seen| HonestShare::of(target, &seen)))
        });
        Ok(report::report(name, &kept.trial, rfc3339(kept.trial.since_unix_ms), shares.collect()))
    }
}
