//! The way of a change: recall, decide, commit, absorb, publish, reply (§3.3).

use super::audit::verb;
use super::handle::{Asked, Caller, Refused, Replied, SplitView};
use super::publish::quiet_within;
use super::report::What;
use super::task::{APPLY_LIMIT, Control};
use super::view::rfc3339;
use crate::clock;
use crate::moment::Moment;
use crate::rollout::Phase;
use crate::snapshot::Superseded;
use crate::state::{Change, Command, Desired, RolloutVerb, Split, SwitchState, ZoneChange, apply, compile, v1};
use crate::store::{Commit, EditRow, IdempotencyRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

type Reply = oneshot::Sender<Result<Replied, Refused>>;

impl Control {
    /// Takes a change down the road, and replies when it is applied.
    pub(super) async fn change(&mut self, asked: Asked, reply: Reply) {
        match self.decide_and_commit(&asked).await {
            Err(refused) => drop(reply.send(Err(refused))),
            Ok(Decided::Done(replied)) => drop(reply.send(Ok(*replied))),
            Ok(Decided::Recalled(mut replied)) => {
                let published = self.last_published.clone();
                tokio::spawn(async move {
                    replied.applied = match published {
                        Some(superseded) => quiet_within(&superseded, APPLY_LIMIT).await,
                        None => true,
                    };
                    drop(reply.send(Ok(*replied)));
                });
            }
            Ok(Decided::Published { mut replied, superseded, old_slots }) => {
                let cells = self.cells.clone();
                tokio::spawn(async move {
                    replied.applied = quiet_within(&superseded, APPLY_LIMIT).await;
                    let until =
                        old_slots.iter().map(|slot| cells.fold_pool(*slot).promised_until_ms).max().unwrap_or(0);
                    replied.expect_old_until(until, clock::now());
                    drop(reply.send(Ok(*replied)));
                });
            }
        }
    }

    /// Everything up to the swap.
    pub(super) async fn decide_and_commit(&mut self, asked: &Asked) -> Result<Decided, Refused> {
        self.settle_doubt().await?;
        let now = clock::now();
        let recalled = self.recall(asked).await?.filter(|_| !self.registers_anew(asked));
        if let Some(replied) = recalled {
            if !asked.dry_run && self.is_registered(&asked.request.command) {
                self.renew(&asked.request.command, now);
            }
            return Ok(Decided::Recalled(Box::new(replied)));
        }
        let change = apply(&self.desired, &self.observed, &asked.request, now)?;
        let mut replied = self.reply_to(&change, asked, now);
        let unchanged = change.revision == self.desired.revision;
        if asked.dry_run {
            return Ok(Decided::Done(Box::new(replied)));
        }
        self.renew(&asked.request.command, now);
        if unchanged {
            // A latch is no part of the desired state: there may be one where there is nothing else to take back.
            self.let_resume(&asked.request.command, now);
        }
        if unchanged && asked.idempotency.is_none() {
            return Ok(Decided::Recalled(Box::new(replied)));
        }
        // A reply that nothing changed is remembered too: the same request may change something later.
        let commit = self.commit_of(&change, asked, &replied, now);
        let outcome = self.store.commit(commit).await;
        self.store_errors += u64::from(outcome.is_err());
        self.watch_condition();
        if let Err(error) = outcome {
            self.doubt(&error).await;
            return Err(error.into());
        }
        if unchanged {
            return Ok(Decided::Recalled(Box::new(replied)));
        }
        let old_slots = self.slots_losing(&change, &asked.request.command);
        if let Command::Prepare { switch } = &asked.request.command {
            let longest = self.longest_promise_ms(switch).unwrap_or(0);
            let earlier = self.ready_after_start(switch);
            let ready = self.prepared_ready.entry(switch.as_str().into()).or_insert(earlier);
            // Preparing again does not shorten what was answered before the first time.
            *ready = (*ready).max(now.boot_ms + longest);
        }
        let rollouts = self.rollouts_before(&change);
        let superseded = self.absorb_and_publish(&change, now);
        replied.switches.iter_mut().for_each(|view| view.ttl_s = self.ttl_of(&view.switch));
        self.record(&change, asked);
        self.tell_rollouts(&rollouts);
        Ok(Decided::Published { replied: Box::new(replied), superseded, old_slots })
    }

    /// The first reply to this key, if there was one.
    async fn recall(&self, asked: &Asked) -> Result<Option<Replied>, Refused> {
        let Some(key) = &asked.idempotency else { return Ok(None) };
        let Some(row) = self.store.recall(&asked.caller.token_id, &key.key, clock::unix_ms()).await? else {
            return Ok(None);
        };
        if row.request_hash != key.request_hash {
            return Err(Refused::KeyReused);
        }
        let mut replied: Replied = serde_json::from_str(&row.reply)
            .map_err(|error| crate::store::StoreError::Failed(format!("a remembered reply cannot be read: {error}")))?;
        replied.replayed = true;
        replied.switches.iter_mut().for_each(|view| view.ttl_s = self.ttl_of(&view.switch));
        Ok(Some(replied))
    }

    /// Takes the committed change in and swaps the snapshot.
    fn absorb_and_publish(&mut self, change: &Change, now: Moment) -> Superseded {
        let reprobe = change.definitions.is_some() || self.changes_versions(change);
        let moved = self.desired.moved_guests(change);
        self.desired.absorb(change);
        let names: Vec<Arc<str>> = change.switches.iter().map(|(name, _)| name.clone()).collect();
        self.follow_rollouts(if change.definitions.is_some() { None } else { Some(&names) });
        if change.definitions.is_some() {
            self.secondaries.follow_definitions(&self.desired.definitions);
            self.catalogue = crate::state::Catalogue::build(&self.desired);
            self.follow_all_guests();
            self.follow_copies();
        } else if !moved.is_empty() {
            self.follow_guests(&moved, now);
        }
        if reprobe {
            self.reprobe(now);
        }
        if change.definitions.is_some() {
            return self.publish_all(now);
        }
        let mut touched: Vec<u32> =
            change.switches.iter().filter_map(|(name, _)| self.catalogue.index_of(name)).collect();
        self.replace_zones(change, &mut touched);
        let serials: Vec<(u32, u32)> = change
            .serials
            .iter()
            .filter_map(|(apex, serial)| self.catalogue.zone_by_apex.get(apex).map(|zone| (*zone, *serial)))
            .collect();
        self.publish(&touched, &serials, now)
    }

    /// Sets the probes anew: other members, or other versions they must show.
    pub(super) fn reprobe(&mut self, now: Moment) {
        self.watch.rebuild(&self.catalogue, &self.desired, &BTreeMap::new(), now);
        self.watch.judge_all(&mut self.observed);
        self.targets.send_replace(self.watch.targets());
        self.idle_wanted.send_replace(self.idle_wanted_now());
    }

    /// Puts edited zones in place of what they were; switches whose answers point into zones are compiled anew.
    fn replace_zones(&mut self, change: &Change, touched: &mut Vec<u32>) {
        for zone in &change.zones {
            let definition = self.desired.definitions.zones.iter().find(|definition| definition.apex == zone.apex);
            if let Some(data) = definition.map(|definition| self.desired.data_of(definition).clone()) {
                self.catalogue.replace_zone(&zone.apex, data);
            }
        }
        if !change.zones.is_empty() {
            touched.extend(self.catalogue.pointing());
            touched.sort_unstable();
            touched.dedup();
        }
    }

    /// Whether members must show other versions than before, which makes other probes of theirs.
    fn changes_versions(&self, change: &Change) -> bool {
        let versions = |state: Option<&SwitchState>| {
            let rolling = state.and_then(|s| s.rollout.as_ref()).and_then(|rollout| rollout.rolling.clone());
            (state.map(|s| s.versions.clone()).unwrap_or_default(), rolling)
        };
        let mut touched = change.switches.iter();
        touched.any(|(name, state)| versions(self.desired.switches.get(name)) != versions(state.as_ref()))
    }

    /// The reply, as far as it is known before the commit.
    fn reply_to(&self, change: &Change, asked: &Asked, now: Moment) -> Replied {
        let serials = change.serials.iter().map(|(apex, serial)| (apex.to_string(), *serial)).collect();
        let mut replied = Replied {
            revision: change.revision,
            changed: change.revision != self.desired.revision,
            dry_run: asked.dry_run,
            applied: !asked.dry_run,
            serials,
            old_answers_expire_at: None,
            old_answers_expire_in_ms: None,
            switches: self.split_views(change, now),
            notes: [change.notes.clone(), self.trials_ended_by(change)].concat(),
            replayed: false,
        };
        // What a retry is told later: the longest any answer given until now can last.
        let longest = change.switches.iter().filter_map(|(name, _)| self.longest_promise_ms(name)).max();
        if let Some(longest) = longest.filter(|_| replied.changed) {
            replied.expect_old_until(now.boot_ms + longest, now);
        }
        replied
    }

    /// Before and after of every switch the change touches.
    fn split_views(&self, change: &Change, now: Moment) -> Vec<SplitView> {
        let plain = |split: &Split| split.iter().map(|(pool, weight)| (pool.to_string(), *weight)).collect();
        let moved: Vec<SplitView> = change
            .splits
            .iter()
            .map(|split| SplitView {
                switch: split.switch.to_string(),
                before: plain(&split.before),
                after: plain(&split.after),
                ttl_s: self.ttl_after(change, &split.switch, now),
            })
            .collect();
        let others =
            change.switches.iter().filter(|(name, _)| !change.splits.iter().any(|split| split.switch == *name));
        let unmoved = others.filter_map(|(name, _)| {
            let (_, switch) = self.desired.definitions.switch(name)?;
            let split: BTreeMap<String, u16> = plain(&self.desired.split(switch));
            Some(SplitView {
                switch: name.to_string(),
                before: split.clone(),
                after: split,
                ttl_s: self.ttl_after(change, name, now),
            })
        });
        moved.into_iter().chain(unmoved).collect()
    }

    /// The TTL of a switch's answers once the change is in force: for the reply that a retry gets.
    fn ttl_after(&self, change: &Change, name: &str, now: Moment) -> u32 {
        let Some((_, switch)) = self.desired.definitions.switch(name) else { return 0 };
        let before = self.desired.split(switch);
        let planned = change.splits.iter().find(|split| *split.switch == *name);
        let after = planned.map_or(&before, |split| &split.after);
        let weight = |split: &Split, pool: &str| split.get(pool).copied().unwrap_or(0);
        let draining = switch.pools.iter().enumerate().any(|(at, pool)| {
            weight(after, &pool.name) == 0 && (weight(&before, &pool.name) > 0 || self.tail_runs(switch, at, now))
        });
        let states = change.switches.iter().filter(|(touched, _)| **touched == *name);
        let switches = states.filter_map(|(touched, state)| Some((touched.clone(), state.clone()?))).collect();
        let cause = compile::ttl_cause(&Desired { switches, ..Desired::default() }, switch, draining, now);
        compile::ttl_s(switch, cause)
    }

    /// The TTL in force on a switch, 0 for one that is not there.
    pub(super) fn ttl_of(&self, name: &str) -> u32 {
        let index = self.catalogue.index_of(name);
        index.and_then(|index| self.live.get(index as usize)).map_or(0, |live| live.compiled.ttl_s)
    }

    /// The longest promise among a switch's answers at present.
    pub(super) fn longest_promise_ms(&self, name: &str) -> Option<u64> {
        let index = self.catalogue.index_of(name)?;
        let live = self.live.get(index as usize)?;
        live.compiled.pools.iter().flat_map(|pool| pool.sets.iter()).map(|set| u64::from(set.promise_s) * 1000).max()
    }

    /// The cells of pools whose answers the change outdates: those that lose weight or a member; for `prepare`, all,
    /// since every answer given before it lives longer than those after, and for an override, which may move what all
    /// of them answer.
    fn slots_losing(&self, change: &Change, command: &Command) -> Vec<u32> {
        if matches!(command, Command::Prepare { .. } | Command::Override { .. }) {
            let names = change.switches.iter().filter_map(|(name, _)| self.desired.definitions.switch(name));
            return names.flat_map(|(_, s)| s.pools.iter().map(|pool| self.slots.of(&s.name, &pool.name).0)).collect();
        }
        let mut slots = Vec::new();
        for split in &change.splits {
            for (pool, before) in &split.before {
                if split.after.get(pool).copied().unwrap_or(0) < *before {
                    slots.push(self.slots.of(&split.switch, pool).0);
                }
            }
        }
        let changed = match command {
            Command::Unregister { switch, pool, .. } => Some((switch, pool)),
            Command::Register { switch, pool, member, .. } => {
                self.registration(switch, pool, &member.id).map(|_| (switch, pool))
            }
            _ => None,
        };
        slots.extend(changed.map(|(switch, pool)| self.slots.of(switch, pool).0));
        slots
    }

    /// The durable form of a change.
    fn commit_of(&self, change: &Change, asked: &Asked, replied: &Replied, now: Moment) -> Commit {
        Commit {
            expected: self.desired.revision,
            revision: change.revision,
            switches: change
                .switches
                .iter()
                .map(|(name, state)| (name.to_string(), state.as_ref().map(v1::encode_switch)))
                .collect(),
            serials: change.serials.clone(),
            edits: change.zones.iter().flat_map(edit_rows).collect(),
            audit: if replied.changed { self.audit_of(change, asked, now) } else { Vec::new() },
            idempotency: asked.idempotency.as_ref().map(|key| IdempotencyRow {
                token: asked.caller.token_id.clone(),
                key: key.key.clone(),
                request_hash: key.request_hash.clone(),
                reply: serde_json::to_string(replied).expect("plain data"),
                at_unix_ms: now.unix_ms,
            }),
            may_use_reserve: goes_back(&asked.request.command, change),
        }
    }

    /// Lets members that wait for an operator (`manual_resume`) come up again, by the verbs that say so.
    fn let_resume(&mut self, command: &Command, now: Moment) {
        if let Command::Reset { switch } | Command::Override { switch, .. } = command {
            let moved = self.watch.resume(switch, now, &mut self.observed);
            self.note_moved(moved);
        }
    }

    /// One log line and one happening per accepted change; a held latch may end with it.
    fn record(&mut self, change: &Change, asked: &Asked) {
        let Caller { name: who, from, request_id, .. } = &asked.caller;
        let switches: Vec<String> = change.switches.iter().map(|(name, _)| name.to_string()).collect();
        let verb = verb(&asked.request.command);
        tracing::info!(
            verb,
            who,
            from,
            revision = change.revision,
            ?switches,
            reason = asked.request.reason,
            forced = asked.request.force,
            request_id,
            "change accepted"
        );
        self.let_resume(&asked.request.command, clock::now());
        self.happen(What::Changed {
            verb: verb.to_owned(),
            who: who.clone(),
            revision: change.revision,
            switches,
            reason: asked.request.reason.clone(),
        });
    }
}

/// How far a change went.
pub(super) enum Decided {
    /// Nothing to publish.
    Done(Box<Replied>),
    /// Nothing new to publish; what holds may still be on its way to the readers.
    Recalled(Box<Replied>),
    /// Published; the reply waits for the readers.
    Published { replied: Box<Replied>, superseded: Superseded, old_slots: Vec<u32> },
}

impl Replied {
    /// States when the last old answer expires; nothing when there is none.
    fn expect_old_until(&mut self, until_boot_ms: u64, now: Moment) {
        let left = until_boot_ms.saturating_sub(now.boot_ms);
        self.old_answers_expire_in_ms = (until_boot_ms > 0).then_some(left);
        self.old_answers_expire_at = (until_boot_ms > 0).then(|| rfc3339(now.unix_ms + left));
    }
}

/// Whether a command returns to what served before: a full disk must not keep anybody from that.
fn goes_back(command: &Command, change: &Change) -> bool {
    match command {
        Command::Undo { .. } | Command::Rollout { verb: RolloutVerb::Abort, .. } => true,
        Command::Rollout { verb: RolloutVerb::Tick(_), .. } => {
            let mut rollouts = change.switches.iter().filter_map(|(_, state)| state.as_ref()?.rollout.as_ref());
            rollouts.all(|rollout| matches!(rollout.phase, Phase::Failed | Phase::Aborted))
        }
        _ => false,
    }
}

/// The durable form of a zone's edits.
fn edit_rows(change: &ZoneChange) -> impl Iterator<Item = EditRow> {
    change.rows.iter().map(|((owner, rtype), set)| EditRow {
        zone: change.apex.clone(),
        owner: owner.clone(),
        rtype: *rtype,
        body: set.as_ref().map(v1::encode_edit),
    })
}
