//! Every verb, as clap reads it, and the arguments that many share. The verbs have the API's names.

mod backup;
mod change;
mod context;
mod import;
mod look;
mod member;
mod reckoning;
mod rollout;
mod standalone;
mod token;
mod updates;
mod writings;

pub(super) use backup::{BackupArgs, RestoreArgs};
pub(super) use change::{ExpectVersionArgs, FlipArgs, HoldArg, OverrideArgs, ReloadArgs, SetWeightsArgs, SettlingArgs};
pub(super) use context::{ContextAddArgs, ContextArgs, ContextVerb};
pub(super) use import::{ImportArgs, ImportSource, Route53Args};
pub(super) use look::{DrainArgs, ExplainArgs, HistoryArgs, ReportArgs, StatusArgs, TopArgs};
pub(super) use member::{MemberArgs, MemberVerb};
pub(super) use reckoning::{PlanArgs, PlanSource, SimulateArgs};
pub(super) use rollout::{PromoteArgs, RolloutArgs, RolloutStartArgs, RolloutStatusArgs, RolloutVerb, Waiting};
pub(super) use standalone::{CheckArgs, CompareArgs, DemoArgs, ServeArgs, TsigKeyArgs, WorseArg};
pub(super) use token::{TokenArgs, TokenVerb};
pub(super) use updates::UpdatesArgs;
pub(super) use writings::{CompletionsArgs, ManArgs};

use super::help;
use super::trust::Trust;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// An authoritative DNS server that moves traffic between blue and green while everything keeps running.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = help::ROOT, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Cli {
    /// When to colour what is printed; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = clap::ColorChoice::Auto)]
    pub color: clap::ColorChoice,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Answer DNS queries and operators
    #[command(after_help = help::SERVE)]
    Serve(ServeArgs),
    /// Try everything on this machine: no root, no configuration
    #[command(after_help = help::DEMO)]
    Demo(DemoArgs),
    /// Look at zone files without serving them
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Is the canary proven worse? Tests and intervals of measurements in files
    #[command(after_help = help::COMPARE)]
    Compare(CompareArgs),
    /// Make zone files from what another service holds
    Import(ImportArgs),
    /// How long will a rollout take, and what can its steps show?
    #[command(after_help = help::PLAN)]
    Plan(PlanArgs),
    /// What would a rollout do to the users? Shares, spread and time, step by step
    #[command(after_help = help::SIMULATE)]
    Simulate(SimulateArgs),
    /// Show switches, pools and members
    #[command(after_help = help::STATUS)]
    Status(StatusArgs),
    /// Watch everything live in the terminal
    #[command(after_help = help::TOP)]
    Top(TopArgs),
    /// What does an A/B test show, and what not?
    #[command(after_help = help::REPORT)]
    Report(ReportArgs),
    /// Move all traffic of a switch to one pool
    #[command(after_help = help::FLIP)]
    Flip(FlipArgs),
    /// Split the traffic of a switch
    #[command(after_help = help::SET_WEIGHTS)]
    SetWeights(SetWeightsArgs),
    /// Return to the split before the last change
    #[command(after_help = help::UNDO)]
    Undo(SettlingArgs),
    /// Release by evidence: canary, blue/green, rolling
    #[command(after_help = help::ROLLOUT)]
    Rollout(RolloutArgs),
    /// Lower the TTL ahead of a flip
    #[command(after_help = help::PREPARE)]
    Prepare(SettlingArgs),
    /// Hold a pool or member up or down, whatever its probes say
    #[command(after_help = help::OVERRIDE)]
    Override(OverrideArgs),
    /// Say which version a pool's members must show
    #[command(after_help = help::EXPECT_VERSION)]
    ExpectVersion(ExpectVersionArgs),
    /// May the old side be closed?
    #[command(after_help = help::DRAIN)]
    Drain(DrainArgs),
    /// Why does a client get what it gets?
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Who changed what, when and why
    #[command(after_help = help::HISTORY)]
    History(HistoryArgs),
    /// Sets that dynamic updates changed, by which key and when
    #[command(after_help = help::UPDATES)]
    Updates(UpdatesArgs),
    /// Read the zone files again
    #[command(after_help = help::RELOAD)]
    Reload(ReloadArgs),
    /// Forget what was set at run time: back to the files
    #[command(after_help = help::RESET)]
    Reset(OneSwitchArgs),
    /// Members that come by themselves: list, register, remove
    #[command(after_help = help::MEMBER)]
    Member(MemberArgs),
    /// Which servers there are to talk to, and which one verbs go to
    #[command(after_help = help::CONTEXT)]
    Context(ContextArgs),
    /// Print a fresh key for updates and transfers
    #[command(after_help = help::TSIG_KEY)]
    TsigKey(TsigKeyArgs),
    /// Make, list and revoke API tokens
    #[command(after_help = help::TOKEN)]
    Token(TokenArgs),
    /// Print completions for a shell
    #[command(hide = true, after_help = help::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Write a manual page for each verb
    #[command(hide = true, after_help = help::MAN)]
    Man(ManArgs),
    /// Write a backup of the state on the server
    #[command(after_help = help::BACKUP)]
    Backup(BackupArgs),
    /// Bring a backup back, or accept the checked copy
    #[command(after_help = help::RESTORE)]
    Restore(RestoreArgs),
}

/// Where the server is, and how to print.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Connection {
    /// Address of the admin interface, such as http://127.0.0.1:8053 [env: TIDEGATE_ADDRESS]
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub address: Option<String>,
    /// File that holds the token [env: TIDEGATE_TOKEN, TIDEGATE_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub token_file: Option<PathBuf>,
    /// A context of ~/.config/tidegate/contexts.toml
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub context: Option<String>,
    /// TLS.
    #[command(flatten)]
    pub trust: Trust,
    /// Print the API's answer as it is
    #[arg(long)]
    pub json: bool,
}

/// Why, and under which conditions, something is to change.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Guards {
    /// Why; kept in the history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Override the guards that may be overridden; needs a reason
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Say what would change, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Only if the state is still at this revision
    #[arg(long, value_name = "REVISION")]
    pub if_match: Option<u64>,
    /// Repeating the call with the same key gives the first answer again
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

/// Whether to wait for the caches.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Settle {
    /// Wait until no cache that honours TTLs holds an older answer
    #[arg(long)]
    pub wait: bool,
    /// Give up waiting after this long (exit code 3); what was changed stays changed
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = humantime::parse_duration)]
    pub timeout: Option<std::time::Duration>,
}

/// `reset` and the plain verbs of `rollout`.
#[derive(Debug, Args)]
pub(super) struct OneSwitchArgs {
    /// The switch
    pub switch: String,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}
