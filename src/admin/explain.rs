//! `GET /v1/explain?owner=&client=`: which pool a client gets, and why (§6.1).
//!
//! Looks the name up as a query would, in the snapshot queries read at this moment.

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::incoming::Asking;
use super::problem::Problem;
use crate::dns::{Name, Qname, RecordType, Subnet};
use crate::snapshot::{OwnerRole, Snapshot, SteeredOwner};
use crate::steering::{Client, CompiledSwitch, Explanation};
use crate::zone::Found;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// The query of the resource.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    #[schemars(length(min = 1))]
    owner: String,
    client: Option<String>,
}

/// The answer of the resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// The name as it was looked up.
    pub owner: String,
    /// The client it is about.
    pub client: String,
    /// The snapshot it was read from.
    pub snapshot: u64,
    /// Its revision.
    pub revision: u64,
    /// The choice and its reasons.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// Whom a choice is explained for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    /// One address, as a resolver without client subnet.
    Address(IpAddr),
    /// A client subnet.
    Prefix(IpNet),
    /// The leftmost label of a query below a wildcard.
    Label(String),
}

impl Whom {
    /// An address, a prefix, or else a label.
    fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if let Ok(prefix) = text.parse::<IpNet>() {
            return Ok(Self::Prefix(prefix.trunc()));
        }
        if text.is_empty() || text.len() > 63 || text.contains(['.', '/', ':']) {
            return Err(Problem::invalid_field(
                "client",
                format!("`{text}` is no address, no prefix such as 203.0.113.0/24, and no single label"),
            ));
        }
        Ok(Self::Label(text.to_ascii_lowercase()))
    }
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Prefix(prefix) => write!(f, "{prefix}"),
            Self::Label(label) => write!(f, "label {label}"),
        }
    }
}

/// Explains one choice.
pub(super) async fn show(
    State(context): State<AdminContext>,
    principal: Principal,
    Asking(query): Asking<ExplainQuery>,
) -> Result<Json<Explained>, Problem> {
    principal.need(Role::Viewer)?;
    let whom = match &query.client {
        Some(client) => Whom::parse(client)?,
        None => Whom::Address(principal.from.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))),
    };
    let snapshot = context.handle().snapshot();
    let owner = name_for(&query.owner, &whom)?;
    let qname = qname_of(&owner)?;
    let (steered, switch) = find(&snapshot, &owner, &qname)?;
    principal.need_on(Role::Viewer, switch.name())?;
    check_pairing(steered, &owner, &whom)?;
    let explanation = switch.explain(&client(steered, &qname, &whom), crate::clock::random_u64());
    let (number, revision) = (snapshot.number, snapshot.revision);
    Ok(Json(Explained { owner: owner.to_string(), client: whom.to_string(), snapshot: number, revision, explanation }))
}

/// The name a query would have: a label goes in front of a wildcard's base.
fn name_for(owner: &str, whom: &Whom) -> Result<Name, Problem> {
    let bad =
        |error: &dyn std::fmt::Display| Problem::invalid_field("owner", format!("`{owner}` is not a name: {error}"));
    let name = Name::parse(owner.trim(), Some(&Name::root())).map_err(|error| bad(&error))?;
    match (whom, name.is_wildcard(), name.parent()) {
        (Whom::Label(label), true, Some(base)) => base.child(label.as_bytes()).map_err(|error| bad(&error)),
        _ => Ok(name),
    }
}

/// The name in the form lookups take.
fn qname_of(name: &Name) -> Result<Qname, Problem> {
    let mut qname = Qname::default();
    qname.set(name.wire()).ok_or_else(|| Problem::invalid_field("owner", format!("`{name}` cannot be asked for")))?;
    Ok(qname)
}

/// The switch that decides a name.
fn find<'s>(
    snapshot: &'s Snapshot,
    owner: &Name,
    qname: &Qname,
) -> Result<(&'s SteeredOwner, &'s CompiledSwitch), Problem> {
    let missing = |why: String| Problem::new(StatusCode::NOT_FOUND, "not-steered", why);
    let located = snapshot.zones.find(qname).ok_or_else(|| missing(format!("{owner} is in no zone of this server")))?;
    match located.zone.lookup(qname, located.hash, RecordType::A) {
        Found::Steered(id, _) => snapshot
            .steered(snapshot.zones.steered(&located, id))
            .ok_or_else(|| missing(format!("{owner} is steered by no switch of this snapshot"))),
        _ => Err(missing(format!("{owner} is not steered: its records are static, or it does not exist"))),
    }
}

/// Refuses what a query could not be: a pin, or a label where the name is no wildcard.
fn check_pairing(steered: &SteeredOwner, owner: &Name, whom: &Whom) -> Result<(), Problem> {
    match (steered.role, steered.wildcard, whom) {
        (OwnerRole::Pin(_), ..) => Err(Problem::invalid_field(
            "owner",
            format!("{owner} is a pin: it always means its own pool, whatever the weights"),
        )),
        (OwnerRole::Explain, ..) => {
            Err(Problem::invalid_field("owner", format!("{owner} is itself an explanation: ask for the name below it")))
        }
        (OwnerRole::Owner, true, Whom::Address(_) | Whom::Prefix(_)) if owner.is_wildcard() => {
            Err(Problem::invalid_field(
                "client",
                format!("{owner} decides by the leftmost label: give a label as client, or the whole name as owner"),
            ))
        }
        (OwnerRole::Owner, false, Whom::Label(label)) => Err(Problem::invalid_field(
            "client",
            format!("{owner} decides by address: `{label}` is neither an address nor a prefix"),
        )),
        (OwnerRole::Owner, ..) => Ok(()),
    }
}

/// The client as steering sees it.
fn client<'q>(steered: &SteeredOwner, qname: &'q Qname, whom: &Whom) -> Client<'q> {
    let (address, subnet) = match whom {
        Whom::Address(address) => (*address, None),
        Whom::Prefix(prefix) => (prefix.addr(), Some(Subnet { address: prefix.addr(), source: prefix.prefix_len() })),
        Whom::Label(_) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None),
    };
    Client { address, subnet, label: steered.wildcard.then(|| qname.first_label()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_address_a_prefix_or_a_label() {
        assert_eq!(Whom::parse("192.0.2.7").unwrap(), Whom::Address("192.0.2.7".parse().unwrap()));
        assert_eq!(Whom::parse("192.0.2.7/24").unwrap(), Whom::Prefix("192.0.2.0/24".parse().unwrap()));
        assert_eq!(Whom::parse("2001:db8::/56").unwrap(), Whom::Prefix("2001:db8::/56".parse().unwrap()));
        assert_eq!(Whom::parse("U123").unwrap(), Whom::Label("u123".to_owned()));
        for wrong in ["", "192.0.2.7/40", "a.b", "2001:db8::g"] {
            assert!(Whom::parse(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_label_goes_in_front_of_a_wildcards_base() {
        let name = |owner, whom: &str| name_for(owner, &Whom::parse(whom).unwrap()).unwrap().to_string();
        assert_eq!(name("*.app.example.test", "u123"), name("u123.app.example.test", "192.0.2.1"));
        assert_eq!(name("app.example.test", "192.0.2.1"), name("app.example.test.", "192.0.2.1"));
    }
}
