//! Callers: operators and programs that ask for changes, repeat themselves, and look around.

use crate::dice::Dice;
use crate::files::{POOLS, SWITCHES};
use crate::truth::Shared;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegate::clock;
use tidegate::control::{Asked, Caller as Who, Handle, IdempotencyKey, Refused, Reloading, Replied};
use tidegate::health::OverrideKind;
use tidegate::state::{Command, FlipTarget, Request, WeightChange};
use tidegate::store::{HistoryQuery, MemoryStore, Store, StoreError};

/// One caller.
pub(crate) struct Caller {
    pub handle: Handle,
    pub store: Arc<MemoryStore>,
    pub truth: Shared,
    pub dice: Dice,
    /// How many things it does.
    pub steps: u32,
}

impl Caller {
    /// Does its steps.
    pub(crate) async fn call(mut self) {
        for _ in 0..self.steps {
            match self.dice.below(12) {
                0 => self.reload().await,
                1 => self.look().await,
                2 => self.drain().await,
                _ => self.change().await,
            }
            tokio::time::sleep(Duration::from_millis(self.dice.below(40) * self.dice.below(40))).await;
        }
    }

    /// A change, sometimes under a key that others use too, repeated when its fate is unknown.
    async fn change(&mut self) {
        let number = self.dice.below(40);
        let keyed = self.dice.once_in(2);
        // What is asked under a key follows from the key, so that a repetition is the same request.
        let command = if keyed { self.command(&mut Dice::of(number, 5)) } else { self.throw_command() };
        let key =
            keyed.then(|| IdempotencyKey { key: format!("key {number}"), request_hash: format!("hash {number}") });
        let if_match = (!keyed && self.dice.once_in(8)).then(|| self.dice.below(20));
        let force = keyed || self.dice.once_in(2);
        let request = Request { command, reason: Some("simulated".to_owned()), force, if_match, by: "sim".to_owned() };
        let asked = Asked { request, dry_run: !keyed && self.dice.once_in(10), caller: who(), idempotency: key };
        let mut outcome = self.handle.change(asked.clone()).await;
        for _ in 0..self.dice.below(4) {
            let doubtful = matches!(outcome, Err(Refused::Store(StoreError::Failed(_) | StoreError::Conflict { .. })));
            if !keyed || !doubtful {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            outcome = self.handle.change(asked.clone()).await;
        }
        self.judge(asked.idempotency.as_ref().map(|key| key.key.as_str()), outcome).await;
    }

    async fn reload(&mut self) {
        let force = self.dice.once_in(2);
        let reason = Some("simulated".to_owned());
        let outcome =
            self.handle.reload(Reloading { caller: who(), reason, force, dry_run: self.dice.once_in(6) }).await;
        self.judge(None, outcome).await;
    }

    /// Holds an outcome: what is said to be done is in the store.
    async fn judge(&self, key: Option<&str>, outcome: Result<Replied, Refused>) {
        match outcome {
            Err(Refused::ShuttingDown) => panic!("the control task ended"),
            Err(Refused::KeyReused) => panic!("a key met another request"),
            Err(_) => {}
            Ok(replied) => {
                let stored = self.store.load().await.expect("the memory store reads").revision;
                assert!(
                    replied.dry_run || stored >= replied.revision,
                    "revision {} replied, {stored} stored",
                    replied.revision
                );
                self.truth.replied(key, &replied);
            }
        }
    }

    /// Everything there is to see fits together.
    async fn look(&self) {
        let status = self.handle.status().await.expect("a status");
        let view = self.handle.snapshot();
        assert!(view.number >= status.snapshot, "the snapshot that is read is no older than the one told of");
        for switch in &status.switches {
            let sum: u32 = switch.pools.iter().map(|pool| u32::from(pool.weight)).sum();
            assert!(sum > 0, "{} has no weight", switch.name);
        }
        let rows = self
            .handle
            .history(HistoryQuery { limit: 50, ..HistoryQuery::default() })
            .await
            .expect("an answer")
            .expect("rows");
        assert!(rows.windows(2).all(|pair| pair[0].revision >= pair[1].revision), "history is newest first");
    }

    /// No pool is called safe to close while an answer naming it may be cached.
    async fn drain(&mut self) {
        let (switch, pool) = (*self.dice.pick(&SWITCHES), *self.dice.pick(&POOLS));
        let Some(Ok(view)) = self.handle.drain(switch, pool, false).await else { return };
        let status = self.handle.switch(switch).await.expect("an answer");
        let Some(slot) = status.ok().and_then(|s| s.pools.iter().find(|p| p.name == pool).map(|p| p.slot)) else {
            return;
        };
        if view.report.safe_to_close {
            // Answers given since the verdict are nobody's fault; so only what is promised by a pool without weight counts.
            let promised = self.truth.promised_until(slot);
            let serving = self.handle.switch(switch).await.and_then(Result::ok).is_some_and(|s| {
                s.pools.iter().any(|p| p.name == pool && (p.weight > 0 || p.drain.state != view.report.state))
            });
            assert!(
                serving || promised <= clock::boot_ms(),
                "{switch}/{pool} is promised for {} ms more",
                promised.saturating_sub(clock::boot_ms())
            );
        }
    }

    fn throw_command(&mut self) -> Command {
        let mut dice = Dice::of(self.dice.throw(), 6);
        self.command(&mut dice)
    }

    /// Any command, mostly of names that exist.
    fn command(&self, dice: &mut Dice) -> Command {
        let switch =
            if dice.once_in(20) { SWITCHES[3] } else { SWITCHES[usize::try_from(dice.below(3)).expect("small")] }
                .to_owned();
        let pools: &[&str] = if switch == "flag" { &POOLS[3..] } else { &POOLS[..3] };
        let pool = (*dice.pick(pools)).to_owned();
        match dice.below(10) {
            0..=3 => Command::Flip(vec![FlipTarget { switch, to: pool }]),
            4 => Command::Flip(vec![
                FlipTarget { switch: "app".to_owned(), to: "green".to_owned() },
                FlipTarget { switch: "chat".to_owned(), to: "green".to_owned() },
            ]),
            5 => {
                let share = u32::try_from(dice.below(10_001)).expect("small");
                Command::SetWeights { switch, weights: WeightChange::Percent(BTreeMap::from([(pool, share)])) }
            }
            6 => Command::Undo { switch },
            7 => Command::Prepare { switch },
            8 => {
                let hold = *dice.pick(&[None, Some(OverrideKind::ForceUp), Some(OverrideKind::ForceDown)]);
                Command::Override { switch, pool, member: None, hold, for_ms: hold.map(|_| 60_000) }
            }
            _ if dice.once_in(2) => Command::Reset { switch },
            _ => Command::ExpectVersion { switch, pool, version: Some(format!("v{}", dice.below(2))) },
        }
    }
}

/// Who asks: everybody uses one token, so that keys meet.
pub(crate) fn who() -> Who {
    Who { token_id: "t1".to_owned(), name: "sim".to_owned(), from: "192.0.2.1".to_owned(), request_id: String::new() }
}
