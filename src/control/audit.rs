//! What the audit keeps of a change: who, what, and how it was before and is after (§3.6).

use super::handle::Asked;
use super::task::Control;
use crate::moment::Moment;
use crate::state::{Change, Command, Desired, RolloutVerb, SwitchState, ZoneChange, apply};
use crate::store::AuditRow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

impl Control {
    /// One audit row per switch concerned, or one for the whole when none is (§3.6).
    pub(super) fn audit_of(&self, change: &Change, asked: &Asked, now: Moment) -> Vec<AuditRow> {
        let row = |switch: Option<&Arc<str>>, before, after| AuditRow {
            revision: change.revision,
            at_unix_ms: now.unix_ms,
            who: asked.caller.name.clone(),
            from: asked.caller.from.clone(),
            verb: verb(&asked.request.command).to_owned(),
            switch: switch.map(ToString::to_string),
            reason: asked.request.reason.clone().or_else(|| members_named(&asked.request.command)),
            forced: asked.request.force,
            before,
            after,
        };
        let mut after = Desired {
            revision: self.desired.revision,
            definitions: self.desired.definitions.clone(),
            ..Desired::default()
        };
        after.absorb(change);
        let rows: Vec<AuditRow> = change
            .switches
            .iter()
            .map(|(name, _)| row(Some(name), describe(&self.desired, name), describe(&after, name)))
            .collect();
        if let (Command::Update(..), [zone]) = (&asked.request.command, &change.zones[..]) {
            return vec![self.audit_of_update(zone, row)];
        }
        if rows.is_empty() || change.definitions.is_some() {
            let serials = |list: &[(crate::dns::Name, u32)]| -> serde_json::Value {
                list.iter()
                    .map(|(apex, serial)| (apex.to_string(), serde_json::Value::from(*serial)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            };
            let old: Vec<_> = change
                .serials
                .iter()
                .map(|(apex, _)| (apex.clone(), self.desired.serials.get(apex).copied().unwrap_or(0)))
                .collect();
            return vec![row(
                None,
                serde_json::json!({ "serials": serials(&old) }),
                serde_json::json!({ "serials": serials(&change.serials) }),
            )];
        }
        rows
    }

    /// What goes from the sets an update changes, and what comes.
    fn audit_of_update(
        &self,
        zone: &ZoneChange,
        row: impl Fn(Option<&Arc<str>>, serde_json::Value, serde_json::Value) -> AuditRow,
    ) -> AuditRow {
        let definition = self.desired.definitions.zones.iter().find(|definition| definition.apex == zone.apex);
        let before = definition.map(|definition| self.desired.data_of(definition));
        let after = zone.zone.as_ref().map(|edited| &edited.data).or(definition.map(|definition| &definition.data));
        let (mut gone, mut come) = (serde_json::Map::new(), serde_json::Map::new());
        for ((owner, rtype), _) in &zone.rows {
            let was = before.and_then(|zone| zone.rrset_of(owner, *rtype));
            let is = after.and_then(|zone| zone.rrset_of(owner, *rtype));
            let [was, is] = apply::words_of_difference(*rtype, was, is);
            gone.insert(format!("{owner} {rtype}"), was);
            come.insert(format!("{owner} {rtype}"), is);
        }
        let words =
            |sets| serde_json::json!({ "zone": zone.apex.to_string(), "sets": serde_json::Value::Object(sets) });
        row(None, words(gone), words(come))
    }
}

/// The verb of a command, as the CLI and the API spell it.
pub(super) fn verb(command: &Command) -> &'static str {
    match command {
        Command::Flip(_) => "flip",
        Command::SetWeights { .. } => "set-weights",
        Command::Undo { .. } => "undo",
        Command::Prepare { .. } => "prepare",
        Command::Override { .. } => "override",
        Command::ExpectVersion { .. } => "expect-version",
        Command::Reset { .. } => "reset",
        Command::Rollout { verb, .. } => match verb {
            RolloutVerb::Start(_) => "rollout-start",
            RolloutVerb::Retry => "rollout-retry",
            RolloutVerb::Pause => "rollout-pause",
            RolloutVerb::Resume => "rollout-resume",
            RolloutVerb::Promote { .. } => "rollout-promote",
            RolloutVerb::Abort => "rollout-abort",
            RolloutVerb::Tick(_) | RolloutVerb::Hook(_) => "rollout-step",
        },
        Command::Register { .. } => "register",
        Command::Unregister { .. } => "unregister",
        Command::Expire { .. } => "expire",
        Command::Discovered { .. } => "discover",
        Command::Update(..) => "update",
        Command::Reload(_) => "reload",
    }
}

/// Whom a command about members concerns, for an audit row without a reason.
fn members_named(command: &Command) -> Option<String> {
    match command {
        Command::Register { pool, member, .. } => {
            let addresses = member.ipv4.map(IpAddr::V4).into_iter().chain(member.ipv6.map(IpAddr::V6));
            let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
            Some(format!("{pool}: {} at {}", member.id, addresses.join(" ")))
        }
        Command::Unregister { pool, id, .. } => Some(format!("{pool}: {id} left")),
        Command::Expire { over, .. } => {
            let named: Vec<String> = over.iter().map(|(pool, id)| format!("{pool}: {id}")).collect();
            Some(format!("no heartbeat came in time: {}", named.join(", ")))
        }
        Command::Discovered { pool, members, .. } => {
            let named: Vec<String> = members.iter().map(|member| member.name().into_owned()).collect();
            Some(format!("DNS has for {pool}: {}", named.join(", ")))
        }
        _ => None,
    }
}

/// How many members of each pool came by themselves.
fn guests_of(state: &SwitchState) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for guest in &state.guests {
        *counts.entry(&*guest.pool).or_default() += 1;
    }
    counts
}

/// One switch's run-time state for the audit.
fn describe(desired: &Desired, name: &str) -> serde_json::Value {
    let weights = desired.definitions.switch(name).map(|(_, switch)| desired.split(switch));
    let state = desired.switches.get(name);
    serde_json::json!({
        "weights": weights,
        "versions": state.map(|s| &s.versions),
        "overrides": state.map(|s| s.holds.iter().map(|h| serde_json::json!({
            "pool": h.pool, "member": h.member, "hold": h.hold, "by": h.by,
        })).collect::<Vec<_>>()),
        "guests": state.map(guests_of),
        "prepared_until_unix_ms": state.and_then(|s| s.prepared_until_unix_ms),
        "rollout": state.and_then(|s| s.rollout.as_ref()).map(|rollout| serde_json::json!({
            "id": rollout.id, "phase": rollout.phase, "stage": rollout.stage, "step": rollout.step,
            "share_percent": f64::from(rollout.share()) / 100.0,
            "what": rollout.timeline.last().map(|entry| &entry.what),
        })),
    })
}
