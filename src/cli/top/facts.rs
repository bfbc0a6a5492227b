//! What a row says of a switch beside its weights: health, answers, drain, rollout.

use super::bar::percent_of;
use crate::admin::report::{PoolView, RolloutView, SwitchView};
use crate::cli::print::{Tone, harmless, status, switch as words};
use crate::drain::DrainState;
use crate::rollout::Phase;
use crate::rollout::share::SRM_ALPHA;

/// A few words in a tone.
pub(super) type Fact = (Tone, String);

/// Pools with how many of their members are up, and what holds them.
pub(super) fn health(switch: &SwitchView) -> Vec<Fact> {
    let mut facts: Vec<Fact> = switch.pools.iter().map(health_of).collect();
    if switch.fallback_in_use {
        facts.push((Tone::Bad, "fallback answers".to_owned()));
    }
    facts
}

fn health_of(pool: &PoolView) -> Fact {
    let up = status::up_count(pool);
    let name = harmless(&pool.name);
    let state = words::pool_state(pool);
    match (pool.eligible, &pool.hold) {
        (true, None) => (up.tone(), format!("{name} {}", up.text())),
        _ => (state.tone(), format!("{name} {} {}", up.text(), state.text())),
    }
}

/// The share of answers beside the target: as the rollout measures it, else of the last five minutes.
/// The largest pool is what is left, so it is named only when it is alone.
pub(super) fn answered(switch: &SwitchView) -> Vec<Fact> {
    if let Some((rollout, share)) = running(switch).and_then(|rollout| Some((rollout, rollout.share.as_ref()?))) {
        let off = share.srm_p.is_some_and(|p| p < SRM_ALPHA);
        let tone = if off { Tone::Warn } else { Tone::Plain };
        let answered = share.answered.map_or_else(|| "-".to_owned(), |share| percent(share * 100.0));
        let verdict = if off { " off target" } else { "" };
        let target = percent_of(share.target * 100.0);
        return vec![(tone, format!("{} {answered} of {target}{verdict}", harmless(&rollout.canary)))];
    }
    let counts: Vec<u64> = switch.pools.iter().map(|pool| pool.answers_recently.unwrap_or(0)).collect();
    let sum: u64 = counts.iter().sum();
    if sum == 0 {
        return vec![(Tone::Faint, "no answers".to_owned())];
    }
    let largest = (0..counts.len()).max_by_key(|at| switch.pools.get(*at).map_or(0, |pool| pool.weight));
    let of = |pool: &PoolView, count: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = count as f64 / sum as f64 * 100.0;
        (Tone::Plain, format!("{} {} of {}", harmless(&pool.name), percent(share), percent_of(pool.share_percent)))
    };
    let pools = switch.pools.iter().zip(&counts).enumerate();
    let others: Vec<Fact> = pools
        .filter(|(at, (pool, count))| Some(*at) != largest && (pool.weight > 0 || **count > 0))
        .map(|(_, (pool, count))| of(pool, *count))
        .collect();
    match (others.is_empty(), largest.and_then(|at| Some(of(switch.pools.get(at)?, *counts.get(at)?)))) {
        (true, Some(alone)) => vec![alone],
        _ => others,
    }
}

/// `9.8%`: one decimal is what a few thousand answers can say.
fn percent(percent: f64) -> String {
    format!("{percent:.1}%")
}

/// Pools on their way out, their clocks run on by the age of the status.
pub(super) fn drain(switch: &SwitchView, age_ms: u64) -> Vec<Fact> {
    let leaving = switch
        .pools
        .iter()
        .filter(|pool| pool.drain.state != DrainState::Serving && pool.drain.last_promise_expires_at_ms.is_some());
    leaving
        .map(|pool| {
            let mut report = pool.drain.clone();
            report.remaining_ms = report.remaining_ms.map(|left| left.saturating_sub(age_ms));
            let state = words::dns_state(&report);
            (state.tone(), format!("{} {}", harmless(&pool.name), state.text()))
        })
        .collect()
}

/// Where the rollout stands that runs, or how the last one ended.
pub(super) fn rollout(switch: &SwitchView) -> Vec<Fact> {
    let Some(rollout) = switch.rollout.as_deref() else { return Vec::new() };
    let word = rollout.phase.word();
    let step = format!("{word} {}/{}", rollout.step.min(rollout.steps), rollout.steps);
    let why = || rollout.paused.as_deref().map_or_else(String::new, |why| format!(": {}", harmless(why)));
    vec![match rollout.phase {
        Phase::Pending => (Tone::Plain, word.to_owned()),
        Phase::Progressing => {
            let share = percent_of(rollout.share_percent);
            (Tone::Plain, format!("{step}, {} {share}", harmless(&rollout.canary)))
        }
        Phase::Paused => (Tone::Warn, format!("{step}{}", why())),
        Phase::Promoted => (Tone::Faint, word.to_owned()),
        Phase::Aborted => (Tone::Warn, word.to_owned()),
        Phase::Failed => (Tone::Bad, word.to_owned()),
    }]
}

/// The rollout that owns the weights.
fn running(switch: &SwitchView) -> Option<&RolloutView> {
    switch.rollout.as_deref().filter(|rollout| rollout.phase.is_running())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::switch::samples::model;

    fn texts(facts: Vec<Fact>) -> Vec<String> {
        facts.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn health_says_in_words_what_is_not_ready() {
        assert_eq!(texts(health(&model())), ["blue 1/1", "green 0/1 not ready"]);
        let fallback = SwitchView { fallback_in_use: true, ..model() };
        assert_eq!(health(&fallback).last(), Some(&(Tone::Bad, "fallback answers".to_owned())));
    }

    #[test]
    fn answers_stand_beside_their_target() {
        let mut switch = model();
        assert_eq!(texts(answered(&switch)), ["no answers"]);
        switch.pools[0].answers_recently = Some(1_000);
        assert_eq!(texts(answered(&switch)), ["blue 100.0% of 100%"]);
        switch.pools[1].answers_recently = Some(100);
        switch.pools[1].share_percent = 10.0;
        assert_eq!(texts(answered(&switch)), ["green 9.1% of 10%"]);
    }

    #[test]
    fn a_drain_clock_runs_on_between_two_readings() {
        let mut switch = model();
        assert_eq!(texts(drain(&switch, 0)), [""; 0], "never answered, nothing to wait for");
        switch.pools[1].drain.last_promise_expires_at_ms = Some(1);
        assert_eq!(texts(drain(&switch, 0)), ["green draining 25s"]);
        assert_eq!(texts(drain(&switch, 10_000)), ["green draining 15s"]);
        assert_eq!(texts(drain(&switch, 60_000)), ["green draining"]);
    }
}
