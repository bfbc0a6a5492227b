//! `PUT` and `DELETE /v1/switches/{s}/pools/{p}/members/{id}`: members that register themselves (§2.5).

use super::auth::Role;
use super::context::AdminContext;
use super::incoming::{Incoming, Segments, Wish};
use super::overrides::duration_ms;
use super::problem::Problem;
use super::requests::{PlainBody, RegisterBody};
use crate::control::Replied;
use crate::state::{Command, Registration};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How long a registration lasts when the body does not say.
const TTL: &str = "30s";

/// What a member is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Registered {
    /// The revision the registration made, or the current one when it repeats what is known.
    pub revision: u64,
    /// Whether it said anything new.
    pub changed: bool,
    /// How long it lasts from now, milliseconds.
    pub ttl_ms: u64,
    /// When the next heartbeat is due at the latest, so that two more may get lost, milliseconds.
    pub renew_within_ms: u64,
    /// What the operator should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Whether a token may register members here, and only that.
fn may_register(incoming: &Incoming, switch: &str) -> Result<bool, Problem> {
    let only = incoming.principal.role == Role::Member;
    incoming.principal.need_on(if only { Role::Member } else { Role::Operator }, switch)?;
    Ok(only)
}

/// Registers a member, or renews its registration.
pub(super) async fn register(
    State(context): State<AdminContext>,
    Segments((switch, pool, id)): Segments<(String, String, String)>,
    incoming: Incoming,
) -> Result<Json<Registered>, Problem> {
    let only = may_register(&incoming, &switch)?;
    let body: RegisterBody = incoming.json()?;
    let (mut ipv4, mut ipv6) = (None, None);
    for text in body.address.iter() {
        let twice = match text.trim().parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => ipv4.replace(address).is_some(),
            Ok(IpAddr::V6(address)) => ipv6.replace(address).is_some(),
            Err(_) => {
                return Err(Problem::invalid_field("address", format!("`{text}` is no IPv4 or IPv6 address")));
            }
        };
        if twice {
            return Err(Problem::invalid_field("address", "a member has at most one address of each family"));
        }
    }
    let ttl_ms = duration_ms(body.ttl.as_deref().unwrap_or(TTL)).map_err(|why| Problem::invalid_field("ttl", why))?;
    let weight = body.weight.unwrap_or(1);
    let member = Registration { id, ipv4, ipv6, weight, version: body.version, ttl_ms };
    // A caller whose address is not known comes from nowhere that is allowed.
    let nowhere = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
    let from = only.then(|| incoming.principal.from.parse().unwrap_or(nowhere));
    let command = Command::Register { switch, pool, member, from };
    let wish = Wish { command, reason: body.reason, force: false, dry_run: body.dry_run };
    let replied = incoming.change(&context, wish).await?;
    Ok(Json(Registered {
        revision: replied.revision,
        changed: replied.changed,
        ttl_ms,
        renew_within_ms: ttl_ms / 3,
        notes: replied.notes,
    }))
}

/// Ends a registration.
pub(super) async fn unregister(
    State(context): State<AdminContext>,
    Segments((switch, pool, id)): Segments<(String, String, String)>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    let only = may_register(&incoming, &switch)?;
    let body: PlainBody = incoming.json_or_default()?;
    if only && body.force {
        return Err(Problem::wrong_role(Role::Operator, Role::Member));
    }
    let command = Command::Unregister { switch, pool, id };
    let wish = Wish { command, reason: body.reason, force: body.force, dry_run: body.dry_run };
    incoming.change(&context, wish).await.map(Json)
}
