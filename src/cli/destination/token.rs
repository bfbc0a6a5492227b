//! Which token is sent: what was named, what belongs to the address, else the first one of a server on this machine.

use super::{Surroundings, is_loopback, normal};
use crate::cli::args::Connection;
use crate::cli::contexts::Context;
use crate::cli::exit::Failure;
use std::path::Path;

/// The token for an address, from the first source that has one; no other source is read.
pub(super) fn token_for(
    address: &str,
    connection: &Connection,
    around: &Surroundings,
    beside: Vec<(String, Beside)>,
) -> Result<Option<Found>, Failure> {
    if let Some(explicit) = explicit_token(connection, around)? {
        return Ok(Some(explicit));
    }
    for (at, beside) in beside {
        if normal(&at).ok().as_deref() != Some(address) {
            continue;
        }
        let found = match beside {
            Beside::Context(name, context) => token_of(&name, &context)?,
            Beside::Demo(found) => Some(found),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(default_token(address, around))
}

/// A token, and where it was found.
pub(super) struct Found {
    pub token: String,
    pub origin: String,
}

/// Where a token may be that belongs to an address.
pub(super) enum Beside {
    /// A context, whose token may be in a file.
    Context(String, Context),
    /// The running demo.
    Demo(Found),
}

/// A token that flags or the environment name.
fn explicit_token(connection: &Connection, around: &Surroundings) -> Result<Option<Found>, Failure> {
    if let Some(path) = &connection.token_file {
        return read_token(path).map(Some);
    }
    if connection.context.is_some() {
        return Ok(None);
    }
    match (&around.token, &around.token_file) {
        (Some(token), _) => Ok(Some(Found { token: token.trim().to_owned(), origin: "TIDEGATE_TOKEN".to_owned() })),
        (None, Some(path)) => read_token(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The token of a context.
fn token_of(name: &str, context: &Context) -> Result<Option<Found>, Failure> {
    match (&context.token, &context.token_file) {
        (Some(token), _) => Ok(Some(Found { token: token.trim().to_owned(), origin: format!("context `{name}`") })),
        (None, Some(path)) => read_token(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The first token of a server on this machine, for addresses on this machine only.
fn default_token(address: &str, around: &Surroundings) -> Option<Found> {
    if !is_loopback(address) {
        return None;
    }
    // Unreadable for this user is the ordinary case, and the server will say what is missing.
    around.default_token_file.as_ref().and_then(|path| read_token(path).ok())
}

/// A token file's first line.
fn read_token(path: &Path) -> Result<Found, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the token file {}: {error}", path.display())))?;
    match text.lines().next().map(str::trim) {
        Some(token) if !token.is_empty() => {
            Ok(Found { token: token.to_owned(), origin: format!("the file {}", path.display()) })
        }
        _ => Err(Failure::usage(format!("the token file {} is empty", path.display()))),
    }
}
