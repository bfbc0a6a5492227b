//! The file form, version 1: what a zone's TOML may say, as it is written.
//!
//! Nothing is judged here beyond the kinds of values: every field keeps the span it stands at, so
//! that `config` can judge it and point at it. The typed definitions live in `steering`, `health`
//! and `state` and never appear in a file.

mod cut;
mod monitor;
mod places;
mod read;
mod scalar;
mod switch;

pub use cut::{PART, cut};
pub use monitor::{IdleForm, MonitorForm};
pub use places::Places;
pub use read::{Table, Tables, read_tables, read_value, syntax_problem};
pub use scalar::{List, Scalar, Texts};
pub use switch::{
    DnsForm, MemberForm, MemberTable, MembersForm, PoolForm, RegisterForm, RuleForm, SwitchForm, ZoneForm,
};

use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// A value and where it stands.
pub type Field<T> = Option<Spanned<T>>;

/// Entries of a table whose keys the operator chooses.
pub type Entries<T> = BTreeMap<Spanned<String>, T>;

/// The entries of a table in the order they are written (the parser sorts them by key).
#[must_use]
pub fn written_order<T>(entries: &Entries<T>) -> Vec<(&Spanned<String>, &T)> {
    let mut ordered: Vec<_> = entries.iter().collect();
    ordered.sort_by_key(|(key, _)| key.span().start);
    ordered
}

/// Where a field stands, or where its table is named when it is absent.
pub fn span_or<T>(field: &Field<T>, otherwise: &Range<usize>) -> Range<usize> {
    field.as_ref().map_or_else(|| otherwise.clone(), Spanned::span)
}
