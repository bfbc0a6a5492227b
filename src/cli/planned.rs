//! Which plan on which switch: from zone files, a plan file or flags, else the default.

use super::args::PlanSource;
use super::exit::Failure;
use crate::config;
use crate::rollout::v1::{CheckContext, PlanForm};
use crate::rollout::{Plan, PlanKind, PlanProblem, WHOLE};
use crate::steering::{NetworkRules, Policy, Switch};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// The largest plan that is read.
const PLAN_LIMIT: u64 = 60 * 1024;

/// A plan and what it would move.
pub(super) struct Planned {
    /// The switch; one of two pools and no rules where no files were named.
    pub(super) switch: Arc<Switch>,
    /// Whom its rules concern, by network.
    pub(super) networks: Option<Arc<NetworkRules>>,
    /// The pool that has everything before.
    pub(super) stable: Arc<str>,
    /// The pool that is released.
    pub(super) canary: Arc<str>,
    /// The plan.
    pub(super) plan: Plan,
    /// Where the plan is from, in words.
    pub(super) from: String,
}

/// Finds the plan that these arguments mean.
pub(super) fn find(source: &PlanSource, name: Option<&str>) -> Result<Planned, Failure> {
    let form = form(source)?;
    match (&source.zones, name) {
        (Some(folder), Some(name)) => of_files(folder, name, form, source.to.as_deref()),
        (Some(folder), None) => Err(Failure::usage(format!("--zones {}: name the switch as well", folder.display()))),
        (None, name) => of_two_pools(name.unwrap_or("model"), form),
    }
}

/// The plan that a file or flags describe, if they describe one.
pub(super) fn form(source: &PlanSource) -> Result<Option<PlanForm>, Failure> {
    match &source.plan {
        Some(path) => read(path).map(Some),
        None => of_flags(source.kind.as_deref(), source.steps.as_deref(), source.hold.as_deref()),
    }
}

/// The plan of flags; `None` when none is given.
pub(super) fn of_flags(
    kind: Option<&str>,
    steps: Option<&[String]>,
    hold: Option<&str>,
) -> Result<Option<PlanForm>, Failure> {
    let mut form = serde_json::Map::new();
    form.extend(kind.map(|kind| ("kind".to_owned(), kind.into())));
    form.extend(steps.map(|steps| {
        let steps: Vec<serde_json::Value> = steps.iter().map(|step| step.trim().into()).collect();
        ("steps".to_owned(), steps.into())
    }));
    form.extend(hold.map(|hold| ("hold".to_owned(), hold.into())));
    if form.is_empty() {
        return Ok(None);
    }
    serde_json::from_value(form.into()).map(Some).map_err(|error| Failure::usage(format!("the plan: {error}")))
}

/// Reads a plan of TOML or JSON; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<PlanForm, Failure> {
    let shown = path.display();
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(PLAN_LIMIT).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(PLAN_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("cannot read the plan {shown}: {error}")))?;
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text).map_err(|error| Failure::usage(format!("the plan {shown}: {error}")));
    }
    toml::from_str(&text).map_err(|error| Failure::usage(format!("the plan {shown}: {error}")))
}

/// The switch of a folder, with its plan unless another is given.
fn of_files(folder: &Path, name: &str, form: Option<PlanForm>, to: Option<&str>) -> Result<Planned, Failure> {
    let loaded = config::load_zones(folder).map_err(|problems| Failure::failed(problems.to_string()))?;
    let Some((_, switch)) = loaded.definitions.switch(name) else {
        let names: Vec<&str> =
            loaded.definitions.zones.iter().flat_map(|zone| &zone.switches).map(|switch| &*switch.name).collect();
        let hint = config::nearest(name, names.iter().copied())
            .map_or_else(|| format!("there are: {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
        return Err(Failure::usage(format!("no switch `{name}` in {}; {hint}", folder.display())));
    };
    let (plan, from) = match (form, loaded.definitions.plan(name)) {
        (Some(form), _) => (checked(&form, switch)?, "the plan given".to_owned()),
        (None, Some(plan)) => ((**plan).clone(), format!("the plan of {}", folder.display())),
        (None, None) => (Plan::default_of(PlanKind::Canary), "the default plan".to_owned()),
    };
    let pools = switch.pools.iter().map(|pool| (&pool.name, pool.weight));
    let (stable, canary) =
        sides(pools, plan.baseline.as_deref(), to).map_err(|why| Failure::usage(format!("switch {name}: {why}")))?;
    let networks = loaded.definitions.networks(name).cloned();
    Ok(Planned { switch: switch.clone(), networks, stable, canary, plan, from })
}

/// Two pools and no rules; a third where the plan names a baseline.
fn of_two_pools(name: &str, form: Option<PlanForm>) -> Result<Planned, Failure> {
    let baseline = form.as_ref().and_then(|form| form.baseline.clone());
    let mut pools = vec![("blue", WHOLE), ("green", 0)];
    pools.extend(baseline.as_deref().filter(|name| !["blue", "green"].contains(name)).map(|name| (name, 0)));
    let switch = Switch::of_pools(name, Policy::Sticky, &pools);
    let (plan, from) = match form {
        Some(form) => (checked(&form, &switch)?, "the plan given"),
        None => (Plan::default_of(PlanKind::Canary), "the default plan"),
    };
    Ok(Planned {
        switch: Arc::new(switch),
        networks: None,
        stable: "blue".into(),
        canary: "green".into(),
        plan,
        from: from.to_owned(),
    })
}

/// The plan of a form, for the pools of a switch.
pub(super) fn checked(form: &PlanForm, switch: &Switch) -> Result<Plan, Failure> {
    let pools: Vec<&str> = switch.pools.iter().map(|pool| &*pool.name).collect();
    form.check(&CheckContext { pools: &pools, from_call: None }).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(PlanProblem::to_string).collect();
        Failure::usage(format!("the plan makes no sense:\n{}", lines.join("\n")))
    })
}

/// The pool with the weight, and the one to release.
pub(super) fn sides<'a>(
    pools: impl Iterator<Item = (&'a Arc<str>, u16)>,
    baseline: Option<&str>,
    to: Option<&str>,
) -> Result<(Arc<str>, Arc<str>), String> {
    let pools: Vec<(&Arc<str>, u16)> = pools.collect();
    if let Some(to) = to.filter(|to| pools.iter().all(|(name, _)| ***name != **to)) {
        return Err(format!("it has no pool `{to}`"));
    }
    let stable = pools.iter().filter(|(name, _)| Some(&***name) != to).max_by_key(|(_, weight)| *weight);
    let Some((stable, _)) = stable else { return Err("it has one pool only: there is nothing to release".to_owned()) };
    let others: Vec<&Arc<str>> =
        pools.iter().map(|(name, _)| *name).filter(|name| name != stable && Some(&***name) != baseline).collect();
    match (to, &others[..]) {
        (Some(to), _) => Ok(((*stable).clone(), to.into())),
        (None, [only]) => Ok(((*stable).clone(), (*only).clone())),
        (None, []) => Err("it has one pool only: there is nothing to release".to_owned()),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|name| &***name).collect();
            Err(format!("say which pool to release with --to: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides_of(pools: &[(&str, u16)], baseline: Option<&str>, to: Option<&str>) -> Result<(String, String), String> {
        let pools: Vec<(Arc<str>, u16)> = pools.iter().map(|(name, weight)| (Arc::from(*name), *weight)).collect();
        sides(pools.iter().map(|(name, weight)| (name, *weight)), baseline, to)
            .map(|(stable, canary)| (stable.to_string(), canary.to_string()))
    }

    #[test]
    fn the_heaviest_pool_is_stable_and_the_other_one_is_released() {
        let pools = [("blue", WHOLE), ("fresh", 0), ("green", 0)];
        let expected = Ok(("blue".to_owned(), "green".to_owned()));
        assert_eq!(sides_of(&pools, Some("fresh"), None), expected);
        assert_eq!(sides_of(&pools, None, Some("green")), expected);
        assert!(sides_of(&pools, None, None).is_err_and(|why| why.contains("fresh, green")));
        assert!(sides_of(&pools, None, Some("red")).is_err_and(|why| why.contains("`red`")));
        assert!(sides_of(&pools[..1], None, None).is_err_and(|why| why.contains("nothing to release")));
    }

    #[test]
    fn flags_make_a_plan_and_no_flags_none() {
        assert_eq!(of_flags(None, None, None), Ok(None));
        let steps = ["5%".to_owned(), " 100%".to_owned()];
        let form = of_flags(Some("canary"), Some(&steps), Some("5m")).ok().flatten().expect("a form");
        let plan = checked(&form, &Switch::of_pools("m", Policy::Sticky, &[("blue", WHOLE), ("green", 0)])).unwrap();
        let shares: Vec<(u16, Option<u64>)> = plan.steps.iter().map(|step| (step.weight, step.hold_ms)).collect();
        assert_eq!(shares[0], (500, Some(300_000)));
        assert_eq!(shares[1].0, WHOLE);
        assert!(of_flags(None, Some(&["much".to_owned()]), None).is_err());
    }
}
