//! `completions` and `man`, which packages call and people need not see.

use clap::Args;
use std::path::PathBuf;

/// `completions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ManArgs {
    /// The folder that gets a page for each verb
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
