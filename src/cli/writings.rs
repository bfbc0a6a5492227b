//! What other programs read of this one: completions for shells, and manual pages.
//!
//! Both are made from the arguments themselves, so they cannot be out of date.

use super::args::{Cli, CompletionsArgs, ManArgs};
use super::exit::{Exit, Failure};
use super::terminal;
use clap::CommandFactory;

/// Prints a shell's completions.
pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidegate", &mut script);
    terminal::print(&String::from_utf8_lossy(&script));
    Exit::Done
}

/// Writes a manual page for each verb.
pub(super) fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("cannot write to {}: {error}", args.folder.display()));
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(failed)?;
    Ok(Exit::Done)
}
