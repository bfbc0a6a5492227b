//! Rows that carry a checksum over their own content, so that a flipped bit is noticed at start.
//!
//! The sum is the first 8 bytes of SHA-256 over table name, and type, length and bytes of each
//! column. It finds accidents, not forgers.

use super::fault::Fault;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use sha2::{Digest, Sha256};

/// One table: its checked columns, in the order values are given.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
}

/// The one row that numbers the store.
pub(super) const META: Table = Table { name: "meta", columns: &["id", "revision", "change"] };
/// Run-time state of each switch.
pub(super) const SWITCH: Table = Table { name: "switch", columns: &["name", "body"] };
/// Last SOA serial of each zone.
pub(super) const SERIAL: Table = Table { name: "serial", columns: &["zone", "serial"] };
/// Edited sets of zones.
pub(super) const EDIT: Table = Table { name: "edit", columns: &["zone", "owner", "rtype", "body"] };
/// Accepted changes.
pub(super) const AUDIT: Table = Table {
    name: "audit",
    columns: &[
        "revision",
        "at_unix_ms",
        "who",
        "from_address",
        "verb",
        "switch",
        "reason",
        "forced",
        "before",
        "after",
    ],
};
/// Remembered replies.
pub(super) const IDEMPOTENCY: Table =
    Table { name: "idempotency", columns: &["token", "key", "request_hash", "reply", "at_unix_ms"] };
/// API tokens.
pub(super) const TOKEN: Table =
    Table { name: "token", columns: &["id", "name", "hash", "role", "switches", "created_unix_ms", "expires_unix_ms"] };
/// Secrets of DNS cookies, one row.
pub(super) const COOKIE: Table = Table { name: "cookie", columns: &["id", "secret", "previous", "made_unix_ms"] };
/// The head of the drain ledger, one row.
pub(super) const LEDGER: Table = Table { name: "seen_ledger", columns: &["id", "body"] };
/// The drain ledger's promises of each switch.
pub(super) const PROMISES: Table = Table { name: "promises", columns: &["switch", "body"] };
/// Health of each probe target.
pub(super) const HEALTH: Table = Table { name: "health", columns: &["target", "body"] };
/// The A/B test of each switch that has one.
pub(super) const TRIALS: Table = Table { name: "trial", columns: &["switch", "body"] };

/// Copies of zones.
pub(super) const COPIES: Table = Table { name: "copy", columns: &["zone", "body"] };
/// When each copy was confirmed last.
pub(super) const CONFIRMED: Table = Table { name: "confirmed", columns: &["zone", "at_unix_ms"] };

/// A number as SQLite stores it; ours never reach the sign bit (milliseconds, counters).
pub(super) fn number(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A text.
pub(super) fn text(s: &str) -> Value {
    Value::Text(s.to_owned())
}

/// A text or NULL.
pub(super) fn optional(s: Option<&str>) -> Value {
    s.map_or(Value::Null, text)
}

/// Writes rows, replacing those with the same key.
pub(super) fn put(
    conn: &Connection,
    table: &Table,
    rows: impl IntoIterator<Item = Vec<Value>>,
) -> rusqlite::Result<usize> {
    let columns = table.columns.join(", ");
    let places = vec!["?"; table.columns.len() + 1].join(", ");
    let sql = format!("INSERT OR REPLACE INTO {} ({columns}, sum) VALUES ({places})", table.name);
    let mut statement = conn.prepare_cached(&sql)?;
    let mut written = 0;
    for mut row in rows {
        debug_assert_eq!(row.len(), table.columns.len(), "one value per column of {}", table.name);
        row.push(Value::Integer(sum(table, row.iter().map(ValueRef::from))));
        written += statement.execute(params_from_iter(row))?;
    }
    Ok(written)
}

/// Calls `each` with every row whose sum is right; the first wrong one ends it.
pub(super) fn read(
    conn: &Connection,
    table: &Table,
    mut each: impl FnMut(&rusqlite::Row<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let sql = format!("SELECT {}, sum FROM {} ORDER BY 1", table.columns.join(", "), table.name);
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        check_row(table, row)?;
        each(row)?;
    }
    Ok(())
}

/// Checks the sum of a row selected as all columns, then `sum`.
pub(super) fn check_row(table: &Table, row: &rusqlite::Row<'_>) -> Result<(), Fault> {
    let count = table.columns.len();
    let values = (0..count).map(|at| row.get_ref(at)).collect::<rusqlite::Result<Vec<_>>>()?;
    let stored: i64 = row.get(count)?;
    if sum(table, values.into_iter()) == stored {
        Ok(())
    } else {
        Err(Fault::Damaged(format!("a row of table {} does not match its checksum", table.name)))
    }
}

fn sum<'a>(table: &Table, values: impl Iterator<Item = ValueRef<'a>>) -> i64 {
    let mut hash = Sha256::new();
    let mut feed = |kind: u8, bytes: &[u8]| {
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    feed(b't', table.name.as_bytes());
    for value in values {
        match value {
            ValueRef::Null => feed(b'0', &[]),
            ValueRef::Integer(n) => feed(b'i', &n.to_be_bytes()),
            ValueRef::Real(n) => feed(b'r', &n.to_be_bytes()),
            ValueRef::Text(bytes) => feed(b's', bytes),
            ValueRef::Blob(bytes) => feed(b'b', bytes),
        }
    }
    let digest = hash.finalize();
    i64::from_be_bytes(*digest.first_chunk().expect("SHA-256 is 32 bytes"))
}
