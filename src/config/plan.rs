//! `[switch.<name>.rollout]` to a [`Plan`]: the plan's own faults at their places, and what only
//! the switch around it or the files it names can tell.

use super::findings::Scope;
use super::folder::Folder;
use super::v1::Places;
use super::value::time;
use crate::rollout::v1::{CheckContext, PlanForm};
use crate::rollout::{Plan, PlanKind};
use crate::steering::{Policy, Switch};

impl Scope<'_> {
    /// The plan of a switch; `None` when something was refused.
    pub(super) fn plan(
        &mut self,
        form: &PlanForm,
        places: &Places<'_>,
        switch: &Switch,
        folder: &Folder,
    ) -> Option<Plan> {
        let before = self.findings.problems.len();
        let why_not = match switch.policy {
            Policy::Fixed => Some("`policy = \"fixed\"` is never moved by a rollout, so the plan would never run"),
            Policy::Failover => {
                Some("`policy = \"failover\"` goes by order and not by weight: steps would move nobody")
            }
            Policy::Sticky | Policy::Random => None,
        };
        if let Some(message) = why_not {
            self.refuse(&places.name(), message, "use `policy = \"sticky\"`, or remove the plan");
        }
        let pools: Vec<&str> = switch.pools.iter().map(|pool| &*pool.name).collect();
        match form.check(&CheckContext { pools: &pools, from_call: None }) {
            Ok(mut plan) => {
                name_files(&mut plan, folder);
                (self.findings.problems.len() == before).then_some(plan)
            }
            Err(problems) => {
                for problem in problems {
                    self.refuse(&places.at(&problem.path), problem.message, problem.remedy);
                }
                None
            }
        }
    }
}

/// Relative paths start at the folder of the zone files.
fn name_files(plan: &mut Plan, folder: &Folder) {
    let source = plan.prometheus.iter_mut().flat_map(|source| [&mut source.bearer_file, &mut source.ca_file]);
    for file in source.chain(plan.hooks.iter_mut().map(|hook| &mut hook.secret_file)).flatten() {
        *file = folder.absolute(file);
    }
}

/// Advice on a plan (§1.11): nothing here keeps it from being loaded.
pub(super) fn advise(scope: &mut Scope<'_>, plan: &Plan, places: &Places<'_>, switch: &Switch) {
    advise_holds(scope, plan, places, switch);
    advise_first_hold(scope, plan, places, switch);
    advise_hooks(scope, plan, places);
    let hooks = plan.hooks.iter().enumerate();
    let secrets = hooks.map(|(at, hook)| (format!("hooks[{at}].secret_file"), hook.secret_file.as_ref(), true));
    let source = plan.prometheus.as_ref();
    let of_source = [
        ("prometheus.bearer_file".to_owned(), source.and_then(|source| source.bearer_file.as_ref()), true),
        ("prometheus.ca_file".to_owned(), source.and_then(|source| source.ca_file.as_ref()), false),
    ];
    for (path, file, secret) in secrets.chain(of_source) {
        if let Some(file) = file {
            scope.look_at_file(&places.at(&path), file, secret);
        }
    }
}

/// A rollout waits for one answer at each point, so it asks one hook there.
fn advise_hooks(scope: &mut Scope<'_>, plan: &Plan, places: &Places<'_>) {
    for (at, hook) in plan.hooks.iter().enumerate().filter(|(_, hook)| hook.kind.is_waited_for()) {
        if plan.hooks.iter().take(at).any(|other| other.kind == hook.kind) {
            let message =
                format!("a second `{}` hook is never called: a rollout waits for one answer", hook.kind.word());
            scope.warn(&places.at(&format!("hooks[{at}].on")), message, "let the first one ask the others");
        }
    }
}

/// Holds that are raised to the floor, and holds that end before any evidence counts.
fn advise_holds(scope: &mut Scope<'_>, plan: &Plan, places: &Places<'_>, switch: &Switch) {
    // While a rollout runs answers carry the fast TTL (§1.8).
    let ttl_s = switch.fast_ttl_s;
    let (floor_ms, settle_ms) = (plan.hold_floor_ms(ttl_s), plan.settle_ms(ttl_s));
    let mut holds = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let Some(hold_ms) = step.hold_ms else { continue };
        let path = format!("steps[{at}].hold");
        if hold_ms < floor_ms {
            let why = if plan.min_hold.is_some() {
                "`min_hold`".to_owned()
            } else {
                format!("two TTLs of {ttl_s} s, and at least 2m, since clients follow a change only then")
            };
            let message = format!("the hold of {} is too short and will be {}: {why}", time(hold_ms), time(floor_ms));
            let remedy = format!("write \"{}\" or more, or set `min_hold`", time(floor_ms).replace(' ', ""));
            scope.warn(&places_of_hold(places, &path), message, remedy);
        }
        holds.push((path, hold_ms.max(floor_ms)));
    }
    if plan.kind == PlanKind::Rolling {
        holds.push(("member_hold".to_owned(), plan.member_hold_ms));
    }
    for (path, hold_ms) in holds.into_iter().filter(|(_, hold_ms)| *hold_ms <= settle_ms) {
        let message = format!(
            "the hold of {} is over before evidence counts, {} after the change: its gates wait until past the hold",
            time(hold_ms),
            time(settle_ms)
        );
        scope.warn(&places_of_hold(places, &path), message, "hold longer, or shorten `settle`");
    }
}

/// Answers of the steady TTL, given before the start, that outlast the first step.
fn advise_first_hold(scope: &mut Scope<'_>, plan: &Plan, places: &Places<'_>, switch: &Switch) {
    let Some(hold_ms) = plan.steps.first().and_then(|step| plan.hold_ms(step, switch.fast_ttl_s)) else { return };
    if u64::from(switch.ttl_s) * 1000 > hold_ms {
        let message = format!(
            "the first hold of {} is too short for the TTL of {} s: answers from before the start outlast it",
            time(hold_ms),
            switch.ttl_s
        );
        scope.warn(&places_of_hold(places, "steps[0].hold"), message, "run `prepare` before the start, or lower `ttl`");
    }
}

/// A step's own hold, or the plan's for steps that name none.
fn places_of_hold(places: &Places<'_>, path: &str) -> std::ops::Range<usize> {
    let at = places.at(path);
    let around = path.rsplit_once('.').map_or_else(|| places.name(), |(around, _)| places.at(around));
    let plans = places.at("hold");
    if at == around && plans != places.name() { plans } else { at }
}
