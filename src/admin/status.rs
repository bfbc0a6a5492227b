//! `GET /v1/status`: everything there is to see.

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::problem::Problem;
use super::switches::Tagged;
use crate::control::report::{About, Alarm, Status, SwitchView};
use axum::extract::State;

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

/// Whether an alarm is about one of these switches, the zone of one, or the server.
fn concerns(alarm: &Alarm, switches: &[SwitchView]) -> bool {
    match &alarm.about {
        About::Server => true,
        About::Zone(apex) => switches.iter().any(|switch| switch.zone == *apex),
        About::Switch(name) => switches.iter().any(|switch| switch.name == *name),
        About::Anything => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::tests::fake::switch;

    #[test]
    fn a_scoped_reader_is_told_of_its_switches_their_zones_and_the_server() {
        let mine = [switch("model")];
        for alarm in [
            Alarm::of_switch("model", "pool blue has weight and is not eligible: down"),
            Alarm::of_pool("model", "blue", "no heartbeat of m1"),
            Alarm::of_zone("example.test.", "the copy is too old"),
            Alarm::of_server("the state store fails: no space".to_owned()),
        ] {
            assert!(concerns(&alarm, &mine), "{alarm:?}");
        }
        for alarm in [
            Alarm::of_switch("other", "pool blue has weight and is not eligible: 192.0.2.1 refused"),
            Alarm::of_pool("model-b", "blue", "no heartbeat of m1"),
            Alarm::of_zone("other.test.", "192.0.2.1 is silent"),
            Alarm::from("switch model: whatever a start notes".to_owned()),
        ] {
            assert!(!concerns(&alarm, &mine), "{alarm:?}");
        }
    }
}
