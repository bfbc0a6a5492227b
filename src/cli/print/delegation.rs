//! What the world sees of each zone: a table of its nameservers, and the findings.

use super::{Cell, Page, Table, Tone};
use crate::delegation::{Severity, ZoneReport};

/// Each zone.
pub(in crate::cli) fn show(page: &mut Page, zones: &[ZoneReport]) {
    for zone in zones {
        page.gap();
        page.line(Tone::Strong, &format!("{} in the world", zone.zone));
        if !zone.parents.is_empty() {
            let parents: Vec<String> = zone.parents.iter().map(|parent| parent.server.to_string()).collect();
            page.paragraph(
                Tone::Plain,
                "  ",
                &format!("the parent's servers that delegate it: {}", parents.join(", ")),
            );
        }
        if !zone.servers.is_empty() {
            page.table(&table(zone));
        }
        for finding in &zone.findings {
            let (tone, lead) = match finding.severity {
                Severity::Problem => (Tone::Bad, "  error: "),
                Severity::Warning => (Tone::Warn, "  warning: "),
            };
            page.paragraph(tone, lead, &finding.message);
            page.paragraph(Tone::Plain, "    ", &finding.remedy);
        }
        if !zone.findings.iter().any(|finding| finding.severity == Severity::Problem) {
            page.line(Tone::Good, "  delegated as it should be");
        }
    }
}

/// The nameservers.
fn table(zone: &ZoneReport) -> Table {
    let mut table = Table::new(2, &["NAMESERVER", "ADDRESS", "LISTED BY", "UDP", "TCP", "EDNS", "SERIAL"]);
    let said = |text: &str| Cell::toned(if text == "ok" { Tone::Good } else { Tone::Bad }, text);
    for server in &zone.servers {
        table.row(vec![
            server.name.as_str().into(),
            server.address.to_string().into(),
            server.listed_by.join(", ").into(),
            said(&server.udp),
            said(&server.tcp),
            said(&server.edns),
            Cell::from(server.serial.map_or_else(|| "-".to_owned(), |serial| serial.to_string())).right(),
        ]);
    }
    table
}
