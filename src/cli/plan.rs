//! `tidegate plan`: how long a rollout will take and what its steps can show, before it is begun (§5.7).

use super::args::PlanArgs;
use super::exit::{Exit, Failure};
use super::planned::{self, Planned};
use super::{print, terminal};
use crate::rollout::Plan;
use crate::rollout::foresee::{Basis, Foresight, foresee, probes_per_s};
use serde::Serialize;
use std::sync::Arc;

/// What is printed as JSON.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Outlook {
    /// The switch.
    pub switch: String,
    /// The pool with the weight.
    pub stable: String,
    /// The pool that is released.
    pub canary: String,
    /// Where the plan is from.
    pub from: String,
    /// How many equally busy clients there are, where that is known.
    pub effective_resolvers: Option<f64>,
    /// The rate that one wants to see.
    pub effect: f64,
    /// What will be.
    #[serde(flatten)]
    pub foresight: Foresight,
}

/// Looks ahead.
pub(super) fn run(args: &PlanArgs) -> Result<Exit, Failure> {
    let Planned { switch, stable, canary, plan, from, .. } = planned::find(&args.source, Some(&args.switch))?;
    let probes = |name: &str| switch.pool(name).map_or(0.0, |(_, pool)| probes_per_s(&switch, pool));
    let basis = Basis {
        policy: switch.policy,
        ttl_s: switch.fast_ttl_s,
        tail_s: switch.tail_s,
        probes_per_s: (probes(&canary), probes(&stable)),
        prometheus: plan.prometheus.is_some(),
        ..basis(args)
    };
    tell(args, &plan, &basis, [stable, canary], from)
}

/// What the flags say of the traffic.
fn basis(args: &PlanArgs) -> Basis {
    Basis {
        policy: crate::steering::Policy::Sticky,
        ttl_s: 10,
        tail_s: 900,
        probes_per_s: (0.0, 0.0),
        requests_per_s: args.traffic,
        rate: args.baseline_rate,
        effect: args.effect,
        variation: args.variation,
        effective: args.resolvers,
        prometheus: false,
    }
}

fn tell(args: &PlanArgs, plan: &Plan, basis: &Basis, sides: [Arc<str>; 2], from: String) -> Result<Exit, Failure> {
    let [stable, canary] = sides.map(|side| side.to_string());
    let outlook = Outlook {
        switch: args.switch.clone(),
        stable,
        canary,
        from,
        effective_resolvers: basis.effective,
        effect: basis.effect,
        foresight: foresee(plan, basis),
    };
    if args.json {
        let text = serde_json::to_string(&outlook).map_err(|error| Failure::failed(error.to_string()))?;
        terminal::print(&format!("{text}\n"));
    } else {
        let mut page = terminal::page();
        print::plan::show(&mut page, &outlook);
        terminal::print(&page.finish());
    }
    Ok(Exit::Done)
}
