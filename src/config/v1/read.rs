//! TOML to forms, with every fault of a file named and not only the first.
//!
//! The parser recovers from syntax errors by itself. A value of the wrong kind or an unknown key
//! makes serde give up on its table: it is noted, cut out, and the table is read again.

use super::ZoneForm;
use crate::config::problem::{Problem, Source, nearest};
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// The faults of kind that are listed of one table; each costs a reading of that table.
const MAX_FAULTS: usize = 20;

/// A file's tables before they become forms.
#[derive(Debug, Default)]
pub struct Tables<'a> {
    /// `[zone]`, read at once.
    pub zone: Option<Spanned<ZoneForm>>,
    /// `[switch.<name>]`, in the order of the file.
    pub switches: Vec<Table<'a>>,
}

/// One table of a file: its name and what it holds.
#[derive(Debug)]
pub struct Table<'a> {
    /// The name and where it stands.
    pub name: Spanned<String>,
    /// Its content.
    pub value: Spanned<DeValue<'a>>,
}

/// Takes a zone's TOML apart.
pub fn read_tables<'a>(source: &'a Source, problems: &mut Vec<Problem>) -> Tables<'a> {
    let (root, errors) = DeTable::parse_recoverable(source.text());
    // What recovery left of a broken file would be blamed for what it lost.
    if !errors.is_empty() {
        problems.extend(errors.into_iter().map(|e| syntax_problem(source, &e)));
        return Tables::default();
    }
    let mut tables = Tables::default();
    for (key, value) in root.into_inner() {
        match &**key.get_ref() {
            "zone" => {
                let span = key.span();
                tables.zone = read_value::<ZoneForm>(source, value, problems).map(|form| Spanned::new(span, form));
            }
            "switch" => read_switches(source, value, &mut tables.switches, problems),
            other => {
                let message = format!("unknown table `{other}`; a zone's file holds `[zone]` and `[switch.<name>]`");
                let near = nearest(other, ["zone", "switch"]).map(|n| format!("did you mean `{n}`?"));
                problems.push(source.problem(&key.span(), message, near));
            }
        }
    }
    tables.switches.sort_by_key(|table| table.name.span().start);
    tables
}

/// Takes `switch` apart: each entry must be a table.
fn read_switches<'a>(
    source: &'a Source,
    value: Spanned<DeValue<'a>>,
    switches: &mut Vec<Table<'a>>,
    problems: &mut Vec<Problem>,
) {
    let span = value.span();
    let DeValue::Table(entries) = value.into_inner() else {
        let remedy = "open a table for each switch: `[switch.model]`".to_owned();
        problems.push(source.problem(&span, "`switch` must be a table of switches", Some(remedy)));
        return;
    };
    for (name, value) in entries {
        let name = Spanned::new(name.span(), name.get_ref().clone().into_owned());
        if matches!(value.get_ref(), DeValue::Table(_)) {
            switches.push(Table { name, value });
        } else {
            let remedy =
                format!("open a table for each switch: `[switch.<name>]`, and put `{}` into it", name.get_ref());
            problems.push(source.problem(
                &name.span(),
                format!("`{}` is not a table, so it can't be a switch", name.get_ref()),
                Some(remedy),
            ));
        }
    }
}

/// Reads a value into its form; `None` when anything in it was at fault.
pub fn read_value<T: DeserializeOwned>(
    source: &Source,
    mut value: Spanned<DeValue<'_>>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut cut: Vec<Range<usize>> = Vec::new();
    loop {
        match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(form) => return cut.is_empty().then_some(form),
            Err(error) => {
                let span = error.span();
                // A table is not blamed for missing what was cut out of it.
                let ours = |table: &Range<usize>| cut.iter().any(|at| table.start <= at.start && at.end <= table.end);
                if !(error.message().starts_with("missing field") && span.as_ref().is_some_and(ours)) {
                    problems.push(kind_problem(source, &error, &value.span()));
                }
                let span = span.filter(|span| cut.len() + 1 < MAX_FAULTS && cut_out(&mut value, span))?;
                cut.push(span);
            }
        }
    }
}

/// Removes the entry whose key or value stands at `span`.
fn cut_out(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => {
            let found = table
                .iter()
                .find(|(key, item)| key.span() == *span || item.span() == *span)
                .map(|(key, _)| key.clone());
            match found {
                Some(key) => table.remove(&key).is_some(),
                None => table.iter_mut().any(|(_, item)| cut_out(item, span)),
            }
        }
        DeValue::Array(array) => {
            let kept: Vec<_> = array.iter().filter(|item| item.span() != *span).cloned().collect();
            let shorter = kept.len() < array.len();
            if shorter {
                *array = kept.into_iter().collect();
            }
            shorter || array.iter_mut().any(|item| cut_out(item, span))
        }
        _ => false,
    }
}

/// A syntax error of the parser, at its place.
#[must_use]
pub fn syntax_problem(source: &Source, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    source.problem(&span, format!("not TOML: {}", error.message()), None)
}

/// A value of the wrong kind, or an unknown key with the nearest known one.
fn kind_problem(source: &Source, error: &toml::de::Error, table: &Range<usize>) -> Problem {
    let span = error.span().unwrap_or_else(|| table.clone());
    let words: Vec<&str> = error.message().split('`').collect();
    match words.as_slice() {
        ["unknown field ", unknown, rest @ ..] => {
            let known: Vec<&str> = rest.iter().skip(1).step_by(2).copied().collect();
            let remedy = match nearest(unknown, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            source.problem(&span, format!("unknown key `{unknown}`"), Some(remedy))
        }
        ["unknown variant ", unknown, rest @ ..] => {
            let known: Vec<&str> = rest.iter().skip(1).step_by(2).copied().collect();
            let remedy = nearest(unknown, known.iter().copied())
                .map_or_else(|| format!("write one of {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            source.problem(&span, format!("`{unknown}` is none of the words known here"), Some(remedy))
        }
        _ => source.problem(&span, error.message(), None),
    }
}
