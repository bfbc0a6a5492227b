//! `backup` and `restore`.

use super::Connection;
use clap::Args;
use std::path::PathBuf;

/// `backup`.
#[derive(Debug, Args)]
pub(in crate::cli) struct BackupArgs {
    /// A new file on the server's disk
    pub file: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
}

/// `restore`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArgs {
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
