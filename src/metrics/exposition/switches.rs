//! What belongs to a switch, a pool or a member.

use super::super::families::{Family, Labels};
use super::{DRAIN_STATES, Gauges, GuestGauges, MemberGauges, PoolGauges, ShareGauges, SwitchGauges};
use super::{counter, flag, gauge, of_pool, pools, with};

fn of_switch(switch: &SwitchGauges) -> Labels {
    vec![("switch", switch.name.to_string())]
}

fn of_member(switch: &SwitchGauges, pool: &PoolGauges, member: &MemberGauges) -> Labels {
    let mut labels = of_pool(switch, pool);
    labels.push(("member", member.name.to_string()));
    labels
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

pub(super) fn switch_families(gauges: &Gauges) -> Vec<Family> {
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
        gauge("tidegate_rollout_share_ratio", "The canary's share, asked for and measured", shares(gauges)),
        gauge(
            "tidegate_rollout_effective_clients",
            "How many equally busy clients would make the canary's share stray as much",
            measured(gauges, |share| share.effective),
        ),
        gauge(
            "tidegate_rollout_share_p_value",
            "Sample-ratio test: small when the split is not what was asked for",
            measured(gauges, |share| share.p),
        ),
    ]
}

pub(super) fn pool_families(gauges: &Gauges) -> Vec<Family> {
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

pub(super) fn member_families(gauges: &Gauges) -> Vec<Family> {
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
        gauge("tidegate_probe_duration_seconds", "Duration of the last probe that passed", seconds),
    ]
}
