//! Where the parts of a table stand, found by path, for checks that know paths and not spans.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// One table of a file, kept for its spans.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    /// Its name.
    name: Range<usize>,
    /// What it holds.
    value: Spanned<DeValue<'a>>,
}

impl<'a> Places<'a> {
    /// The places of the entry `key` of a table; `None` when there is none.
    #[must_use]
    pub fn of(table: &Spanned<DeValue<'a>>, key: &str) -> Option<Self> {
        let DeValue::Table(entries) = table.get_ref() else { return None };
        let (name, value) = entries.iter().find(|(name, _)| &**name.get_ref() == key)?;
        Some(Self { name: name.span(), value: value.clone() })
    }

    /// Where the table is named.
    #[must_use]
    pub fn name(&self) -> Range<usize> {
        self.name.clone()
    }

    /// The place of a path such as `steps[2].hold`; of what is not written, the nearest part around it.
    #[must_use]
    pub fn at(&self, path: &str) -> Range<usize> {
        let (mut span, mut at, mut rest) = (self.name(), &self.value, path);
        loop {
            let step = match at.get_ref() {
                DeValue::Table(table) => entry(table, rest).map(|(name, value, rest)| {
                    // A table's own span is its header; its name is what people look for.
                    let named = matches!(value.get_ref(), DeValue::Table(_));
                    (if named { name.span() } else { value.span() }, value, rest)
                }),
                DeValue::Array(items) => {
                    element(rest).and_then(|(index, rest)| items.get(index).map(|value| (value.span(), value, rest)))
                }
                _ => None,
            };
            let Some((found, value, left)) = step else { return span };
            // Tables that dots or headers imply have no span of their own.
            if !found.is_empty() {
                span = found;
            }
            (at, rest) = (value, left.strip_prefix('.').unwrap_or(left));
        }
    }
}

/// A name, its value, and what of the path is left behind it.
type Found<'t, 'a, 'p> = (&'t Spanned<DeString<'a>>, &'t Spanned<DeValue<'a>>, &'p str);

/// The entry a path begins with: the longest name that fits, since names may hold dots.
fn entry<'t, 'a, 'p>(table: &'t DeTable<'a>, path: &'p str) -> Option<Found<'t, 'a, 'p>> {
    let fitting = table.iter().filter_map(|(name, value)| {
        let rest = path.strip_prefix(&**name.get_ref())?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then_some((name, value, rest))
    });
    fitting.min_by_key(|(_, _, rest)| rest.len())
}

/// The index a path begins with: `[2]`.
fn element(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}
