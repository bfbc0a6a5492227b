//! What other programs read of this one: completions for shells, and manual pages.
//!
//! Both are made from the arguments themselves, so they cannot be out of date.

use super::args::{Cli, CompletionsArgs, ManArgs};
use super::exit::{Exit, Failure};
use super::terminal;
use clap::CommandFactory;
use std::io::ErrorKind;

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
    // The folder above is never made: a typing error would be a tree of folders that nobody looks into.
    match std::fs::create_dir(&args.folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let above = args.folder.parent().unwrap_or(&args.folder).display();
            return Err(Failure::failed(format!("there is no folder {above}: make it first, or name another")));
        }
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(failed)?;
    Ok(Exit::Done)
}
