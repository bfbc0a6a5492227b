//! Verbs that show: where things stand, what happened, and why.

use super::Connection;
use clap::Args;

/// `status`.
#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    /// One switch, with its members
    pub switch: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

/// `top`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TopArgs {
    /// Open with this switch
    pub switch: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

/// `report`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// The switch, of policy `fixed`
    pub switch: String,
    #[command(flatten)]
    pub connection: Connection,
}

/// `drain`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DrainArgs {
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
pub(in crate::cli) struct ExplainArgs {
    /// The name clients ask for
    pub owner: String,
    /// An address, a prefix such as 203.0.113.0/24, or the label below a wildcard
    pub client: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

/// `history`.
#[derive(Debug, Args)]
pub(in crate::cli) struct HistoryArgs {
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
