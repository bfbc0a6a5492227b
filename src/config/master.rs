//! A master file through `zone`'s parser and checks, its faults in the shape of all others.

use super::MAX_SET_RECORDS;
use super::findings::Findings;
use super::folder::{Folder, read_limited};
use super::problem::{Problem, Source};
use super::switch::{Marked, bare};
use crate::dns::name::MAX_NAME_LEN;
use crate::dns::{Name, RecordType};
use crate::zone::{RecordRef, ZoneProblem, ZoneText};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

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
    let mut files = HashMap::new();
    findings.problems.extend(found.errors.into_iter().map(|problem| with_line(problem_of(problem, None), &mut files)));
    findings
        .warnings
        .extend(found.warnings.into_iter().map(|problem| with_line(problem_of(problem, None), &mut files)));
}

/// A problem of a whole line, with that line: the parser keeps no text, so it is read again.
fn with_line(mut problem: Problem, files: &mut HashMap<Arc<str>, Source>) -> Problem {
    let place = &mut problem.place;
    let source = files.entry(Arc::clone(&place.file)).or_insert_with(|| {
        let bytes = read_limited(Path::new(&*place.file)).unwrap_or_default();
        Source::new(&place.file, &String::from_utf8_lossy(&bytes))
    });
    if let Some(line) = source.line(place.line).filter(|_| place.column == 0) {
        let (blank, rest) = line.split_at(line.len() - line.trim_start().len());
        place.column = u32::try_from(blank.chars().count() + 1).unwrap_or(0);
        place.width = u32::try_from(rest.trim_end().chars().count()).unwrap_or(0);
        problem.source_line = Some(line.to_owned());
    }
    problem
}

/// Nameservers of the zone that nobody could find: they lie in it and have no address.
pub(super) fn warn_lost_servers(apex: &Name, text: &ZoneText, switches: &[Marked], findings: &mut Findings) {
    let at_apex = text.records().filter(|r| r.rtype == RecordType::NS && r.owner == apex.wire());
    let mut lost: HashMap<Box<[u8]>, RecordRef<'_>> = at_apex.map(|record| (record.rdata.into(), record)).collect();
    // Of a million owners few are as long as a nameserver's name: the others need no look-up.
    let lengths: HashSet<usize> = lost.keys().map(|server| server.len()).collect();
    let as_long: [bool; MAX_NAME_LEN + 1] = std::array::from_fn(|len| lengths.contains(&len));
    for record in text.records().filter(|r| as_long.get(r.owner.len()).is_some_and(|likely| *likely)) {
        if matches!(record.rtype, RecordType::A | RecordType::AAAA) {
            lost.remove(record.owner);
        }
    }
    for owner in switches.iter().flat_map(|marked| &marked.switch.owners) {
        lost.remove(owner.wire());
    }
    for (server, record) in lost {
        let Ok(name) = Name::from_wire(&server) else { continue };
        if name.is_within(apex) {
            let message = format!("the nameserver `{}` lies in the zone and has no address in it", bare(&name));
            let remedy = Some("add its A or AAAA record".to_owned());
            let problem = Problem { place: text.place(record.at), message, remedy, source_line: None };
            findings.warnings.push(with_line(problem, &mut HashMap::new()));
        }
    }
}

/// Sets whose answer fits no datagram.
pub(super) fn warn_large_sets(text: &ZoneText, findings: &mut Findings) {
    if text.len() <= MAX_SET_RECORDS {
        return;
    }
    // Counted roughly first, by hash, which is never too few: exactly only where that is many.
    let mut rough = vec![0u8; (text.len() / 2).next_power_of_two()];
    let mask = rough.len() - 1;
    for record in text.records() {
        let count = &mut rough[rough_hash(&record) & mask];
        *count = count.saturating_add(1);
    }
    let many = |record: &RecordRef<'_>| usize::from(rough[rough_hash(record) & mask]) > MAX_SET_RECORDS;
    let mut sets: HashMap<(&[u8], RecordType), (usize, RecordRef<'_>)> = HashMap::new();
    for record in text.records().filter(many) {
        sets.entry((record.owner, record.rtype)).or_insert((0, record)).0 += 1;
    }
    for (count, first) in sets.into_values().filter(|(count, _)| *count > MAX_SET_RECORDS) {
        let message =
            format!("`{}` has {count} {} records: the answer fits no datagram", bare(&first.owner_name()), first.rtype);
        findings.warnings.push(Problem { place: text.place(first.at), message, remedy: None, source_line: None });
    }
}

const _: () = assert!(MAX_SET_RECORDS < u8::MAX as usize, "a rough count tells many from too many");

/// A quick hash of owner and type; what it lacks in strength costs time only.
fn rough_hash(record: &RecordRef<'_>) -> usize {
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = record.owner.as_chunks::<8>();
    let tail = rest.iter().fold(0, |word, octet| (word << 8) | u64::from(*octet));
    let hash =
        words.iter().fold(mix(u64::from(record.rtype.0), tail), |hash, word| mix(hash, u64::from_le_bytes(*word)));
    #[allow(clippy::cast_possible_truncation)] // any bits serve
    let hash = (hash >> 32) as usize;
    hash
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
