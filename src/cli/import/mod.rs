//! `tidegate import`: zone files from what other services hold.

#[cfg(test)]
mod clash_tests;
mod convert;
mod dump;
mod imported;
mod neighbours;
mod render;
#[cfg(test)]
mod tests;
mod trial;

use super::args::{ImportSource, Route53Args};
use super::exit::{Exit, Failure};
use super::print::{Page, Tone};
use super::terminal;
use crate::dns::Name;
use dump::{Dump, bare};
use imported::{Imported, Remark};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use trial::Trial;

/// The largest dump that is read: ten times the most records a hosted zone may have.
const DUMP_LIMIT: u64 = 256 << 20;

/// Imports.
pub(super) fn run(from: &ImportSource) -> Result<Exit, Failure> {
    let ImportSource::Route53(args) = from;
    let dump = read(&args.file)?;
    if dump.is_truncated || dump.next_token.is_some() {
        return Err(Failure::failed(format!(
            "{} ends in the middle of the zone: dump it without --max-items and --no-paginate",
            args.file.display()
        )));
    }
    let zone = args.zone.as_deref().map(|zone| name("--zone", zone)).transpose()?;
    let nameservers: Vec<Name> = args.nameservers.iter().map(|text| name("--ns", text)).collect::<Result<_, _>>()?;
    let neighbours = neighbours::switches(&args.out)?;
    let imported = convert::convert(&dump, zone, &nameservers, &neighbours).map_err(Failure::failed)?;
    let zone = bare(&imported.apex);
    let mut files = vec![(args.out.join(format!("{zone}.zone")), render::master(&imported))];
    files.extend(render::settings(&imported).map(|text| (args.out.join(format!("{zone}.toml")), text)));
    let warnings = write(args, &files)?;
    report(args, &imported, &files, &warnings);
    Ok(if imported.lost.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The dump.
fn read(path: &Path) -> Result<Dump, Failure> {
    let shown = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let failed = |error: std::io::Error| Failure::failed(format!("cannot read {shown}: {error}"));
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    source.take(DUMP_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > DUMP_LIMIT) {
        return Err(Failure::failed(format!("{shown} is larger than {} MiB", DUMP_LIMIT >> 20)));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::failed(format!("{shown} is no dump of `aws route53 list-resource-record-sets --output json`: {error}"))
    })
}

/// A name of the command line.
fn name(flag: &str, text: &str) -> Result<Name, Failure> {
    dump::name(text).map_err(|why| Failure::usage(format!("{flag}: `{text}` is no name: {why}")))
}

/// Checks the files beside their neighbours in a folder of their own, then puts them where they belong; what `check` warns of.
fn write(args: &Route53Args, files: &[(PathBuf, String)]) -> Result<Vec<String>, Failure> {
    for (path, _) in files {
        if path.exists() {
            return Err(Failure::failed(format!(
                "{} is there already and is not replaced: name another folder with --out",
                path.display()
            )));
        }
    }
    let failed =
        |path: &Path, error: std::io::Error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    let trial = Trial::new(&if args.dry_run { std::env::temp_dir() } else { args.out.clone() }, &args.out)
        .map_err(|error| failed(&args.out, error))?;
    let before = trial.check();
    for (path, text) in files {
        let draft = trial.file(path);
        create(&draft, text).map_err(|error| failed(&draft, error))?;
    }
    let report = trial.check();
    let problems: Vec<&str> =
        report.problems.iter().filter(|problem| !before.problems.contains(problem)).map(String::as_str).collect();
    if !problems.is_empty() {
        return Err(Failure::failed(format!(
            "what came of the dump is no zone beside the files in {}, and nothing was written:\n{}\nleave these records out of the dump, or out of --zone",
            args.out.display(),
            problems.join("\n")
        )));
    }
    if !args.dry_run {
        for (path, text) in files {
            create(path, text).map_err(|error| failed(path, error))?;
        }
    }
    Ok(report.warnings.into_iter().filter(|warning| !before.warnings.contains(warning)).collect())
}

/// Writes a new file; an existing one is an error.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Says what came of it.
fn report(args: &Route53Args, imported: &Imported, files: &[(PathBuf, String)], warnings: &[String]) {
    if args.json {
        let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
        let body = serde_json::json!({
            "zone": bare(&imported.apex), "files": paths, "written": !args.dry_run,
            "switches": imported.switches.iter().map(|switch| &switch.name).collect::<Vec<_>>(),
            "static_sets": imported.fixed.len(), "outside": imported.outside,
            "not_carried_over": imported.lost, "notes": imported.notes, "warnings": warnings,
        });
        terminal::print(&format!("{body}\n"));
        return;
    }
    let mut page = terminal::page();
    for (path, text) in files {
        let verb = if args.dry_run { "would write" } else { "wrote" };
        page.line(Tone::Good, &format!("{verb} {} ({} lines)", path.display(), text.lines().count()));
    }
    let counts =
        format!("{}: {} switches, {} static sets", bare(&imported.apex), imported.switches.len(), imported.fixed.len());
    let outside = if imported.outside == 0 {
        String::new()
    } else {
        format!("; {} sets lie outside and were left alone", imported.outside)
    };
    page.paragraph(Tone::Plain, "", &format!("{counts}{outside}"));
    remarks(&mut page, Tone::Bad, "not carried over:", &imported.lost);
    remarks(&mut page, Tone::Warn, "look at:", &imported.notes);
    for warning in warnings {
        page.paragraph(Tone::Warn, "check warns: ", warning);
    }
    let next = format!("next: tidegate check --zones {}", args.out.display());
    page.line(Tone::Faint, &next);
    terminal::print(&page.finish());
}

fn remarks(page: &mut Page, tone: Tone, heading: &str, remarks: &[Remark]) {
    if remarks.is_empty() {
        return;
    }
    page.gap();
    page.line(tone, heading);
    for Remark { record, what, remedy } in remarks {
        page.paragraph(Tone::Strong, "  ", record);
        page.paragraph(Tone::Plain, "    ", what);
        page.paragraph(Tone::Plain, "    -> ", remedy);
    }
}
