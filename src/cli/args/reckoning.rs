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

/// `plan`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PlanArgs {
    /// A switch of --zones; without it, any name: two pools and no rules
    pub switch: String,
    #[command(flatten)]
    pub source: PlanSource,
    /// Requests of all users: 50/s, 3000/min, or a number by second
    #[arg(long, value_name = "RATE", default_value = "50/s", value_parser = per_second)]
    pub traffic: f64,
    /// Share of requests that fail today
    #[arg(long, value_name = "PERCENT%", default_value = "1%", value_parser = share)]
    pub baseline_rate: f64,
    /// Share of failing requests that must not go unseen
    #[arg(long, value_name = "PERCENT%", default_value = "2%", value_parser = share)]
    pub effect: f64,
    /// Standard deviation of values such as latencies, as a share of their mean
    #[arg(long, value_name = "PERCENT%", default_value = "50%", value_parser = share)]
    pub variation: f64,
    /// How many equally busy resolvers would spread shares as much as yours (`simulate` and
    /// `rollout status` say it)
    #[arg(long, value_name = "N", value_parser = resolvers)]
    pub resolvers: Option<f64>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// `50/s`, `3000/min`, `1e6/h`, `50`.
fn per_second(text: &str) -> Result<f64, String> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit.trim() {
        "s" | "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hour" => 3600.0,
        other => return Err(format!("`{other}` is no unit of time here: write 50/s, 3000/min or 180000/h")),
    };
    let rate = number.trim().parse::<f64>().map_err(|error| format!("{error}: write a rate such as 50/s"))?;
    let sane = rate > 0.0 && rate <= 1e12;
    if sane { Ok(rate / seconds) } else { Err("a rate above 0 is needed, such as 50/s".to_owned()) }
}

/// `1%`, `0.01`.
fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = text.trim().strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let value = number.trim().parse::<f64>().map_err(|error| format!("{error}: write a share such as 1%"))?;
    let value = value / whole;
    if (0.0..=10.0).contains(&value) { Ok(value) } else { Err("a share from 0% on is needed".to_owned()) }
}

fn resolvers(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (1.0..=1e9).contains(&number) => Ok(number),
        _ => Err("a number of resolvers from 1 on is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_shares_are_read_with_their_units() {
        assert_eq!((per_second("50/s"), per_second("3000/min"), per_second("7.5")), (Ok(50.0), Ok(50.0), Ok(7.5)));
        assert!(per_second("5/day").is_err() && per_second("-1").is_err() && per_second("fast").is_err());
        assert_eq!((share("1%"), share("0.02")), (Ok(0.01), Ok(0.02)));
        assert!(share("-1%").is_err() && share("NaN").is_err() && share("much").is_err());
        assert!(resolvers("0").is_err() && resolvers("40").is_ok());
    }
}
