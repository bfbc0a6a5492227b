//! What belongs to the whole process: its store, secondaries, databases, webhooks, dnstap.

use super::super::families::{Family, Labels, Rows};
use super::super::process::ProcessFigures;
use super::{CertificateGauges, CopyGauges, Gauges, GeoGauges, HookCounters, SecondaryGauges, counter, flag, gauge};

pub(super) fn process_families(gauges: &Gauges) -> Vec<Family> {
    let one = |value: f64| vec![(Labels::new(), value)];
    vec![
        gauge("tidegate_connections", "Open connections of all transports but UDP", one(gauges.connections as f64)),
        gauge("tidegate_revision", "Revision of the desired state that is answered from", one(gauges.revision as f64)),
        counter("tidegate_snapshots", "Views published since the start", vec![(Labels::new(), gauges.snapshots)]),
        gauge("tidegate_store_up", "1 if the state store can be written", one(flag(gauges.store_up))),
        gauge(
            "tidegate_geo_build_timestamp_seconds",
            "When a database of networks was built, seconds since 1970",
            databases(gauges, |base| base.built_s),
        ),
        gauge(
            "tidegate_geo_refused",
            "1 while a newer database is refused and the last good one used",
            one(flag(gauges.geo_refused)),
        ),
        gauge(
            "tidegate_certificate_expiry_timestamp_seconds",
            "End of a certificate's validity, seconds since 1970",
            certificates(gauges, |certificate| certificate.expires_s as f64),
        ),
        gauge(
            "tidegate_certificate_refused",
            "1 while a replaced certificate is refused and the one before used",
            certificates(gauges, |certificate| flag(certificate.refused)),
        ),
        counter("tidegate_store_errors", "Store operations that failed", vec![(Labels::new(), gauges.store_errors)]),
        counter(
            "tidegate_transfer_events",
            "What became of signed queries, transfers and notifications",
            gauges.transfers.iter().map(|(event, n)| (vec![("event", (*event).to_owned())], *n)).collect(),
        ),
        gauge(
            "tidegate_secondary_serial",
            "The SOA serial that a secondary showed last",
            secondaries(gauges, |secondary| secondary.serial.map(f64::from)),
        ),
        gauge(
            "tidegate_secondary_behind",
            "How many serials a secondary is behind; -1 while it has shown none",
            secondaries(gauges, |secondary| Some(secondary.behind.map_or(-1.0, f64::from))),
        ),
        gauge(
            "tidegate_copy_served",
            "1 while there is a copy of the zone to answer from",
            copies(gauges, |copy| flag(copy.served)),
        ),
        gauge(
            "tidegate_copy_confirmed_timestamp_seconds",
            "When a primary confirmed the copy of the zone last, seconds since 1970",
            copies(gauges, |copy| copy.confirmed_s),
        ),
        gauge(
            "tidegate_copy_good_until_timestamp_seconds",
            "Until when the copy of the zone is good without a primary, seconds since 1970",
            copies(gauges, |copy| copy.good_until_s),
        ),
        counter("tidegate_hooks", "Webhooks, by what became of them", hook_rows(gauges)),
        counter(
            "tidegate_dnstap_messages",
            "Copies of queries and responses for dnstap",
            gauges.dnstap.iter().flat_map(|tap| [("sent", tap.sent), ("dropped", tap.dropped)]).map(outcome).collect(),
        ),
        gauge(
            "tidegate_dnstap_connected",
            "1 while a reader of dnstap is connected",
            gauges.dnstap.iter().map(|tap| (Labels::new(), flag(tap.connected))).collect(),
        ),
        gauge("tidegate_build_info", "Always 1", vec![(vec![("version", gauges.version.clone())], 1.0)]),
    ]
}

/// What any process shows, under the names that are the same everywhere.
pub(super) fn operating_system_families(gauges: &Gauges) -> Vec<Family> {
    let one = |value: fn(&ProcessFigures) -> Option<u64>| {
        let value = gauges.process.as_ref().and_then(value);
        value.map(|value| (Labels::new(), value as f64)).into_iter().collect()
    };
    let cpu = gauges.process.map(|process| (Labels::new(), process.cpu_s));
    vec![
        gauge(
            "process_start_time_seconds",
            "Start of this process, seconds since 1970",
            vec![(Labels::new(), gauges.start_time_s as f64)],
        ),
        Family {
            name: "process_cpu_seconds",
            help: "Processor time used, user and system",
            rows: Rows::Seconds(cpu.into_iter().collect()),
        },
        gauge("process_resident_memory_bytes", "Memory in RAM", one(|process| Some(process.resident_bytes))),
        gauge("process_virtual_memory_bytes", "Address space", one(|process| Some(process.virtual_bytes))),
        gauge("process_open_fds", "Open file descriptors", one(|process| Some(process.open_fds))),
        gauge("process_max_fds", "How many file descriptors may be open", one(|process| process.max_fds)),
    ]
}

fn outcome((outcome, count): (&str, u64)) -> (Labels, u64) {
    (vec![("outcome", outcome.to_owned())], count)
}

fn hook_rows(gauges: &Gauges) -> Vec<(Labels, u64)> {
    let outcomes = |hook: &HookCounters| [("sent", hook.sent), ("failed", hook.failed), ("dropped", hook.dropped)];
    let rows = gauges.hooks.iter().flat_map(|hook| outcomes(hook).map(|(outcome, count)| (hook.kind, outcome, count)));
    rows.map(|(kind, outcome, count)| (vec![("hook", kind.to_owned()), ("outcome", outcome.to_owned())], count))
        .collect()
}

fn secondaries(gauges: &Gauges, value: fn(&SecondaryGauges) -> Option<f64>) -> Vec<(Labels, f64)> {
    let labels = |one: &SecondaryGauges| vec![("zone", one.zone.clone()), ("secondary", one.address.clone())];
    gauges.secondaries.iter().filter_map(|one| Some((labels(one), value(one)?))).collect()
}

fn copies(gauges: &Gauges, value: fn(&CopyGauges) -> f64) -> Vec<(Labels, f64)> {
    gauges.copies.iter().map(|one| (vec![("zone", one.zone.clone())], value(one))).collect()
}

fn certificates(gauges: &Gauges, value: fn(&CertificateGauges) -> f64) -> Vec<(Labels, f64)> {
    let row = |of: &CertificateGauges| (vec![("used_by", of.used_by.to_owned())], value(of));
    gauges.certificates.iter().map(row).collect()
}

fn databases(gauges: &Gauges, value: fn(&GeoGauges) -> u64) -> Vec<(Labels, f64)> {
    gauges.geo.iter().map(|base| (vec![("database", base.kind.clone())], value(base) as f64)).collect()
}
