//! `token` and its verbs.

use super::Connection;
use clap::{Args, Subcommand};

/// `token`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TokenArgs {
    /// What to do with tokens.
    #[command(subcommand)]
    pub verb: TokenVerb,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TokenVerb {
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
