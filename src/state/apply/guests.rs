//! Members that come and go by themselves (§2.5): registrations, their end, what DNS has.

use super::{Decide, resolve_pool};
use crate::health::OverrideKind;
use crate::state::command::{Change, Registration, Rejection};
use crate::state::guests::{Guest, Lease, Origin, seated};
use crate::state::observed::{PoolStatus, pool_status};
use crate::state::runtime::SwitchState;
use crate::steering::{Given, MAX_WEIGHT, Member, Pool, Register, Switch, is_answerable, named_by_rules};
use std::net::IpAddr;
use std::sync::Arc;

/// The shortest time a registration may last, milliseconds: a few heartbeats must fit in.
pub const SHORTEST_TTL_MS: u64 = 5_000;

/// How long a member that DNS no longer has may stay where nobody else is healthy yet, milliseconds: longer than
/// large models take to load.
pub const LEAVING_MS: u64 = 1_800_000;

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
    let mut notes = shared_addresses(switch, pool, asked);
    match place {
        Some(at) if says_the_same(&state.guests[at], &guest) => return Ok(decide.unchanged()),
        Some(at) => {
            if !state.guests[at].member.is_same_server(&guest.member) {
                notes.extend(end_force_up(&mut state, &pool.name, &[asked.id.as_str()]));
            }
            state.guests[at] = guest;
        }
        None => {
            let registered = state.guests.iter().filter(|guest| guest.pool == pool.name && guest.lease().is_some());
            if registered.count() >= usize::from(terms.max) {
                return Err(Rejection::PoolFull { pool: pool.name.to_string(), max: terms.max });
            }
            state.guests.push(guest);
        }
    }
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
    if [".", ".."].contains(&id) {
        return bad("id", format!("`{id}` is no member's id: in the path of a request it stands for a folder"));
    }
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

/// Ends a registration. One without which clients would be answered by nobody stays unless forced.
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
    let mut notes = end_force_up(&mut state, &pool.name, &[id]);
    let stays = state.holds.iter().any(|hold| hold.is_on(&pool.name, id) && hold.hold.in_force(decide.now.unix_ms));
    notes.extend(stays.then(|| format!("`{id}` is forced down, also if it comes back, until that override ends")));
    // Down as it may be, the fallback answers the last one; without it there is nobody to answer.
    let after = status_with(decide, switch, pool, &state);
    let empties = after.members.is_empty();
    let leaves_nobody =
        is_answered(decide, switch, pool) && (empties || status(decide, switch, pool).eligible && !after.eligible);
    decide.guard(leaves_nobody.then(|| Rejection::LastMember { pool: pool.name.to_string(), id: id.to_owned() }))?;
    let mut change = decide.change(vec![(switch.name.clone(), state)], [zone]);
    change.notes = notes;
    Ok(change)
}

/// Ends registrations whose time is over (pool and name). A pool that clients are answered keeps
/// those without which it would not be eligible, else its last ones, marked stale, until others are there.
pub(super) fn expire(decide: &Decide<'_>, name: &str, over: &[(Arc<str>, Arc<str>)]) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let mut state = decide.state(switch);
    let before = state.clone();
    for pool in &switch.pools {
        let is_over = |member: &Member| over.iter().any(|(of, id)| *of == pool.name && **id == *member.name());
        if !pool.members.iter().any(is_over) {
            continue;
        }
        let concerned = |guest: &Guest| guest.pool == pool.name && guest.lease().is_some() && is_over(&guest.member);
        let mut without = state.clone();
        without.guests.retain(|guest| !concerned(guest));
        let (now, then) = (status(decide, switch, pool), status_with(decide, switch, pool, &without));
        let members = || pool.members.iter().zip(&now.members);
        let healthy_stays = members().any(|(member, up)| *up && !is_over(member));
        let healthy_goes = members().any(|(member, up)| *up && is_over(member));
        let somebody_stays = members().any(|(member, _)| !is_over(member));
        let suffices = healthy_stays || (somebody_stays && !healthy_goes);
        if !is_answered(decide, switch, pool) || suffices && (then.eligible || !now.eligible) {
            let gone: Vec<_> = state.guests.iter().filter(|guest| concerned(guest)).map(|g| g.member.clone()).collect();
            state = without;
            end_force_up(&mut state, &pool.name, &gone.iter().map(Member::name).collect::<Vec<_>>());
            continue;
        }
        for guest in state.guests.iter_mut().filter(|guest| concerned(guest)) {
            if let Origin::Registered(lease) = &mut guest.origin {
                lease.stale = true;
            }
        }
    }
    if state.guests == before.guests {
        return Ok(decide.unchanged());
    }
    let goes = state.guests.len() < before.guests.len();
    Ok(decide.change(vec![(switch.name.clone(), state)], goes.then_some(zone)))
}

/// Replaces what DNS had for a pool by what it has. Healthy members without which a pool that clients are answered
/// from would not be eligible stay for a while, until it is by those that came.
pub(super) fn discovered(decide: &Decide<'_>, name: &str, pool: &str, found: &[Member]) -> Result<Change, Rejection> {
    let (zone, switch) = decide.switch(name)?;
    let pool = resolve_pool(switch, pool)?;
    let mut state = decide.state(switch);
    let (known, others): (Vec<Guest>, Vec<Guest>) =
        std::mem::take(&mut state.guests).into_iter().partition(|g| g.pool == pool.name && g.lease().is_none());
    state.guests = others;
    let written = decide.desired.definitions.written(name).and_then(|written| Some(written.pool(&pool.name)?.1));
    let of_files = written.iter().flat_map(|pool| pool.members.iter());
    let registered = state.guests.iter().filter(|guest| guest.pool == pool.name).map(|guest| &guest.member);
    let taken: Vec<IpAddr> = of_files.chain(registered).flat_map(Member::addresses).collect();
    let is_free = |member: &Member| !member.addresses().any(|address| taken.contains(&address));
    let come = |member: &Member| {
        let origin = Origin::Discovered { leaves_unix_ms: None };
        Guest { pool: pool.name.clone(), member: member.clone(), origin }
    };
    let mut after: Vec<Guest> = found.iter().filter(|member| is_free(member)).map(come).collect();
    state.guests.extend(after.iter().cloned());
    let now = status(decide, switch, pool);
    if now.eligible && is_answered(decide, switch, pool) && !status_with(decide, switch, pool, &state).eligible {
        let is_up = |member: &Member| pool.members.iter().zip(&now.members).any(|(m, up)| *up && m == member);
        let goes =
            |guest: &&Guest| is_free(&guest.member) && !after.iter().any(|a| a.member.name() == guest.member.name());
        let leaving: Vec<Guest> =
            known.iter().filter(goes).filter_map(|guest| leaving(guest, decide.now.unix_ms)).collect();
        after.extend(leaving.into_iter().filter(|guest| is_up(&guest.member)));
        state.guests.retain(|guest| guest.pool != pool.name || guest.lease().is_some());
        state.guests.extend(after.iter().cloned());
    }
    if known == after {
        return Ok(decide.unchanged());
    }
    Ok(decide.change(vec![(switch.name.clone(), state)], [zone]))
}

/// A guest that DNS no longer has, unless it has stayed long enough.
fn leaving(guest: &Guest, now_unix_ms: u64) -> Option<Guest> {
    let known = match guest.origin {
        Origin::Discovered { leaves_unix_ms } => leaves_unix_ms,
        Origin::Registered(_) => None,
    };
    let end = known.unwrap_or(now_unix_ms.saturating_add(LEAVING_MS));
    let stays = || Guest { origin: Origin::Discovered { leaves_unix_ms: Some(end) }, ..guest.clone() };
    (now_unix_ms < end).then(stays)
}

/// A pool as it is.
fn status(decide: &Decide<'_>, switch: &Switch, pool: &Pool) -> PoolStatus {
    pool_status(decide.desired, decide.observed, switch, pool, decide.now.unix_ms)
}

/// A pool as it would be with this state of its switch.
fn status_with(decide: &Decide<'_>, switch: &Arc<Switch>, pool: &Pool, state: &SwitchState) -> PoolStatus {
    let switch = seated(decide.desired.definitions.written(&switch.name).unwrap_or(switch), &state.guests);
    let pool = switch.pool(&pool.name).map_or(pool, |(_, pool)| pool);
    pool_status(&decide.planned(&switch, state), decide.observed, &switch, pool, decide.now.unix_ms)
}

/// Whether clients are answered from a pool: it has weight or a rule.
fn is_answered(decide: &Decide<'_>, switch: &Switch, pool: &Pool) -> bool {
    let weighted = decide.desired.split(switch).get(&pool.name).is_some_and(|weight| *weight > 0);
    let at = switch.pool(&pool.name).map(|(at, _)| at);
    weighted || at.is_some_and(|at| named_by_rules(switch).get(at).copied().unwrap_or(false))
}

/// What an operator forced up is the server that was there: whoever comes under its name has probes to pass. What is
/// forced down stays so to the end of the override, whoever comes and goes.
fn end_force_up(state: &mut SwitchState, pool: &str, ids: &[impl AsRef<str>]) -> Vec<String> {
    let mut notes = Vec::new();
    state.holds.retain(|hold| {
        let ends = hold.hold.kind == OverrideKind::ForceUp && ids.iter().any(|id| hold.is_on(pool, id.as_ref()));
        if let (true, Some(id)) = (ends, &hold.member) {
            notes.push(format!("the override that forces `{id}` up has ended: its probes decide from here on"));
        }
        !ends
    });
    notes
}
