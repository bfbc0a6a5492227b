//! `tidegate simulate`: what a plan would do to a population of resolvers (§5.8).

use super::args::SimulateArgs;
use super::exit::{Exit, Failure};
use super::{planned, print, terminal};
use crate::rollout::population::Population;
use crate::rollout::simulate::{Setup, simulate};
use crate::steering::Policy;
use std::sync::Arc;

/// The largest population file that is read.
const POPULATION_LIMIT: u64 = 256 << 20;

/// Simulates.
pub(super) fn run(args: &SimulateArgs) -> Result<Exit, Failure> {
    let mut planned = planned::find(&args.source, args.switch.as_deref())?;
    if let Some(policy) = &args.policy {
        let policy = if policy == "random" { Policy::Random } else { Policy::Sticky };
        Arc::make_mut(&mut planned.switch).policy = policy;
    }
    let ttl_s = match args.ttl {
        Some(ttl) => u32::try_from(ttl.as_secs())
            .ok()
            .filter(|ttl_s| *ttl_s >= 5)
            .ok_or_else(|| Failure::usage("--ttl: at least 5 seconds"))?,
        None => planned.switch.fast_ttl_s,
    };
    let population = population(args)?;
    let salt = planned.switch.salt.clone().unwrap_or_else(|| planned.switch.name.to_string());
    let setup = Setup {
        switch: &planned.switch,
        networks: planned.networks.as_ref(),
        stable: &planned.stable,
        canary: &planned.canary,
        plan: &planned.plan,
        ttl_s,
        population: &population,
        // The real salt says something only about real prefixes.
        salt: (args.population.is_some() && args.switch.is_some()).then_some(&*salt),
        seed: args.seed,
        repetitions: args.repetitions,
    };
    let simulation = simulate(&setup).map_err(|why| Failure::usage(why.to_string()))?;
    if args.json {
        let text = serde_json::to_string(&simulation).map_err(|error| Failure::failed(error.to_string()))?;
        terminal::print(&format!("{text}\n"));
    } else {
        let mut page = terminal::page();
        print::simulate::show(&mut page, &simulation, &planned.from);
        terminal::print(&page.finish());
    }
    Ok(Exit::Done)
}

/// Who asks: a file, or a law.
fn population(args: &SimulateArgs) -> Result<Population, Failure> {
    let Some(path) = &args.population else {
        return Population::zipf(args.resolvers, args.exponent, args.qps)
            .map_err(|why| Failure::usage(why.to_string()));
    };
    let shown = path.display();
    let refuse = |why: String| Failure::usage(format!("--population {shown}: {why}"));
    let size = std::fs::metadata(path).map_err(|error| refuse(format!("cannot be read: {error}")))?.len();
    if size > POPULATION_LIMIT {
        return Err(refuse(format!("{size} octets are more than is read ({POPULATION_LIMIT})")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    Population::read(&text).map_err(|why| refuse(why.to_string()))
}
