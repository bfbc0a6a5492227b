//! A master file through `zone`'s parser and checks, its faults in the shape of all others.

use super::MAX_SET_RECORDS;
use super::findings::Findings;
use super::folder::{Folder, read_limited};
use super::problem::Problem;
use super::switch::bare;
use crate::dns::{Name, RecordType};
use crate::zone::{RecordRef, ZoneProblem, ZoneText};
use std::collections::HashMap;
use std::path::Path;

/// Reads a master file; `None` when it has problems.
pub(super) fn read(path: &Path, apex: &Name, folder: &Folder, findings: &mut Findings) -> Option<ZoneText> {
    let shown = path.display().to_string();
    let bytes = match read_limited(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            findings.problems.push(Problem::of_file(&shown, format!("can't read the file: {error}"), None));
            return None;
        }
    };
    match crate::zone::master::parse(&shown, &bytes, apex, &mut |file, _| folder.include(file)) {
        Ok(text) => Some(text),
        Err(errors) => {
            findings
                .problems
                .extend(errors.into_iter().map(|error| problem_of(error.problem, Some(error.source_line))));
            None
        }
    }
}

/// What the records of a zone say of each other.
pub(super) fn check(apex: &Name, text: &ZoneText, findings: &mut Findings) {
    let found = crate::zone::checks::check(apex, text);
    findings.problems.extend(found.errors.into_iter().map(|problem| problem_of(problem, None)));
    findings.warnings.extend(found.warnings.into_iter().map(|problem| problem_of(problem, None)));
}

/// Sets whose answer fits no datagram.
pub(super) fn warn_large_sets(text: &ZoneText, findings: &mut Findings) {
    if text.len() <= MAX_SET_RECORDS {
        return;
    }
    let mut sets: HashMap<(&[u8], RecordType), (usize, RecordRef<'_>)> = HashMap::new();
    for record in text.records() {
        sets.entry((record.owner, record.rtype)).or_insert((0, record)).0 += 1;
    }
    for (count, first) in sets.into_values().filter(|(count, _)| *count > MAX_SET_RECORDS) {
        let message =
            format!("`{}` has {count} {} records: the answer fits no datagram", bare(&first.owner_name()), first.rtype);
        findings.warnings.push(Problem { place: text.place(first.at), message, remedy: None, source_line: None });
    }
}

/// A problem of `zone` in the shape of this room.
fn problem_of(problem: ZoneProblem, source_line: Option<String>) -> Problem {
    let remedy = Some(problem.remedy).filter(|text| !text.is_empty());
    Problem {
        source_line: source_line.filter(|_| problem.place.line > 0),
        place: problem.place,
        message: problem.message,
        remedy,
    }
}
