//! Verbs that change a switch or the zones.

use super::{Connection, Guards, Settle};
use clap::Args;

/// `flip`.
#[derive(Debug, Args)]
pub(in crate::cli) struct FlipArgs {
    /// Switch and pool; further pairs flip in the same change, all or none
    #[arg(required = true, num_args = 2.., value_names = ["SWITCH", "POOL"])]
    pub pairs: Vec<String>,
    /// Lower the TTL first and wait until longer-lived answers are gone
    #[arg(long)]
    pub prepare: bool,
    #[command(flatten)]
    pub settle: Settle,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}

/// `set-weights`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetWeightsArgs {
    /// The switch
    pub switch: String,
    /// POOL=WEIGHT (0 to 10000) or POOL=PERCENT% (two decimals)
    #[arg(required = true, value_name = "POOL=SHARE")]
    pub shares: Vec<String>,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}

/// `undo`, `prepare`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SettlingArgs {
    /// The switch
    pub switch: String,
    #[command(flatten)]
    pub settle: Settle,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}

/// `override`.
#[derive(Debug, Args)]
pub(in crate::cli) struct OverrideArgs {
    /// The switch
    pub switch: String,
    /// The pool, or one of its members
    #[arg(value_name = "POOL[/MEMBER]")]
    pub pool: String,
    /// What to hold
    #[arg(value_enum)]
    pub hold: HoldArg,
    /// How long: 1 minute to 72 hours
    #[arg(long = "for", value_name = "DURATION")]
    pub lasts: Option<String>,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}

/// What an override does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum HoldArg {
    /// Answered whatever the probes say
    ForceUp,
    /// Not answered whatever the probes say
    ForceDown,
    /// Probes decide again
    Clear,
}

/// `expect-version`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExpectVersionArgs {
    /// The switch
    pub switch: String,
    /// The pool
    pub pool: String,
    /// The version its members must show
    #[arg(required_unless_present = "reset", conflicts_with = "reset")]
    pub version: Option<String>,
    /// Return to the version of the files
    #[arg(long)]
    pub reset: bool,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}

/// `reload`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReloadArgs {
    /// Why; kept in the history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Also what the guards refuse, such as to remove a pool with weight or to move weight to one that is down; needs a reason
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Say what would change, change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub connection: Connection,
}
