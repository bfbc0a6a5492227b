//! The verbs that speak to a running server.

mod change;
mod drain;
mod look;
mod member;
mod rollout;
mod token;
mod waiting;

use super::args::{Connection, Guards, TokenVerb, Verb};
use super::client::{Answer, Call, Client};
use super::destination::{Surroundings, resolve};
use super::exit::{Exit, Failure};
use super::print::Page;
use super::{terminal, top};
use serde::de::DeserializeOwned;

/// Where a verb goes; `None` for those that speak to no server.
pub(super) fn connection(verb: &Verb) -> Option<&Connection> {
    match verb {
        Verb::Serve(_)
        | Verb::Demo(_)
        | Verb::Check(_)
        | Verb::Compare(_)
        | Verb::Simulate(_)
        | Verb::Plan(_)
        | Verb::Context(_)
        | Verb::TsigKey(_)
        | Verb::Import(_)
        | Verb::Completions(_)
        | Verb::Man(_) => None,
        Verb::Status(args) => Some(&args.connection),
        Verb::Top(args) => Some(&args.connection),
        Verb::Report(args) => Some(&args.connection),
        Verb::Flip(args) => Some(&args.connection),
        Verb::SetWeights(args) => Some(&args.connection),
        Verb::Undo(args) | Verb::Prepare(args) => Some(&args.connection),
        Verb::Reset(args) => Some(&args.connection),
        Verb::Rollout(args) => Some(args.verb.connection()),
        Verb::Member(args) => Some(args.verb.connection()),
        Verb::Override(args) => Some(&args.connection),
        Verb::ExpectVersion(args) => Some(&args.connection),
        Verb::Drain(args) => Some(&args.connection),
        Verb::Explain(args) => Some(&args.connection),
        Verb::History(args) => Some(&args.connection),
        Verb::Updates(args) => Some(&args.connection),
        Verb::Reload(args) => Some(&args.connection),
        Verb::Token(args) => Some(match &args.verb {
            TokenVerb::Create { connection, .. }
            | TokenVerb::List { connection }
            | TokenVerb::Revoke { connection, .. } => connection,
        }),
        Verb::Backup(args) => Some(&args.connection),
        Verb::Restore(args) => Some(&args.connection),
    }
}

/// Runs a verb against its server.
pub(super) fn run(verb: Verb) -> Result<Exit, Failure> {
    if matches!(verb, Verb::Top(_)) {
        top::may_open(connection(&verb).is_some_and(|connection| connection.json))?;
    }
    let Some(connection) = connection(&verb).cloned() else {
        return Err(Failure::usage("this verb speaks to no server"));
    };
    let client = Client::new(resolve(&connection, &Surroundings::of_process())?)?;
    // Said once, where a person looks first; every other verb speaks to the same server.
    if client.destination().demo && matches!(verb, Verb::Status(_)) {
        terminal::remark(&format!("(talking to the running demo at {})", client.destination().address));
    }
    if let Some(warning) = &client.destination().warning {
        terminal::remark(warning);
    }
    if client.sends_token_in_the_clear() {
        terminal::remark("warning: the token travels without TLS, and others on the way can read it");
    }
    let session = Session { client, json: connection.json };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(dispatch(&session, verb))
}

/// One verb.
async fn dispatch(session: &Session, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Status(args) => look::status(session, args).await,
        Verb::Top(args) => top::run(session.client.clone(), args.switch).await,
        Verb::Report(args) => look::report(session, &args.switch).await,
        Verb::Explain(args) => look::explain(session, args).await,
        Verb::History(args) => look::history(session, args).await,
        Verb::Updates(args) => look::updates(session, args).await,
        Verb::Flip(args) => change::flip(session, args).await,
        Verb::SetWeights(args) => change::set_weights(session, args).await,
        Verb::Undo(args) => change::undo(session, args).await,
        Verb::Prepare(args) => change::prepare(session, args).await,
        Verb::Reset(args) => change::plain(session, &["reset"], "reset to the files", args).await,
        Verb::Rollout(args) => rollout::run(session, args.verb).await,
        Verb::Member(args) => member::run(session, args.verb).await,
        Verb::Override(args) => change::hold(session, args).await,
        Verb::ExpectVersion(args) => change::expect_version(session, args).await,
        Verb::Reload(args) => change::reload(session, args).await,
        Verb::Drain(args) => drain::run(session, args).await,
        Verb::Token(args) => token::run(session, args.verb).await,
        Verb::Backup(args) => change::backup(session, args).await,
        Verb::Restore(_) => change::accept_copy(session).await,
        Verb::Serve(_)
        | Verb::Demo(_)
        | Verb::Check(_)
        | Verb::Compare(_)
        | Verb::Simulate(_)
        | Verb::Plan(_)
        | Verb::Context(_)
        | Verb::TsigKey(_)
        | Verb::Import(_)
        | Verb::Completions(_)
        | Verb::Man(_) => Err(Failure::usage("this verb speaks to no server")),
    }
}

/// A server, and how to print its answers.
struct Session {
    client: Client,
    json: bool,
}

impl Session {
    /// Sends a call and prints the answer, as it is or for people.
    async fn show<T: DeserializeOwned>(&self, call: Call, print: impl FnOnce(&mut Page, &T)) -> Result<Exit, Failure> {
        let answer = self.client.send(call).await?;
        self.print(&answer, print)?;
        Ok(Exit::Done)
    }

    /// Says something beside the answer, which for programs is on standard output.
    fn remark(&self, line: &str) {
        if self.json { terminal::remark(line) } else { terminal::print(&format!("{line}\n")) }
    }

    /// Prints an answer, as it is or for people.
    fn print<T: DeserializeOwned>(&self, answer: &Answer, print: impl FnOnce(&mut Page, &T)) -> Result<(), Failure> {
        if self.json {
            terminal::print(&format!("{}\n", answer.text));
            return Ok(());
        }
        let body = answer.read()?;
        let mut page = terminal::page();
        print(&mut page, &body);
        terminal::print(&page.finish());
        Ok(())
    }
}

/// The guards that travel in headers.
fn guarded(call: Call, guards: &Guards) -> Call {
    call.header("If-Match", guards.if_match.map(|revision| format!("\"{revision}\"")))
        .header("Idempotency-Key", guards.idempotency_key.clone())
}
