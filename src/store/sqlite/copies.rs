//! Copies of zones, beside what was seen: like that they may be lost, since their primaries have them still.

use super::fault::Fault;
use super::rows::{self, number, text};
use crate::store::CopyRow;
use rusqlite::types::Value;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::HashSet;

/// Keeps a copy in place of an earlier one.
pub(super) fn keep(conn: &mut Connection, copy: &CopyRow) -> Result<(), Fault> {
    let zone = copy.zone.to_string();
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    rows::put(&tx, &rows::COPIES, [vec![text(&zone), Value::Blob(copy.body.clone())]])?;
    rows::put(&tx, &rows::CONFIRMED, [vec![text(&zone), number(copy.confirmed_unix_ms)]])?;
    tx.commit()?;
    Ok(())
}

/// Keeps when a copy was confirmed.
pub(super) fn confirm(conn: &mut Connection, zone: &str, at_unix_ms: u64) -> Result<(), Fault> {
    rows::put(conn, &rows::CONFIRMED, [vec![text(zone), number(at_unix_ms)]])?;
    Ok(())
}

/// Forgets the copies of all zones but these.
pub(super) fn keep_of(conn: &mut Connection, zones: &HashSet<String>) -> Result<(), Fault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for table in [&rows::COPIES, &rows::CONFIRMED] {
        let mut statement = tx.prepare(&format!("SELECT zone FROM {}", table.name))?;
        let known: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut delete = tx.prepare(&format!("DELETE FROM {} WHERE zone = ?1", table.name))?;
        for zone in known.iter().filter(|zone| !zones.contains(*zone)) {
            delete.execute([zone])?;
        }
    }
    tx.commit()?;
    Ok(())
}
