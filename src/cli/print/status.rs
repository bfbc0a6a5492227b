//! Everything at a glance: the server, its alarms, every switch with its pools.

use super::switch::{count, dns_state, pool_state};
use super::{Cell, Page, Table, Tone, times};
use crate::admin::report::{PoolView, SecondaryView, Status, SwitchView, ZoneView};
use crate::health::Health;
use crate::store::Condition;

/// Zones named before only their count is shown.
const NAMED_ZONES: usize = 3;

/// The whole server.
pub(in crate::cli) fn show(page: &mut Page, status: &Status) {
    let started = times::relative_of(&status.started_at, page.now_unix_ms());
    page.line(Tone::Strong, &format!("tidegate {}, revision {}, started {started}", status.version, status.revision));
    if let Some(why) = condition(&status.store) {
        page.paragraph(Tone::Bad, "store: ", &why);
    }
    for alarm in &status.alarms {
        page.paragraph(Tone::Bad, "! ", &alarm.text);
    }
    let zones: Vec<String> = status.zones.iter().map(zone_words).collect();
    match zones.get(..NAMED_ZONES).filter(|_| zones.len() > NAMED_ZONES) {
        Some(first) => page.paragraph(
            Tone::Faint,
            "zones: ",
            &format!("{} and {} more", first.join(", "), zones.len() - NAMED_ZONES),
        ),
        None if zones.is_empty() => page.line(Tone::Warn, "no zones: every query is refused"),
        None => page.paragraph(Tone::Faint, "zones: ", &zones.join(", ")),
    }
    let behind = |secondary: &&SecondaryView| secondary.behind != Some(0) || secondary.trouble.is_some();
    for zone in &status.zones {
        for secondary in zone.secondaries.iter().filter(behind) {
            let steps = match (secondary.serial, secondary.behind) {
                (Some(serial), Some(steps)) => format!("shows serial {serial}, {steps} behind"),
                _ => "has shown no serial yet".to_owned(),
            };
            let trouble = secondary.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let text = format!("{} of {} {steps}{trouble}", secondary.address, zone.apex);
            page.paragraph(Tone::Warn, "secondary: ", &text);
        }
    }
    for base in &status.geo {
        let built = times::relative_of(&base.built_at, page.now_unix_ms());
        page.paragraph(Tone::Faint, "geo: ", &format!("{} by {}, built {built}", base.kind, base.content));
    }
    if status.switches.is_empty() {
        page.line(Tone::Plain, "no switches");
        return;
    }
    page.gap();
    let mut table =
        Table::new(0, &["SWITCH", "POOL", "SHARE", "STATE", "UP", "VERSION", "DRAIN", "ANSWERS", "TTL", "OWNERS"])
            .where_there_is_room(&[9, 7, 8]);
    for switch in &status.switches {
        for (index, pool) in switch.pools.iter().enumerate() {
            let first = (index == 0).then_some(switch);
            table.row(row(first, pool));
        }
    }
    page.table(&table);
    status.switches.iter().for_each(|switch| asides(page, switch));
}

/// One pool's line; the first of a switch names it.
fn row(switch: Option<&SwitchView>, pool: &PoolView) -> Vec<Cell> {
    let of_switch = |text: fn(&SwitchView) -> String| switch.map(text).unwrap_or_default();
    vec![
        Cell::toned(Tone::Strong, of_switch(|switch| switch.name.clone())),
        pool.name.as_str().into(),
        Cell::from(format!("{:.2}%", pool.share_percent)).right(),
        pool_state(pool),
        up_count(pool),
        pool.expect_version.as_deref().unwrap_or("-").into(),
        dns_state(&pool.drain),
        Cell::from(count(pool.answers)).right(),
        Cell::from(of_switch(|switch| format!("{} s", switch.ttl_s))).right(),
        of_switch(|switch| switch.owners.join(", ")).into(),
    ]
}

/// `2/3`, or `-` without members.
pub(in crate::cli) fn up_count(pool: &PoolView) -> Cell {
    let all = pool.members.len();
    let up = pool.members.iter().filter(|member| member.health == Health::Up).count();
    let tone = match (pool.monitored, up == all) {
        (false, _) => return if all == 0 { "-".into() } else { Cell::toned(Tone::Faint, format!("{all}?")) },
        (true, true) => Tone::Good,
        (true, false) if up == 0 => Tone::Bad,
        (true, false) => Tone::Warn,
    };
    Cell::toned(tone, format!("{up}/{all}"))
}

/// What is wrong with a switch, and what else is not as the files have it.
pub(super) fn remarks(page: &mut Page, switch: &SwitchView) {
    let lead = format!("{}: ", switch.name);
    if let Some(cause) = switch.fallback_cause() {
        page.paragraph(Tone::Bad, &lead, &format!("{cause}; the fallback ({}) answers", switch.fallback));
    }
    for pool in &switch.pools {
        if let Some(why) = &pool.why {
            let tone = if pool.eligible { Tone::Warn } else { Tone::Bad };
            page.paragraph(tone, &lead, &format!("{}: {why}", pool.name));
        }
    }
    asides(page, switch);
}

/// What is no alarm and yet worth a line.
fn asides(page: &mut Page, switch: &SwitchView) {
    let lead = format!("{}: ", switch.name);
    if let Some(until) = &switch.prepared_until {
        let lapses = times::relative_of(until, page.now_unix_ms());
        let ready = match switch.prepared_in_ms {
            Some(0) | None => "ready to flip".to_owned(),
            Some(left) => format!("ready in {}", times::span(left.div_ceil(1000) * 1000)),
        };
        page.paragraph(Tone::Warn, &lead, &format!("prepared with TTL {} s, {ready}; lapses {lapses}", switch.ttl_s));
    }
    for difference in &switch.differs {
        page.paragraph(Tone::Faint, &lead, difference);
    }
}

/// What is wrong with the store, if anything.
pub(super) fn condition(store: &Condition) -> Option<String> {
    match store {
        Condition::Ok => None,
        Condition::OnCopy { why } => Some(format!(
            "the state file was damaged ({why}); running on the checked copy, changes refused until `tidegate restore --accept-copy`"
        )),
        Condition::Full => Some("the disk is full: only undo and abort are taken; free some space".to_owned()),
        Condition::Failing { why } => Some(format!("the last change could not be stored: {why}")),
    }
}
/// `example.test. serial 7 (2 sets updated)`.
fn zone_words(zone: &ZoneView) -> String {
    match zone.updated_sets {
        0 => format!("{} serial {}", zone.apex, zone.serial),
        1 => format!("{} serial {} (1 set updated)", zone.apex, zone.serial),
        many => format!("{} serial {} ({many} sets updated)", zone.apex, zone.serial),
    }
}
