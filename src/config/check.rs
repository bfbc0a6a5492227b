//! What `tidegate check` shows: problems, warnings, and what each switch would do.

use super::announce::Announcement;
use super::problem::{Problem, Problems};
use super::switch::{Marked, bare};
use super::value::time;
use crate::dns::tsig::KeyRing;
use crate::rollout::{Plan, PlanKind};
use crate::steering::{Fallback, GeoDatabases, Policy, Switch};
use std::path::Path;
use std::sync::Arc;

/// The result of looking at a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// While there is one, nothing would be loaded.
    pub problems: Vec<Problem>,
    /// What is worth a thought.
    pub warnings: Vec<Problem>,
    /// Each switch in words; empty while there are problems.
    pub switches: Vec<Information>,
}

/// What one switch would do, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Information {
    /// The zone, without the final dot.
    pub zone: String,
    /// The switch.
    pub switch: Arc<str>,
    /// One statement a line.
    pub lines: Vec<String>,
}

/// Looks at a folder of zones without serving them; there is no database for rules by country.
#[must_use]
pub fn check(folder: &Path) -> Report {
    check_with(folder, &GeoDatabases::default(), None, None)
}

/// As [`check`], with databases for rules by country and system, records that announce transports, and the keys
/// that zones may name.
#[must_use]
pub fn check_with(
    folder: &Path,
    geo: &GeoDatabases,
    announcement: Option<&Announcement>,
    keys: Option<&KeyRing>,
) -> Report {
    let (zones, _, findings) = super::read_folder(folder, geo, announcement, keys);
    let switches = if findings.problems.is_empty() {
        let all = zones.iter().flat_map(|zone| zone.switches.iter().map(move |marked| (zone, marked)));
        all.map(|(zone, marked)| Information {
            zone: bare(&zone.apex),
            switch: Arc::clone(&marked.switch.name),
            lines: describe(marked),
        })
        .collect()
    } else {
        Vec::new()
    };
    Report {
        problems: Problems::in_order(findings.problems).0,
        warnings: Problems::in_order(findings.warnings).0,
        switches,
    }
}

/// A switch in words.
fn describe(marked: &Marked) -> Vec<String> {
    let switch = &marked.switch;
    let owners: Vec<String> = switch.owners.iter().map(bare).collect();
    let sum: u32 = switch.pools.iter().map(|pool| u32::from(pool.weight)).sum();
    let pools: Vec<String> =
        switch.pools.iter().map(|pool| format!("{} {} %", pool.name, percent(u32::from(pool.weight), sum))).collect();
    let policy = match switch.policy {
        Policy::Sticky => "sticky",
        Policy::Random => "random",
        Policy::Failover => "failover",
        Policy::Fixed => "fixed",
    };
    let mut lines = vec![
        format!(
            "{} answers from {} ({policy}), TTL {} s, {} s while something moves",
            owners.join(", "),
            pools.join(", "),
            switch.ttl_s,
            switch.fast_ttl_s
        ),
        format!("when no pool is eligible: {}", fallback_meaning(switch)),
    ];
    for pool in &switch.pools {
        let monitors = switch.monitors_of(pool);
        if monitors.is_empty() {
            lines.push(format!(
                "pool {} has no monitor: it always counts as eligible, and flipping to it needs force",
                pool.name
            ));
        } else {
            let each: Vec<String> =
                monitors.iter().map(|m| format!("{} every {}", m.name, time(m.interval_ms))).collect();
            lines.push(format!("pool {} is probed by {}", pool.name, each.join(", ")));
        }
    }
    lines.extend(marked.plan.as_deref().map(|plan| rollout_meaning(plan, switch)));
    lines
}

/// How it is released, in one line.
fn rollout_meaning(plan: &Plan, switch: &Switch) -> String {
    let mut line = match plan.kind {
        PlanKind::Canary => "a rollout is a canary: ",
        PlanKind::BlueGreen => "a rollout is blue/green: ",
        PlanKind::Rolling => "a rollout goes member by member",
    }
    .to_owned();
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            let share = percent(u32::from(step.weight), u32::from(crate::rollout::WHOLE));
            plan.hold_ms(step, switch.fast_ttl_s)
                .map_or_else(|| format!("{share} %"), |hold_ms| format!("{share} % for {}", time(hold_ms)))
        })
        .collect();
    line += &steps.join(", ");
    let gates: Vec<&str> = plan.before.iter().chain(&plan.gates).map(|gate| &*gate.name).collect();
    line += if gates.is_empty() { "; no gates" } else { "; gates " };
    line + &gates.join(", ")
}

/// A share with two decimals at most.
fn percent(weight: u32, sum: u32) -> String {
    let hundredths = (u64::from(weight) * 10_000 + u64::from(sum) / 2) / u64::from(sum.max(1));
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What the fallback does here, with the pools' names (§1.9).
fn fallback_meaning(switch: &Switch) -> String {
    let with = |weighted: bool| -> String {
        let names: Vec<&str> =
            switch.pools.iter().filter(|pool| (pool.weight > 0) == weighted).map(|pool| &*pool.name).collect();
        names.join(", ")
    };
    match &switch.fallback {
        Fallback::LastActive => {
            format!("the pools that last had weight ({} by the files) go on being answered, health ignored", with(true))
        }
        Fallback::Standby if with(false).is_empty() => {
            format!("the pools that last had weight ({}), health ignored: no pool stands by at weight 0", with(true))
        }
        Fallback::Standby => format!(
            "healthy pools at weight 0 ({} by the files), then those that last had weight, health ignored",
            with(false)
        ),
        Fallback::All => "all pools are answered, health ignored".to_owned(),
        Fallback::Pool(name) => format!("pool {name} is answered, health and weight ignored"),
        Fallback::NoData => "an empty answer (NODATA)".to_owned(),
    }
}
