//! `[transfer]`: who may take zones, and who is told of their changes; `[zone.transfer]`: the same of one zone.

use crate::config::findings::Scope;
use crate::config::v1::{Field, Texts};
use crate::dns::Name;
use crate::dns::tsig::KeyRing;
use crate::state::{Peer, TransferOverride, TransferRules};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use toml::Spanned;

/// The port other servers are spoken to at, unless another is written.
const DNS_PORT: u16 = 53;

/// `[transfer]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransferForm {
    allow: Option<Texts>,
    keys: Option<Texts>,
    notify: Option<Texts>,
    catalog: Field<String>,
}

/// What `[transfer]` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferConfig {
    /// Who may take zones, and their secondaries.
    pub rules: TransferRules,
    /// The zone that lists the zones that may be taken.
    pub catalog: Option<Name>,
}

impl TransferForm {
    /// The rules, as far as they are in order.
    pub(super) fn judge(&self, ring: &KeyRing, scope: &mut Scope<'_>) -> TransferConfig {
        let rules = TransferRules::default().with(&self.parts(Some(ring), scope));
        if !rules.allow_somebody() {
            let unused = self.notify.as_ref().and_then(|texts| texts.0.first());
            if let Some(text) = unused {
                let message = "nobody may take a zone: `[transfer]` has neither `allow` nor `keys`";
                scope.refuse(
                    &text.span(),
                    message,
                    "add `allow = [\"192.0.2.54\"]` or `keys = [\"transfer.example.\"]`",
                );
            }
        }
        if let Some(catalog) = self.catalog.as_ref().filter(|_| !rules.allow_somebody()) {
            // It is taken by what the server says, whatever zones say of themselves.
            let message = "nobody may take the catalog: `[transfer]` has neither `allow` nor `keys`";
            let remedy = "add `allow = [\"192.0.2.54\"]` or `keys = [\"transfer.example.\"]`, or remove `catalog`";
            scope.refuse(&catalog.span(), message, remedy);
        }
        TransferConfig { rules, catalog: self.catalog.as_ref().and_then(|text| catalog(text, scope)) }
    }

    /// What `[zone.transfer]` replaces; without a ring the keys are taken at their word.
    pub(in crate::config) fn judge_of_zone(&self, ring: Option<&KeyRing>, scope: &mut Scope<'_>) -> TransferOverride {
        if let Some(catalog) = &self.catalog {
            let remedy = "write it under `[transfer]` of the server's file";
            scope.refuse(&catalog.span(), "a catalog lists the zones of the whole server", remedy);
        }
        self.parts(ring, scope)
    }

    /// What is said of who may and who is told.
    fn parts(&self, ring: Option<&KeyRing>, scope: &mut Scope<'_>) -> TransferOverride {
        let keys = self.keys.as_ref();
        let notify = self.notify.as_ref();
        TransferOverride {
            allow: self.allow.as_ref().map(|texts| scope.networks(texts)),
            keys: keys.map(|texts| texts.0.iter().filter_map(|text| key_of(text, ring, scope)).collect()),
            secondaries: notify
                .map(|texts| texts.0.iter().filter_map(|text| peer(text, "a secondary", ring, scope)).collect()),
        }
    }
}

/// The name of the catalog zone.
fn catalog(text: &Spanned<String>, scope: &mut Scope<'_>) -> Option<Name> {
    let name = scope.name(text)?;
    if name == Name::root() || name.is_wildcard() {
        scope.refuse(&text.span(), format!("`{name}` cannot be a catalog"), "write \"catalog.invalid\"");
        return None;
    }
    Some(name)
}

/// The name of a key, which has to be there where the keys are known.
fn key_of(text: &Spanned<String>, ring: Option<&KeyRing>, scope: &mut Scope<'_>) -> Option<Name> {
    match ring {
        Some(ring) => scope.known_key(text, ring),
        None => scope.name(text),
    }
}

/// `192.0.2.54`, `192.0.2.54:5300`, `[2001:db8::54]:53`, each with a key behind a space.
pub(in crate::config) fn peer(
    text: &Spanned<String>,
    what: &str,
    ring: Option<&KeyRing>,
    scope: &mut Scope<'_>,
) -> Option<Peer> {
    let (place, key) = match text.get_ref().split_once(' ') {
        Some((place, key)) => (place, Some(key.trim())),
        None => (text.get_ref().as_str(), None),
    };
    let address = place.parse::<SocketAddr>().ok().or_else(|| {
        let plain = place.trim_start_matches('[').trim_end_matches(']');
        plain.parse::<IpAddr>().ok().map(|ip| (ip, DNS_PORT).into())
    });
    let Some(address) = address.filter(|address| address.port() != 0 && !address.ip().is_unspecified()) else {
        let remedy = "write \"192.0.2.54\", \"192.0.2.54:5300\" or \"[2001:db8::54]:53\", and a key behind a space: \"192.0.2.54 transfer.example.\"";
        scope.refuse(&text.span(), format!("`{place}` is no address of {what}"), remedy);
        return None;
    };
    let key = match key {
        None => None,
        Some(name) => Some(key_of(&Spanned::new(text.span(), name.to_owned()), ring, scope)?),
    };
    Some(Peer { address, key })
}

impl Scope<'_> {
    /// The name of a key of the ring.
    pub(super) fn known_key(&mut self, text: &Spanned<String>, ring: &KeyRing) -> Option<Name> {
        let name = self.name(text)?;
        if ring.find(&name).is_none() {
            let known: Vec<String> = ring.iter().map(|key| key.name.to_string()).collect();
            let remedy = if known.is_empty() {
                format!("add `[tsig.keys.\"{name}\"]`; `tidegate tsig-key {name}` prints one")
            } else {
                format!("known here: {}", known.join(", "))
            };
            self.refuse(&text.span(), format!("there is no key {name}"), remedy);
            return None;
        }
        Some(name)
    }
}
