//! The text of `/metrics`: the workers' cells, and what control reports of itself.

use super::certificates::Certificates;
use crate::admin::MetricsText;
use crate::control::Handle;
use crate::control::report::{GeoView, MemberView, OriginView, PoolView, Status, SwitchView, ZoneView};
use crate::drain::DrainState;
use crate::health::Health;
use crate::hooks::{HookCounts, HookTotals};
use crate::metrics::exposition::{
    CopyGauges, DnstapGauges, Gauges, GeoGauges, GuestGauges, HookCounters, MemberGauges, PoolGauges, SecondaryGauges,
    ShareGauges, SwitchGauges, expose,
};
use crate::metrics::{ProcessFigures, Registry};
use crate::rollout::share::HonestShare;
use crate::server::TapTotals;
use crate::store::Condition;
use crate::transfer::TransferTotals;
use futures_util::FutureExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a scrape tells besides reports.
#[derive(Clone)]
pub(super) struct Fixed {
    /// The workers' counters.
    pub(super) cells: Arc<Registry>,
    /// Webhooks.
    pub(super) hooks: Arc<HookTotals>,
    /// Transfers.
    pub(super) transfers: Arc<TransferTotals>,
    /// Copies for dnstap, where that is on.
    pub(super) taps: Option<Arc<TapTotals>>,
    /// The certificates in force.
    pub(super) certificates: Certificates,
    /// When the process started, seconds since 1970.
    pub(super) started_s: u64,
}

/// Joins counters and reports into one scrape. While control ends there is nothing to report but
/// the counters.
pub(super) fn metrics_text(
    handle: Handle,
    fixed: Fixed,
    connections: Arc<dyn Fn() -> usize + Send + Sync>,
) -> MetricsText {
    Arc::new(move |format| {
        let (handle, fixed, connections) = (handle.clone(), fixed.clone(), connections.clone());
        async move {
            let mut gauges = handle.status().await.map(|status| from_status(&status)).unwrap_or_default();
            gauges.start_time_s = fixed.started_s;
            gauges.process = ProcessFigures::read();
            gauges.connections = connections();
            gauges.hooks = hook_counters(&fixed.hooks);
            gauges.transfers = fixed.transfers.counts();
            gauges.dnstap = fixed.taps.as_deref().map(taps_seen);
            gauges.certificates = fixed.certificates.gauges();
            expose(&fixed.cells, &gauges, format)
        }
        .boxed()
    })
}

/// What became of copies.
fn taps_seen(totals: &TapTotals) -> DnstapGauges {
    DnstapGauges {
        sent: totals.sent.load(Relaxed),
        dropped: totals.dropped.load(Relaxed),
        connected: totals.connected.load(Relaxed),
    }
}

/// The kinds of webhooks that were called.
fn hook_counters(totals: &HookTotals) -> Vec<HookCounters> {
    let called = totals.counts().into_iter().filter(|c| c.sent + c.failed + c.dropped > 0);
    let row = |c: HookCounts| HookCounters { kind: c.kind.word(), sent: c.sent, failed: c.failed, dropped: c.dropped };
    called.map(row).collect()
}

/// A status as gauges.
fn from_status(status: &Status) -> Gauges {
    Gauges {
        version: status.version.clone(),
        revision: status.revision,
        snapshots: status.snapshot,
        store_up: matches!(status.store, Condition::Ok),
        store_errors: status.store_errors,
        geo: status.geo.iter().map(database).collect(),
        geo_refused: status.geo_refused.is_some(),
        secondaries: status.zones.iter().flat_map(secondaries).collect(),
        copies: status.zones.iter().filter_map(copy).collect(),
        switches: status.switches.iter().map(switch).collect(),
        ..Gauges::default()
    }
}

fn copy(zone: &ZoneView) -> Option<CopyGauges> {
    let copy = zone.copy.as_ref()?;
    let seconds = |unix_ms: Option<u64>| std::time::Duration::from_millis(unix_ms.unwrap_or(0)).as_secs_f64();
    Some(CopyGauges {
        zone: zone.apex.clone(),
        served: copy.good_until_unix_ms.is_some(),
        confirmed_s: seconds(copy.confirmed_unix_ms),
        good_until_s: seconds(copy.good_until_unix_ms),
    })
}

fn secondaries(zone: &ZoneView) -> impl Iterator<Item = SecondaryGauges> {
    zone.secondaries.iter().map(|secondary| SecondaryGauges {
        zone: zone.apex.clone(),
        address: secondary.address.clone(),
        serial: secondary.serial,
        behind: secondary.behind,
    })
}

fn database(view: &GeoView) -> GeoGauges {
    GeoGauges { kind: view.kind.clone(), built_s: view.built_unix_s }
}

fn switch(view: &SwitchView) -> SwitchGauges {
    SwitchGauges {
        name: view.name.as_str().into(),
        fallback: view.fallback_in_use,
        ttl_s: view.ttl_s,
        rollout_phase: view.rollout.as_ref().map(|rollout| rollout.phase.word()),
        rollout_share: view.rollout.as_ref().and_then(|rollout| rollout.share.as_ref()).map(share),
        pools: view.pools.iter().map(pool).collect(),
    }
}

fn share(share: &HonestShare) -> ShareGauges {
    ShareGauges {
        target: share.target,
        answers: share.answered,
        clients: share.clients,
        requests: share.achieved,
        effective: share.effective_resolvers,
        p: share.srm_p,
    }
}

fn pool(view: &PoolView) -> PoolGauges {
    let left_ms =
        view.drain.last_promise_expires_at_ms.map_or(0, |until| until.saturating_sub(crate::clock::unix_ms()));
    PoolGauges {
        name: view.name.as_str().into(),
        slot: view.slot,
        weight: u32::from(view.weight),
        eligible: view.eligible,
        drain_state: match view.drain.state {
            DrainState::Serving => "serving",
            DrainState::Draining => "draining",
            DrainState::DnsDrained => "dns-drained",
            DrainState::Tail => "tail",
            DrainState::Drained => "drained",
        },
        drain_remaining_s: std::time::Duration::from_millis(left_ms).as_secs_f64(),
        safe_to_close: view.drain.safe_to_close,
        guests: guests(view),
        members: view.members.iter().map(member).collect(),
    }
}

/// Members that came by themselves, where any may.
fn guests(view: &PoolView) -> Option<GuestGauges> {
    if view.register_max.is_none() && view.discovery.is_none() {
        return None;
    }
    let count = |is: fn(&OriginView) -> bool| {
        let came = view.members.iter().filter(|member| member.origin.as_ref().is_some_and(is));
        u32::try_from(came.count()).unwrap_or(u32::MAX)
    };
    Some(GuestGauges {
        count: count(|_| true),
        stale: count(|origin| matches!(origin, OriginView::Registered { stale: true, .. })),
        discovery_failing: view.discovery.as_ref().is_some_and(|discovery| discovery.failure.is_some()),
    })
}

fn member(view: &MemberView) -> MemberGauges {
    MemberGauges {
        name: view.name.as_str().into(),
        up: match view.health {
            Health::Up => Some(true),
            Health::Down => Some(false),
            Health::Unknown => None,
        },
        probes_passed: view.probes_passed,
        probes_failed: view.probes_failed,
        probe_s: view.latency_us.map(|us| std::time::Duration::from_micros(us).as_secs_f64()),
    }
}
