//! Zone files of what was imported.

use super::dump::bare;
use super::imported::{Imported, Remark, Switch};
use crate::dns::{Name, RecordType};
use std::fmt::Write;

/// The master file: SOA first, then name by name.
pub(super) fn master(imported: &Imported) -> String {
    let mut text = format!("; Made from a Route 53 dump by `tidegate import route53`.\n$ORIGIN {}\n", imported.apex);
    let mut fixed: Vec<_> = imported.fixed.iter().collect();
    fixed.sort_by_key(|set| (set.rtype != RecordType::SOA, set.owner.clone(), set.rtype));
    for set in fixed {
        for value in &set.values {
            let owner = relative(&set.owner, &imported.apex);
            // A text that is written in memory has no errors.
            let _ = writeln!(text, "{owner:<24} {:>7} IN {:<6} {value}", set.ttl_s, set.rtype.to_string());
        }
    }
    if !imported.lost.is_empty() {
        text.push_str(";\n; Not carried over:\n");
        for Remark { record, what, remedy } in &imported.lost {
            let _ = writeln!(text, "; {}", one_line(&format!("{record}: {what}; {remedy}")));
        }
    }
    text
}

/// A name below the apex, or `@`.
fn relative(name: &Name, apex: &Name) -> String {
    let (text, apex) = (name.to_string(), apex.to_string());
    if text == apex {
        return "@".to_owned();
    }
    text.strip_suffix(&format!(".{apex}")).map_or_else(|| text.clone(), str::to_owned)
}

/// The TOML; `None` without switches.
pub(super) fn settings(imported: &Imported) -> Option<String> {
    if imported.switches.is_empty() {
        return None;
    }
    let mut text = "# Made from a Route 53 dump by `tidegate import route53`.\n".to_owned();
    imported.switches.iter().for_each(|one| switch(&mut text, one));
    Some(text)
}

fn switch(text: &mut String, switch: &Switch) {
    let owners: Vec<String> = switch.owners.iter().map(bare).collect();
    let _ = writeln!(text, "\n[switch.{}]\nowners = {}\nttl = {}", switch.name, list(&owners), switch.ttl_s);
    if switch.failover {
        text.push_str("policy = \"failover\"       # the first healthy pool answers\n");
    }
    if switch.failover || !switch.health_checks.is_empty() {
        let checks: Vec<&str> = switch.health_checks.iter().map(String::as_str).collect();
        let checks =
            if checks.is_empty() { "nothing".to_owned() } else { format!("health check {}", checks.join(", ")) };
        let _ = writeln!(text, "# Route 53 watched this by {}. Say what is to be watched, such as:", one_line(&checks));
        text.push_str("# monitor = { http = \"http://{address}/health\" }\n");
    }
    for pool in &switch.pools {
        let was = pool.was.as_ref().map_or_else(String::new, |was| format!("   # SetIdentifier {}", quoted(was)));
        let _ = writeln!(text, "\n[switch.{}.pool.{}]{was}\nweight = {}", switch.name, pool.name, pool.weight);
        if !pool.members.is_empty() {
            let _ = writeln!(text, "members = {}", list(&pool.members));
        }
        if !pool.records.is_empty() {
            let sets: Vec<String> =
                pool.records.iter().map(|(rtype, values)| format!("{rtype} = {}", list(values))).collect();
            let _ = writeln!(text, "records = {{ {} }}", sets.join(", "));
        }
    }
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// A text as TOML has it, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A comment is one line, whatever the dump holds.
fn one_line(text: &str) -> String {
    crate::cli::print::harmless(text)
}
