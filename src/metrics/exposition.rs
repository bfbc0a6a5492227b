//! What `/metrics` shows (§6.2): the cells of this process, and gauges that control hands over.
//!
//! | name | kind | labels | meaning |
//! |---|---|---|---|
//! | `tidegate_answers_total` | counter | switch, pool, pinned | answers that named a pool |
//! | `tidegate_queries_total` | counter | transport | queries that arrived |
//! | `tidegate_responses_total` | counter | transport, rcode | responses sent |
//! | `tidegate_truncated_total` | counter | transport | responses with TC set |
//! | `tidegate_transport_events_total` | counter | transport, event | what else happened at the sockets: `metrics::Count` |
//! | `tidegate_answer_seconds` | histogram | transport | from receive to the end of send, whole batches |
//! | `tidegate_admin_request_duration_seconds` | histogram | method, route, status | requests of the admin interface, to the first byte of the reply |
//! | `tidegate_connections` | gauge | | open TCP, DoT and DoH connections |
//! | `tidegate_switch_fallback` | gauge | switch | 1 while the fallback answers clients, since no pool that may take them is eligible |
//! | `tidegate_switch_ttl_seconds` | gauge | switch | TTL that answers carry at the moment |
//! | `tidegate_rollout_phase` | gauge | switch, phase | 1 for the phase of a rollout |
//! | `tidegate_rollout_share` | gauge | switch, of | the canary's share: `target`, and of `answers`, `clients`, `requests` |
//! | `tidegate_rollout_effective_clients` | gauge | switch | how many equal clients would stray as much |
//! | `tidegate_rollout_share_p` | gauge | switch | sample-ratio test: small when the split is not what was asked for |
//! | `tidegate_weight` | gauge | switch, pool | weight in force |
//! | `tidegate_pool_eligible` | gauge | switch, pool | 1 if the pool may be answered with |
//! | `tidegate_pool_guest_members` | gauge | switch, pool | members that came by themselves, where any may |
//! | `tidegate_pool_stale_members` | gauge | switch, pool | of those: without a heartbeat, kept since the pool would be left with nobody |
//! | `tidegate_pool_discovery_failing` | gauge | switch, pool | 1 while members cannot be looked up in DNS and the last good ones stay |
//! | `tidegate_drain_state` | gauge | switch, pool, state | 1 for the state, 0 for the others |
//! | `tidegate_drain_remaining_seconds` | gauge | switch, pool | until the last promise has expired |
//! | `tidegate_safe_to_close` | gauge | switch, pool | 1 if the pool may be closed |
//! | `tidegate_health` | gauge | switch, pool, member | 1 up, 0 down, -1 not known yet |
//! | `tidegate_probes_total` | counter | switch, pool, member, outcome | probes sent, by outcome |
//! | `tidegate_probe_seconds` | gauge | switch, pool, member | duration of the last probe that passed |
//! | `tidegate_revision` | gauge | | revision of the desired state that is answered from |
//! | `tidegate_snapshot_number` | gauge | | publications since the start |
//! | `tidegate_store_up` | gauge | | 1 if the state store can be written |
//! | `tidegate_store_errors_total` | counter | | store operations that failed |
//! | `tidegate_hooks_total` | counter | hook, outcome | webhooks, by what became of them |
//! | `tidegate_dnstap_total` | counter | outcome | copies for dnstap: `sent` to the reader, `dropped` because it was slow or away |
//! | `tidegate_dnstap_connected` | gauge | | 1 while a reader of dnstap is connected |
//! | `tidegate_transfer_events_total` | counter | event | what became of signed queries, transfers and notifications |
//! | `tidegate_secondary_serial` | gauge | zone, secondary | the SOA serial that a secondary showed last |
//! | `tidegate_secondary_behind` | gauge | zone, secondary | how many serials it is behind; -1 while it has shown none |
//! | `tidegate_geo_build_time_seconds` | gauge | database | when a database of networks was built, seconds since 1970 |
//! | `tidegate_geo_age_seconds` | gauge | database | how long ago that is |
//! | `tidegate_geo_refused` | gauge | | 1 while a newer database is refused and the last good one used |
//! | `tidegate_start_time_seconds` | gauge | | start of this process, seconds since 1970 |
//! | `tidegate_build_info` | gauge | version | always 1 |

use super::cells::{Count, Registry};
use super::families::{Families, Family, Histogram, Labels, Rows, to_plain};
use super::latency::LatencyTotals;
use std::sync::Arc;

/// The states of a drain, in order (§4.2).
pub const DRAIN_STATES: [&str; 5] = ["serving", "draining", "dns-drained", "tail", "drained"];

/// What only control knows.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Version of the program.
    pub version: String,
    /// Start of the process, seconds since 1970.
    pub start_time_s: u64,
    /// Revision of the desired state that is answered from.
    pub revision: u64,
    /// Publications since the start.
    pub snapshot_number: u64,
    /// Connections open at the moment.
    pub connections: usize,
    /// Whether the state store can be written.
    pub store_up: bool,
    /// Store operations that failed.
    pub store_errors: u64,
    /// One row per database of networks.
    pub geo: Vec<GeoGauges>,
    /// Whether newer databases are refused.
    pub geo_refused: bool,
    /// What happened in the room of transfers, by label.
    pub transfers: Vec<(&'static str, u64)>,
    /// Copies for dnstap, where that is on.
    pub dnstap: Option<DnstapGauges>,
    /// One row per secondary of a zone.
    pub secondaries: Vec<SecondaryGauges>,
    /// One row per kind of webhook that was called.
    pub hooks: Vec<HookCounters>,
    /// One row per switch.
    pub switches: Vec<SwitchGauges>,
}

/// What became of copies for dnstap.
#[derive(Debug, Clone, Copy, Default)]
pub struct DnstapGauges {
    /// Messages written to the reader.
    pub sent: u64,
    /// Messages lost.
    pub dropped: u64,
    /// Whether a reader is connected.
    pub connected: bool,
}

/// One secondary of a zone.
#[derive(Debug, Clone, Default)]
pub struct SecondaryGauges {
    /// The zone.
    pub zone: String,
    /// Its address.
    pub address: String,
    /// The serial it showed last.
    pub serial: Option<u32>,
    /// How many serials it is behind.
    pub behind: Option<u32>,
}

/// One database of networks.
#[derive(Debug, Clone, Default)]
pub struct GeoGauges {
    /// `country` or `asn`.
    pub kind: String,
    /// When it was built, seconds since 1970.
    pub built_s: u64,
    /// How long ago that is, seconds.
    pub age_s: u64,
}

/// One kind of webhook.
#[derive(Debug, Clone, Default)]
pub struct HookCounters {
    /// Such as `on-draining`.
    pub kind: &'static str,
    /// Answered with 2xx.
    pub sent: u64,
    /// Given up.
    pub failed: u64,
    /// Never tried.
    pub dropped: u64,
}

/// One switch.
#[derive(Debug, Clone, Default)]
pub struct SwitchGauges {
    /// Its name.
    pub name: Arc<str>,
    /// Whether the fallback answers.
    pub fallback: bool,
    /// TTL of answers at the moment, seconds.
    pub ttl_s: u32,
    /// The phase of its rollout, if it has one.
    pub rollout_phase: Option<&'static str>,
    /// Its canary's share, where that is measured.
    pub rollout_share: Option<ShareGauges>,
    /// Its pools.
    pub pools: Vec<PoolGauges>,
}

/// A canary's share, as it is measured; shares from 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShareGauges {
    /// Asked for.
    pub target: f64,
    /// Of answers.
    pub answers: Option<f64>,
    /// Of distinct clients.
    pub clients: Option<f64>,
    /// Of requests.
    pub requests: Option<f64>,
    /// How many equal clients would stray as much.
    pub effective: Option<f64>,
    /// The sample-ratio test.
    pub p: Option<f64>,
}

/// One pool.
#[derive(Debug, Clone, Default)]
pub struct PoolGauges {
    /// Its name.
    pub name: Arc<str>,
    /// The slot its answers are counted under.
    pub slot: u32,
    /// Weight in force.
    pub weight: u32,
    /// Whether it may be answered with.
    pub eligible: bool,
    /// One of [`DRAIN_STATES`].
    pub drain_state: &'static str,
    /// Until the last promise has expired, seconds.
    pub drain_remaining_s: f64,
    /// Whether it may be closed.
    pub safe_to_close: bool,
    /// Members that come by themselves; `None` where none may.
    pub guests: Option<GuestGauges>,
    /// Its members.
    pub members: Vec<MemberGauges>,
}

/// Members of a pool that come by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuestGauges {
    /// How many there are.
    pub count: u32,
    /// How many of them are kept without a heartbeat.
    pub stale: u32,
    /// Whether the last look in DNS failed.
    pub discovery_failing: bool,
}

/// One member.
#[derive(Debug, Clone, Default)]
pub struct MemberGauges {
    /// Its name.
    pub name: Arc<str>,
    /// Up, down, or not known yet.
    pub up: Option<bool>,
    /// Probes that passed.
    pub probes_passed: u64,
    /// Probes that failed.
    pub probes_failed: u64,
    /// Duration of the last probe that passed, seconds.
    pub probe_s: Option<f64>,
}

/// Which text a scraper gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text version 0.0.4.
    Plain,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format an `Accept` header value asks for: OpenMetrics if it is named with a quality that
    /// is not zero and not below that of plain text.
    #[must_use]
    pub fn of_accept(accept: &str) -> Self {
        let quality = |wanted: &str| {
            accept
                .split(',')
                .filter(|range| range.split(';').next().is_some_and(|kind| kind.trim() == wanted))
                .map(quality_of)
                .fold(0.0, f64::max)
        };
        let (open, plain) = (quality("application/openmetrics-text"), quality("text/plain"));
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Plain }
    }

    /// The `Content-Type` of a response in this format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The `q` of one media range (RFC 9110 §12.4.2); 1 if it has none.
fn quality_of(range: &str) -> f64 {
    range
        .split(';')
        .skip(1)
        .find_map(|parameter| parameter.trim().strip_prefix("q="))
        .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))
}

/// The text of one scrape.
#[must_use]
pub fn expose(registry: &Registry, gauges: &Gauges, format: Format) -> String {
    let mut families = cell_families(registry, gauges);
    families.extend(process_families(gauges));
    families.extend(switch_families(gauges));
    families.extend(pool_families(gauges));
    families.extend(member_families(gauges));
    let mut scrape = prometheus_client::registry::Registry::default();
    scrape.register_collector(Box::new(Families(families)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &scrape).expect("writing to a String cannot fail");
    if format == Format::Plain { to_plain(&text) } else { text }
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

fn by_transport(transport: &str) -> Labels {
    vec![("transport", transport.to_owned())]
}

fn of_switch(switch: &SwitchGauges) -> Labels {
    vec![("switch", switch.name.to_string())]
}

fn of_pool(switch: &SwitchGauges, pool: &PoolGauges) -> Labels {
    vec![("switch", switch.name.to_string()), ("pool", pool.name.to_string())]
}

fn of_member(switch: &SwitchGauges, pool: &PoolGauges, member: &MemberGauges) -> Labels {
    let mut labels = of_pool(switch, pool);
    labels.push(("member", member.name.to_string()));
    labels
}

fn with(mut labels: Labels, name: &'static str, value: &str) -> Labels {
    labels.push((name, value.to_owned()));
    labels
}

fn cell_families(registry: &Registry, gauges: &Gauges) -> Vec<Family> {
    let mut answers = Vec::new();
    for (switch, pool) in pools(gauges) {
        let totals = registry.fold_pool(pool.slot);
        answers.push((with(of_pool(switch, pool), "pinned", "false"), totals.answers));
        answers.push((with(of_pool(switch, pool), "pinned", "true"), totals.pinned_answers));
    }
    let (mut queries, mut truncated, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for (transport, counts) in registry.fold_counts() {
        for ((count, event), value) in Count::ALL.into_iter().zip(counts) {
            match count {
                Count::Received => queries.push((by_transport(transport), value)),
                Count::Truncated => truncated.push((by_transport(transport), value)),
                _ => events.push((with(by_transport(transport), "event", event), value)),
            }
        }
    }
    let mut responses = Vec::new();
    for (transport, sums) in registry.fold_responses() {
        for (rcode, value) in sums.into_iter().enumerate().filter(|(_, value)| *value > 0) {
            responses.push((with(by_transport(transport), "rcode", rcode_name(rcode)), value));
        }
    }
    let histogram =
        |totals: LatencyTotals| Histogram { sum_s: totals.sum_ns as f64 / 1e9, buckets: totals.buckets().to_vec() };
    let latency =
        registry.fold_latency().into_iter().map(|(transport, totals)| (by_transport(transport), histogram(totals)));
    let latency = latency.collect();
    vec![
        counter("tidegate_answers", "Answers that named a pool", answers),
        counter("tidegate_queries", "Queries that arrived", queries),
        counter("tidegate_responses", "Responses sent", responses),
        counter("tidegate_truncated", "Responses with TC set", truncated),
        counter("tidegate_transport_events", "What else happened at the sockets", events),
        Family {
            name: "tidegate_answer_seconds",
            help: "From receive to the end of send, whole batches",
            rows: Rows::Histogram(latency),
        },
        Family {
            name: "tidegate_admin_request_duration_seconds",
            help: "Requests of the admin interface, to the first byte of the reply",
            rows: Rows::Histogram(
                registry
                    .requests()
                    .rows()
                    .into_iter()
                    .map(|((method, route, status), times)| {
                        let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
                        (labels.to_vec(), times)
                    })
                    .collect(),
            ),
        },
    ]
}

/// RCODE names of the IANA registry; the rest share a name as they share a counter.
fn rcode_name(rcode: usize) -> &'static str {
    const NAMES: [&str; 12] = [
        "NOERROR",
        "FORMERR",
        "SERVFAIL",
        "NXDOMAIN",
        "NOTIMP",
        "REFUSED",
        "YXDOMAIN",
        "YXRRSET",
        "NXRRSET",
        "NOTAUTH",
        "NOTZONE",
        "DSOTYPENI",
    ];
    const EXTENDED: [&str; 8] =
        ["BADVERS", "BADKEY", "BADTIME", "BADMODE", "BADNAME", "BADALG", "BADTRUNC", "BADCOOKIE"];
    let extended = || rcode.checked_sub(16).and_then(|index| EXTENDED.get(index));
    NAMES.get(rcode).or_else(extended).copied().unwrap_or("OTHER")
}

fn process_families(gauges: &Gauges) -> Vec<Family> {
    let one = |value: f64| vec![(Labels::new(), value)];
    vec![
        gauge("tidegate_connections", "Open TCP, DoT and DoH connections", one(gauges.connections as f64)),
        gauge("tidegate_revision", "Revision of the desired state that is answered from", one(gauges.revision as f64)),
        gauge("tidegate_snapshot_number", "Publications since the start", one(gauges.snapshot_number as f64)),
        gauge("tidegate_store_up", "1 if the state store can be written", one(flag(gauges.store_up))),
        gauge(
            "tidegate_geo_build_time_seconds",
            "When a database of networks was built, seconds since 1970",
            databases(gauges, |base| base.built_s),
        ),
        gauge(
            "tidegate_geo_age_seconds",
            "How long ago a database of networks was built",
            databases(gauges, |base| base.age_s),
        ),
        gauge(
            "tidegate_geo_refused",
            "1 while a newer database is refused and the last good one used",
            one(flag(gauges.geo_refused)),
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
        counter("tidegate_hooks", "Webhooks, by what became of them", hook_rows(gauges)),
        gauge(
            "tidegate_start_time_seconds",
            "Start of this process, seconds since 1970",
            one(gauges.start_time_s as f64),
        ),
        counter(
            "tidegate_dnstap",
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

fn databases(gauges: &Gauges, value: fn(&GeoGauges) -> u64) -> Vec<(Labels, f64)> {
    gauges.geo.iter().map(|base| (vec![("database", base.kind.clone())], value(base) as f64)).collect()
}

fn pools(gauges: &Gauges) -> impl Iterator<Item = (&SwitchGauges, &PoolGauges)> {
    gauges.switches.iter().flat_map(|switch| switch.pools.iter().map(move |pool| (switch, pool)))
}

/// The canary's share of each thing it is measured by.
fn shares(gauges: &Gauges) -> Vec<(Labels, f64)> {
    let measured = gauges.switches.iter().filter_map(|switch| Some((switch, switch.rollout_share?)));
    let rows = |(switch, share): (&SwitchGauges, ShareGauges)| {
        let of = [
            ("target", Some(share.target)),
            ("answers", share.answers),
            ("clients", share.clients),
            ("requests", share.requests),
        ];
        let labels = of_switch(switch);
        of.into_iter().filter_map(move |(of, value)| Some((with(labels.clone(), "of", of), value?)))
    };
    measured.flat_map(rows).collect()
}

/// One figure of the shares that are measured.
fn measured(gauges: &Gauges, figure: fn(&ShareGauges) -> Option<f64>) -> Vec<(Labels, f64)> {
    let share = |switch: &SwitchGauges| switch.rollout_share.as_ref().and_then(figure);
    gauges.switches.iter().filter_map(|switch| Some((of_switch(switch), share(switch)?))).collect()
}

fn switch_families(gauges: &Gauges) -> Vec<Family> {
    let each = |value: fn(&SwitchGauges) -> f64| {
        gauges.switches.iter().map(|switch| (of_switch(switch), value(switch))).collect()
    };
    let phases = gauges
        .switches
        .iter()
        .filter_map(|switch| Some((with(of_switch(switch), "phase", switch.rollout_phase?), 1.0)))
        .collect();
    vec![
        gauge(
            "tidegate_switch_fallback",
            "1 while the fallback answers clients, since no pool that may take them is eligible",
            each(|switch| flag(switch.fallback)),
        ),
        gauge(
            "tidegate_switch_ttl_seconds",
            "TTL that answers carry at the moment",
            each(|switch| f64::from(switch.ttl_s)),
        ),
        gauge("tidegate_rollout_phase", "1 for the phase of a rollout", phases),
        gauge("tidegate_rollout_share", "The canary's share, asked for and measured", shares(gauges)),
        gauge(
            "tidegate_rollout_effective_clients",
            "How many equally busy clients would make the canary's share stray as much",
            measured(gauges, |share| share.effective),
        ),
        gauge(
            "tidegate_rollout_share_p",
            "Sample-ratio test: small when the split is not what was asked for",
            measured(gauges, |share| share.p),
        ),
    ]
}

fn pool_families(gauges: &Gauges) -> Vec<Family> {
    let each = |value: fn(&PoolGauges) -> f64| {
        pools(gauges).map(|(switch, pool)| (of_pool(switch, pool), value(pool))).collect()
    };
    let states = pools(gauges).flat_map(|(switch, pool)| {
        DRAIN_STATES
            .into_iter()
            .map(move |state| (with(of_pool(switch, pool), "state", state), flag(pool.drain_state == state)))
    });
    let of_guests = |value: &dyn Fn(GuestGauges) -> f64| {
        let hosts = pools(gauges).filter_map(|(switch, pool)| Some((of_pool(switch, pool), pool.guests?)));
        hosts.map(|(labels, guests)| (labels, value(guests))).collect::<Vec<_>>()
    };
    vec![
        gauge("tidegate_weight", "Weight in force", each(|pool| f64::from(pool.weight))),
        gauge("tidegate_pool_eligible", "1 if the pool may be answered with", each(|pool| flag(pool.eligible))),
        gauge(
            "tidegate_pool_guest_members",
            "Members that came by themselves, where any may",
            of_guests(&|guests| f64::from(guests.count)),
        ),
        gauge(
            "tidegate_pool_stale_members",
            "Of those: without a heartbeat, kept since the pool would be left with nobody",
            of_guests(&|guests| f64::from(guests.stale)),
        ),
        gauge(
            "tidegate_pool_discovery_failing",
            "1 while members cannot be looked up in DNS and the last good ones stay",
            of_guests(&|guests| flag(guests.discovery_failing)),
        ),
        gauge("tidegate_drain_state", "1 for the state, 0 for the others", states.collect()),
        gauge(
            "tidegate_drain_remaining_seconds",
            "Until the last promise has expired",
            each(|pool| pool.drain_remaining_s),
        ),
        gauge("tidegate_safe_to_close", "1 if the pool may be closed", each(|pool| flag(pool.safe_to_close))),
    ]
}

fn member_families(gauges: &Gauges) -> Vec<Family> {
    let (mut health, mut probes, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for (switch, pool) in pools(gauges) {
        for member in &pool.members {
            let labels = of_member(switch, pool, member);
            health.push((labels.clone(), member.up.map_or(-1.0, flag)));
            probes.push((with(labels.clone(), "outcome", "passed"), member.probes_passed));
            probes.push((with(labels.clone(), "outcome", "failed"), member.probes_failed));
            seconds.extend(member.probe_s.map(|probe_s| (labels, probe_s)));
        }
    }
    vec![
        gauge("tidegate_health", "1 up, 0 down, -1 not known yet", health),
        counter("tidegate_probes", "Probes sent, by outcome", probes),
        gauge("tidegate_probe_seconds", "Duration of the last probe that passed", seconds),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Tally;

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

    fn registry() -> Registry {
        let registry = Registry::default();
        let mut worker = registry.sole_writer("udp");
        worker.answers(1_000, &[Tally { slot: 4, promise_s: 30, pinned: false, seen: None }; 3]);
        worker.response(5);
        worker.add(Count::Received, 7);
        worker.took(3, 5_000);
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
            "# TYPE tidegate_answer_seconds histogram",
            r#"tidegate_answer_seconds_count{transport="udp"} 3"#,
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

    #[test]
    fn every_family_is_in_the_table_of_this_file_and_the_other_way_round() {
        let text = expose(&registry(), &gauges(), Format::Plain);
        let shown: std::collections::BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_whitespace().next()).collect();
        let listed: std::collections::BTreeSet<&str> = include_str!("exposition.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `")?.split('`').next())
            .collect();
        assert_eq!(shown, listed);
    }

    #[test]
    fn the_accept_header_chooses_the_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::of_accept(prometheus), Format::OpenMetrics);
        for plain in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.2,text/plain",
        ] {
            assert_eq!(Format::of_accept(plain), Format::Plain, "{plain}");
        }
    }
}
