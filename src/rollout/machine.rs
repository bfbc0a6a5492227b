//! The machine: a rollout, an event and a moment make the next rollout (§5.2).
//!
//! Abort wins in every phase. A rollout always ends: what waits for a person is given up after a day.
//! No step is taken on missing evidence, and none while the stable pool is not eligible.

use super::gate::GateVerdict;
use super::hook::{HookAnswer, HookCall, HookKind};
use super::rolling::{MemberSignal, Rolling, RollingStage};
use super::timeline::Entry;
use super::{Pause, PauseCause, Phase, Plan, PlanKind, Rollout, Stage};
use crate::moment::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What can happen to a rollout.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Time has passed; this is how things are.
    Tick(Signals),
    /// A hook that is waited for has answered.
    Hook(HookAnswer),
    /// A person stops it where it is.
    Pause(Person),
    /// A person lets it go on; the hold begins anew.
    Resume(Person),
    /// A person skips the rest of the step, or with `full` all steps.
    Promote {
        /// Who.
        person: Person,
        /// To the whole at once.
        full: bool,
    },
    /// A person ends it: the stable pool has everything again.
    Abort(Person),
}

/// Who says so, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The token's name.
    pub name: String,
    /// The reason given.
    pub reason: Option<String>,
}

/// How things are at a tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Signals {
    /// Whether the stable pool is eligible, or why not.
    pub stable: Result<(), String>,
    /// Whether the canary is, or why not.
    pub canary: Result<(), String>,
    /// The TTL of answers, seconds.
    pub ttl_s: u32,
    /// What the gates of the stage in force said last.
    pub judgement: Judgement,
    /// The members of a rolling rollout's pool.
    pub members: Vec<MemberSignal>,
}

/// What the gates said last.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// Nothing yet: the settle window runs.
    NotYet,
    /// One look.
    Looked {
        /// When.
        at: Moment,
        /// Gate by gate; empty when there are no gates.
        verdicts: Vec<GateVerdict>,
    },
}

/// Why a verb does nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum Refusal {
    #[error("a rollout is {phase} already: abort it, or wait for its end")]
    Running { phase: &'static str },
    #[error("no rollout is running: the last one is {phase}")]
    NotRunning { phase: &'static str },
    #[error("the rollout is not paused, so there is nothing to resume")]
    NotPaused,
    #[error("the rollout was not aborted and did not fail, so there is nothing to retry")]
    NothingToRetry,
    #[error("a rollout needs one pool with all the weight to go back to: flip to the stable pool first")]
    NoStable,
    #[error("pool `{pool}` has all the weight already, so there is nothing to roll out to it")]
    AlreadyStable { pool: String },
    #[error("a rolling rollout takes one member of `{pool}` after the other out of answers, and it has {members}")]
    TooFewMembers { pool: String, members: usize },
    #[error(
        "a rolling rollout that updates a member has no hold to skip: wait until the member is back, or abort; promoting to the whole ends the rollout as it stands"
    )]
    AmidAMember,
    #[error("a rolling rollout needs an `update` hook that updates a member: add one to the plan")]
    NoUpdateHook,
}

/// What a start needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// The revision that the start makes.
    pub id: u64,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The pool to release.
    pub canary: Arc<str>,
    /// The version it must show.
    pub version: Option<String>,
    /// The weights in force.
    pub before: BTreeMap<Arc<str>, u16>,
    /// The members of the pool, for a rolling rollout.
    pub members: Vec<Arc<str>>,
    /// Who starts it, and why.
    pub person: Person,
}

/// Begins a rollout; nothing moves yet.
///
/// # Errors
/// When the weights in force leave nothing to go back to.
pub fn start(beginning: Beginning, now: Moment) -> Result<Rollout, Refusal> {
    let Beginning { id, plan, canary, version, before, members, person } = beginning;
    let mut serving = before.iter().filter(|(_, weight)| **weight > 0).map(|(pool, _)| pool.clone());
    let (Some(stable), None) = (serving.next(), serving.next()) else { return Err(Refusal::NoStable) };
    let rolling = plan.kind == PlanKind::Rolling;
    if rolling && members.len() < 2 {
        return Err(Refusal::TooFewMembers { pool: canary.to_string(), members: members.len() });
    }
    if rolling && !plan.has_hook(HookKind::Update) {
        return Err(Refusal::NoUpdateHook);
    }
    if rolling != (stable == canary) {
        return Err(if rolling { Refusal::NoStable } else { Refusal::AlreadyStable { pool: canary.to_string() } });
    }
    let rollout = Rollout {
        id,
        plan,
        stable,
        canary,
        version,
        before,
        phase: Phase::Pending,
        stage: Stage::Entering,
        step: 0,
        weighted: false,
        since: now,
        attended: now,
        pause: None,
        agreed: Vec::new(),
        hook_failures: 0,
        rolling: rolling.then(|| Rolling::new(members)),
        started: now,
        by: person.name.clone(),
        reason: person.reason.clone(),
        ended: None,
        timeline: super::Timeline::default(),
    };
    let what = format!("started{}", by(&person));
    Ok(rollout.noted(what, Vec::new(), now))
}

/// The same plan once more.
///
/// # Errors
/// When the last one did not go back.
pub fn retry(last: &Rollout, beginning: Beginning, now: Moment) -> Result<Rollout, Refusal> {
    if !matches!(last.phase, Phase::Aborted | Phase::Failed) {
        return Err(Refusal::NothingToRetry);
    }
    start(beginning, now)
}

/// The next rollout; `None` when nothing changes.
///
/// # Errors
/// When a verb has nothing to act on.
pub fn advance(rollout: &Rollout, event: &Event, now: Moment) -> Result<Option<Rollout>, Refusal> {
    if let Event::Abort(person) = event {
        return Ok(rollout.abort(person, now));
    }
    if !rollout.phase.is_running() {
        return match event {
            Event::Tick(_) | Event::Hook(_) => Ok(None),
            _ => Err(Refusal::NotRunning { phase: rollout.phase.word() }),
        };
    }
    match event {
        Event::Tick(signals) => Ok(rollout.tick(signals, now)),
        Event::Hook(answer) => Ok(rollout.hook_answered(answer, now)),
        Event::Pause(_) if rollout.phase == Phase::Paused => Ok(None),
        Event::Pause(person) => {
            Ok(Some(rollout.paused(PauseCause::Person, format!("paused{}", by(person)), now).heard(now)))
        }
        Event::Resume(_) if rollout.phase != Phase::Paused => Err(Refusal::NotPaused),
        Event::Resume(person) => Ok(Some(rollout.resumed(person, now))),
        Event::Promote { full: false, .. } if rollout.is_amid_a_member() => Err(Refusal::AmidAMember),
        Event::Promote { person, full } => Ok(Some(rollout.promote(person, *full, now))),
        Event::Abort(_) => unreachable!("handled above"),
    }
}

/// ` by NAME: REASON`, as far as they are given.
fn by(person: &Person) -> String {
    let name = if person.name.is_empty() { String::new() } else { format!(" by {}", person.name) };
    person.reason.as_ref().map_or_else(|| name.clone(), |reason| format!("{name}: {reason}"))
}

impl Rollout {
    /// Adds what happened to the timeline.
    pub(super) fn noted(mut self, what: impl Into<String>, verdicts: Vec<GateVerdict>, now: Moment) -> Self {
        let entry = Entry {
            at_unix_ms: now.unix_ms,
            phase: self.phase,
            stage: self.stage,
            step: self.step,
            share: self.share(),
            what: what.into(),
            verdicts,
        };
        self.timeline.push(entry);
        self
    }

    /// A person was here.
    pub(super) fn heard(mut self, now: Moment) -> Self {
        self.attended = now;
        self
    }

    /// In another stage of the same phase, from now.
    pub(super) fn staged(&self, stage: Stage, now: Moment) -> Self {
        Self { stage, agreed: Vec::new(), hook_failures: 0, since: now, attended: now, ..self.clone() }
    }

    /// Waiting for a person.
    pub(super) fn paused(&self, cause: PauseCause, why: String, now: Moment) -> Self {
        let from = self.pause.as_ref().map_or(self.phase, |pause| pause.from);
        let pause = Some(Pause { why: why.clone(), cause, since: now, from });
        Self { phase: Phase::Paused, pause, ..self.clone() }.noted(why, Vec::new(), now)
    }

    /// Going on where it was, with a hold of its own.
    fn resumed(&self, person: &Person, now: Moment) -> Self {
        let phase = self.pause.as_ref().map_or(Phase::Progressing, |pause| pause.from);
        let next = Self { phase, pause: None, since: now, hook_failures: 0, ..self.clone() }.heard(now);
        next.noted(format!("resumed{}", by(person)), Vec::new(), now)
    }

    /// At its end.
    pub(super) fn over(&self, phase: Phase, now: Moment) -> Self {
        Self { phase, pause: None, ended: Some(now), since: now, ..self.clone() }
    }

    /// The canary has everything.
    pub(super) fn promoted(&self, what: &str, now: Moment) -> Self {
        let next =
            Self { step: self.plan.steps.len().saturating_sub(1), weighted: true, ..self.over(Phase::Promoted, now) };
        next.noted(what, Vec::new(), now)
    }

    /// Back to the stable pool, because of evidence; waits where that pool is not eligible.
    pub(super) fn rolled_back(&self, signals: &Signals, why: String, verdicts: Vec<GateVerdict>, now: Moment) -> Self {
        match &signals.stable {
            Err(stable) if self.share() > 0 => {
                let blocked = format!(
                    "{why}; but the stable pool {} is not eligible ({stable}): abort to go back all the same",
                    self.stable
                );
                self.paused(PauseCause::RollbackBlocked, blocked, now)
            }
            _ => self.over(Phase::Failed, now).noted(why, verdicts, now),
        }
    }

    /// A person's abort: obeyed in every phase that still has something to give back.
    fn abort(&self, person: &Person, now: Moment) -> Option<Self> {
        let warm = self.phase == Phase::Promoted && self.plan.kind != PlanKind::Rolling;
        (self.phase.is_running() || warm)
            .then(|| self.over(Phase::Aborted, now).noted(format!("aborted{}", by(person)), Vec::new(), now))
    }

    /// A person's promotion.
    fn promote(&self, person: &Person, full: bool, now: Moment) -> Self {
        let said = format!("promoted{}{}", if full { " to the whole" } else { "" }, by(person));
        let mut base = Self { pause: None, ..self.clone() }.heard(now);
        base.phase = Phase::Progressing;
        if self.plan.kind == PlanKind::Rolling {
            return match &self.rolling {
                _ if full => base.promoted(&said, now),
                Some(rolling) if rolling.stage == RollingStage::Judging => base.on_to_the_next(said, now),
                _ => base.staged(Stage::Holding, now).noted(said, Vec::new(), now),
            };
        }
        let next = if base.weighted { base.step + 1 } else { base.step };
        if full || next >= self.plan.steps.len() {
            return base.promoted(&said, now);
        }
        base.step = next;
        base.weight_set(said, now)
    }

    /// Sets the weight of the step, or promotes where nothing follows.
    pub(super) fn weight_set(&self, what: String, now: Moment) -> Self {
        let step = self.current();
        let last = self.step + 1 >= self.plan.steps.len();
        if last && step.is_none_or(|step| step.hold_ms.is_none()) {
            return self.promoted(&what, now);
        }
        Self { weighted: true, ..self.staged(Stage::Holding, now) }.noted(what, Vec::new(), now)
    }

    /// The call that is waited for.
    #[must_use]
    pub fn call(&self) -> Option<HookCall> {
        let kind = self.wanted_hook()?;
        let rolling = self.rolling.as_ref().filter(|_| kind == HookKind::Update);
        let member = rolling.and_then(Rolling::member).map(ToString::to_string);
        Some(HookCall { rollout: self.id, kind, step: self.step, member })
    }

    /// An answer to the call that is waited for; others are late and mean nothing.
    fn hook_answered(&self, answer: &HookAnswer, now: Moment) -> Option<Self> {
        if self.call().as_ref() != Some(&answer.call) {
            return None;
        }
        let kind = answer.call.kind;
        let mut next = self.clone();
        match &answer.outcome {
            Ok(()) => {
                next.agreed.push(kind);
                next.hook_failures = 0;
                Some(next.noted(format!("hook {} agreed", kind.word()), Vec::new(), now))
            }
            Err(why) if kind.counts() => {
                next.hook_failures += 1;
                let what = format!(
                    "hook {} failed ({} of {}): {why}",
                    kind.word(),
                    next.hook_failures,
                    self.plan.hook_failures
                );
                if next.hook_failures < self.plan.hook_failures {
                    return Some(next.noted(what, Vec::new(), now));
                }
                // Back is safe here without looking: at an entering stage the stable pool was judged each tick.
                if next.share() > 0 {
                    let blocked =
                        Pause { why: what.clone(), cause: PauseCause::RollbackBlocked, since: now, from: next.phase };
                    next.phase = Phase::Paused;
                    next.pause = Some(blocked);
                    return Some(next.noted(what, Vec::new(), now));
                }
                Some(next.over(Phase::Failed, now).noted(what, Vec::new(), now))
            }
            Err(why) if !kind.confirms() => {
                next.agreed.push(kind);
                Some(next.noted(format!("hook {} failed: {why}", kind.word()), Vec::new(), now))
            }
            Err(_) => None,
        }
    }
}

/// Hundredths of a percent as a number of percent.
#[must_use]
pub fn percent(hundredths: u16) -> String {
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:02}") }
}
