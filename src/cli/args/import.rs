//! `import` and its sources.

use crate::cli::help;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `import`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// Where the records come from.
    #[command(subcommand)]
    pub from: ImportSource,
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ImportSource {
    /// A dump of `aws route53 list-resource-record-sets`
    #[command(after_help = help::IMPORT_ROUTE53)]
    Route53(Route53Args),
}

/// `import route53`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Route53Args {
    /// The dump, as JSON; - for standard input
    pub file: PathBuf,
    /// The zone to make: a part of the dump that is delegated here; the dump's own when left out
    #[arg(long, value_name = "NAME")]
    pub zone: Option<String>,
    /// A nameserver of the new zone, instead of Route 53's; may be repeated
    #[arg(long = "ns", value_name = "NAME")]
    pub nameservers: Vec<String>,
    /// The folder the zone files are written to; existing files are never replaced
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Say what would be written, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
}

impl ImportSource {
    /// Whether the answer is for a program.
    pub(in crate::cli) fn json(&self) -> bool {
        let Self::Route53(args) = self;
        args.json
    }
}
