//! One thing that happened, in one line.

use super::{Tone, harmless, times};
use crate::admin::report::{Happening, What};
use crate::health::Health;
use crate::rollout::Phase;
use crate::store::Condition;

/// The line, without control characters, and how much it matters.
pub(in crate::cli) fn words(happening: &Happening) -> (Tone, String) {
    let (tone, what) = of(&happening.what);
    let at = times::unix_ms(&happening.at).map_or_else(|| happening.at.clone(), times::absolute);
    (tone, harmless(&format!("{}  {what}", at.get(11..).unwrap_or(&at))))
}

/// Without the time.
fn of(what: &What) -> (Tone, String) {
    match what {
        What::Changed { verb, who, revision, switches, reason } => {
            let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            (Tone::Strong, format!("{}: {verb} by {who}, revision {revision}{reason}", switches.join(", ")))
        }
        What::Health { switch, pool, member, to, failure, .. } => {
            let (tone, word) = match to {
                Health::Up => (Tone::Good, "up"),
                Health::Down => (Tone::Bad, "down"),
                Health::Unknown => (Tone::Warn, "unknown"),
            };
            let failure = failure.as_ref().map_or_else(String::new, |failure| format!(": {failure}"));
            (tone, format!("{switch}: {pool}/{member} is {word}{failure}"))
        }
        What::Eligible { switch, pool, eligible: true } => (Tone::Good, format!("{switch}: {pool} is ready")),
        What::Eligible { switch, pool, eligible: false } => (Tone::Bad, format!("{switch}: {pool} is not ready")),
        What::Fallback { switch, in_use: true } => (Tone::Bad, format!("{switch}: the fallback answers")),
        What::Fallback { switch, in_use: false } => (Tone::Good, format!("{switch}: the fallback is out of use")),
        What::Drain { switch, pool, state } => {
            (Tone::Plain, format!("{switch}: {pool} is {}", super::switch::state_word(*state)))
        }
        What::Rollout { switch, entry, .. } => {
            let tone = match entry.phase {
                Phase::Failed | Phase::Aborted => Tone::Bad,
                Phase::Paused => Tone::Warn,
                Phase::Promoted => Tone::Good,
                Phase::Pending | Phase::Progressing => Tone::Plain,
            };
            (tone, format!("{switch}: rollout {}: {}", entry.phase.word(), entry.what))
        }
        What::Looked { switch, verdicts, .. } => {
            let lines: Vec<&str> = verdicts.iter().map(|verdict| verdict.line.as_str()).collect();
            (Tone::Faint, format!("{switch}: {}", lines.join("; ")))
        }
        What::Source { switch, metric, error } => (Tone::Warn, format!("{switch}: {metric} cannot be read: {error}")),
        What::Store { condition: Condition::Ok } => (Tone::Good, "the store takes changes".to_owned()),
        What::Store { condition } => {
            (Tone::Bad, format!("store: {}", super::status::condition(condition).unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_and_the_reason_and_no_control_characters() {
        let what = What::Health {
            switch: "model".into(),
            pool: "green".into(),
            member: "a".into(),
            from: Health::Up,
            to: Health::Down,
            failure: Some("HTTP 503\u{1b}[2J".into()),
        };
        let happening = Happening { id: 1, at: "2026-11-20T15:33:12.123Z".into(), what };
        assert_eq!(words(&happening), (Tone::Bad, "15:33:12Z  model: green/a is down: HTTP 503\u{fffd}[2J".to_owned()));
    }
}
