//! `[transfer]`: who may take zones, and who is told of their changes.

use crate::config::findings::Scope;
use crate::config::v1::Texts;
use crate::dns::Name;
use crate::dns::tsig::KeyRing;
use crate::state::{Secondary, TransferRules};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use toml::Spanned;

/// The port secondaries are told at, unless another is written.
const DNS_PORT: u16 = 53;

/// `[transfer]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TransferForm {
    allow: Option<Texts>,
    keys: Option<Texts>,
    notify: Option<Texts>,
}

/// What `[transfer]` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferConfig {
    /// Who may take zones, and their secondaries.
    pub rules: TransferRules,
}

impl TransferForm {
    /// The rules, as far as they are in order.
    pub(super) fn judge(&self, ring: &KeyRing, scope: &mut Scope<'_>) -> TransferConfig {
        let texts = |texts: &Option<Texts>| texts.as_ref().map(|texts| texts.0.clone()).unwrap_or_default();
        let keys = texts(&self.keys).iter().filter_map(|text| scope.known_key(text, ring)).collect();
        let secondaries =
            texts(&self.notify).iter().filter_map(|text| secondary(text, ring, scope)).collect::<Vec<_>>();
        let rules = TransferRules {
            allow: self.allow.as_ref().map(|texts| scope.networks(texts)).unwrap_or_default(),
            keys,
            secondaries,
        };
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
        TransferConfig { rules }
    }
}

/// `192.0.2.54`, `192.0.2.54:5300`, `[2001:db8::54]:53`, each with a key behind a space.
fn secondary(text: &Spanned<String>, ring: &KeyRing, scope: &mut Scope<'_>) -> Option<Secondary> {
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
        scope.refuse(&text.span(), format!("`{place}` is no address of a secondary"), remedy);
        return None;
    };
    let key = match key {
        None => None,
        Some(name) => Some(scope.known_key(&Spanned::new(text.span(), name.to_owned()), ring)?),
    };
    Some(Secondary { address, key })
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
