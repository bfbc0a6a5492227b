//! Verbs, health and verdicts, one by one.

use super::*;

fn tick(rollout: &Rollout, signals: &Signals, now: Moment) -> Rollout {
    advance(rollout, &Event::Tick(signals.clone()), now).unwrap().unwrap_or_else(|| rollout.clone())
}

/// In force at the first step.
fn at_first_step() -> Rollout {
    let entering = tick(&begin(Plan::default_of(PlanKind::Canary)), &well(), T0);
    let holding = tick(&entering, &well(), T0);
    assert_eq!((holding.phase, holding.stage, holding.share()), (Phase::Progressing, Stage::Holding, 100));
    holding
}

fn person() -> Person {
    Person { name: "ann".into(), reason: Some("why not".into()) }
}

#[test]
fn a_canary_walks_its_steps_when_every_look_passes() {
    let mut rollout = begin(Plan::default_of(PlanKind::Canary));
    let mut now = T0;
    let mut shares = Vec::new();
    for _ in 0..5_000 {
        now = now.plus_ms(1_000);
        rollout = tick(&rollout, &Signals { judgement: looked(now, Verdict::Pass), ..well() }, now);
        if shares.last() != Some(&rollout.share()) {
            shares.push(rollout.share());
        }
    }
    assert_eq!(rollout.phase, Phase::Promoted);
    assert_eq!(shares, [0, 100, 1_000, 5_000, WHOLE]);
    assert_eq!(rollout.weights().values().copied().collect::<Vec<_>>(), [0, WHOLE]);
    let took = elapsed_ms(rollout.started, rollout.ended.unwrap());
    assert!((2_100_000..2_130_000).contains(&took), "10, 10 and 15 minutes took {took} ms");
}

#[test]
fn missing_evidence_never_takes_a_step_and_pauses_at_the_deadline() {
    let mut rollout = at_first_step();
    let mut now = T0;
    while rollout.phase == Phase::Progressing {
        now = now.plus_ms(1_000);
        rollout = tick(&rollout, &well(), now);
        assert!(rollout.share() <= 100, "a step was taken on nothing");
        assert!(elapsed_ms(T0, now) < 10_000_000, "never paused");
    }
    assert_eq!(rollout.pause.as_ref().unwrap().cause, PauseCause::Inconclusive);
    assert_eq!(elapsed_ms(T0, now), 1_200_000);
}

#[test]
fn a_look_from_before_the_end_of_the_hold_does_not_pass_it() {
    let rollout = at_first_step();
    let early = T0.plus_ms(599_000);
    let signals = Signals { judgement: looked(early, Verdict::Pass), ..well() };
    assert_eq!(tick(&rollout, &signals, T0.plus_ms(600_000)).stage, Stage::Holding);
}

#[test]
fn a_failed_gate_goes_back_at_once() {
    let rollout = at_first_step();
    let now = T0.plus_ms(100_000);
    let failed = tick(&rollout, &Signals { judgement: looked(now, Verdict::Fail), ..well() }, now);
    assert_eq!((failed.phase, failed.share()), (Phase::Failed, 0));
    assert_eq!(failed.weights(), failed.before);
}

#[test]
fn a_canary_that_goes_down_goes_back() {
    let signals = Signals { canary: Err("it is down".into()), ..well() };
    let failed = tick(&at_first_step(), &signals, T0.plus_ms(5_000));
    assert_eq!(failed.phase, Phase::Failed);
    assert!(failed.timeline.last().unwrap().what.contains("it is down"));
}

#[test]
fn a_stable_pool_that_goes_down_pauses_with_the_weights_as_they_are() {
    let signals = Signals { stable: Err("it is down".into()), ..well() };
    let paused = tick(&at_first_step(), &signals, T0.plus_ms(5_000));
    assert_eq!((paused.phase, paused.share()), (Phase::Paused, 100));
    assert_eq!(paused.capped().map(|pool| &**pool), Some("green"));
}

#[test]
fn an_automatic_rollback_waits_for_an_ineligible_stable_pool_and_then_happens() {
    let now = T0.plus_ms(100_000);
    let bad = Signals { stable: Err("down".into()), canary: Err("down too".into()), ..well() };
    let blocked = tick(&at_first_step(), &bad, now);
    assert_eq!(blocked.pause.as_ref().unwrap().cause, PauseCause::RollbackBlocked);
    let back = tick(&blocked, &Signals { canary: Err("down too".into()), ..well() }, now.plus_ms(1_000));
    assert_eq!((back.phase, back.share()), (Phase::Failed, 0));
}

#[test]
fn a_persons_abort_obeys_in_every_phase() {
    let running = at_first_step();
    let paused = advance(&running, &Event::Pause(person()), T0).unwrap().unwrap();
    let promoted = advance(&running, &Event::Promote { person: person(), full: true }, T0).unwrap().unwrap();
    for rollout in [begin(Plan::default_of(PlanKind::Canary)), running, paused, promoted] {
        let aborted = advance(&rollout, &Event::Abort(person()), T0).unwrap().unwrap();
        assert_eq!((aborted.phase, aborted.weights()), (Phase::Aborted, rollout.before.clone()));
        assert_eq!(advance(&aborted, &Event::Abort(person()), T0), Ok(None));
    }
}

#[test]
fn nobody_for_a_day_aborts_what_waits_for_a_person() {
    let paused = advance(&at_first_step(), &Event::Pause(person()), T0).unwrap().unwrap();
    let kept = tick(&paused, &well(), T0.plus_ms(86_399_000));
    assert_eq!(kept.phase, Phase::Paused);
    let gone = tick(&paused, &well(), T0.plus_ms(86_400_000));
    assert_eq!((gone.phase, gone.share()), (Phase::Aborted, 0));
    let stuck = tick(&paused, &Signals { stable: Err("down".into()), ..well() }, T0.plus_ms(86_400_000));
    assert_eq!((stuck.phase, stuck.share()), (Phase::Paused, 100));
}

#[test]
fn resume_holds_anew_and_promote_skips_the_rest_of_the_step() {
    let running = at_first_step();
    let later = T0.plus_ms(300_000);
    let paused = advance(&running, &Event::Pause(person()), later).unwrap().unwrap();
    let resumed = advance(&paused, &Event::Resume(person()), later.plus_ms(1)).unwrap().unwrap();
    assert_eq!((resumed.phase, resumed.share(), resumed.since), (Phase::Progressing, 100, later.plus_ms(1)));
    assert_eq!(advance(&resumed, &Event::Resume(person()), later), Err(Refusal::NotPaused));
    let next = advance(&resumed, &Event::Promote { person: person(), full: false }, later).unwrap().unwrap();
    assert_eq!((next.phase, next.share()), (Phase::Progressing, 1_000));
}

#[test]
fn confirm_hooks_wait_and_pre_hooks_count() {
    let hook = |kind| Hook { kind, url: "http://127.0.0.1/".into(), secret_file: None, timeout_ms: 1, retries: 0 };
    let hooks = vec![hook(HookKind::ConfirmStart), hook(HookKind::PreStart)];
    let rollout = begin(Plan { hooks, ..Plan::default_of(PlanKind::Canary) });
    assert_eq!(tick(&rollout, &well(), T0).phase, Phase::Pending);
    let answer = |rollout: &Rollout, outcome: Result<(), String>| {
        let answer = HookAnswer { call: rollout.call().unwrap(), outcome };
        advance(rollout, &Event::Hook(answer), T0).unwrap()
    };
    assert_eq!(answer(&rollout, Err("not yet".into())), None, "a confirmation that is not given only waits");
    let confirmed = answer(&rollout, Ok(())).unwrap();
    assert_eq!(confirmed.call().unwrap().kind, HookKind::PreStart);
    let once = answer(&confirmed, Err("500".into())).unwrap();
    let twice = answer(&once, Err("500".into())).unwrap();
    assert_eq!(twice.phase, Phase::Pending);
    assert_eq!(answer(&twice, Err("500".into())).unwrap().phase, Phase::Failed);
    let agreed = answer(&twice, Ok(())).unwrap();
    assert_eq!(tick(&agreed, &well(), T0).phase, Phase::Progressing);
}

#[test]
fn a_baseline_gets_what_the_canary_gets() {
    let before = BTreeMap::from([("base".into(), 0), ("blue".into(), WHOLE), ("green".into(), 0)]);
    let plan = Plan { baseline: Some("base".into()), ..Plan::default_of(PlanKind::Canary) };
    let mut rollout = Rollout { before, ..begin(plan) };
    rollout.phase = Phase::Progressing;
    rollout.weighted = true;
    rollout.step = 1;
    assert_eq!(rollout.weights().into_values().collect::<Vec<_>>(), [1_000, 8_000, 1_000]);
    rollout.phase = Phase::Promoted;
    assert_eq!(rollout.weights().into_values().collect::<Vec<_>>(), [0, 0, WHOLE]);
}

#[test]
fn a_blue_green_plan_looks_before_it_moves_and_after() {
    let mut rollout = tick(&begin(Plan::default_of(PlanKind::BlueGreen)), &well(), T0);
    assert_eq!((rollout.phase, rollout.stage, rollout.share()), (Phase::Pending, Stage::Before, 0));
    let now = T0.plus_ms(120_000);
    for _ in 0..2 {
        rollout = tick(&rollout, &Signals { judgement: looked(now, Verdict::Pass), ..well() }, now);
    }
    assert_eq!((rollout.stage, rollout.share()), (Stage::Holding, WHOLE));
    let bad = Signals { judgement: looked(now, Verdict::Fail), ..well() };
    assert_eq!(tick(&rollout, &bad, now.plus_ms(100_000)).weights(), rollout.before);
}

/// A rolling rollout over the members `a` and `b`.
fn rolling() -> Rollout {
    let hook =
        Hook { kind: HookKind::Update, url: "http://127.0.0.1/".into(), secret_file: None, timeout_ms: 1, retries: 0 };
    let plan = Plan { hooks: vec![hook], ..Plan::default_of(PlanKind::Rolling) };
    let beginning = Beginning {
        id: 9,
        plan: Arc::new(plan),
        canary: "blue".into(),
        version: Some("v2".into()),
        before: BTreeMap::from([("blue".into(), WHOLE)]),
        members: vec!["a".into(), "b".into()],
        person: person(),
    };
    start(beginning, T0).unwrap()
}

#[test]
fn a_member_that_leaves_before_its_update_is_passed_over() {
    for leaves_while_drained in [false, true] {
        let mut rollout = rolling();
        let seen = |member: &str| MemberSignal {
            member: member.into(),
            healthy: true,
            can_be_spared: true,
            dns_drained: false,
        };
        let mut now = T0;
        if leaves_while_drained {
            for _ in 0..2 {
                now = now.plus_ms(1_000);
                rollout = tick(&rollout, &Signals { members: vec![seen("a"), seen("b")], ..well() }, now);
            }
            assert_eq!(rollout.withdrawn().map(|out| &**out), Some("a"));
        }
        for _ in 0..3 {
            now = now.plus_ms(1_000);
            rollout = tick(&rollout, &Signals { members: vec![seen("b")], ..well() }, now);
        }
        assert_eq!(
            rollout.withdrawn().map(|out| &**out),
            Some("b"),
            "{leaves_while_drained} {:?}",
            rollout.timeline.entries()
        );
        let told = |what: &str| rollout.timeline.entries().iter().any(|entry| entry.what.contains(what));
        assert!(told("a has left the pool: it is passed over"));
    }
}

#[test]
fn promoting_a_rolling_rollout_goes_on_to_the_next_member_and_disturbs_none() {
    let promote = Event::Promote { person: person(), full: false };
    let mut judging = rolling();
    judging.phase = Phase::Progressing;
    judging.rolling.as_mut().unwrap().stage = RollingStage::Judging;
    let next = advance(&judging, &promote, T0).unwrap().unwrap();
    let place = next.rolling.as_ref().unwrap();
    assert_eq!((place.at, place.stage, next.phase), (1, RollingStage::Waiting, Phase::Progressing));
    for stage in [RollingStage::Draining, RollingStage::Updating, RollingStage::Readmitting] {
        judging.rolling.as_mut().unwrap().stage = stage;
        assert_eq!(advance(&judging, &promote, T0), Err(Refusal::AmidAMember), "{stage:?}");
        assert!(judging.has_members_to_update());
    }
}

#[test]
fn a_rolling_rollout_updates_one_member_after_the_other() {
    let mut rollout = rolling();
    let mut now = T0;
    let mut out = Vec::new();
    for _ in 0..2_000 {
        now = now.plus_ms(1_000);
        if let Some(call) = rollout.call() {
            rollout = advance(&rollout, &Event::Hook(HookAnswer { call, outcome: Ok(()) }), now).unwrap().unwrap();
        }
        let seen = |member: &str| MemberSignal {
            member: member.into(),
            healthy: true,
            can_be_spared: rollout.withdrawn().is_none(),
            dns_drained: rollout.withdrawn().is_some_and(|out| &**out == member),
        };
        let members = vec![seen("a"), seen("b")];
        rollout = tick(&rollout, &Signals { judgement: looked(now, Verdict::Pass), members, ..well() }, now);
        if let Some(member) = rollout.withdrawn().filter(|member| out.last() != Some(*member)) {
            out.push(member.clone());
        }
    }
    assert_eq!((rollout.phase, out), (Phase::Promoted, vec!["a".into(), "b".into()]));
    assert_eq!(rollout.weights(), rollout.before);
    assert_eq!((rollout.version_of("blue", "a"), rollout.version_of("blue", "b")), (Some("v2"), Some("v2")));
}
