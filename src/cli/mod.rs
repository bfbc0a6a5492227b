//! The command line: arguments in, text and an exit code out.
//!
//! Verbs against a running server go through its admin interface, like anybody else's requests.
//! Only this room prints to standard output.

mod args;
mod check;
mod client;
mod compare;
mod context;
mod contexts;
mod demo;
mod destination;
mod exit;
mod help;
mod import;
mod plan;
mod planned;
mod print;
mod restore;
mod serve;
mod simulate;
mod terminal;
mod top;
mod trust;
mod tsig_key;
mod verbs;
mod writings;

pub use exit::{Exit, Failure};

use args::{Cli, Verb};
use clap::{ColorChoice, CommandFactory, FromArgMatches, ValueEnum};
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let colour = colour_asked(std::env::args_os());
    let parsed = Cli::command().color(colour).try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = parsed.unwrap_or_else(|error| {
        if error.use_stderr() && words(std::env::args_os()).any(|word| word == "--json") {
            let failure = Failure::usage(sentence(&error));
            terminal::print(&format!("{}\n", failure.as_json().unwrap_or_default()));
        }
        // clap itself ends the process with 2 for usage errors, with 0 for help.
        error.exit()
    });
    terminal::use_colour(cli.color);
    match run(cli.verb) {
        Exit::Done if !terminal::printed_all() => Exit::Failed,
        exit => exit,
    }
    .into()
}

/// What `--color` says, read ahead of everything else, since help and usage errors heed it too.
fn colour_asked(arguments: impl Iterator<Item = OsString>) -> ColorChoice {
    let words: Vec<String> = words(arguments).collect();
    let after = words.iter().skip_while(|word| *word != "--color").nth(1).map(String::as_str);
    let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
    joined.or(after).and_then(|word| ColorChoice::from_str(word, false).ok()).unwrap_or(ColorChoice::Auto)
}

/// The arguments that may be flags.
fn words(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = String> {
    arguments.filter_map(|word| word.into_string().ok()).take_while(|word| word != "--")
}

/// A usage error without clap's headline word, and without how the verb is used.
fn sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or_default();
    let parts = text.strip_prefix("error: ").unwrap_or(text).split("\n\n");
    parts.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
}

/// Runs one verb.
fn run(verb: Verb) -> Exit {
    let json = asks_for_json(&verb);
    let outcome = match verb {
        Verb::Serve(args) => serve::run(args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Compare(args) => compare::run(&args),
        Verb::Simulate(args) => simulate::run(&args),
        Verb::Plan(args) => plan::run(&args),
        Verb::Context(args) => context::run(args.verb),
        Verb::TsigKey(args) => tsig_key::run(&args),
        Verb::Import(args) => import::run(&args.from),
        Verb::Completions(args) => Ok(writings::completions(&args)),
        Verb::Man(args) => writings::man(&args),
        Verb::Restore(args) if args.file.is_some() => restore::run(&args),
        client => verbs::run(client),
    };
    outcome.unwrap_or_else(|failure| {
        if let (true, Some(body)) = (json, failure.as_json()) {
            terminal::print(&format!("{body}\n"));
        }
        terminal::complain(&failure.sentence);
        failure.exit
    })
}

/// Whether the answer is for a program.
fn asks_for_json(verb: &Verb) -> bool {
    match verb {
        Verb::Serve(_) | Verb::Demo(_) | Verb::Completions(_) | Verb::Man(_) => false,
        Verb::Check(args) => args.json,
        Verb::Compare(args) => args.json,
        Verb::Simulate(args) => args.json,
        Verb::Plan(args) => args.json,
        Verb::Context(args) => args.verb.json(),
        Verb::TsigKey(args) => args.json,
        Verb::Import(args) => args.from.json(),
        other => verbs::connection(other).is_some_and(|connection| connection.json),
    }
}
