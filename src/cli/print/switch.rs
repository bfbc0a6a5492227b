//! One switch with its pools and members.

use super::status::{remarks, up_count};
use super::{Cell, Page, Table, Tone, split, times};
use crate::admin::report::{DiscoveryView, DrainReport, MemberView, OriginView, PoolView, SwitchView};
use crate::drain::DrainState;
use crate::health::{Health, Override, OverrideKind};
use crate::steering::Policy;

/// The switch.
pub(in crate::cli) fn show(page: &mut Page, switch: &SwitchView) {
    page.paragraph(Tone::Strong, &format!("{}  ", switch.name), &switch.owners.join(", "));
    page.paragraph(
        Tone::Plain,
        "  ",
        &format!(
            "{}, TTL {} s ({}), revision {}",
            policy(switch.policy),
            switch.ttl_s,
            switch.ttl_cause,
            switch.revision
        ),
    );
    page.paragraph(Tone::Plain, "  ", &format!("fallback: {}", switch.fallback));
    if let Some(at) = &switch.changed_at {
        page.line(Tone::Plain, &format!("  weights changed {}", times::both_of(at, page.now_unix_ms())));
    }
    if let Some(previous) = &switch.previous {
        page.paragraph(Tone::Plain, "  ", &format!("undo returns to {}", split(previous)));
    }
    page.gap();
    let mut table = Table::new(0, &["POOL", "WEIGHT", "SHARE", "STATE", "UP", "VERSION", "ANSWERS", "DRAIN"]);
    for pool in &switch.pools {
        table.row(vec![
            Cell::toned(Tone::Strong, pool.name.as_str()),
            Cell::from(pool.weight.to_string()).right(),
            Cell::from(format!("{:.2}%", pool.share_percent)).right(),
            pool_state(pool),
            up_count(pool),
            pool.expect_version.as_deref().unwrap_or("-").into(),
            Cell::from(count(pool.answers)).right(),
            dns_state(&pool.drain),
        ]);
    }
    page.table(&table);
    remarks(page, switch);
    if switch.pools.iter().any(|pool| !pool.members.is_empty()) {
        page.gap();
        members(page, switch);
    }
}

/// Every member of every pool, and below them what they said.
fn members(page: &mut Page, switch: &SwitchView) {
    let heading =
        ["POOL", "MEMBER", "HEALTH", "FOR", "PROBE", "VERSION", "CERT", "WEIGHT", "PASSED", "FAILED", "ADDRESSES"];
    let mut table = Table::new(0, &heading).where_there_is_room(&[10, 8, 9, 7]);
    for (pool, member) in each_member(switch) {
        let since = member
            .since
            .as_deref()
            .and_then(times::unix_ms)
            .map(|at| times::brief(page.now_unix_ms().saturating_sub(at)));
        table.row(vec![
            pool.name.as_str().into(),
            member_name(member).into(),
            health(member),
            Cell::from(since.unwrap_or_else(|| "-".to_owned())).right(),
            Cell::from(member.latency_us.map_or_else(|| "-".to_owned(), milliseconds)).right(),
            member.seen_version.as_deref().unwrap_or("-").into(),
            member.certificate_days.map_or_else(String::new, |days| format!("{days}d")).into(),
            Cell::from(member.weight.to_string()).right(),
            Cell::from(count(member.probes_passed)).right(),
            Cell::from(count(member.probes_failed)).right(),
            member.addresses.join(" ").into(),
        ]);
    }
    page.table(&table);
    for (pool, member) in each_member(switch) {
        let lead = format!("{}/{}: ", pool.name, member.name);
        if let Some(failure) = &member.failure {
            page.paragraph(Tone::Bad, &lead, failure);
        }
        if let Some(OriginView::Registered { stale: true, .. }) = &member.origin {
            page.paragraph(
                Tone::Bad,
                &lead,
                "no heartbeat; kept, marked stale, since its pool would be left with nobody",
            );
        }
        if let Some(hold) = &member.hold {
            page.paragraph(Tone::Warn, &lead, &hold_words(hold, member.health, page.now_unix_ms()));
        }
    }
}

/// Every member, and how it came.
pub(in crate::cli) fn show_members(page: &mut Page, switch: &SwitchView) {
    let mut table =
        Table::new(0, &["POOL", "MEMBER", "CAME FROM", "LASTS", "HEALTH", "ANSWERED", "WEIGHT", "ADDRESSES"]);
    for (pool, member) in each_member(switch) {
        let (from, lasts) = match &member.origin {
            None => ("files".to_owned(), Cell::from("-")),
            Some(OriginView::Discovered { leaves_at: None }) => ("DNS".to_owned(), Cell::from("-")),
            Some(OriginView::Discovered { .. }) => ("DNS".to_owned(), Cell::toned(Tone::Warn, "leaving")),
            Some(OriginView::Registered { stale: true, by, .. }) => (by.clone(), Cell::toned(Tone::Bad, "stale")),
            Some(OriginView::Registered { expires_in_ms, by, .. }) => (by.clone(), times::brief(*expires_in_ms).into()),
        };
        table.row(vec![
            pool.name.as_str().into(),
            member.name.as_str().into(),
            from.into(),
            lasts,
            health(member),
            if member.eligible { "yes" } else { "no" }.into(),
            Cell::from(member.weight.to_string()).right(),
            member.addresses.join(" ").into(),
        ]);
    }
    page.table(&table);
    for pool in &switch.pools {
        if let Some(max) = pool.register_max {
            let came = pool.members.iter().filter(|m| matches!(m.origin, Some(OriginView::Registered { .. }))).count();
            page.line(Tone::Faint, &format!("{}: {came} of at most {max} are registered", pool.name));
        }
        if let Some(DiscoveryView { name, failure, .. }) = &pool.discovery {
            let lead = format!("{}: ", pool.name);
            match failure {
                Some(why) => page.paragraph(
                    Tone::Bad,
                    &lead,
                    &format!("{name} cannot be looked up, the last good members stay: {why}"),
                ),
                None => page.paragraph(Tone::Faint, &lead, &format!("looked up at {name}")),
            }
        }
    }
}

/// Members with their pools.
fn each_member(switch: &SwitchView) -> impl Iterator<Item = (&PoolView, &MemberView)> {
    switch.pools.iter().flat_map(|pool| pool.members.iter().map(move |member| (pool, member)))
}

/// The name, with the address where that is another.
fn member_name(member: &MemberView) -> String {
    match member.addresses.first() {
        Some(address) if *address != member.name => format!("{} {address}", member.name),
        _ => member.name.clone(),
    }
}

/// `up`, `down`, `unknown`, and what is held against it.
fn health(member: &MemberView) -> Cell {
    let tone = match member.health {
        Health::Up => Tone::Good,
        Health::Down => Tone::Bad,
        Health::Unknown => Tone::Warn,
    };
    match member.hold.as_ref().map(|hold| hold.kind) {
        Some(OverrideKind::ForceUp) => Cell::toned(Tone::Warn, "held up"),
        Some(OverrideKind::ForceDown) => Cell::toned(Tone::Warn, "held down"),
        None => Cell::toned(tone, measured(member.health)),
    }
}

/// The judgement's own word.
fn measured(health: Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Down => "down",
        Health::Unknown => "unknown",
    }
}

/// `1234`, `12.3k`, `4.5M`.
pub(super) fn count(n: u64) -> String {
    match n {
        0..100_000 => n.to_string(),
        100_000..10_000_000 => format!("{}.{}k", n / 1000, n % 1000 / 100),
        _ => format!("{}.{}M", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// An override in words, beside what is measured.
fn hold_words(hold: &Override, health: Health, now_unix_ms: u64) -> String {
    let way = match hold.kind {
        OverrideKind::ForceUp => "up",
        OverrideKind::ForceDown => "down",
    };
    let ends = times::relative(hold.expires_unix_ms, now_unix_ms);
    format!("held {way}, measured {}; ends {ends}: {}", measured(health), hold.reason)
}

/// `1.2ms`, `12ms`, `3.1s`.
fn milliseconds(us: u64) -> String {
    match us {
        0..10_000 => format!("{}.{}ms", us / 1000, us % 1000 / 100),
        10_000..1_000_000 => format!("{}ms", us / 1000),
        _ => format!("{}.{}s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// `active` or `standby`, or why it is not what it should be.
pub(in crate::cli) fn pool_state(pool: &PoolView) -> Cell {
    match (pool.eligible, pool.role.as_str(), &pool.hold) {
        (true, _, Some(_)) => Cell::toned(Tone::Warn, "held up"),
        (false, _, Some(_)) => Cell::toned(Tone::Warn, "held down"),
        (false, _, None) => Cell::toned(Tone::Bad, "not ready"),
        (true, "active", None) => Cell::toned(Tone::Good, "active"),
        (true, role, None) => role.into(),
    }
}

/// Where the pool stands on its way out.
pub(in crate::cli) fn dns_state(report: &DrainReport) -> Cell {
    let word = state_word(report.state);
    match (report.state, report.remaining_ms) {
        (DrainState::Serving, _) => word.into(),
        (DrainState::Drained, _) if report.safe_to_close => Cell::toned(Tone::Good, "may close"),
        (_, Some(left)) if left > 0 => {
            Cell::toned(Tone::Warn, format!("{word} {}", times::brief(left.div_ceil(1000) * 1000)))
        }
        _ => Cell::toned(Tone::Warn, word),
    }
}

/// The state's own word.
pub(super) fn state_word(state: DrainState) -> &'static str {
    match state {
        DrainState::Serving => "serving",
        DrainState::Draining => "draining",
        DrainState::DnsDrained => "dns-drained",
        DrainState::Tail => "tail",
        DrainState::Drained => "drained",
    }
}

/// The policy's own word.
pub(super) fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Sticky => "sticky",
        Policy::Random => "random",
        Policy::Failover => "failover",
        Policy::Fixed => "fixed",
    }
}

#[cfg(test)]
#[path = "samples.rs"]
pub(in crate::cli) mod samples;

#[cfg(test)]
mod tests {
    use super::samples::{model, status};
    use super::*;

    #[test]
    fn a_switch_is_shown_with_its_pools_and_what_is_wrong_with_members() {
        let mut page = Page::plain(100_000);
        show(&mut page, &model());
        let text = page.finish();
        let expected = "\
model  model.example.test.
  sticky, TTL 30 s (steady), revision 42
  fallback: the pools that last had weight
  weights changed 40 s ago (1970-01-01T00:01:00Z)
  undo returns to blue 0, green 10000

POOL   WEIGHT    SHARE  STATE               UP   VERSION  ANSWERS  DRAIN
blue    10000  100.00%  active              1/1  v1          1234  serving
green       0    0.00%  not ready           0/1  v2             0  draining 25s
model: green: 0 of 1 members are eligible

POOL   MEMBER      HEALTH  FOR  PROBE  VERSION  CERT
blue   192.0.2.10  up      60s  1.2ms  v1
green  192.0.2.20  down    10s        -  -
green/192.0.2.20: HTTP 503: loading
";
        assert_eq!(squeeze(&text), squeeze(expected));
    }

    /// Without the widths of columns, which `table` tests.
    fn squeeze(text: &str) -> String {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
    }

    #[test]
    fn everything_fits_terminals_of_80_and_of_200_columns() {
        for width in [80, 200] {
            let mut page = Page::plain(100_000).within(width);
            super::super::status::show(&mut page, &status());
            show(&mut page, &model());
            let text = page.finish();
            let longest = text.lines().map(super::super::columns).max();
            assert!(longest <= Some(width), "{longest:?}\n{text}");
            assert_eq!(text.contains("OWNERS"), width == 200, "{text}");
            assert!(text.contains("2026-11-20-release-candidate") == (width == 200), "{text}");
        }
    }

    #[test]
    fn the_overview_names_alarms_and_every_pool() {
        let mut page = Page::plain(100_000);
        super::super::status::show(&mut page, &status());
        let text = page.finish();
        assert!(text.starts_with("tidegate 0.1.0, revision 42, started 1 min 40 s ago\n! green is down\n"), "{text}");
        assert!(text.contains("zones: example.test. serial 7 (2 sets updated)"), "{text}");
        assert!(text.lines().any(|line| line.trim_start().starts_with("green")), "{text}");
    }
}
