//! `context` and its verbs.

use crate::cli::trust::Trust;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `context`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ContextArgs {
    /// What to do with contexts.
    #[command(subcommand)]
    pub verb: ContextVerb,
}

/// What can be done with contexts.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ContextVerb {
    /// List them; the current one has a *
    List {
        /// Print them as JSON, without tokens
        #[arg(long)]
        json: bool,
    },
    /// Use this one from here on
    Use {
        /// Its name
        name: String,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
    /// Add one, or replace it; the first one becomes the current one
    Add(ContextAddArgs),
    /// Forget one
    Remove {
        /// Its name
        name: String,
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
    /// Where a verb would go, with which token, and why; never the token itself
    Show {
        /// A context; what counts at the moment when left out
        name: Option<String>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

/// `context add`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ContextAddArgs {
    /// Its name
    pub name: String,
    /// Address of the admin interface, such as https://gate.example.test:8053
    #[arg(long, value_name = "URL")]
    pub address: String,
    /// File that holds the token; read at each use
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Read the token from standard input and keep it in contexts.toml
    #[arg(long, conflicts_with = "token_file")]
    pub token_stdin: bool,
    /// TLS.
    #[command(flatten)]
    pub trust: Trust,
    /// Also use it from here on
    #[arg(long = "use")]
    pub and_use: bool,
    /// Replace one of the same name
    #[arg(long)]
    pub replace: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

impl ContextVerb {
    /// Whether the answer is for a program.
    pub(in crate::cli) fn json(&self) -> bool {
        match self {
            Self::List { json } | Self::Use { json, .. } | Self::Remove { json, .. } | Self::Show { json, .. } => *json,
            Self::Add(args) => args.json,
        }
    }
}
