//! `tidegate demo`: where it prints, and what ends it.

use super::args::{Connection, DemoArgs};
use super::destination::{Surroundings, resolve};
use super::exit::{Exit, Failure};
use super::terminal;
use crate::demo::{self, Options};
use tokio::signal::unix::{SignalKind, signal};

/// Runs until Ctrl-C.
pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let options = Options {
        dns: args.dns,
        admin: args.admin,
        backend_port: args.backend_port,
        load: args.load.unwrap_or(std::time::Duration::from_secs(if args.scenario.is_some() { 3 } else { 15 })),
        scenario: args.scenario.as_deref().and_then(demo::scenario::Scenario::named),
        program: std::env::args().next().unwrap_or_else(|| "tidegate".to_owned()),
        note: demo::context::file(),
        name_address: leads_elsewhere(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start threads: {error}")))?;
    let played = runtime.block_on(async {
        let say = |line: &str| terminal::print(&format!("{line}\n"));
        let fail = |error: std::io::Error| Failure::failed(format!("cannot catch signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        demo::run(&options, say, stop).await.map_err(|error| Failure::failed(error.to_string()))
    });
    played.map(|ending| ending.filter(|ending| !ending.as_wanted).map_or(Exit::Done, |_| Exit::Failed))
}

/// Whether the user's own settings lead the other verbs to some other server.
fn leads_elsewhere() -> bool {
    let own = Surroundings { demo: None, ..Surroundings::of_process() };
    own.token.is_some()
        || own.token_file.is_some()
        || resolve(&Connection::default(), &own).map_or(true, |found| !found.is_default())
}
