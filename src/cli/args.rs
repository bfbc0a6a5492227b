//! Every verb with its arguments, as clap reads them. The verbs have the API's names.

mod context;
mod import;
mod member;
mod reckoning;
mod rollout;
mod updates;
mod writings;

pub(super) use context::{ContextAddArgs, ContextArgs, ContextVerb};
pub(super) use import::{ImportArgs, ImportSource, Route53Args};
pub(super) use member::{MemberArgs, MemberVerb};
pub(super) use reckoning::{PlanArgs, PlanSource, SimulateArgs};
pub(super) use rollout::{PromoteArgs, RolloutArgs, RolloutStartArgs, RolloutStatusArgs, RolloutVerb, Waiting};
pub(super) use updates::UpdatesArgs;
pub(super) use writings::{CompletionsArgs, ManArgs};

use super::help;
use super::trust::Trust;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
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

/// `tsig-key`.
#[derive(Debug, Args)]
pub(super) struct TsigKeyArgs {
    /// What both sides call it, such as transfer.example.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// hmac-sha256, hmac-sha384 or hmac-sha512
    #[arg(long, value_name = "ALGORITHM", default_value = "hmac-sha256")]
    pub algorithm: String,
    /// Print it for a program
    #[arg(long)]
    pub json: bool,
}

/// `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The server's file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to answer DNS over UDP and TCP; may be repeated
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,
    /// The folder of zone files
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
    /// The folder of the state
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Where to answer operators
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: Option<SocketAddr>,
    /// Let the admin interface listen beyond loopback without TLS
    #[arg(long)]
    pub admin_insecure: bool,
}

/// `demo`.
#[derive(Debug, Clone, Args)]
pub(super) struct DemoArgs {
    /// Where to answer DNS
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5300")]
    pub dns: SocketAddr,
    /// Where to answer operators
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8053")]
    pub admin: SocketAddr,
    /// Port of the two model servers
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub backend_port: u16,
    /// How long green takes to load its model (15s; 3s in a scenario)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub load: Option<std::time::Duration>,
    /// Play a release by itself, in under two minutes, with simulated users
    #[arg(long, value_parser = ["good", "slow", "errors", "wrong-model"])]
    pub scenario: Option<String>,
}

/// `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The folder of zone files, instead of the one the server's file names
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
    /// The server's file, which is checked too; it names the databases of rules by country and ASN
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ask the parent of each zone, and each nameserver, whether the world finds the zone
    #[arg(long)]
    pub delegation: bool,
    /// Look at this zone only; may be repeated
    #[arg(long = "zone", value_name = "NAME", requires = "delegation")]
    pub only: Vec<crate::dns::Name>,
    /// A server of the parent, with :PORT if it is not 53; may be repeated (found through a resolver)
    #[arg(long = "parent", value_name = "ADDRESS", requires = "delegation", value_parser = dns_server)]
    pub parents: Vec<std::net::SocketAddr>,
    /// A resolver to find the parent and its servers with; may be repeated (those of /etc/resolv.conf)
    #[arg(long = "resolver", value_name = "ADDRESS", requires = "delegation", value_parser = dns_server)]
    pub resolvers: Vec<std::net::SocketAddr>,
    /// How long one reply may take
    #[arg(long, value_name = "DURATION", requires = "delegation", default_value = "3s", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// An address to ask at, port 53 unless it says another.
fn dns_server(text: &str) -> Result<std::net::SocketAddr, String> {
    let alone = || text.parse::<std::net::IpAddr>().map(|address| (address, 53).into());
    text.parse().or_else(|_| alone()).map_err(|_| "write an address such as 192.0.2.1 or [2001:db8::1]:53".to_owned())
}

/// `compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// What the stable side measured: a file of numbers, or a count such as 10/1000
    #[arg(long, value_name = "FILE|HITS/TOTAL")]
    pub stable: String,
    /// What the canary measured, in the same form
    #[arg(long, value_name = "FILE|HITS/TOTAL")]
    pub canary: String,
    /// Chance to call a difference proven that is none
    #[arg(long, value_name = "CHANCE", default_value_t = 0.05)]
    pub alpha: f64,
    /// Which direction is worse
    #[arg(long, value_enum, default_value_t = WorseArg::Up, conflicts_with_all = ["lower_is_better", "higher_is_better"])]
    pub worse: WorseArg,
    /// Errors, latency: the same as --worse up
    #[arg(long, conflicts_with = "higher_is_better")]
    pub lower_is_better: bool,
    /// Throughput, accuracy: the same as --worse down
    #[arg(long)]
    pub higher_is_better: bool,
    /// How much worse is still accepted: in the unit of the numbers, or a share of the stable side's such as 20%
    #[arg(long, value_name = "NUMBER|PERCENT%", allow_negative_numbers = true)]
    pub margin: Option<String>,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which direction of a measurement is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum WorseArg {
    /// Larger is worse: errors, latency
    Up,
    /// Smaller is worse: throughput, accuracy
    Down,
}

/// `status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// One switch, with its members
    pub switch: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

/// `top`.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    /// Open with this switch
    pub switch: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

/// `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The switch, of policy `fixed`
    pub switch: String,
    #[command(flatten)]
    pub connection: Connection,
}

/// `flip`.
#[derive(Debug, Args)]
pub(super) struct FlipArgs {
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
pub(super) struct SetWeightsArgs {
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

/// `undo`, `prepare`.
#[derive(Debug, Args)]
pub(super) struct SettlingArgs {
    /// The switch
    pub switch: String,
    #[command(flatten)]
    pub settle: Settle,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
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

/// `override`.
#[derive(Debug, Args)]
pub(super) struct OverrideArgs {
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
pub(super) enum HoldArg {
    /// Answered whatever the probes say
    ForceUp,
    /// Not answered whatever the probes say
    ForceDown,
    /// Probes decide again
    Clear,
}

/// `expect-version`.
#[derive(Debug, Args)]
pub(super) struct ExpectVersionArgs {
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

/// `drain`.
#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    /// The switch
    pub switch: String,
    /// The pool
    pub pool: String,
    /// Wait until it may be closed
    #[arg(long)]
    pub wait: bool,
    /// Give up after this long (exit code 3)
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = humantime::parse_duration)]
    pub timeout: Option<std::time::Duration>,
    /// Only when the idle reading confirms it
    #[arg(long)]
    pub verified: bool,
    /// Do not keep it warm for an undo
    #[arg(long)]
    pub release_warm: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The name clients ask for
    pub owner: String,
    /// An address, a prefix such as 203.0.113.0/24, or the label below a wildcard
    pub client: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

/// `history`.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Of this switch only
    pub switch: Option<String>,
    /// How many changes
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Only changes before this revision
    #[arg(long, value_name = "REVISION")]
    pub before: Option<u64>,
    #[command(flatten)]
    pub connection: Connection,
}

/// `reload`.
#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    /// Why; kept in the history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Also remove switches and pools that have weight; needs a reason
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Say what would change, change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// `token`.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// What to do with tokens.
    #[command(subcommand)]
    pub verb: TokenVerb,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenVerb {
    /// Make a token; it is shown once
    Create {
        /// Its name; stands in the history
        name: String,
        /// What it may do
        #[arg(long, value_parser = ["viewer", "operator", "admin", "member"])]
        role: String,
        /// Limit it to this switch; may be repeated
        #[arg(long = "switch", value_name = "SWITCH")]
        switches: Vec<String>,
        /// How long it is good for, such as 90d; for ever when left out
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List tokens, without secrets
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Revoke a token at once
    Revoke {
        /// Its id or name
        token: String,
        #[command(flatten)]
        connection: Connection,
    },
}

/// `backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// A new file on the server's disk
    pub file: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
}

/// `restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup; the server must be stopped
    #[arg(required_unless_present = "accept_copy", conflicts_with = "accept_copy")]
    pub file: Option<PathBuf>,
    /// The folder of the state
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tidegate")]
    pub state: PathBuf,
    /// Why; kept in the history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Confirm that the running server may go on from its checked copy
    #[arg(long)]
    pub accept_copy: bool,
    #[command(flatten)]
    pub connection: Connection,
}
