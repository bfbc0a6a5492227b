//! Single values: durations, shares, whole numbers, labels, addresses.
//!
//! Each reader returns the default when the field is absent and notes a problem when it is no good;
//! the value it returns then is never used, since a file with problems is not loaded.

use super::findings::Scope;
use super::v1::{Field, Scalar, Texts};
use crate::steering::is_answerable;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;

/// Addresses of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Addresses {
    /// Answered to A.
    pub(super) ipv4: Option<Ipv4Addr>,
    /// Answered to AAAA.
    pub(super) ipv6: Option<Ipv6Addr>,
}

impl Scope<'_> {
    /// A time such as `"500ms"`, `"2s"`, `"15m"`, or a number of seconds; milliseconds.
    pub(super) fn duration_ms(
        &mut self,
        key: &str,
        field: &Field<Scalar>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let Some(field) = field else { return default };
        let parsed = match field.get_ref() {
            Scalar::Text(text) => humantime::parse_duration(text).ok(),
            Scalar::Integer(n) => u64::try_from(*n).ok().map(Duration::from_secs),
            Scalar::Float(n) => Duration::try_from_secs_f64(*n).ok(),
            Scalar::Boolean(_) => None,
        };
        let Some(ms) = parsed.and_then(|d| u64::try_from(d.as_millis()).ok()) else {
            let message = format!("`{key}` is no length of time: `{}`", field.get_ref());
            self.refuse(&field.span(), message, "write a number with its unit, such as \"500ms\", \"30s\" or \"15m\"");
            return default;
        };
        if !range.contains(&ms) {
            let message = format!("`{key}` must be {} to {}", time(*range.start()), time(*range.end()));
            let bound = if ms < *range.start() { range.start() } else { range.end() };
            self.refuse(&field.span(), message, format!("the nearest that is allowed is \"{}\"", time(*bound)));
            return default;
        }
        ms
    }

    /// A time in whole seconds.
    pub(super) fn seconds(
        &mut self,
        key: &str,
        field: &Field<Scalar>,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let range = u64::from(*range.start()) * 1000..=u64::from(*range.end()) * 1000;
        let ms = self.duration_ms(key, field, u64::from(default) * 1000, range);
        if !ms.is_multiple_of(1000) {
            let span = super::v1::span_or(field, &(0..0));
            self.refuse(&span, format!("`{key}` is counted in whole seconds"), format!("write \"{}s\"", ms / 1000 + 1));
        }
        u32::try_from(ms / 1000).unwrap_or(default)
    }

    /// A share such as `"50%"` or `0.5`, in 1/10000; never zero.
    pub(super) fn share(&mut self, key: &str, field: &Field<Scalar>, default: u16) -> u16 {
        let Some(field) = field else { return default };
        let fraction = match field.get_ref() {
            Scalar::Text(text) => {
                text.strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok()).map(|percent| percent / 100.0)
            }
            Scalar::Float(fraction) => Some(*fraction),
            Scalar::Integer(1) => Some(1.0),
            _ => None,
        };
        let units = fraction.map(|f| (f * 10_000.0).round()).filter(|units| (1.0..=10_000.0).contains(units));
        let Some(units) = units else {
            let message = format!("`{key}` must be more than 0 % and at most 100 %");
            self.refuse(&field.span(), message, "write a percentage such as \"50%\", or a fraction such as 0.5");
            return default;
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole and 1 to 10000, as just tested
        let units = units as u16;
        units
    }

    /// A whole number within a range.
    pub(super) fn number<T: TryFrom<i64> + Copy + PartialOrd + std::fmt::Display>(
        &mut self,
        key: &str,
        field: &Field<i64>,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        let Some(field) = field else { return default };
        match T::try_from(*field.get_ref()) {
            Ok(n) if range.contains(&n) => n,
            _ => {
                let message =
                    format!("`{key}` must be {} to {}; this is {}", range.start(), range.end(), field.get_ref());
                self.refuse(&field.span(), message, "");
                default
            }
        }
    }

    /// A name that becomes a DNS label and part of URLs: `a`-`z`, `0`-`9`, `-` and `_`, begun by a letter or digit.
    pub(super) fn label(&mut self, what: &str, name: &Spanned<String>) {
        let text = name.get_ref().as_str();
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = (1..=63).contains(&text.len())
            && text.bytes().all(|c| plain(c) || c == b'-' || c == b'_')
            && text.bytes().next().is_some_and(plain);
        if good {
            return;
        }
        let lower = text.to_ascii_lowercase();
        let remedy = if lower != text && lower.bytes().all(|c| plain(c) || c == b'-' || c == b'_') {
            format!("write `{lower}`")
        } else {
            "use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit".to_owned()
        };
        self.refuse(&name.span(), format!("`{text}` can't name a {what}: it becomes a DNS label"), remedy);
    }

    /// Address prefixes; a bare address is a prefix of full length.
    pub(super) fn networks(&mut self, texts: &Texts) -> Vec<IpNet> {
        let mut networks = Vec::with_capacity(texts.0.len());
        for text in &texts.0 {
            let parsed =
                text.get_ref().parse::<IpNet>().ok().or_else(|| text.get_ref().parse::<IpAddr>().ok().map(IpNet::from));
            match parsed {
                None => {
                    let message = format!("`{}` is no address prefix", text.get_ref());
                    self.refuse(&text.span(), message, "write it as \"192.0.2.0/24\" or \"2001:db8::/32\"");
                }
                Some(network) if network.trunc() != network => {
                    let message = format!("`{network}` has bits set behind its prefix length");
                    self.refuse(&text.span(), message, format!("write \"{}\"", network.trunc()));
                }
                Some(network) => networks.push(network),
            }
        }
        networks
    }

    /// One address, or one of each family with a space between, added to what is there.
    pub(super) fn addresses(&mut self, span: &Range<usize>, text: &str, found: &mut Addresses) {
        if text.trim().is_empty() {
            self.refuse(span, "an empty text is no address", "write an IPv4 or IPv6 address");
        }
        for word in text.split_whitespace() {
            match word.parse::<IpAddr>() {
                Err(_) => {
                    let remedy = if word.contains([':', '/']) && word.parse::<IpAddr>().is_err() && !word.contains("::")
                    {
                        "DNS answers carry neither port nor prefix: write the bare address"
                    } else {
                        "write an IPv4 or IPv6 address"
                    };
                    self.refuse(span, format!("`{word}` is no address"), remedy);
                }
                Ok(address) if !is_answerable(address) => {
                    self.refuse(
                        span,
                        format!("`{address}` is no address that a client could connect to"),
                        "write a unicast address",
                    );
                }
                Ok(IpAddr::V4(address)) => self.take_family(span, &mut found.ipv4, address, "IPv4"),
                Ok(IpAddr::V6(address)) => self.take_family(span, &mut found.ipv6, address, "IPv6"),
            }
        }
    }

    /// Sets the address of one family, once.
    fn take_family<T>(&mut self, span: &Range<usize>, slot: &mut Option<T>, address: T, family: &str) {
        if slot.replace(address).is_some() {
            let message = format!("a member has at most one {family} address");
            self.refuse(span, message, "make each address a member of its own");
        }
    }

    /// An address of one family under its own key.
    pub(super) fn family<T: std::str::FromStr + Into<IpAddr> + Copy>(
        &mut self,
        key: &str,
        field: &Field<String>,
        slot: &mut Option<T>,
    ) {
        let Some(field) = field else { return };
        match field.get_ref().parse::<T>() {
            Ok(address) if is_answerable(address.into()) => {
                let family = if key == "ipv4" { "IPv4" } else { "IPv6" };
                self.take_family(&field.span(), slot, address, family);
            }
            Ok(address) => {
                let address: IpAddr = address.into();
                self.refuse(
                    &field.span(),
                    format!("`{address}` is no address that a client could connect to"),
                    "write a unicast address",
                );
            }
            Err(_) => {
                let other = if key == "ipv4" { "ipv6" } else { "ipv4" };
                let remedy = match field.get_ref().parse::<IpAddr>() {
                    Ok(_) => format!("it is of the other family: write it under `{other}`"),
                    Err(_) => String::new(),
                };
                let message =
                    format!("`{}` is no {} address", field.get_ref(), if key == "ipv4" { "IPv4" } else { "IPv6" });
                self.refuse(&field.span(), message, remedy);
            }
        }
    }
}

/// A length of time as it may be written in a file.
pub(super) fn time(ms: u64) -> String {
    humantime::format_duration(Duration::from_millis(ms)).to_string()
}
