//! Rollouts: verbs of persons and ticks of the server to the next state, weights and record in one change.

use super::{Decide, resolve_pool};
use crate::rollout::v1::CheckContext;
use crate::rollout::{Beginning, Event, Person, Phase, Plan, PlanKind, Refusal, Rollout, advance, retry, start};
use crate::state::command::{Change, Rejection, RolloutStart, RolloutVerb, SplitChange};
use crate::state::definitions::ZoneDefinition;
use crate::state::runtime::{Split, SwitchState};
use crate::steering::{Policy, Pool, Switch};
use std::sync::Arc;

/// Decides a verb.
pub(super) fn decide(decide: &Decide<'_>, name: &str, verb: &RolloutVerb) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let place = Place { decide, zone, switch };
    match verb {
        RolloutVerb::Start(asked) => place.start(asked),
        RolloutVerb::Retry => place.retry(),
        RolloutVerb::Pause => place.advance(&Event::Pause(place.person())),
        RolloutVerb::Resume => place.advance(&Event::Resume(place.person())),
        RolloutVerb::Promote { full } => place.advance(&Event::Promote { person: place.person(), full: *full }),
        RolloutVerb::Abort => place.advance(&Event::Abort(place.person())),
        RolloutVerb::Tick(signals) => place.advance(&Event::Tick((**signals).clone())),
        RolloutVerb::Hook(answer) => place.advance(&Event::Hook(answer.clone())),
    }
}

/// A running rollout ends because a person forces the weights another way.
pub(super) fn end_by_force(state: &mut SwitchState, decide: &Decide<'_>) {
    let running = state.rollout.as_ref().filter(|rollout| rollout.phase.is_running());
    let event = Event::Abort(person(decide));
    if let Some(Ok(Some(aborted))) = running.map(|rollout| advance(rollout, &event, decide.now)) {
        state.rollout = Some(Arc::new(aborted));
    }
}

/// The person behind a request.
fn person(decide: &Decide<'_>) -> Person {
    Person { name: decide.request.by.clone(), reason: decide.request.reason.clone() }
}

/// The switch a verb is about.
struct Place<'a> {
    decide: &'a Decide<'a>,
    zone: &'a Arc<ZoneDefinition>,
    switch: &'a Arc<Switch>,
}

impl Place<'_> {
    fn person(&self) -> Person {
        person(self.decide)
    }

    fn name(&self) -> String {
        self.switch.name.to_string()
    }

    fn refused(&self, refusal: Refusal) -> Rejection {
        Rejection::RolloutRefused { switch: self.name(), refusal }
    }

    /// Begins a rollout.
    fn start(&self, asked: &RolloutStart) -> Result<Change, Rejection> {
        self.nothing_runs()?;
        let plan = self.plan(asked)?;
        let canary = self.canary(asked, plan.kind)?;
        let rollout = self.begin(plan, canary, asked.version.clone(), start)?;
        let mut state = self.decide.state(self.switch);
        if let Some(version) = asked.version.as_ref().filter(|_| rollout.plan.kind != PlanKind::Rolling) {
            state.versions.insert(rollout.canary.clone(), version.clone());
        }
        if let Some(salt) = &asked.reshuffle {
            state.salt = Some(salt.clone());
        }
        Ok(self.record(state, rollout))
    }

    /// Begins the last one anew.
    fn retry(&self) -> Result<Change, Rejection> {
        let last = self.last()?;
        if last.phase.is_running() {
            return Err(self.refused(Refusal::NothingToRetry));
        }
        let canary = resolve_pool(self.switch, &last.canary)?;
        let again = |beginning, now| retry(last, beginning, now);
        let rollout = self.begin(last.plan.clone(), canary, last.version.clone(), again)?;
        Ok(self.record(self.decide.state(self.switch), rollout))
    }

    /// What every beginning must pass.
    fn begin(
        &self,
        plan: Arc<Plan>,
        canary: &Pool,
        version: Option<String>,
        make: impl FnOnce(Beginning, crate::moment::Moment) -> Result<Rollout, Refusal>,
    ) -> Result<Rollout, Rejection> {
        let policy = match self.switch.policy {
            Policy::Fixed => Some("fixed"),
            Policy::Failover => Some("failover"),
            Policy::Sticky | Policy::Random => None,
        };
        if let Some(policy) = policy.filter(|_| plan.kind != PlanKind::Rolling) {
            return Err(Rejection::RolloutPolicy { switch: self.name(), policy });
        }
        let unwatched = self.switch.monitors_of(canary).is_empty();
        self.decide
            .guard(unwatched.then(|| Rejection::Unmonitored { switch: self.name(), pool: canary.name.to_string() }))?;
        self.decide.guard(self.decide.too_many_moving(self.zone, &[&*self.switch.name]))?;
        let beginning = Beginning {
            id: self.decide.desired.revision + 1,
            plan,
            canary: canary.name.clone(),
            version,
            before: self.decide.desired.split(self.switch),
            members: canary.members.iter().map(|member| member.name().into()).collect(),
            person: self.person(),
        };
        make(beginning, self.decide.now).map_err(|refusal| self.refused(refusal))
    }

    /// The plan of the call, else the files', else the default canary.
    fn plan(&self, asked: &RolloutStart) -> Result<Arc<Plan>, Rejection> {
        let files = self.decide.desired.definitions.plan(&self.switch.name);
        let Some(form) = &asked.plan else {
            return Ok(files.cloned().unwrap_or_else(|| Arc::new(Plan::default_of(PlanKind::Canary))));
        };
        let default = Plan::default_of(PlanKind::Canary);
        let pools: Vec<&str> = self.switch.pools.iter().map(|pool| &*pool.name).collect();
        let context = CheckContext { pools: &pools, from_call: Some(files.map_or(&default, |plan| plan)) };
        form.check(&context).map(Arc::new).map_err(|problems| Rejection::BadPlan { switch: self.name(), problems })
    }

    /// The pool that is released.
    fn canary(&self, asked: &RolloutStart, kind: PlanKind) -> Result<&Pool, Rejection> {
        if let Some(name) = &asked.to {
            return resolve_pool(self.switch, name);
        }
        let split = self.decide.desired.split(self.switch);
        let serves = |pool: &&Pool| split.get(&pool.name).is_some_and(|weight| *weight > 0);
        let mut candidates = self.switch.pools.iter().filter(|pool| serves(pool) == (kind == PlanKind::Rolling));
        match (candidates.next(), candidates.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Rejection::WhichPool {
                switch: self.name(),
                known: self
                    .switch
                    .pools
                    .iter()
                    .filter(|pool| !serves(pool))
                    .map(|pool| pool.name.to_string())
                    .collect(),
            }),
        }
    }

    fn nothing_runs(&self) -> Result<(), Rejection> {
        match self.decide.desired.running_rollout(&self.switch.name) {
            // Never forced: the one that runs has a stable pool to go back to, a second one would not know it.
            Some(running) => Err(self.refused(Refusal::Running { phase: running.phase.word() })),
            None => Ok(()),
        }
    }

    fn last(&self) -> Result<&Arc<Rollout>, Rejection> {
        self.decide.desired.rollout(&self.switch.name).ok_or_else(|| Rejection::NoRollout { switch: self.name() })
    }

    /// The next rollout after an event, with its weights.
    fn advance(&self, event: &Event) -> Result<Change, Rejection> {
        let last = self.last()?;
        if let (Event::Abort(_), false) = (event, self.still_holds(last)) {
            return Err(self.refused(Refusal::NotRunning { phase: last.phase.word() }));
        }
        let next = advance(last, event, self.decide.now).map_err(|refusal| self.refused(refusal))?;
        let Some(next) = next else { return Ok(self.decide.unchanged()) };
        if let Event::Promote { full: true, .. } = event
            && last.has_members_to_update()
        {
            let (switch, pool) = (self.name(), next.stable.to_string());
            self.decide.guard(Some(Rejection::PoolHasWeight { switch, pool }))?;
        }
        if let Event::Promote { .. } = event {
            let after = self.split_of(&next);
            let before = self.decide.desired.split(self.switch);
            self.decide.guard(self.decide.not_ready(self.switch, &before, &after, true))?;
            self.decide.guard(self.decide.nobody_left(self.switch, &after))?;
        }
        Ok(self.record(self.decide.state(self.switch), next))
    }

    /// Whether an abort has something to give back: a rollout that runs, or whose promotion still stands.
    fn still_holds(&self, last: &Rollout) -> bool {
        last.phase.is_running() || self.split_of(last) == self.decide.desired.split(self.switch)
    }

    /// The weights a rollout wants, on the pools there are.
    fn split_of(&self, rollout: &Rollout) -> Split {
        let wanted = rollout.weights();
        let pools = self.switch.pools.iter();
        pools.map(|pool| (pool.name.clone(), wanted.get(&pool.name).copied().unwrap_or(0))).collect()
    }

    /// The change that stores a rollout, and moves weight where it wants that.
    fn record(&self, state: SwitchState, next: Rollout) -> Change {
        let before = self.decide.desired.split(self.switch);
        let after = self.split_of(&next);
        let last = state.rollout.clone();
        let mut touched = state;
        let moves = after != before && after.values().any(|weight| *weight > 0);
        if moves {
            touched = self.decide.moved(touched, self.switch, after.clone());
            // `undo` returns to what served before the rollout, not to the step before.
            touched.previous = Some(next.before.clone());
        }
        let was_running = last.as_ref().is_some_and(|last| last.phase.is_running());
        let was_out = last.as_ref().and_then(|last| last.withdrawn().cloned());
        if next.plan.kind == PlanKind::Rolling
            && next.phase == Phase::Promoted
            && let Some(version) = &next.version
        {
            touched.versions.insert(next.stable.clone(), version.clone());
        }
        let shows = moves || was_running != next.phase.is_running() || was_out != next.withdrawn().cloned();
        touched.rollout = Some(Arc::new(next));
        let mut change = self.decide.change(vec![(self.switch.name.clone(), touched)], shows.then_some(self.zone));
        if moves {
            change.splits.push(SplitChange { switch: self.switch.name.clone(), before, after });
        }
        change
    }
}
