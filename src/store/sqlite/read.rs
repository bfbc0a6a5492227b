//! What is read back: everything at start, pages of history, remembered replies.

use super::fault::Fault;
use super::rows::{self, check_row};
use crate::dns::{Name, RecordType};
use crate::store::{
    AuditRow, CookieRow, CopyRow, EditRow, HISTORY_PAGE_MAX, HistoryQuery, IdempotencyRow, Loaded, REPLIES_KEPT_MS,
    Seen, TokenRow,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::collections::HashMap;

/// Where a state file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The revision of the desired state.
    pub(super) revision: u64,
    /// Counts every write, so that file and copy can be compared.
    pub(super) change: u64,
}

/// The mark of an open state file.
pub(super) fn mark(conn: &Connection) -> Result<Mark, Fault> {
    let mut found = None;
    rows::read(conn, &rows::META, |row| {
        found = Some(Mark { revision: unsigned(row, 1)?, change: unsigned(row, 2)? });
        Ok(())
    })?;
    found.ok_or_else(|| Fault::Damaged("table meta has no row".to_owned()))
}

/// Everything of a state file but what was seen.
pub(super) fn state(conn: &Connection) -> Result<Loaded, Fault> {
    let mut loaded = Loaded { revision: mark(conn)?.revision, ..Loaded::default() };
    rows::read(conn, &rows::SWITCH, |row| {
        loaded.switches.push((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    loaded.serials = serials(conn)?;
    loaded.edits = edits(conn)?;
    rows::read(conn, &rows::TOKEN, |row| {
        loaded.tokens.push(token(row)?);
        Ok(())
    })?;
    Ok(loaded)
}

/// The secrets of DNS cookies.
pub(super) fn cookies(conn: &Connection) -> Result<Option<CookieRow>, Fault> {
    let mut found = None;
    rows::read(conn, &rows::COOKIE, |row| {
        found = Some(CookieRow { secret: row.get(1)?, previous: row.get(2)?, made_unix_ms: unsigned(row, 3)? });
        Ok(())
    })?;
    Ok(found)
}

/// The serial of each zone.
pub(super) fn serials(conn: &Connection) -> Result<Vec<(Name, u32)>, Fault> {
    let mut found = Vec::new();
    rows::read(conn, &rows::SERIAL, |row| {
        let zone: String = row.get(0)?;
        let name = zone.parse().map_err(|err| Fault::Damaged(format!("`{zone}` is no zone name: {err}")))?;
        found.push((name, row.get(1)?));
        Ok(())
    })?;
    Ok(found)
}

/// The edited sets of zones.
fn edits(conn: &Connection) -> Result<Vec<EditRow>, Fault> {
    let mut found = Vec::new();
    rows::read(conn, &rows::EDIT, |row| {
        let name = |column: usize| -> Result<Name, Fault> {
            let text: String = row.get(column)?;
            text.parse().map_err(|err| Fault::Damaged(format!("`{text}` is no name: {err}")))
        };
        let row = EditRow { zone: name(0)?, owner: name(1)?, rtype: RecordType(row.get(2)?), body: row.get(3)? };
        found.push(row);
        Ok(())
    })?;
    Ok(found)
}

/// What was seen last; `None` before the first save.
pub(super) fn seen(conn: &Connection) -> Result<Option<Seen>, Fault> {
    let mut seen = None;
    rows::read(conn, &rows::LEDGER, |row| {
        seen = Some(Seen { ledger: row.get(1)?, ..Seen::default() });
        Ok(())
    })?;
    let Some(mut seen) = seen else { return Ok(None) };
    rows::read(conn, &rows::PROMISES, |row| {
        seen.promises.push((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    rows::read(conn, &rows::HEALTH, |row| {
        seen.health.push((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    rows::read(conn, &rows::TRIALS, |row| {
        seen.trials.push((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    Ok(Some(seen))
}

/// Copies of zones; one that was never confirmed is as old as can be.
pub(super) fn copies(conn: &Connection) -> Result<Vec<CopyRow>, Fault> {
    let mut confirmed = HashMap::new();
    rows::read(conn, &rows::CONFIRMED, |row| {
        confirmed.insert(row.get::<_, String>(0)?, unsigned(row, 1)?);
        Ok(())
    })?;
    let mut found = Vec::new();
    rows::read(conn, &rows::COPIES, |row| {
        let text: String = row.get(0)?;
        let zone = text.parse().map_err(|err| Fault::Damaged(format!("`{text}` is no zone name: {err}")))?;
        found.push(CopyRow { zone, body: row.get(1)?, confirmed_unix_ms: confirmed.get(&text).copied().unwrap_or(0) });
        Ok(())
    })?;
    Ok(found)
}

/// One page of audit rows, newest first, rounded up to whole revisions.
pub(super) fn history(conn: &Connection, query: &HistoryQuery) -> Result<Vec<AuditRow>, Fault> {
    let limit = usize::try_from(query.limit.clamp(1, HISTORY_PAGE_MAX)).unwrap_or(usize::MAX);
    let below = query.before_revision.unwrap_or(i64::MAX.unsigned_abs());
    let mut values = vec![rows::number(below)];
    let mut of_switch = "";
    if let Some(switch) = &query.switch {
        of_switch = "AND switch = ?2";
        values.push(Value::Text(switch.clone()));
    }
    let columns = rows::AUDIT.columns.join(", ");
    let sql =
        format!("SELECT {columns}, sum FROM audit WHERE revision < ?1 {of_switch} ORDER BY revision DESC, seq DESC");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut page: Vec<AuditRow> = Vec::new();
    while let Some(row) = found.next()? {
        let next = audit(row)?;
        if page.len() >= limit && page.last().is_some_and(|last| last.revision != next.revision) {
            break;
        }
        page.push(next);
    }
    Ok(page)
}

/// The reply remembered for a key, unless it is too old.
pub(super) fn recall(
    conn: &Connection,
    token: &str,
    key: &str,
    now_unix_ms: u64,
) -> Result<Option<IdempotencyRow>, Fault> {
    let columns = rows::IDEMPOTENCY.columns.join(", ");
    let mut statement =
        conn.prepare_cached(&format!("SELECT {columns}, sum FROM idempotency WHERE token = ?1 AND key = ?2"))?;
    let found = statement
        .query_row(params![token, key], |row| {
            Ok(check_row(&rows::IDEMPOTENCY, row).and_then(|()| {
                Ok(IdempotencyRow {
                    token: row.get(0)?,
                    key: row.get(1)?,
                    request_hash: row.get(2)?,
                    reply: row.get(3)?,
                    at_unix_ms: unsigned(row, 4)?,
                })
            }))
        })
        .optional()?
        .transpose()?;
    Ok(found.filter(|row| now_unix_ms.saturating_sub(row.at_unix_ms) <= REPLIES_KEPT_MS))
}

/// An audit row, selected as all its columns and the sum.
pub(super) fn audit(row: &Row<'_>) -> Result<AuditRow, Fault> {
    check_row(&rows::AUDIT, row)?;
    Ok(AuditRow {
        revision: unsigned(row, 0)?,
        at_unix_ms: unsigned(row, 1)?,
        who: row.get(2)?,
        from: row.get(3)?,
        verb: row.get(4)?,
        switch: row.get(5)?,
        reason: row.get(6)?,
        forced: row.get(7)?,
        before: json(&row.get::<_, String>(8)?)?,
        after: json(&row.get::<_, String>(9)?)?,
    })
}

fn token(row: &Row<'_>) -> Result<TokenRow, Fault> {
    let expires: Option<i64> = row.get(6)?;
    Ok(TokenRow {
        id: row.get(0)?,
        name: row.get(1)?,
        hash: row.get(2)?,
        role: row.get(3)?,
        switches: json(&row.get::<_, String>(4)?)?,
        created_unix_ms: unsigned(row, 5)?,
        expires_unix_ms: expires.map(i64::unsigned_abs),
    })
}

/// A column that never holds a negative number.
fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, Fault> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| Fault::Damaged("a negative number".to_owned()))
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|err| Fault::Damaged(format!("a stored JSON text cannot be read: {err}")))
}
