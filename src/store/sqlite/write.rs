//! What is written: each kind of write as one transaction, the same on the state file and its copy.

use super::fault::Fault;
use super::read::{self, Mark};
use super::rows::{self, number, optional, text};
use crate::dns::Name;
use crate::store::{AUDIT_KEPT_MS, AuditRow, Commit, CookieRow, EditRow, IdempotencyRow, REPLIES_KEPT_MS, TokenRow};
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// At most this many rows of a table are pruned in one transaction, so that a commit never waits long.
const PRUNED_AT_ONCE: u32 = 1000;

/// A write as data: it is applied to the state file, then to the copy.
#[derive(Debug)]
pub(super) enum Write {
    /// A change of desired state.
    Commit(Box<Commit>),
    /// A token added or replaced.
    PutToken(TokenRow),
    /// A token removed, by id.
    RemoveToken(String),
    /// The secrets of DNS cookies replaced.
    PutCookies(CookieRow),
    /// One batch of rows past their time.
    Prune { now_unix_ms: u64 },
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Applied {
    /// Rows written or deleted; when there were none, nothing was committed.
    pub(super) rows: usize,
    /// Where the file stands after it.
    pub(super) mark: Mark,
}

/// Applies a write in one transaction; durable when it returns.
pub(super) fn apply(conn: &mut Connection, write: &Write) -> Result<Applied, Fault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut mark = read::mark(&tx)?;
    let touched = match write {
        Write::Commit(commit) => {
            check(commit, mark)?;
            mark.revision = commit.revision;
            1 + put_commit(&tx, commit)?
        }
        Write::PutToken(token) => put_token(&tx, token)?,
        Write::RemoveToken(id) => tx.prepare_cached("DELETE FROM token WHERE id = ?1")?.execute([id])?,
        Write::PutCookies(secrets) => put_cookies(&tx, secrets)?,
        Write::Prune { now_unix_ms } => {
            prune(&tx, "audit", "seq", now_unix_ms.saturating_sub(AUDIT_KEPT_MS))?
                + prune(&tx, "idempotency", "token, key", now_unix_ms.saturating_sub(REPLIES_KEPT_MS))?
        }
    };
    if touched == 0 {
        return Ok(Applied { rows: 0, mark });
    }
    mark.change += 1;
    put_mark(&tx, mark)?;
    tx.commit()?;
    Ok(Applied { rows: touched, mark })
}

/// Refuses a commit decided on another revision.
fn check(commit: &Commit, mark: Mark) -> Result<(), Fault> {
    if commit.expected != mark.revision {
        return Err(Fault::Conflict { expected: commit.expected, current: mark.revision });
    }
    Ok(())
}

fn put_commit(tx: &Transaction<'_>, commit: &Commit) -> Result<usize, Fault> {
    let mut touched = 0;
    for (name, body) in &commit.switches {
        touched += match body {
            Some(body) => rows::put(tx, &rows::SWITCH, [vec![text(name), text(body)]])?,
            None => tx.prepare_cached("DELETE FROM switch WHERE name = ?1")?.execute([name])?,
        };
    }
    touched += put_serials(tx, &commit.serials)?;
    touched += put_edits(tx, &commit.edits)?;
    touched += put_audit(tx, &commit.audit)?;
    touched += rows::put(tx, &rows::IDEMPOTENCY, commit.idempotency.iter().map(reply_values))?;
    Ok(touched)
}

/// Sets and deletes edited sets.
fn put_edits(conn: &Connection, edits: &[EditRow]) -> Result<usize, Fault> {
    let mut touched = 0;
    for EditRow { zone, owner, rtype, body } in edits {
        let key = [text(&zone.to_string()), text(&owner.to_string()), number(u64::from(rtype.0))];
        touched += match body {
            Some(body) => rows::put(conn, &rows::EDIT, [key.into_iter().chain([text(body)]).collect()])?,
            None => conn
                .prepare_cached("DELETE FROM edit WHERE zone = ?1 AND owner = ?2 AND rtype = ?3")?
                .execute(rusqlite::params_from_iter(key))?,
        };
    }
    Ok(touched)
}

/// Moves the mark.
pub(super) fn put_mark(conn: &Connection, mark: Mark) -> Result<(), Fault> {
    rows::put(conn, &rows::META, [vec![number(1), number(mark.revision), number(mark.change)]])?;
    Ok(())
}

/// Sets serials.
pub(super) fn put_serials(conn: &Connection, serials: &[(Name, u32)]) -> Result<usize, Fault> {
    let values = serials.iter().map(|(zone, serial)| vec![text(&zone.to_string()), number(u64::from(*serial))]);
    Ok(rows::put(conn, &rows::SERIAL, values)?)
}

/// Appends audit rows.
pub(super) fn put_audit(conn: &Connection, audit: &[AuditRow]) -> Result<usize, Fault> {
    Ok(rows::put(conn, &rows::AUDIT, audit.iter().map(audit_values))?)
}

fn put_token(conn: &Connection, token: &TokenRow) -> Result<usize, Fault> {
    let switches = serde_json::to_string(&token.switches).expect("a list of texts is JSON");
    let values = vec![
        text(&token.id),
        text(&token.name),
        text(&token.hash),
        text(&token.role),
        Value::Text(switches),
        number(token.created_unix_ms),
        token.expires_unix_ms.map_or(Value::Null, number),
    ];
    Ok(rows::put(conn, &rows::TOKEN, [values])?)
}

fn put_cookies(conn: &Connection, secrets: &CookieRow) -> Result<usize, Fault> {
    let CookieRow { secret, previous, made_unix_ms } = secrets;
    let values = vec![number(1), text(secret), optional(previous.as_deref()), number(*made_unix_ms)];
    Ok(rows::put(conn, &rows::COOKIE, [values])?)
}

fn audit_values(row: &AuditRow) -> Vec<Value> {
    vec![
        number(row.revision),
        number(row.at_unix_ms),
        text(&row.who),
        text(&row.from),
        text(&row.verb),
        optional(row.switch.as_deref()),
        optional(row.reason.as_deref()),
        number(u64::from(row.forced)),
        Value::Text(row.before.to_string()),
        Value::Text(row.after.to_string()),
    ]
}

fn reply_values(row: &IdempotencyRow) -> Vec<Value> {
    vec![text(&row.token), text(&row.key), text(&row.request_hash), text(&row.reply), number(row.at_unix_ms)]
}

/// Deletes the oldest rows of a table that are older than `before_unix_ms`; in a fixed order, so
/// that the copy loses the same ones.
fn prune(tx: &Transaction<'_>, table: &str, key: &str, before_unix_ms: u64) -> Result<usize, Fault> {
    let sql = format!(
        "DELETE FROM {table} WHERE ({key}) IN \
         (SELECT {key} FROM {table} WHERE at_unix_ms < ?1 ORDER BY at_unix_ms, {key} LIMIT {PRUNED_AT_ONCE})"
    );
    Ok(tx.prepare_cached(&sql)?.execute([i64::try_from(before_unix_ms).unwrap_or(i64::MAX)])?)
}
