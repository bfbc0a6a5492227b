//! Which file a start reads: the state file, or its checked copy when the state file is damaged (§7.4).
//!
//! | state file        | copy good                  | copy damaged    | no copy         |
//! |-------------------|----------------------------|-----------------|-----------------|
//! | good              | state (copy renewed)       | state, new copy | state, new copy |
//! | behind its copy   | copy, changes refused      | -               | -               |
//! | damaged           | copy, changes refused      | refuses         | refuses         |
//! | missing           | copy, changes refused      | refuses         | new store       |
//!
//! "Behind" means that the copy holds a later change: the end of the state file was lost.

use super::fault::Fault;
use super::folder::{COPY, Folder, STATE};
use super::read::{self, Mark};
use super::reserve::Reserve;
use super::schema::{self, Found, STATE_KIND, Sharing};
use crate::store::StoreError;
use rusqlite::Connection;

/// What a start found, open.
#[derive(Debug)]
pub(super) struct Started {
    /// The file that is read: the state file, or the copy.
    pub(super) active: Connection,
    /// The copy that follows; absent while it stands in, or when it could not be made.
    pub(super) copy: Result<Option<Connection>, StoreError>,
    /// What was wrong with the state file, when the copy stands in.
    pub(super) on_copy: Option<String>,
    /// Whether a second connection can read beside it.
    pub(super) shared: bool,
}

/// Opens the store's state.
pub(super) fn start(folder: &Folder, reserve: &Reserve) -> Result<Started, StoreError> {
    let (state, shared) = find_state(folder, reserve)?;
    let found = match (state, find_copy(folder)) {
        (state, Ok(copy)) => (state, copy),
        // A full disk may keep the copy shut; the state file is good, so that is no reason not to answer.
        (Found::Good(active), Err(err)) => return Ok(Started { active, copy: Err(err), on_copy: None, shared }),
        (_, Err(err)) => return Err(err),
    };
    match found {
        (Found::Missing, Found::Missing) => begin(folder),
        (Found::Missing, Found::Good(copy)) if mark(folder, &copy)?.change == 0 => {
            drop(copy);
            begin(folder)
        }
        (Found::Good(state), Found::Good(copy)) => {
            let (ours, theirs) = (mark(folder, &state)?, mark(folder, &copy)?);
            if theirs.change > ours.change {
                drop(state);
                return Ok(stand_in(copy, lost_end(ours, theirs)));
            }
            if ours == theirs {
                return Ok(Started { active: state, copy: Ok(Some(copy)), on_copy: None, shared });
            }
            drop(copy);
            Ok(with_new_copy(folder, state, shared))
        }
        (Found::Good(state), other) => {
            if let Found::Damaged(why) = other {
                tracing::error!(why, "the checked copy is damaged; it is made anew from the state file");
            }
            Ok(with_new_copy(folder, state, shared))
        }
        (state, Found::Good(copy)) => Ok(stand_in(copy, damage(state))),
        (state, copy) => {
            Err(StoreError::BothDamaged { path: folder.file(STATE), why: damage(state), copy_why: damage(copy) })
        }
    }
}

/// The state file. A full disk may refuse what SQLite needs beside it: then the reserve is used, and
/// at last the form of opening that needs nothing.
fn find_state(folder: &Folder, reserve: &Reserve) -> Result<(Found, bool), StoreError> {
    let path = folder.file(STATE);
    loop {
        match schema::find(folder, &path, &STATE_KIND, Sharing::Shared) {
            Err(StoreError::Full { .. }) => {}
            other => return Ok((other?, true)),
        }
        if !reserve.give().map_err(|fault| folder.explain(fault))? {
            return Ok((schema::find(folder, &path, &STATE_KIND, Sharing::Alone)?, false));
        }
    }
}

/// The copy; one of a newer format is as good as none, since it would be of no use here.
fn find_copy(folder: &Folder) -> Result<Found, StoreError> {
    match schema::find(folder, &folder.file(COPY), &STATE_KIND, Sharing::Alone) {
        Err(newer @ StoreError::Newer { .. }) => Ok(Found::Damaged(newer.to_string())),
        other => other,
    }
}

/// A new store.
fn begin(folder: &Folder) -> Result<Started, StoreError> {
    let made =
        schema::create(folder, STATE, &STATE_KIND).and_then(|()| schema::connect(&folder.file(STATE), Sharing::Shared));
    Ok(with_new_copy(folder, made.map_err(|fault| folder.explain(fault))?, true))
}

/// Goes on with a good state file and a copy made from it.
fn with_new_copy(folder: &Folder, state: Connection, shared: bool) -> Started {
    let copy = renew_copy(folder, &state).map(Some).map_err(|fault| folder.explain(fault));
    Started { active: state, copy, on_copy: None, shared }
}

/// Makes the copy anew from an open state file.
pub(super) fn renew_copy(folder: &Folder, state: &Connection) -> Result<Connection, Fault> {
    schema::copy_into(folder, state, COPY)?;
    schema::connect(&folder.file(COPY), Sharing::Alone)
}

fn stand_in(copy: Connection, why: String) -> Started {
    Started { active: copy, copy: Ok(None), on_copy: Some(why), shared: false }
}

fn mark(folder: &Folder, conn: &Connection) -> Result<Mark, StoreError> {
    read::mark(conn).map_err(|fault| folder.explain(fault))
}

fn lost_end(ours: Mark, theirs: Mark) -> String {
    format!(
        "the end of it was lost: it stands at revision {} (change {}), its copy at revision {} (change {})",
        ours.revision, ours.change, theirs.revision, theirs.change
    )
}

fn damage(found: Found) -> String {
    match found {
        Found::Missing => "the file is missing".to_owned(),
        Found::Damaged(why) => why,
        Found::Good(_) => "nothing".to_owned(),
    }
}
