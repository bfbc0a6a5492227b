//! Members that come and go by themselves (§2.5): registrations, their end, what DNS has.

use super::{Decide, resolve_pool};
use crate::state::command::{Change, Registration, Rejection};
use crate::state::guests::{Guest, Lease, Origin};
use crate::state::observed::pool_status;
use crate::state::runtime::{Desired, SwitchState};
use crate::steering::{Given, MAX_WEIGHT, Member, Pool, Register, Switch, is_answerable, named_by_rules};
use std::net::IpAddr;
use std::sync::Arc;

/// The shortest time a registration may last, milliseconds: a few heartbeats must fit in.
pub const SHORTEST_TTL_MS: u64 = 5_000;

/// The longest name of a member, and of a version, octets.
const MAX_ID: usize = 63;
const MAX_VERSION: usize = 256;

/// Registers a member, or renews it. A renewal that says nothing new changes nothing.
pub(super) fn register(
    decide: &Decide<'_>,
    (name, pool): (&str, &str),
    asked: &Registration,
    from: Option<IpAddr>,
) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let pool = resolve_pool(switch, pool)?;
    let terms = pool
        .register
        .as_ref()
        .ok_or_else(|| Rejection::NoRegistration { switch: name.to_owned(), pool: pool.name.to_string() })?;
    if let Some(address) = from.filter(|address| !terms.allows(*address)) {
        let pool = pool.name.to_string();
        return Err(Rejection::CallerNetwork { pool, address: address.to_canonical(), networks: terms.words() });
    }
    let member = checked(asked, terms)?;
    let written = decide.desired.definitions.written(name).and_then(|written| Some(written.pool(&pool.name)?.1));
    if written.is_some_and(|pool| pool.members.iter().any(|of_files| of_files.name() == asked.id)) {
        return Err(Rejection::MemberOfFiles { pool: pool.name.to_string(), id: asked.id.clone() });
    }
    let others = || pool.members.iter().filter(|other| other.name() != asked.id);
    for address in member.addresses() {
        if let Some(other) = others().find(|other| other.addresses().any(|taken| taken == address)) {
            let (pool, member) = (pool.name.to_string(), other.name().to_string());
            return Err(Rejection::AddressTaken { pool, address, member });
        }
    }
    let mut state = decide.state(switch);
    let place = state.guests.iter().position(|guest| guest.is_registration(&pool.name, &asked.id));
    let lease = Lease { ttl_ms: asked.ttl_ms, by: decide.request.by.clone(), stale: false };
    let guest = Guest { pool: pool.name.clone(), member, origin: Origin::Registered(lease) };
    match place {
        Some(at) if says_the_same(&state.guests[at], &guest) => return Ok(decide.unchanged()),
        Some(at) => state.guests[at] = guest,
        None => {
            let registered = state.guests.iter().filter(|guest| guest.pool == pool.name && guest.lease().is_some());
            if registered.count() >= usize::from(terms.max) {
                return Err(Rejection::PoolFull { pool: pool.name.to_string(), max: terms.max });
            }
            state.guests.push(guest);
        }
    }
    let notes = shared_addresses(switch, pool, asked);
    let mut change = decide.change(vec![(switch.name.clone(), state)], [zone]);
    change.notes = notes;
    Ok(change)
}

/// Whether a heartbeat repeats what is known. Who sends it does not matter.
fn says_the_same(known: &Guest, told: &Guest) -> bool {
    let terms = |guest: &Guest| guest.lease().map(|lease| (lease.ttl_ms, lease.stale));
    known.member == told.member && terms(known) == terms(told)
}

/// The member a registration asks for.
fn checked(asked: &Registration, terms: &Register) -> Result<Member, Rejection> {
    let bad = |field, why: String| Err(Rejection::BadRegistration { field, why });
    let id = asked.id.as_str();
    if !(1..=MAX_ID).contains(&id.len()) || !id.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.:".contains(&c)) {
        return bad("id", "a member's id is 1 to 63 of letters, digits, `-`, `_`, `.` and `:`".to_owned());
    }
    let addresses = || asked.ipv4.map(IpAddr::V4).into_iter().chain(asked.ipv6.map(IpAddr::V6));
    if addresses().next().is_none() {
        return bad("address", "a member needs an address: IPv4, IPv6, or one of each".to_owned());
    }
    if id.parse::<IpAddr>().is_ok_and(|named| !addresses().any(|address| address == named)) {
        return bad("id", format!("`{id}` is an address that the member does not have: choose another id"));
    }
    for address in addresses() {
        if !is_answerable(address) {
            return bad("address", format!("{address} is no address that a client could connect to"));
        }
        if !terms.allows(address) {
            return bad("address", format!("{address} lies outside the pool's networks ({})", terms.words()));
        }
    }
    if !(1..=MAX_WEIGHT).contains(&asked.weight) {
        return bad("weight", format!("a member's weight is 1 to {MAX_WEIGHT}; this is {}", asked.weight));
    }
    let version = asked.version.as_deref();
    if version.is_some_and(|v| !(1..=MAX_VERSION).contains(&v.len()) || v.chars().any(char::is_control)) {
        return bad("version", format!("a version is 1 to {MAX_VERSION} bytes without control characters"));
    }
    if !(SHORTEST_TTL_MS..=terms.ttl_max_ms).contains(&asked.ttl_ms) {
        let (low, high) = (SHORTEST_TTL_MS / 1000, terms.ttl_max_ms / 1000);
        return bad("ttl", format!("a registration lasts {low} s to {high} s; this is {} ms", asked.ttl_ms));
    }
    let given = Given { name: Some(id.into()), expect_version: version.map(Into::into) };
    let mut member = Member::new(asked.ipv4, asked.ipv6, given);
    member.weight = asked.weight;
    Ok(member)
}

/// Where another pool of the switch has the same address: both lead to one server.
fn shared_addresses(switch: &Switch, pool: &Pool, asked: &Registration) -> Vec<String> {
    let mut notes = Vec::new();
    for address in asked.ipv4.map(IpAddr::V4).into_iter().chain(asked.ipv6.map(IpAddr::V6)) {
        let mut others = switch.pools.iter().filter(|other| other.name != pool.name);
        if let Some(other) = others.find(|other| other.members.iter().any(|m| m.addresses().any(|a| a == address))) {
            notes.push(format!(
                "{address} is also in pool `{}`: DNS answers carry no port, so both pools lead to the same server",
                other.name
            ));
        }
    }
    notes
}

/// Ends a registration. The last healthy member of a pool with weight stays unless forced.
pub(super) fn unregister(decide: &Decide<'_>, name: &str, pool: &str, id: &str) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let pool = resolve_pool(switch, pool)?;
    let mut state = decide.state(switch);
    let before = state.guests.len();
    state.guests.retain(|guest| !guest.is_registration(&pool.name, id));
    if state.guests.len() == before {
        let registered = state.guests.iter().filter(|guest| guest.pool == pool.name && guest.lease().is_some());
        return Err(Rejection::UnknownMember {
            switch: name.to_owned(),
            pool: pool.name.to_string(),
            name: id.to_owned(),
            known: registered.map(|guest| guest.member.name().to_string()).collect(),
        });
    }
    forget_holds(&mut state, switch, decide.desired);
    let change = decide.change(vec![(switch.name.clone(), state)], [zone]);
    let mut after =
        Desired { definitions: decide.desired.definitions.clone(), ..decide.planned(switch, &decide.state(switch)) };
    after.absorb(&change);
    let eligible = |desired: &Desired| {
        let found = desired.definitions.switch(name).and_then(|(_, switch)| Some((switch, switch.pool(&pool.name)?.1)));
        found.is_some_and(|(switch, pool)| {
            pool_status(desired, decide.observed, switch, pool, decide.now.unix_ms).eligible
        })
    };
    let leaves_nobody = is_answered(decide, switch, pool) && eligible(decide.desired) && !eligible(&after);
    decide.guard(leaves_nobody.then(|| Rejection::LastMember { pool: pool.name.to_string(), id: id.to_owned() }))?;
    Ok(change)
}

/// Ends registrations whose time is over (pool and name). A pool that clients are answered keeps
/// its last healthy ones, else its last ones, marked stale, until somebody healthy is there.
pub(super) fn expire(decide: &Decide<'_>, name: &str, over: &[(Arc<str>, Arc<str>)]) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let mut state = decide.state(switch);
    let before = state.clone();
    for pool in &switch.pools {
        let is_over = |member: &Member| over.iter().any(|(of, id)| *of == pool.name && **id == *member.name());
        if !pool.members.iter().any(is_over) {
            continue;
        }
        let status = pool_status(decide.desired, decide.observed, switch, pool, decide.now.unix_ms);
        let members = || pool.members.iter().zip(&status.members);
        let healthy_stays = members().any(|(member, up)| *up && !is_over(member));
        let healthy_goes = members().any(|(member, up)| *up && is_over(member));
        let somebody_stays = members().any(|(member, _)| !is_over(member));
        let may_go = healthy_stays || (somebody_stays && !healthy_goes) || !is_answered(decide, switch, pool);
        state.guests.retain_mut(|guest| {
            let concerned = guest.pool == pool.name && guest.lease().is_some() && is_over(&guest.member);
            if concerned && let Origin::Registered(lease) = &mut guest.origin {
                lease.stale = true;
            }
            !concerned || !may_go
        });
    }
    if state.guests == before.guests {
        return Ok(decide.unchanged());
    }
    forget_holds(&mut state, switch, decide.desired);
    let goes = state.guests.len() < before.guests.len();
    Ok(decide.change(vec![(switch.name.clone(), state)], goes.then_some(zone)))
}

/// Replaces what DNS had for a pool by what it has.
pub(super) fn discovered(decide: &Decide<'_>, name: &str, pool: &str, found: &[Member]) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let pool = resolve_pool(switch, pool)?;
    let mut state = decide.state(switch);
    let before = state.guests.clone();
    let of_pool = |guest: &Guest| guest.pool == pool.name && guest.origin == Origin::Discovered;
    state.guests.retain(|guest| !of_pool(guest));
    let written = decide.desired.definitions.written(name).and_then(|written| Some(written.pool(&pool.name)?.1));
    let of_files = written.iter().flat_map(|pool| pool.members.iter());
    let registered = state.guests.iter().filter(|guest| guest.pool == pool.name).map(|guest| &guest.member);
    let taken: Vec<IpAddr> = of_files.chain(registered).flat_map(Member::addresses).collect();
    let fresh = found.iter().filter(|member| !member.addresses().any(|address| taken.contains(&address)));
    let fresh: Vec<Guest> = fresh
        .map(|member| Guest { pool: pool.name.clone(), member: member.clone(), origin: Origin::Discovered })
        .collect();
    let known: Vec<&Guest> = before.iter().filter(|guest| of_pool(guest)).collect();
    if known.iter().copied().eq(&fresh) {
        return Ok(decide.unchanged());
    }
    state.guests.extend(fresh);
    forget_holds(&mut state, switch, decide.desired);
    Ok(decide.change(vec![(switch.name.clone(), state)], [zone]))
}

/// Whether clients are answered from a pool: it has weight or a rule.
fn is_answered(decide: &Decide<'_>, switch: &Switch, pool: &Pool) -> bool {
    let weighted = decide.desired.split(switch).get(&pool.name).is_some_and(|weight| *weight > 0);
    let at = switch.pool(&pool.name).map(|(at, _)| at);
    weighted || at.is_some_and(|at| named_by_rules(switch).get(at).copied().unwrap_or(false))
}

/// Overrides of members that are there no longer go with them.
fn forget_holds(state: &mut SwitchState, switch: &Switch, desired: &Desired) {
    let Some(written) = desired.definitions.written(&switch.name) else { return };
    let guests = &state.guests;
    state.holds.retain(|hold| {
        hold.member.as_ref().is_none_or(|held| {
            let of_files =
                written.pool(&hold.pool).is_some_and(|(_, pool)| pool.members.iter().any(|m| m.name() == **held));
            of_files || guests.iter().any(|guest| guest.pool == hold.pool && guest.member.name() == **held)
        })
    });
}
