//! Calls that rollouts make: the one that is waited for, and those that only tell.

use super::task::Control;
use crate::clock;
use crate::moment::Moment;
use crate::rollout::{HookKind, HookOrder, HookReport, elapsed_ms};
use crate::state::RolloutVerb;
use std::sync::Arc;

/// Time after which a call without any answer is made again, beyond the time it may take.
const CALL_SLACK_MS: u64 = 5_000;

impl Control {
    /// Makes the call a rollout waits for, unless it is under way or was answered a moment ago.
    pub(super) fn call_hooks(&mut self, name: &Arc<str>, now: Moment) {
        let Some(rollout) = self.desired.running_rollout(name).cloned() else { return };
        let Some(call) = rollout.call() else { return };
        let Some(hook) = rollout.plan.hooks.iter().find(|hook| hook.kind == call.kind) else { return };
        let Some(release) = self.releases.get_mut(name) else { return };
        let again_ms = rollout.plan.look_every_ms.max(hook.timeout_ms.saturating_add(CALL_SLACK_MS));
        let recent = release.called.as_ref().is_some_and(|(made, at)| *made == call && elapsed_ms(*at, now) < again_ms);
        if recent {
            return;
        }
        release.called = Some((call.clone(), now));
        let body = serde_json::json!({
            "event": call.kind.word(),
            "switch": name,
            "rollout": rollout.id,
            "step": rollout.step,
            "share_percent": f64::from(rollout.share()) / 100.0,
            "next_share_percent": rollout.current().map(|step| f64::from(step.weight) / 100.0),
            "stable": rollout.stable,
            "canary": rollout.canary,
            "version": rollout.version,
            "member": call.member,
            "at": super::view::rfc3339(now.unix_ms),
        });
        let order =
            HookOrder { switch: name.clone(), hook: hook.clone(), waited: Some(call), body: body.to_string().into() };
        self.order(order);
    }

    /// Hands an order to the room that calls. One that cannot be taken is told: nothing waits for it.
    fn order(&self, order: HookOrder) {
        if let Err(error) = self.hook_orders.try_send(order) {
            tracing::error!(%error, "a hook was not called: too many calls are under way");
        }
    }

    /// Tells every hook of a kind about a switch.
    pub(super) fn notify(&mut self, name: &Arc<str>, kind: HookKind, body: &serde_json::Value) {
        let Some(plan) = self.desired.definitions.plan(name).filter(|plan| plan.has_hook(kind)).cloned() else {
            return;
        };
        let mut body = body.clone();
        if let Some(object) = body.as_object_mut() {
            object.insert("hook".to_owned(), kind.word().into());
            object.insert("switch".to_owned(), name.to_string().into());
        }
        let body: Arc<str> = body.to_string().into();
        for hook in plan.hooks.iter().filter(|hook| hook.kind == kind) {
            self.order(HookOrder { switch: name.clone(), hook: hook.clone(), waited: None, body: body.clone() });
        }
    }

    /// A hook that was waited for has answered.
    pub(super) async fn hook_answered(&mut self, report: HookReport) {
        if let Err(why) = &report.answer.outcome {
            tracing::warn!(switch = %report.switch, hook = report.answer.call.kind.word(), why, "a hook did not agree");
        }
        self.move_on(&report.switch, RolloutVerb::Hook(report.answer), clock::now()).await;
    }
}
