//! What the cells of this process counted: answers, sockets, requests of the admin interface.

use super::super::count::Count;
use super::super::families::{Family, Histogram, Labels, Rows};
use super::super::latency::LatencyTotals;
use super::super::registry::Registry;
use super::{Gauges, counter, of_pool, pools, with};

fn by_transport(transport: &str) -> Labels {
    vec![("transport", transport.to_owned())]
}

pub(super) fn cell_families(registry: &Registry, gauges: &Gauges) -> Vec<Family> {
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
        counter("tidegate_truncated_responses", "Responses with TC set", truncated),
        counter("tidegate_transport_events", "What else happened at the sockets", events),
        Family {
            name: "tidegate_answer_duration_seconds",
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
