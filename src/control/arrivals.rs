//! Members that come by themselves: registrations that end, what DNS has, the probes of both (§2.5).
//!
//! A heartbeat that says nothing new moves a time in memory and nothing else. With 1,000 members that
//! last 30 s and renew every 10 s that is 100 requests a second and no commit; what a member changes
//! is one commit of its switch's row, about 200 octets a guest.

use super::handle::{Asked, Caller};
use super::report::{DiscoveryView, OriginView};
use super::task::Control;
use super::view::rfc3339;
use crate::moment::Moment;
use crate::state::{Command, Guest, Lease, Origin, Request};
use crate::steering::{DiscoveryReport, DiscoveryTask, Member, Pool, Switch};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Without a tick for this long the process stood still, and heartbeats could not be heard.
const STALL_MS: u64 = 3_000;

/// A switch, a pool of it, a member of that.
type Place = (Arc<str>, Arc<str>, Arc<str>);

/// Pools and members of one switch.
type Members = Vec<(Arc<str>, Arc<str>)>;

/// What is known of guests besides the stored state.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// When each registration ends, boot clock.
    ends: HashMap<Place, u64>,
    /// Switches that have guests.
    hosts: BTreeSet<Arc<str>>,
    /// Members came or went since the probes were last set.
    pub(super) reprobe: bool,
    /// The last look in DNS for each switch and pool: when it was good, and why the last was not.
    looks: BTreeMap<(Arc<str>, Arc<str>), Look>,
    last_tick_ms: Option<u64>,
    /// The last attempt to store something failed and was told.
    stuck: bool,
}

#[derive(Debug, Default)]
struct Look {
    good_at: Option<Moment>,
    failure: Option<String>,
}

impl Control {
    /// A registration was accepted or repeated: it lasts its time from here on.
    pub(super) fn renew(&mut self, command: &Command, now: Moment) {
        if let Command::Register { switch, pool, member, .. } = command {
            let place = (switch.as_str().into(), pool.as_str().into(), member.id.as_str().into());
            self.arrivals.ends.insert(place, now.boot_ms.saturating_add(member.ttl_ms));
        }
    }

    /// Whether a repeated request is a heartbeat for a registration that has ended: it is carried out, or a client
    /// that always sends the same key would hear that all is well while nobody is answered.
    pub(super) fn registers_anew(&self, asked: &Asked) -> bool {
        let Command::Register { switch, pool, member, .. } = &asked.request.command else { return false };
        let guest = self.registration(switch, pool, &member.id);
        asked.request.if_match.is_none() && guest.and_then(Guest::lease).is_none_or(|lease| lease.stale)
    }

    /// Whether a registration is there as the command has it.
    pub(super) fn is_registered(&self, command: &Command) -> bool {
        let Command::Register { switch, pool, member, .. } = command else { return false };
        let guest = self.registration(switch, pool, &member.id);
        guest.is_some_and(|guest| (guest.member.ipv4, guest.member.ipv6) == (member.ipv4, member.ipv6))
    }

    /// A registration by its ID.
    pub(super) fn registration(&self, switch: &str, pool: &str, id: &str) -> Option<&Guest> {
        self.desired.switches.get(switch)?.guests.iter().find(|guest| guest.is_registration(pool, id))
    }

    /// Notes which switches have guests, and which pools' members to look up.
    pub(super) fn follow_all_guests(&mut self) {
        let hosts = self.desired.switches.iter().filter(|(_, state)| !state.guests.is_empty());
        self.arrivals.hosts = hosts.map(|(name, _)| name.clone()).collect();
        let wanted = self.discovery_wanted_now();
        self.arrivals
            .looks
            .retain(|(switch, pool), _| wanted.iter().any(|task| task.switch == *switch && task.pool == *pool));
        self.discovery_wanted.send_if_modified(|current| {
            let differs = *current != wanted;
            *current = wanted;
            differs
        });
    }

    /// Follows the guests of these switches, whose definitions have them seated: in the catalogue, and in what
    /// is known of members, which the next answers go by. What to probe is told once a second.
    pub(super) fn follow_guests(&mut self, names: &[Arc<str>], now: Moment) {
        for name in names {
            let has = self.desired.switches.get(name).is_some_and(|state| !state.guests.is_empty());
            if has {
                self.arrivals.hosts.insert(name.clone());
            } else {
                self.arrivals.hosts.remove(name);
            }
            if let (Some(index), Some((_, seated))) =
                (self.catalogue.index_of(name), self.desired.definitions.switch(name))
            {
                let place = &mut self.catalogue.switches[index as usize].switch;
                let before = std::mem::replace(place, seated.clone());
                self.watch.reseat((&before, seated), &self.desired, &mut self.observed, now);
            }
        }
        self.arrivals.reprobe = true;
    }

    /// One second: registrations end, and probes follow the members.
    pub(super) async fn tick_arrivals(&mut self, now: Moment) {
        let stood_ms = self.arrivals.last_tick_ms.map_or(0, |last| now.boot_ms.saturating_sub(last));
        self.arrivals.last_tick_ms = Some(now.boot_ms);
        if stood_ms > STALL_MS {
            self.arrivals.ends.values_mut().for_each(|end| *end = end.saturating_add(stood_ms));
        }
        let mut known: HashMap<Place, u64> = HashMap::new();
        let mut over: BTreeMap<Arc<str>, Members> = BTreeMap::new();
        let mut leaving: BTreeSet<(Arc<str>, Arc<str>)> = BTreeSet::new();
        for host in &self.arrivals.hosts {
            let Some(state) = self.desired.switches.get(host) else { continue };
            leaving.extend(state.guests.iter().filter(|g| g.is_leaving()).map(|g| (host.clone(), g.pool.clone())));
            for (guest, lease) in state.guests.iter().filter_map(|guest| Some((guest, guest.lease()?))) {
                let place: Place = (host.clone(), guest.pool.clone(), guest.member.name().into());
                let end = match self.arrivals.ends.get(&place) {
                    Some(end) => *end,
                    // A stale one of the last process has no time left to wait for.
                    None if lease.stale => now.boot_ms,
                    None => now.boot_ms.saturating_add(lease.ttl_ms),
                };
                if end <= now.boot_ms {
                    over.entry(host.clone()).or_default().push((place.1.clone(), place.2.clone()));
                }
                known.insert(place, end);
            }
        }
        self.arrivals.ends = known;
        for (switch, over) in over {
            self.expire(&switch, over).await;
        }
        for (switch, pool) in leaving {
            // Not only when DNS is looked at again: others may be healthy by now.
            let guests = self.desired.switches.get(&switch).map_or(&[][..], |state| &state.guests);
            let found = guests.iter().filter(|g| g.pool == pool && g.lease().is_none() && !g.is_leaving());
            let members = found.map(|guest| guest.member.clone()).collect();
            self.found_in_dns(&switch, &pool, members).await;
        }
        if std::mem::take(&mut self.arrivals.reprobe) {
            self.reprobe(now);
            for host in &self.arrivals.hosts {
                self.unwell.extend(self.catalogue.index_of(host));
            }
        }
    }

    /// Ends registrations, and says which members stay although theirs is over.
    async fn expire(&mut self, switch: &Arc<str>, over: Members) {
        let before = self.stale_members(switch);
        self.on_our_own(switch, Command::Expire { switch: switch.to_string(), over }).await;
        for (pool, member) in self.stale_members(switch) {
            if !before.contains(&(pool.clone(), member.clone())) {
                tracing::error!(%switch, pool, member, "no heartbeat came in time; the member stays, marked stale, since its pool would be left with nobody");
            }
        }
    }

    fn stale_members(&self, switch: &str) -> Vec<(String, String)> {
        let guests = self.desired.switches.get(switch).map_or(&[][..], |state| &state.guests);
        let stale = guests.iter().filter(|guest| guest.lease().is_some_and(|lease| lease.stale));
        stale.map(|guest| (guest.pool.to_string(), guest.member.name().into_owned())).collect()
    }

    /// Takes in a look in DNS; what is no good leaves the last good members where they are.
    pub(super) async fn discovered(&mut self, report: DiscoveryReport, now: Moment) {
        let DiscoveryReport { task, outcome } = report;
        if !self.discovery_wanted.borrow().contains(&task) {
            return;
        }
        let DiscoveryTask { switch, pool, source } = task;
        let look = self.arrivals.looks.entry((switch.clone(), pool.clone())).or_default();
        match outcome {
            Err(why) => {
                if look.failure.is_none() {
                    tracing::error!(%switch, %pool, name = %source.name, why, "members cannot be looked up in DNS; the last good ones stay");
                }
                look.failure = Some(why);
            }
            Ok(members) => {
                look.good_at = Some(now);
                if look.failure.take().is_some() {
                    tracing::info!(%switch, %pool, name = %source.name, "members are looked up in DNS again");
                }
                self.found_in_dns(&switch, &pool, members).await;
            }
        }
    }

    /// Takes over what DNS has for a pool, and says which members stay although it has them no longer.
    async fn found_in_dns(&mut self, switch: &Arc<str>, pool: &Arc<str>, members: Vec<Member>) {
        let before = self.leaving_members(switch, pool);
        let command = Command::Discovered { switch: switch.to_string(), pool: pool.to_string(), members };
        self.on_our_own(switch, command).await;
        for member in self.leaving_members(switch, pool) {
            if !before.contains(&member) {
                tracing::warn!(%switch, %pool, member, "DNS no longer has this member; it stays until others are healthy, for half an hour at most, since its pool would not be eligible without it");
            }
        }
    }

    fn leaving_members(&self, switch: &str, pool: &str) -> Vec<String> {
        let guests = self.desired.switches.get(switch).map_or(&[][..], |state| &state.guests);
        let leaving = guests.iter().filter(|guest| &*guest.pool == pool && guest.is_leaving());
        leaving.map(|guest| guest.member.name().into_owned()).collect()
    }

    /// Takes a command of the server's own down the way of a change.
    async fn on_our_own(&mut self, switch: &Arc<str>, command: Command) {
        let request = Request { command, reason: None, force: false, if_match: None, by: "tidegate".to_owned() };
        let caller = Caller { name: "tidegate".to_owned(), ..Caller::default() };
        let outcome = self.decide_and_commit(&Asked { request, dry_run: false, caller, idempotency: None }).await;
        if let (Err(refused), false) = (&outcome, self.arrivals.stuck) {
            tracing::error!(%switch, %refused, "members that came or went cannot be stored; tried again");
        }
        self.arrivals.stuck = outcome.is_err();
    }

    /// Every pool whose members are looked up.
    fn discovery_wanted_now(&self) -> Arc<[DiscoveryTask]> {
        let mut wanted = Vec::new();
        for placed in &self.catalogue.switches {
            for pool in &placed.switch.pools {
                if let Some(source) = &pool.discover {
                    let (switch, pool) = (placed.switch.name.clone(), pool.name.clone());
                    wanted.push(DiscoveryTask { switch, pool, source: source.clone() });
                }
            }
        }
        wanted.into()
    }

    /// How a member came, for people; nothing for one of the files.
    pub(super) fn origin_view(&self, switch: &Switch, pool: &Pool, member: &Member, now: Moment) -> Option<OriginView> {
        let state = self.desired.switches.get(&switch.name).filter(|state| !state.guests.is_empty())?;
        let is_it = |guest: &&Guest| guest.pool == pool.name && guest.member.name() == member.name();
        Some(match &state.guests.iter().find(is_it)?.origin {
            Origin::Discovered { leaves_unix_ms } => {
                let leaves_at = leaves_unix_ms.as_ref();
                OriginView::Discovered { leaves_at: leaves_at.map(|at| rfc3339(*at)) }
            }
            Origin::Registered(Lease { ttl_ms, by, stale }) => {
                let place = (switch.name.clone(), pool.name.clone(), member.name().into());
                let end = self.arrivals.ends.get(&place).copied();
                let expires_in_ms = end.map_or(*ttl_ms, |end| end.saturating_sub(now.boot_ms));
                OriginView::Registered { ttl_ms: *ttl_ms, expires_in_ms, stale: *stale, by: by.clone() }
            }
        })
    }

    /// How looking up a pool's members goes.
    pub(super) fn discovery_view(&self, switch: &Switch, pool: &Pool) -> Option<DiscoveryView> {
        let source = pool.discover.as_ref()?;
        let look = self.arrivals.looks.get(&(switch.name.clone(), pool.name.clone()));
        Some(DiscoveryView {
            name: source.name.to_string(),
            last_good_at: look.and_then(|look| look.good_at).map(|at| rfc3339(at.unix_ms)),
            failure: look.and_then(|look| look.failure.clone()),
        })
    }
}
