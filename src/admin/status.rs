//! `GET /v1/status`: everything there is to see.

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::problem::Problem;
use super::switches::Tagged;
use crate::control::report::{Status, SwitchView};
use axum::extract::State;

/// How alarms begin that are about the server as a whole.
const OF_THE_SERVER: [&str; 3] = ["the state ", "the disk ", "newer databases "];

/// The whole state; a scoped token sees its switches only, and the alarms that concern them.
pub(super) async fn show(State(context): State<AdminContext>, principal: Principal) -> Result<Tagged<Status>, Problem> {
    principal.need(Role::Viewer)?;
    let mut status = context.handle().status().await.ok_or_else(Problem::shutting_down)?;
    if !principal.switches.is_empty() {
        status.switches.retain(|switch| principal.sees(&switch.name));
        status.alarms.retain(|alarm| concerns(alarm, &status.switches));
    }
    Ok(Tagged { revision: status.revision, body: status })
}

/// Whether an alarm is about one of these switches, the zone of one, or the server. What fits none of the forms is
/// held back: it may name anything.
fn concerns(alarm: &str, switches: &[SwitchView]) -> bool {
    let named = |start: &str| {
        let rest = alarm.strip_prefix(start)?.trim_start_matches('`');
        rest.split([' ', ',', ':', '`']).next()
    };
    if let Some(name) = named("switch ") {
        return switches.iter().any(|switch| switch.name == name);
    }
    if let Some(apex) = named("zone ") {
        return switches.iter().any(|switch| switch.zone == apex);
    }
    OF_THE_SERVER.iter().any(|start| alarm.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::tests::fake::switch;

    #[test]
    fn a_scoped_reader_is_told_of_its_switches_their_zones_and_the_server() {
        let mine = [switch("model")];
        for alarm in [
            "switch model: pool blue has weight and is not eligible: down",
            "switch model, pool blue: no heartbeat of m1; kept, marked stale",
            "switch `model`: its rollout ends, since the files no longer have pool `blue`",
            "zone example.test.: the copy is too old, queries get SERVFAIL",
            "the state store fails: no space",
            "the disk of the state folder is full: changes are refused, undo still works",
        ] {
            assert!(concerns(alarm, &mine), "{alarm}");
        }
        for alarm in [
            "switch other: pool blue has weight and is not eligible: 192.0.2.1 refused",
            "switch model-b, pool blue: no heartbeat of m1; kept, marked stale",
            "switch `other`: its rollout ends, since the files no longer have pool `blue`",
            "zone other.test.: no primary confirms it, and the copy is good until then: 192.0.2.1 is silent",
            "the files no longer have switch `other`; its run-time state (weights, versions, overrides) is not used",
        ] {
            assert!(!concerns(alarm, &mine), "{alarm}");
        }
    }
}
