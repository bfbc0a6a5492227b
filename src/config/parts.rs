//! The TOML of a zone to its switches: a large file in parts, on every core, one parse tree at a time.
//!
//! A parse tree takes some forty times the text it is made from; a part's ends with the part. What is
//! found, and where, is the same as if the file had been read whole.

use super::findings::{Findings, Scope};
use super::folder::Folder;
use super::plan;
use super::problem::Source;
use super::sharing::Sharing;
use super::switch::{Marked, advise};
use super::v1::{self, SwitchForm, ZoneForm};
use crate::dns::Name;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// Reads all switches, and `[zone]` with the part of the file it stands in. A large file is read in parts, on
/// every core; when a part is not to be had by itself, the whole is read again for its problems.
pub(super) fn read_switches(
    source: &Source,
    least: usize,
    apex: &Name,
    folder: &Folder,
    switches: &mut Vec<Marked>,
    findings: &mut Findings,
) -> Option<(Source, Spanned<ZoneForm>)> {
    let mut parts = v1::cut(source.text(), least);
    let mut read = read_parts(source, &parts, apex, folder);
    if parts.len() > 1 && read.iter().any(|part| part.broken) {
        parts = v1::cut(source.text(), usize::MAX);
        read = read_parts(source, &parts, apex, folder);
    }
    let mut sharing = Sharing::default();
    switches.reserve_exact(read.iter().map(|part| part.switches.len()).sum());
    let mut zone_form = None;
    for (mut part, range) in read.into_iter().zip(parts) {
        findings.append(part.findings);
        part.switches.iter_mut().for_each(|marked| sharing.share(&mut marked.switch));
        switches.append(&mut part.switches);
        zone_form = part.zone_form.map(|form| (source.part(range), form)).or(zone_form);
    }
    zone_form
}

/// What a part of a zone's TOML says.
struct ReadPart {
    zone_form: Option<Spanned<ZoneForm>>,
    switches: Vec<Marked>,
    findings: Findings,
    /// It is no TOML, or has something that stands in no switch.
    broken: bool,
}

/// Reads parts, a share on every core.
fn read_parts(source: &Source, parts: &[Range<usize>], apex: &Name, folder: &Folder) -> Vec<ReadPart> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = parts.len().div_ceil(cores).max(1);
    let read = |parts: &[Range<usize>]| -> Vec<ReadPart> {
        parts.iter().map(|part| read_part(&source.part(part.clone()), apex, folder)).collect()
    };
    if parts.len() == 1 {
        return read(parts);
    }
    std::thread::scope(|scope| {
        let shares: Vec<_> = parts.chunks(share).map(|share| scope.spawn(|| read(share))).collect();
        shares.into_iter().flat_map(|share| share.join().expect("reading a zone does not panic")).collect()
    })
}

/// Reads one part; the parse tree ends with it.
fn read_part(source: &Source, apex: &Name, folder: &Folder) -> ReadPart {
    let mut findings = Findings::default();
    let tables = v1::read_tables(source, &mut findings.problems);
    let broken = !findings.problems.is_empty();
    let mut scope = Scope { source, findings: &mut findings };
    let mut switches = Vec::with_capacity(tables.switches.len());
    for table in tables.switches {
        let places = v1::Places::of(&table.value, "rollout");
        let Some(form) = v1::read_value::<SwitchForm>(source, table.value, &mut scope.findings.problems) else {
            continue;
        };
        let before = scope.findings.problems.len();
        let mut marked = scope.switch(&table.name, &form, apex, folder);
        let planned = form.rollout.as_ref().zip(places.as_ref());
        let plan = planned.and_then(|(form, places)| scope.plan(form, places, &marked.switch, folder));
        if scope.findings.problems.len() == before {
            advise(&mut scope, &marked, &form);
            if let Some((plan, places)) = plan.as_ref().zip(places.as_ref()) {
                plan::advise(&mut scope, plan, places, &marked.switch);
            }
        }
        marked.plan = plan.map(Arc::new);
        marked.shift(source.offset());
        switches.push(marked);
    }
    ReadPart { zone_form: tables.zone, switches, findings, broken }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Problems;
    use proptest::prelude::*;
    use std::path::Path;

    /// Switches, problems, warnings, and the line and place of `[zone]`.
    type Said = (Vec<Marked>, Vec<String>, Vec<String>, Option<(u32, Range<usize>)>);

    /// Everything a file says, cut wherever a part may begin, or not at all.
    fn read(text: &str, least: usize) -> Said {
        let (mut switches, mut findings) = (Vec::new(), Findings::default());
        let source = Source::new("f.toml", text);
        let apex = "example.test".parse().unwrap();
        let zone = read_switches(
            &source,
            least,
            &apex,
            &Folder::new(Path::new("."), &Default::default(), None),
            &mut switches,
            &mut findings,
        );
        let told = |problems| Problems::in_order(problems).0.iter().map(ToString::to_string).collect();
        let zone = zone.map(|(source, form)| {
            let span: Range<usize> = form.span();
            (source.place(&span).line, source.offset() + span.start..source.offset() + span.end)
        });
        (switches, told(findings.problems), told(findings.warnings), zone)
    }

    fn switch(n: usize) -> String {
        format!(
            "[switch.s{n}]\nowners = [\"s{n}.example.test\"]\nttl = 30{n}\nsalt = \"\"\"\n[x]\"\"\"\n\
             [switch.s{n}.pool.blue]\nmembers = [\n\"192.0.2.{n}\",\n]\nweight = 9\n[switch.s{n}.pool.green]\nrecords = {{ TXT = [\"é\"] }}\n"
        )
    }

    #[test]
    fn a_file_in_parts_says_what_the_whole_says() {
        let text = format!("{}{}[zone]\nns = [\"ns.example.net\"]\n{}", switch(1), switch(2), switch(3));
        assert_eq!(v1::cut(&text, 1).len(), 4);
        let (switches, problems, warnings, zone) = read(&text, 1);
        assert_eq!((switches.len(), problems.len(), zone.is_some()), (3, 0, true));
        assert!(warnings.iter().any(|warning| warning.starts_with("f.toml:15:7")), "{warnings:?}");
        assert_eq!((switches, problems, warnings, zone), read(&text, usize::MAX));
    }

    proptest! {
        #[test]
        fn a_file_with_a_hole_in_parts_says_what_the_whole_says(
            at in 0usize..600, len in 0usize..30, fill in "[a-z\"'\\[\\]{}=,.#\n]{0,8}", order in Just([1, 2, 3, 2]).prop_shuffle(), take in 1usize..5
        ) {
            let text: String = order[..take].iter().map(|n| switch(*n)).collect();
            let edge = |at: usize| (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
            let text = format!("{}{fill}{}", &text[..edge(at)], &text[edge(at + len)..]);
            prop_assert_eq!(read(&text, 1), read(&text, usize::MAX));
        }
    }
}
