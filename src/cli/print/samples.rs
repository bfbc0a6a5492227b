//! Hand-made data for the tests of what is printed.

use crate::admin::report::{DrainReport, MemberView, PoolView, Status, SwitchView, ZoneView};
use crate::drain::DrainState;
use crate::health::Health;
use crate::steering::Policy;
use crate::store::Condition;
use std::collections::BTreeMap;

/// A verdict.
pub(in crate::cli) fn report(state: DrainState, remaining_ms: Option<u64>) -> DrainReport {
    DrainReport {
        state,
        safe_to_close: state == DrainState::Drained,
        verified: false,
        reasons: vec!["answers naming it may still be cached".into()],
        last_promise_expires_at_ms: None,
        dns_drained_at_ms: None,
        tail_ends_at_ms: None,
        warm_until_ms: None,
        remaining_ms,
        pin_promises_until_ms: None,
        idle: None,
    }
}

fn member(address: &str, health: Health) -> MemberView {
    let up = health == Health::Up;
    MemberView {
        name: address.to_owned(),
        addresses: vec![address.to_owned()],
        weight: 1,
        health,
        eligible: up,
        hold: None,
        since: Some(if up { "1970-01-01T00:00:40Z" } else { "1970-01-01T00:01:30Z" }.into()),
        failure: (!up).then(|| "HTTP 503: loading".into()),
        latency_us: up.then_some(1_234),
        seen_version: up.then(|| "v1".into()),
        certificate_days: None,
        probes_passed: 40,
        probes_failed: 2,
        origin: None,
    }
}

fn pool(name: &str, weight: u16, drain: DrainReport, member: MemberView) -> PoolView {
    let eligible = member.eligible;
    PoolView {
        name: name.to_owned(),
        slot: 0,
        weight,
        share_percent: f64::from(weight) / 100.0,
        role: if weight > 0 { "active" } else { "standby" }.into(),
        eligible,
        why: (!eligible).then(|| "0 of 1 members are eligible".into()),
        expect_version: Some(if weight > 0 { "v1" } else { "v2" }.into()),
        monitored: true,
        hold: None,
        answers: if weight > 0 { 1234 } else { 0 },
        answers_recently: None,
        pin_answers: 0,
        drain,
        register_max: None,
        discovery: None,
        members: vec![member],
    }
}

/// Blue serves, green loads.
pub(in crate::cli) fn model() -> SwitchView {
    SwitchView {
        name: "model".into(),
        zone: "example.test.".into(),
        owners: vec!["model.example.test.".into()],
        policy: Policy::Sticky,
        ttl_s: 30,
        ttl_cause: "steady".into(),
        revision: 42,
        changed_at: Some("1970-01-01T00:01:00Z".into()),
        fallback: "the pools that last had weight".into(),
        fallback_in_use: false,
        prepared_until: None,
        prepared_in_ms: None,
        previous: Some(BTreeMap::from([("blue".to_owned(), 0), ("green".to_owned(), 10_000)])),
        rollout: None,
        differs: Vec::new(),
        pools: vec![
            pool("blue", 10_000, report(DrainState::Serving, None), member("192.0.2.10", Health::Up)),
            pool("green", 0, report(DrainState::Draining, Some(24_500)), member("192.0.2.20", Health::Down)),
        ],
    }
}

/// A server with that switch, and one with long names.
pub(in crate::cli) fn status() -> Status {
    let mut long = model();
    long.name = "a-switch-with-a-rather-long-name".into();
    for pool in &mut long.pools {
        pool.expect_version = Some("2026-11-20-release-candidate".into());
    }
    Status {
        version: "0.1.0".into(),
        revision: 42,
        snapshot: 3,
        started_at: "1970-01-01T00:00:00Z".into(),
        store: Condition::Ok,
        store_errors: 0,
        alarms: vec!["green is down".to_owned().into()],
        zones: vec![ZoneView {
            apex: "example.test.".into(),
            serial: 7,
            file_serial: 1,
            updated_sets: 2,
            secondaries: Vec::new(),
            copy: None,
        }],
        geo: Vec::new(),
        geo_refused: None,
        switches: vec![model(), long],
    }
}
