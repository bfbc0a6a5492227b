//! What comes of a dump: switches, static records, and what an operator must know of both.

use crate::dns::{Name, RecordType};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something an operator must know of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Remark {
    /// The record.
    pub record: String,
    /// What about it.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pool {
    /// Its name.
    pub name: String,
    /// The `SetIdentifier`, where the name is another.
    pub was: Option<String>,
    /// Its weight.
    pub weight: u16,
    /// Addresses; one server's two on one line.
    pub members: Vec<String>,
    /// Everything else.
    pub records: BTreeMap<RecordType, Vec<String>>,
}

/// A switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch {
    /// Its name.
    pub name: String,
    /// What it steers.
    pub owners: Vec<Name>,
    /// Whether the first healthy pool answers, instead of weights.
    pub failover: bool,
    /// Its TTL.
    pub ttl_s: u32,
    /// What Route 53 watched.
    pub health_checks: BTreeSet<String>,
    /// Its pools, in order.
    pub pools: Vec<Pool>,
    /// Its types.
    pub types: BTreeSet<RecordType>,
}

/// A set that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Static {
    /// Its name.
    pub owner: Name,
    /// Its type.
    pub rtype: RecordType,
    /// Its TTL.
    pub ttl_s: u32,
    /// Its values.
    pub values: Vec<String>,
}

/// Everything that came of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Imported {
    /// The zone.
    pub apex: Name,
    /// What goes into the master file.
    pub fixed: Vec<Static>,
    /// What goes into the TOML.
    pub switches: Vec<Switch>,
    /// What was not carried over.
    pub lost: Vec<Remark>,
    /// What was, and needs a look.
    pub notes: Vec<Remark>,
    /// Record sets that lie outside the zone.
    pub outside: usize,
}
