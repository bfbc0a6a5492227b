//! What needs attention: each a sentence, and what it is about.

use super::report::{DiscoveryView, MemberView, OriginView, SwitchView};
use super::task::Control;
use crate::store::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What needs attention, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Alarm {
    /// Who has to do with it.
    pub about: About,
    /// The sentence.
    pub text: String,
}

/// What an alarm is about, which decides who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The server as a whole.
    Server,
    /// A zone, by its apex.
    Zone(String),
    /// A switch.
    Switch(String),
    /// Anything: for those who see everything.
    Anything,
}

impl Alarm {
    /// About the server as a whole.
    #[must_use]
    pub fn of_server(text: String) -> Self {
        Self { about: About::Server, text }
    }

    /// About a zone, which the sentence begins with.
    #[must_use]
    pub fn of_zone(apex: &str, what: &str) -> Self {
        Self { about: About::Zone(apex.to_owned()), text: format!("zone {apex}: {what}") }
    }

    /// About a switch, which the sentence begins with.
    #[must_use]
    pub fn of_switch(switch: &str, what: &str) -> Self {
        Self { about: About::Switch(switch.to_owned()), text: format!("switch {switch}: {what}") }
    }

    /// About a pool of a switch.
    #[must_use]
    pub fn of_pool(switch: &str, pool: &str, what: &str) -> Self {
        Self { about: About::Switch(switch.to_owned()), text: format!("switch {switch}, pool {pool}: {what}") }
    }
}

/// Whoever reads a sentence may see what it is about.
impl From<String> for Alarm {
    fn from(text: String) -> Self {
        Self { about: About::Anything, text }
    }
}

impl From<Alarm> for String {
    fn from(alarm: Alarm) -> Self {
        alarm.text
    }
}

impl Control {
    /// What needs attention, worst first.
    pub(super) fn alarms(&self, switches: &[SwitchView]) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        match self.store.condition() {
            Condition::Ok => {}
            Condition::OnCopy { why } => alarms.push(Alarm::of_server(format!(
                "the state file is damaged ({why}); running on its checked copy and refusing changes until `tidegate restore --accept-copy`"
            ))),
            Condition::Full => alarms.push(Alarm::of_server(
                "the disk of the state folder is full: changes are refused, undo still works".to_owned(),
            )),
            Condition::Failing { why } => alarms.push(Alarm::of_server(format!("the state store fails: {why}"))),
        }
        for (switch, cause) in switches.iter().filter_map(|switch| Some((switch, switch.fallback_cause()?))) {
            let what = format!("{cause}; answering by fallback ({})", switch.fallback);
            alarms.push(Alarm::of_switch(&switch.name, &what));
        }
        let pools = || switches.iter().flat_map(|switch| switch.pools.iter().map(move |pool| (switch, pool)));
        for (switch, pool) in pools().filter(|(_, pool)| pool.weight > 0 && !pool.eligible) {
            let why = pool.why.as_deref().unwrap_or("down");
            let what = format!("pool {} has weight and is not eligible: {why}", pool.name);
            alarms.push(Alarm::of_switch(&switch.name, &what));
        }
        for (switch, pool) in pools() {
            let is_stale =
                |member: &&MemberView| matches!(member.origin, Some(OriginView::Registered { stale: true, .. }));
            let stale: Vec<&str> = pool.members.iter().filter(is_stale).map(|member| member.name.as_str()).collect();
            if !stale.is_empty() {
                let what = format!(
                    "no heartbeat of {}; kept, marked stale, since the pool would be left with nobody",
                    stale.join(", ")
                );
                alarms.push(Alarm::of_pool(&switch.name, &pool.name, &what));
            }
            if let Some(DiscoveryView { name, failure: Some(why), .. }) = &pool.discovery {
                let what = format!("members cannot be looked up at {name}, the last good ones stay: {why}");
                alarms.push(Alarm::of_pool(&switch.name, &pool.name, &what));
            }
        }
        alarms.extend(self.copy_alarms());
        if let Some(why) = &self.geo_trouble {
            let what = format!("newer databases of networks are refused, answers go on by the last good ones: {why}");
            alarms.push(Alarm::of_server(what));
        }
        alarms.extend(self.rollout_alarms());
        alarms.extend(self.start_notes.iter().cloned().map(Alarm::from));
        alarms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_wire_an_alarm_is_its_sentence() {
        let alarm = Alarm::of_pool("model", "blue", "no heartbeat of m1");
        let wire = serde_json::to_value(&alarm).unwrap();
        assert_eq!(wire, "switch model, pool blue: no heartbeat of m1");
        let read: Alarm = serde_json::from_value(wire).unwrap();
        assert_eq!((read.about, read.text), (About::Anything, alarm.text));
    }
}
