//! `rollout` and its verbs.

use super::{Connection, Guards, HistoryArgs, OneSwitchArgs};
use crate::cli::help;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// `rollout`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RolloutArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: RolloutVerb,
}

/// What can be done with rollouts.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RolloutVerb {
    /// Begin a rollout by the plan of the zone's file, or another
    #[command(after_help = help::ROLLOUT_START)]
    Start(RolloutStartArgs),
    /// Show where it stands; with --wait until it ends
    #[command(after_help = help::ROLLOUT_STATUS)]
    Status(RolloutStatusArgs),
    /// Stay at the step
    Pause(OneSwitchArgs),
    /// Go on; the hold begins anew
    Resume(OneSwitchArgs),
    /// Skip the rest of the step, or all steps
    Promote(PromoteArgs),
    /// Back to the stable pool at once, in every phase
    Abort(OneSwitchArgs),
    /// Begin the last one anew, after it failed or was aborted
    Retry(OneSwitchArgs),
    /// After a promotion: back to what served before, without any analysis
    Undo(OneSwitchArgs),
    /// The last rollout of every switch
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Who changed what, rollout steps among it
    History(HistoryArgs),
}

/// `rollout start`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RolloutStartArgs {
    /// The switch
    pub switch: String,
    /// The pool to release; may be left out where only one could be meant
    #[arg(long, value_name = "POOL")]
    pub to: Option<String>,
    /// The version its members must show from here on
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// A plan for this time: a file of TOML or JSON, or - for standard input
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
    /// Other users than last time come first
    #[arg(long)]
    pub reshuffle: bool,
    #[command(flatten)]
    pub waiting: Waiting,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}

/// `rollout status`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RolloutStatusArgs {
    /// The switch
    pub switch: String,
    #[command(flatten)]
    pub waiting: Waiting,
    #[command(flatten)]
    pub connection: Connection,
}

/// How to wait for the end.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Waiting {
    /// Wait until it ends: 0 promoted, 1 aborted or failed
    #[arg(long)]
    pub wait: bool,
    /// Give up after this long (exit code 3); the rollout goes on
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,
    /// Do not wait for persons: exit with 1 when it pauses
    #[arg(long, requires = "wait")]
    pub fail_on_pause: bool,
}

/// `rollout promote`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PromoteArgs {
    /// The switch
    pub switch: String,
    /// All steps at once
    #[arg(long)]
    pub full: bool,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}

impl RolloutVerb {
    /// Where it goes.
    pub(in crate::cli) fn connection(&self) -> &Connection {
        match self {
            Self::Start(args) => &args.connection,
            Self::Status(args) => &args.connection,
            Self::Pause(args) | Self::Resume(args) | Self::Abort(args) | Self::Retry(args) | Self::Undo(args) => {
                &args.connection
            }
            Self::Promote(args) => &args.connection,
            Self::List { connection } => connection,
            Self::History(args) => &args.connection,
        }
    }
}
