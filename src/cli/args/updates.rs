//! `updates`.

use super::Connection;
use clap::Args;

/// `updates`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UpdatesArgs {
    /// Of this name only
    pub name: Option<String>,
    /// Of this zone only
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// How many sets
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Only sets behind this place, which the page before named
    #[arg(long, value_name = "PLACE")]
    pub after: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}
