//! `simulate` and `plan`: what a rollout would do, before it is begun.

use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Which plan, on which switch.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct PlanSource {
    /// Take the switch, its rules and its plan from this folder of zone files
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
    /// A plan: a file of TOML or JSON, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// The shape, where no plan says it
    #[arg(long, value_parser = ["canary", "blue-green", "rolling"], conflicts_with = "plan")]
    pub kind: Option<String>,
    /// The steps, such as 1%,10%,50%,100%
    #[arg(long, value_name = "SHARES", value_delimiter = ',', conflicts_with = "plan")]
    pub steps: Option<Vec<String>>,
    /// How long each step holds, such as 10m
    #[arg(long, value_name = "DURATION", conflicts_with = "plan")]
    pub hold: Option<String>,
    /// The pool to release; may be left out where only one could be meant
    #[arg(long, value_name = "POOL")]
    pub to: Option<String>,
}

/// `simulate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SimulateArgs {
    /// A switch of --zones; without it, two pools and no rules
    #[arg(requires = "zones")]
    pub switch: Option<String>,
    #[command(flatten)]
    pub source: PlanSource,
    /// Recorded resolvers: a file of `client,queries-per-second` lines, or JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resolvers", "exponent", "qps"])]
    pub population: Option<PathBuf>,
    /// How many resolvers ask
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub resolvers: u32,
    /// How much the busy ones stand out (Zipf): 0 all alike, 1 as on the Internet
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub exponent: f64,
    /// Requests of all users together, by second
    #[arg(long, value_name = "RATE", default_value_t = 100.0)]
    pub qps: f64,
    /// TTL while the rollout runs; the switch's fast TTL, or 10s, when left out
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub ttl: Option<Duration>,
    /// How pools are chosen; the switch's policy, or sticky, when left out
    #[arg(long, value_parser = ["sticky", "random"])]
    pub policy: Option<String>,
    /// Decides all chance: the same seed gives the same figures
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// How often it is played
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repetitions: u32,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}
