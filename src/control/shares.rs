//! Which switches have their clients sketched, and what the sketches say of the canary's share (§5.7).
//!
//! A switch is watched while a rollout moves its weights, and while an A/B test splits it. Each move begins a new epoch: shares are
//! those of the split in force, never of two splits together.

use super::task::Control;
use crate::metrics::{SEATS, Sketched};
use crate::rollout::share::{HonestShare, Seen, Side};
use crate::rollout::{MetricSource, PlanKind, Rollout, Series, WHOLE};
use crate::steering::{Policy, Switch, Watch};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seats and epochs, and who has them.
#[derive(Debug, Default)]
pub(super) struct Watches {
    taken: BTreeMap<Arc<str>, Watched>,
    last_epoch: u32,
    /// What was last seen of a switch's clients, and in which rollout; kept after its end.
    seen: BTreeMap<Arc<str>, (u64, HonestShare)>,
}

/// One switch's seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Watched {
    watch: Watch,
    seats: u16,
    /// The rollout, and the canary's share in force: what a stretch is known by.
    stretch: (u64, u16),
}

impl Watches {
    /// What queries of this switch are told.
    pub(super) fn of(&self, switch: &str) -> Option<Watch> {
        self.taken.get(switch).map(|watched| watched.watch)
    }

    /// Follows a switch through its splits; a new one begins a new epoch. Without free seats it is not watched.
    fn follow(&mut self, switch: &Arc<str>, pools: usize, stretch: (u64, u16)) -> Option<Watch> {
        let seats = u16::try_from(pools).unwrap_or(u16::MAX);
        let known = self.taken.get(switch).copied().filter(|known| known.seats == seats);
        if let Some(known) = known.filter(|known| known.stretch == stretch) {
            return Some(known.watch);
        }
        self.taken.remove(switch);
        let first_seat = match known {
            Some(known) => known.watch.first_seat,
            None => self.free(seats)?,
        };
        self.last_epoch += 1;
        let watch = Watch { first_seat, epoch: self.last_epoch };
        self.taken.insert(switch.clone(), Watched { watch, seats, stretch });
        Some(watch)
    }

    /// The first of so many free seats in a row.
    fn free(&self, seats: u16) -> Option<u16> {
        let mut taken: Vec<(u16, u16)> =
            self.taken.values().map(|watched| (watched.watch.first_seat, watched.seats)).collect();
        taken.sort_unstable();
        let mut first = 0u16;
        for (from, count) in taken {
            if from.saturating_sub(first) >= seats {
                break;
            }
            first = from.saturating_add(count);
        }
        (first.checked_add(seats)? <= SEATS).then_some(first)
    }
}

impl Control {
    /// Begins, goes on or ends watching a switch, before it is compiled.
    pub(super) fn follow_shares(&mut self, index: u32) {
        let switch = &self.switch_at(index).clone();
        let rollout =
            self.desired.running_rollout(&switch.name).filter(|rollout| moves_weight(switch, rollout)).cloned();
        // The split of an A/B test is known by the time it came into force, its shares by pool and target.
        let tested = self.follow_trial(switch).filter(|_| self.is_split(switch)).map(|since| (since, 1));
        let stretch = rollout.as_ref().map(|rollout| (rollout.id, rollout.share())).or(tested);
        let before = self.watches.taken.get(&switch.name).map(|watched| watched.stretch);
        if before.is_some() && before != stretch {
            self.keep_share(switch, before.map_or(0, |(id, _)| id));
        }
        match stretch.filter(|(_, share)| *share > 0) {
            Some(stretch) => {
                let watch = self.watches.follow(&switch.name, switch.pools.len(), stretch);
                match watch {
                    Some(watch) => {
                        let pools = u16::try_from(switch.pools.len()).unwrap_or(u16::MAX);
                        self.cells.open_seats(watch.first_seat.saturating_add(pools));
                    }
                    None => {
                        tracing::warn!(switch = %switch.name, "too many rollouts and tests at once: the share of clients is not measured");
                    }
                }
            }
            None => drop(self.watches.taken.remove(&switch.name)),
        }
    }

    /// Keeps what a stretch showed that is about to end.
    fn keep_share(&mut self, switch: &Switch, id: u64) {
        let Some(rollout) = self.desired.rollout(&switch.name).cloned() else { return };
        if let Some(share) = self.measured(switch, &rollout).filter(|share| share.answered.is_some()) {
            tracing::info!(switch = %switch.name, "the share of the step that ends: {}", share.words);
            self.watches.seen.insert(switch.name.clone(), (id, share));
        }
    }

    /// The canary's share as it is measured: of the split in force, else of the last one that was.
    pub(super) fn honest_share(&self, switch: &Switch, rollout: &Rollout) -> Option<HonestShare> {
        let current = self.measured(switch, rollout);
        let kept = || self.watches.seen.get(&switch.name).filter(|(id, _)| *id == rollout.id);
        current.filter(|share| share.answered.is_some()).or_else(|| kept().map(|(_, share)| share.clone()))
    }

    /// What the sketches of a switch say.
    fn measured(&self, switch: &Switch, rollout: &Rollout) -> Option<HonestShare> {
        let watched = self.watches.taken.get(&switch.name)?;
        if watched.stretch.0 != rollout.id {
            return None;
        }
        let (canary_at, _) = switch.pool(&rollout.canary)?;
        let seen = self.clients_of(switch, canary_at, self.requests(switch, rollout))?;
        Some(HonestShare::of(f64::from(watched.stretch.1) / f64::from(WHOLE), &seen))
    }

    /// What one pool and all others took since the split is in force, where clients are sketched.
    pub(super) fn clients_of(&self, switch: &Switch, pool_at: usize, requests: Option<(f64, f64)>) -> Option<Seen> {
        let watched = self.watches.taken.get(&switch.name)?;
        let (mut canary, mut others) = (Sketched::default(), Sketched::default());
        for (at, _) in switch.pools.iter().enumerate() {
            let seat = watched.watch.first_seat.saturating_add(u16::try_from(at).unwrap_or(u16::MAX));
            let sketched = self.cells.fold_seat(seat, watched.watch.epoch);
            if at == pool_at {
                canary = sketched;
            } else {
                others = others.merged(&sketched);
            }
        }
        let all = canary.clone().merged(&others);
        Some(Seen {
            canary: side(&canary),
            others: side(&others),
            clients: all.distinct().clients,
            heavy: all.heavy.iter().map(|(_, count)| *count).collect(),
            requests,
            drawn: switch.policy == Policy::Random,
        })
    }

    /// Whether several pools have weight.
    fn is_split(&self, switch: &Switch) -> bool {
        self.desired.split(switch).values().filter(|weight| **weight > 0).count() > 1
    }

    /// Requests of the canary and of all others, from the first metric whose totals count requests.
    fn requests(&self, switch: &Switch, rollout: &Rollout) -> Option<(f64, f64)> {
        let release = self.releases.get(&switch.name)?;
        let metrics = rollout.plan.metrics();
        let counting = metrics.iter().filter(|metric| {
            matches!(metric.source, MetricSource::Pushed | MetricSource::Prometheus { total: Some(_), .. })
        });
        let total = |metric: &str, pool: &str| match release.evidence.series(metric, pool) {
            Some(Series::Counts { total, .. }) => Some(*total),
            _ => None,
        };
        let of = |metric: &str| {
            let canary = total(metric, &rollout.canary)?;
            let others = switch.pools.iter().filter(|pool| pool.name != rollout.canary);
            let others: Vec<f64> = others.filter_map(|pool| total(metric, &pool.name)).collect();
            (!others.is_empty()).then(|| (canary, others.iter().sum()))
        };
        counting.filter_map(|metric| of(&metric.name)).next()
    }
}

/// Whether a rollout moves clients by weight.
fn moves_weight(switch: &Switch, rollout: &Rollout) -> bool {
    rollout.plan.kind != PlanKind::Rolling && matches!(switch.policy, Policy::Sticky | Policy::Random)
}

fn side(sketched: &Sketched) -> Side {
    let distinct = sketched.distinct();
    Side { answers: sketched.answers, clients: distinct.clients, clients_error: distinct.relative_error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_keeps_its_epoch_and_a_new_one_begins_anew_at_the_same_seats() {
        let mut watches = Watches::default();
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let first = watches.follow(&one, 2, (7, 100)).unwrap();
        assert_eq!(watches.follow(&one, 2, (7, 100)), Some(first));
        let second = watches.follow(&one, 2, (7, 1_000)).unwrap();
        assert_eq!((second.first_seat, second.epoch), (first.first_seat, first.epoch + 1));
        let beside = watches.follow(&other, 3, (8, 100)).unwrap();
        assert_eq!(beside.first_seat, 2);
        watches.taken.remove(&one);
        assert_eq!(watches.of("one"), None);
        // Three pools do not fit into the gap of two.
        assert_eq!(watches.follow(&one, 3, (9, 100)).map(|watch| watch.first_seat), Some(5));
        assert_eq!(watches.follow(&"third".into(), 2, (9, 100)).map(|watch| watch.first_seat), Some(0));
    }

    #[test]
    fn without_free_seats_a_switch_is_not_watched() {
        let mut watches = Watches::default();
        for n in 0..SEATS / 2 {
            assert!(watches.follow(&format!("s{n}").into(), 2, (1, 100)).is_some());
        }
        assert_eq!(watches.follow(&"late".into(), 2, (1, 100)), None);
        watches.taken.remove("s3");
        assert_eq!(watches.follow(&"late".into(), 2, (1, 100)).map(|watch| watch.first_seat), Some(6));
    }
}
