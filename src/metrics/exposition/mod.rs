//! What `/metrics` shows (§6.2): the cells of this process, and gauges that control hands over.
//!
//! Every family is described in `deploy/prometheus/README.md`; a test holds that page and this text together.

mod format;
mod gauges;
mod process;
mod switches;
mod traffic;

pub use format::Format;
pub use gauges::*;

use super::families::{Families, Family, Labels, Rows, to_plain};
use super::registry::Registry;

/// The text of one scrape.
#[must_use]
pub fn expose(registry: &Registry, gauges: &Gauges, format: Format) -> String {
    let mut scrape = prometheus_client::registry::Registry::default();
    scrape.register_collector(Box::new(Families(families(registry, gauges))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &scrape).expect("writing to a String cannot fail");
    if format == Format::Plain { to_plain(&text) } else { text }
}

/// Every family, in the order of the text.
fn families(registry: &Registry, gauges: &Gauges) -> Vec<Family> {
    let mut families = traffic::cell_families(registry, gauges);
    families.extend(process::process_families(gauges));
    families.extend(process::operating_system_families(gauges));
    families.extend(switches::switch_families(gauges));
    families.extend(switches::pool_families(gauges));
    families.extend(switches::member_families(gauges));
    families
}

fn counter(name: &'static str, help: &'static str, rows: Vec<(Labels, u64)>) -> Family {
    Family { name, help, rows: Rows::Counter(rows) }
}

fn gauge(name: &'static str, help: &'static str, rows: Vec<(Labels, f64)>) -> Family {
    Family { name, help, rows: Rows::Gauge(rows) }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn of_pool(switch: &SwitchGauges, pool: &PoolGauges) -> Labels {
    vec![("switch", switch.name.to_string()), ("pool", pool.name.to_string())]
}

fn with(mut labels: Labels, name: &'static str, value: &str) -> Labels {
    labels.push((name, value.to_owned()));
    labels
}

fn pools(gauges: &Gauges) -> impl Iterator<Item = (&SwitchGauges, &PoolGauges)> {
    gauges.switches.iter().flat_map(|switch| switch.pools.iter().map(move |pool| (switch, pool)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Count, ProcessFigures, Tally};
    use std::collections::BTreeSet;

    fn gauges() -> Gauges {
        let member = MemberGauges {
            name: "blue-1".into(),
            up: Some(true),
            probes_passed: 9,
            probe_s: Some(0.25),
            ..MemberGauges::default()
        };
        let unknown = MemberGauges { name: "blue-2".into(), ..MemberGauges::default() };
        let pool = PoolGauges {
            name: "blue".into(),
            slot: 4,
            weight: 90,
            drain_state: "tail",
            members: vec![member, unknown],
            ..PoolGauges::default()
        };
        let switch =
            SwitchGauges { name: "shop \"eu\"".into(), ttl_s: 30, pools: vec![pool], ..SwitchGauges::default() };
        let hooks = vec![HookCounters { kind: "on-drained", sent: 3, ..HookCounters::default() }];
        Gauges { version: "1.2.3".into(), revision: 42, hooks, switches: vec![switch], ..Gauges::default() }
    }

    /// The same, with a row in every family.
    fn everything() -> Gauges {
        let mut gauges = gauges();
        let share = ShareGauges { answers: Some(0.1), effective: Some(8.0), p: Some(0.5), ..ShareGauges::default() };
        gauges.switches[0].rollout_phase = Some("progressing");
        gauges.switches[0].rollout_share = Some(share);
        gauges.switches[0].pools[0].guests = Some(GuestGauges::default());
        gauges.geo = vec![GeoGauges { kind: "country".into(), ..GeoGauges::default() }];
        gauges.process = Some(ProcessFigures { max_fds: Some(1), ..ProcessFigures::default() });
        gauges.certificates = vec![CertificateGauges { used_by: "dot", ..CertificateGauges::default() }];
        gauges.transfers = vec![("axfr", 1)];
        gauges.dnstap = Some(DnstapGauges::default());
        gauges.copies = vec![CopyGauges { zone: "copied.test.".into(), ..CopyGauges::default() }];
        gauges.secondaries = vec![SecondaryGauges {
            zone: "example.test.".into(),
            address: "192.0.2.53:53".into(),
            serial: Some(7),
            behind: None,
        }];
        gauges
    }

    fn registry() -> Registry {
        let registry = Registry::default();
        let mut worker = registry.sole_writer("udp");
        worker.answers(1_000, &[Tally { slot: 4, promise_s: 30, pinned: false, seen: None }; 3]);
        worker.response(5);
        worker.add(Count::Received, 7);
        worker.took(3, 5_000);
        registry.requests().took("GET", "/v1/status", 200, 1_000);
        registry
    }

    #[test]
    fn plain_text_carries_cells_and_gauges() {
        let text = expose(&registry(), &gauges(), Format::Plain);
        for line in [
            "# HELP tidegate_answers_total Answers that named a pool",
            "# TYPE tidegate_answers_total counter",
            r#"tidegate_answers_total{switch="shop \"eu\"",pool="blue",pinned="false"} 3"#,
            r#"tidegate_responses_total{transport="udp",rcode="REFUSED"} 1"#,
            r#"tidegate_queries_total{transport="udp"} 7"#,
            "# TYPE tidegate_answer_duration_seconds histogram",
            r#"tidegate_answer_duration_seconds_count{transport="udp"} 3"#,
            r#"tidegate_health{switch="shop \"eu\"",pool="blue",member="blue-2"} -1.0"#,
            r#"tidegate_drain_state{switch="shop \"eu\"",pool="blue",state="tail"} 1.0"#,
            "tidegate_revision 42.0",
            r#"tidegate_hooks_total{hook="on-drained",outcome="sent"} 3"#,
            r#"tidegate_hooks_total{hook="on-drained",outcome="dropped"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
    }

    #[test]
    fn open_metrics_ends_with_its_mark_and_types_counters_without_total() {
        let text = expose(&registry(), &gauges(), Format::OpenMetrics);
        assert!(text.ends_with("# EOF\n"));
        assert!(text.lines().any(|line| line == "# TYPE tidegate_answers counter"));
    }

    /// Name, kind and labels of every family.
    fn shown() -> BTreeSet<[String; 3]> {
        let keys = |labels: &Labels| labels.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
        let row = |family: Family| {
            let (name, kind, labels) = match &family.rows {
                Rows::Counter(rows) => (format!("{}_total", family.name), "counter", rows.first().map(|r| keys(&r.0))),
                Rows::Seconds(rows) => (format!("{}_total", family.name), "counter", rows.first().map(|r| keys(&r.0))),
                Rows::Gauge(rows) => (family.name.to_owned(), "gauge", rows.first().map(|r| keys(&r.0))),
                Rows::Histogram(rows) => (family.name.to_owned(), "histogram", rows.first().map(|r| keys(&r.0))),
            };
            let labels = labels.unwrap_or_else(|| panic!("{name} has no row"));
            [name, kind.to_owned(), if labels.is_empty() { "-".to_owned() } else { labels }]
        };
        families(&registry(), &everything()).into_iter().map(row).collect()
    }

    #[test]
    fn every_family_is_documented_with_kind_and_labels_and_nothing_else_is() {
        let page = include_str!("../../../deploy/prometheus/README.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let metrics = rows.filter(|row| row.starts_with("tidegate_") || row.starts_with("process_"));
        let cells = |row: &str| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
            let row = [(); 3].map(|()| cells.next().unwrap_or_default());
            assert!(cells.next().is_some_and(|meaning| meaning.len() > 5), "{row:?} says nothing");
            row
        };
        let documented: BTreeSet<[String; 3]> = metrics.map(cells).collect();
        assert_eq!(shown(), documented);
    }
}
