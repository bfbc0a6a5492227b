//! `tidegate check`: every problem of the files at once, what each switch would do, and how the world finds the zones.

use super::args::CheckArgs;
use super::exit::{Exit, Failure};
use super::print::{self, Tone};
use super::terminal;
use crate::app;
use crate::config::{self, Overrides, Report, ServerConfig};
use crate::delegation::{self, Severity, ZoneReport};
use crate::dns::tsig::KeyRing;
use crate::geo::GeoFiles;
use crate::state::{Definitions, with_catalog};
use crate::steering::GeoDatabases;
use std::path::Path;
use std::sync::Arc;

/// Checks.
pub(super) fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let config = server_config(args)?;
    let files = GeoFiles { country: config.geo.country.clone(), asn: config.geo.asn.clone() };
    let geo = files.load().map_err(|error| Failure::failed(error.to_string()))?;
    let keys = keys(args, &config);
    let mut report = config::check_with(&config.zones, &geo, config.announcement().as_ref(), keys);
    // The catalog is one zone more, whose name has to be free.
    if let Some(catalog) = config.transfer.catalog.as_ref().filter(|_| report.problems.is_empty()) {
        let zones = load(args, &config, &geo)?;
        with_catalog(&zones, catalog, &Arc::new(config.transfer.rules.clone()))
            .map_err(|taken| Failure::failed(taken.to_string()))?;
    }
    let (problems, warnings) = app::judge_certificates(&config);
    report.problems.extend(problems);
    report.warnings.extend(warnings);
    let is_valid = report.problems.is_empty();
    // What would not be loaded is not looked for in the world.
    let seen = if args.delegation && is_valid { Some(look(args, &config, &geo)?) } else { None };
    if args.json {
        let mut body = as_json(&report);
        if let (Some(seen), Some(body)) = (&seen, body.as_object_mut()) {
            let seen = serde_json::to_value(seen).map_err(|error| Failure::failed(error.to_string()))?;
            body.insert("delegation".to_owned(), seen);
        }
        terminal::print(&format!("{body}\n"));
    } else {
        show(&report, seen.as_deref());
    }
    Ok(match seen {
        _ if !is_valid => Exit::Failed,
        Some(seen) => exit_of(&seen),
        None => Exit::Done,
    })
}

/// What the world sees of the zones.
fn look(args: &CheckArgs, config: &ServerConfig, geo: &GeoDatabases) -> Result<Vec<ZoneReport>, Failure> {
    let folder: &Path = &config.zones;
    let zones = load(args, config, geo)?.zones;
    if let Some(name) = args.only.iter().find(|name| !zones.iter().any(|zone| zone.apex == **name)) {
        return Err(Failure::usage(format!("--zone {name}: there is no such zone in {}", folder.display())));
    }
    let wanted = zones.iter().filter(|zone| args.only.is_empty() || args.only.contains(&zone.apex));
    let expected = wanted.map(|zone| delegation::Expected::of(&zone.data)).collect();
    let options =
        delegation::Options { parents: args.parents.clone(), resolvers: args.resolvers.clone(), limit: args.timeout };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(delegation::check(expected, &options)))
}

/// What scripts go by.
fn exit_of(seen: &[ZoneReport]) -> Exit {
    let mut findings = seen.iter().flat_map(|zone| &zone.findings);
    if !seen.is_empty() && seen.iter().all(ZoneReport::is_out_of_reach) {
        Exit::Unreachable
    } else if findings.any(|finding| finding.severity == Severity::Problem) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

/// The keys that zones may name; unknown without the server's file.
fn keys<'c>(args: &CheckArgs, config: &'c ServerConfig) -> Option<&'c KeyRing> {
    args.config.as_ref().map(|_| &config.keys)
}

/// The zones, which are valid.
fn load(args: &CheckArgs, config: &ServerConfig, geo: &GeoDatabases) -> Result<Definitions, Failure> {
    let loaded = config::load_zones_with(&config.zones, geo, config.announcement().as_ref(), keys(args, config));
    loaded.map(|loaded| loaded.definitions).map_err(|problems| Failure::failed(problems.to_string()))
}

/// The server's file, checked on the way, with the folder to check.
fn server_config(args: &CheckArgs) -> Result<ServerConfig, Failure> {
    let overrides = Overrides { zones: args.zones.clone(), ..Overrides::default() };
    ServerConfig::from_parts(args.config.as_deref(), overrides).map_err(|problems| {
        let report = Report { problems: problems.0.clone(), warnings: Vec::new(), switches: Vec::new() };
        Failure { body: Some(as_json(&report).to_string()), ..Failure::failed(problems.to_string()) }
    })
}

/// For people.
fn show(report: &Report, seen: Option<&[ZoneReport]>) {
    let mut page = terminal::page();
    for problem in &report.problems {
        block(&mut page, Tone::Bad, "error: ", &problem.to_string());
    }
    for warning in &report.warnings {
        block(&mut page, Tone::Warn, "warning: ", &warning.to_string());
    }
    for switch in &report.switches {
        page.line(Tone::Strong, &format!("{} ({})", switch.switch, switch.zone));
        for line in &switch.lines {
            page.paragraph(Tone::Plain, "  ", line);
        }
    }
    let (problems, warnings) = (report.problems.len(), report.warnings.len());
    match problems {
        0 => page.line(
            Tone::Good,
            &format!(
                "valid: {}, {}",
                counted(report.switches.len(), "switch", "es"),
                counted(warnings, "warning", "s")
            ),
        ),
        _ => page.line(
            Tone::Bad,
            &format!(
                "{}, {}: nothing would be loaded",
                counted(problems, "problem", "s"),
                counted(warnings, "warning", "s")
            ),
        ),
    }
    if let Some(seen) = seen {
        print::delegation::show(&mut page, seen);
    }
    terminal::print(&page.finish());
}

/// `1 warning`, `2 warnings`.
fn counted(n: usize, word: &str, plural: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { plural })
}

/// A finding with its lines as they are: a caret must stay below its character.
fn block(page: &mut super::print::Page, tone: Tone, lead: &str, text: &str) {
    for (index, line) in text.lines().enumerate() {
        // Harmless text has no tabs, and a caret line begins with the tabs of the line above it.
        let line = line.replace('\t', "    ");
        match index {
            0 => page.line(tone, &format!("{lead}{line}")),
            _ => page.line(Tone::Plain, &line),
        }
    }
}

/// For programs.
fn as_json(report: &Report) -> serde_json::Value {
    let finding = |problem: &config::Problem| {
        serde_json::json!({
            "file": &*problem.place.file,
            "line": problem.place.line,
            "column": problem.place.column,
            "message": problem.message,
            "remedy": problem.remedy,
        })
    };
    let switch = |about: &config::Information| serde_json::json!({ "zone": about.zone, "switch": &*about.switch, "lines": about.lines });
    serde_json::json!({
        "valid": report.problems.is_empty(),
        "problems": report.problems.iter().map(finding).collect::<Vec<_>>(),
        "warnings": report.warnings.iter().map(finding).collect::<Vec<_>>(),
        "switches": report.switches.iter().map(switch).collect::<Vec<_>>(),
    })
}
