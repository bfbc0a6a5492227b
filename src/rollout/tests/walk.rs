//! Seeded walks over random events: what must hold whatever happens.

use super::*;
use proptest::prelude::*;

/// One thing that happens, and how long after the last.
fn events() -> impl Strategy<Value = Vec<(u64, u8, bool, bool, u8)>> {
    proptest::collection::vec((0_u64..700_000, 0_u8..12, any::<bool>(), any::<bool>(), 0_u8..4), 1..120)
}

proptest! {
    #[test]
    fn no_weight_but_that_of_a_step_or_a_verb_is_ever_wanted(events in events(), kind in 0_u8..2) {
        let kind = if kind == 0 { PlanKind::Canary } else { PlanKind::BlueGreen };
        let mut rollout = begin(Plan::default_of(kind));
        let mut now = T0;
        for (wait, what, stable, canary, verdict) in events {
            now = now.plus_ms(wait);
            let judgement = match verdict {
                0 => Judgement::NotYet,
                1 => looked(now, Verdict::Pass),
                2 => looked(now, Verdict::Inconclusive),
                _ => looked(now, Verdict::Fail),
            };
            let side = |up: bool| if up { Ok(()) } else { Err("down".to_owned()) };
            let signals = Signals { stable: side(stable), canary: side(canary), judgement, ..well() };
            let person = Person::default();
            let event = match what {
                0 => Event::Pause(person),
                1 => Event::Resume(person),
                2 => Event::Promote { person, full: false },
                3 => Event::Promote { person, full: true },
                4 if wait % 7 == 0 => Event::Abort(person),
                _ => Event::Tick(signals.clone()),
            };
            let before = rollout.clone();
            if let Ok(Some(next)) = advance(&rollout, &event, now) {
                rollout = next;
            }
            // What is stored and read again goes on the same way.
            let text = serde_json::to_string(&record::RolloutV1::of(&rollout)).unwrap();
            let stored: record::RolloutV1 = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&stored.restore().unwrap(), &rollout);

            let allowed: Vec<u16> = [0].into_iter().chain(rollout.plan.steps.iter().map(|step| step.weight)).collect();
            prop_assert!(allowed.contains(&rollout.share()));
            prop_assert_eq!(rollout.weights().values().map(|w| u32::from(*w)).sum::<u32>(), u32::from(WHOLE));
            if matches!(event, Event::Tick(_)) && rollout.share() > before.share() {
                prop_assert!(canary, "a step was taken to a canary that is down");
                prop_assert!(stable, "a step was taken while the stable pool is down");
                prop_assert!(verdict == 1 || before.stage == Stage::Entering || before.stage == Stage::Leaving);
            }
            if matches!(event, Event::Tick(_)) && !stable && rollout.share() < before.share() {
                prop_assert!(false, "an automatic rollback to a stable pool that is down");
            }
            if matches!(event, Event::Abort(_)) {
                prop_assert_eq!(rollout.weights(), rollout.before.clone());
            }
            prop_assert_eq!(rollout.phase.is_running(), rollout.ended.is_none());
        }
        // Left alone with both sides well it ends within its holds, deadlines and a day.
        for _ in 0..20 {
            now = now.plus_ms(86_400_000);
            if let Ok(Some(next)) = advance(&rollout, &Event::Tick(well()), now) {
                rollout = next;
            }
        }
        prop_assert!(!rollout.phase.is_running(), "still {:?}", rollout.phase);
    }
}
