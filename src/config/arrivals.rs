//! `register = { ... }` and `members = { dns = ... }` of a pool: members that come by themselves.

use super::findings::Scope;
use super::v1::{DnsForm, RegisterForm, span_or};
use crate::dns::Name;
use crate::steering::{DnsSource, Register};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// The most members that may register with a pool, or be found for it: every change of one rewrites
/// its switch's row, about 200 octets a member.
const MAX_GUESTS: u16 = 1000;

/// Time limits of registrations, milliseconds: 5 s to a day.
const TTL_MS: std::ops::RangeInclusive<u64> = 5_000..=86_400_000;

/// Time between two looks, milliseconds: 1 s to an hour.
const EVERY_MS: std::ops::RangeInclusive<u64> = 1_000..=3_600_000;

impl Scope<'_> {
    /// Who may register with a pool.
    pub(super) fn register(&mut self, form: Option<&Spanned<RegisterForm>>) -> Option<Register> {
        let form = form?;
        let (span, form) = (form.span(), form.get_ref());
        let networks = form.networks.as_ref().map(|texts| self.networks(texts)).unwrap_or_default();
        if form.networks.as_ref().is_none_or(|texts| texts.0.is_empty()) {
            let remedy =
                "add `networks = [\"10.0.0.0/8\"]`: where members register from, and where their addresses lie";
            self.refuse(&span, "`register` does not say from which networks", remedy);
        }
        Some(Register {
            max: self.number("max", &form.max, 20, 1..=MAX_GUESTS),
            networks,
            ttl_max_ms: self.duration_ms("ttl_max", &form.ttl_max, 600_000, TTL_MS),
        })
    }

    /// Where members are looked up.
    pub(super) fn discover(&mut self, form: Option<&DnsForm>, pool: &Range<usize>) -> Option<Arc<DnsSource>> {
        let form = form?;
        let Some(dns) = &form.dns else {
            let remedy = "write `members = { dns = \"blue.service.consul\" }`, or a list of addresses";
            self.refuse(pool, "`members` is a table without `dns`", remedy);
            return None;
        };
        let name = match Name::parse(dns.get_ref(), Some(&Name::root())) {
            Ok(name) if name.label_count() > 0 => name,
            Ok(_) => {
                self.refuse(&dns.span(), "the root has no members", "write the name of a service");
                return None;
            }
            Err(error) => {
                self.refuse(&dns.span(), format!("`{}` is no name: {error}", dns.get_ref()), "");
                return None;
            }
        };
        let every_ms = self.duration_ms("every", &form.every, 10_000, EVERY_MS);
        let timeout_ms = self.duration_ms("timeout", &form.timeout, every_ms.min(2_000), 100..=60_000);
        if timeout_ms > every_ms {
            let message = "`timeout` is longer than `every`: looks would overtake each other";
            self.refuse(&span_or(&form.timeout, pool), message, "write a shorter one");
        }
        let resolver = form.resolver.as_ref().and_then(|text| {
            let text_of = text.get_ref();
            let bare = text_of.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
            let found = text_of.parse::<SocketAddr>().or(bare).ok().filter(|address| address.port() > 0);
            if found.is_none() {
                let message = format!("`resolver` must be an address, with or without a port; this is `{text_of}`");
                self.refuse(&text.span(), message, "write \"127.0.0.1:8600\" or \"[::1]:53\"");
            }
            found
        });
        Some(Arc::new(DnsSource {
            name,
            srv: form.srv.as_ref().is_some_and(|srv| *srv.get_ref()),
            every_ms,
            timeout_ms,
            resolver,
            max: self.number("max", &form.max, 64, 1..=MAX_GUESTS),
        }))
    }
}
