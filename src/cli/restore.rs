//! `tidegate restore FILE`: brings a backup back while the server is stopped (§7.4).

use super::args::RestoreArgs;
use super::exit::{Exit, Failure};
use super::print::Tone;
use super::terminal;
use crate::store::sqlite::{RestoreOptions, RestoreReport, restore};

/// Restores.
pub(super) fn run(args: &RestoreArgs) -> Result<Exit, Failure> {
    let Some(file) = &args.file else { return Err(Failure::usage("name the backup to restore")) };
    let who = std::env::var("USER").unwrap_or_else(|_| "restore".to_owned());
    let options = RestoreOptions { who, reason: args.reason.clone() };
    let report = restore(&args.state, file, &options).map_err(|error| Failure::failed(error.to_string()))?;
    if args.connection.json {
        terminal::print(&format!("{}\n", as_json(&report)));
    } else {
        show(&report);
    }
    Ok(Exit::Done)
}

/// For people.
fn show(report: &RestoreReport) {
    let mut page = terminal::page();
    page.line(Tone::Good, &format!("restored revision {} as revision {}", report.backup_revision, report.revision));
    page.line(Tone::Plain, &format!("  {} switches with run-time state, {} tokens", report.switches, report.tokens));
    for (zone, serial) in &report.serials {
        page.line(Tone::Plain, &format!("  {zone} SOA serial {serial}"));
    }
    if let Some(path) = &report.replaced {
        page.line(Tone::Plain, &format!("  the state of before is kept in {}", path.display()));
    }
    if let Some(why) = &report.unread {
        page.paragraph(
            Tone::Bad,
            "warning: ",
            &format!("the state of before could not be read whole ({why}): its serials may have been higher, so compare `dig SOA` on each secondary"),
        );
    }
    page.line(Tone::Plain, "start the server to serve it");
    terminal::print(&page.finish());
}

/// For programs.
fn as_json(report: &RestoreReport) -> serde_json::Value {
    let serials: serde_json::Map<String, serde_json::Value> =
        report.serials.iter().map(|(zone, serial)| (zone.to_string(), (*serial).into())).collect();
    serde_json::json!({
        "backup_revision": report.backup_revision,
        "previous_revision": report.previous_revision,
        "revision": report.revision,
        "switches": report.switches,
        "tokens": report.tokens,
        "serials": serials,
        "replaced": report.replaced,
        "unread": report.unread,
    })
}
