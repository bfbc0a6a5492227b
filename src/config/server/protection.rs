//! `[rate_limit]`, `[cookies]` and `[dnstap]`: what is held back, what is asked of clients, what is copied.

use crate::config::findings::Scope;
use crate::config::v1::{Field, Scalar, Texts};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Responses of all kinds to one network, as a multiple of the limit of equal ones.
const ALL_RATE: u32 = 25;
/// The most responses per second that are a limit.
const MOST: u32 = 100_000_000;

/// How many responses leave over UDP (response rate limiting); 0 is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateConfig {
    /// Equal answers per second to one client network.
    pub responses_per_second: u32,
    /// NXDOMAIN of one zone.
    pub nxdomains_per_second: u32,
    /// Referrals of one zone.
    pub referrals_per_second: u32,
    /// Errors.
    pub errors_per_second: u32,
    /// Responses of all kinds.
    pub all_per_second: u32,
    /// Every how many-th limited response leaves with TC set; 0: none.
    pub slip: u32,
    /// Networks without a limit, such as those of proxies in front.
    pub exempt: Vec<IpNet>,
    /// Tell what would be limited, and limit nothing.
    pub log_only: bool,
}

/// What becomes of DNS cookies (RFC 7873).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieMode {
    /// None are given.
    Off,
    /// Who sends one gets one.
    Offered,
    /// Who sends one gets an answer over UDP only with one of ours.
    Required,
}

/// Where copies of queries and answers go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnstapConfig {
    /// The reader.
    pub target: DnstapTarget,
    /// The share of queries that is copied, of 2^32 - 1.
    pub chance: u32,
    /// What this server calls itself there.
    pub identity: String,
}

/// Where a reader of dnstap listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnstapTarget {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp(SocketAddr),
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            responses_per_second: 200,
            nxdomains_per_second: 200,
            referrals_per_second: 200,
            errors_per_second: 200,
            all_per_second: 200 * ALL_RATE,
            slip: 2,
            exempt: ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a literal network")).to_vec(),
            log_only: false,
        }
    }
}

/// `[rate_limit]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RateForm {
    responses_per_second: Field<i64>,
    nxdomains_per_second: Field<i64>,
    referrals_per_second: Field<i64>,
    errors_per_second: Field<i64>,
    all_per_second: Field<i64>,
    slip: Field<i64>,
    exempt: Option<Texts>,
    log_only: Option<bool>,
}

/// `[cookies]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CookieForm {
    mode: Field<String>,
}

/// `[dnstap]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DnstapForm {
    socket: Field<String>,
    address: Field<String>,
    sample: Field<Scalar>,
    identity: Field<String>,
}

impl RateForm {
    /// What is left out follows `responses_per_second`.
    pub(super) fn judge(&self, scope: &mut Scope<'_>) -> RateConfig {
        let defaults = RateConfig::default();
        let mut rate = |key, field, default| scope.number(key, field, default, 0..=MOST);
        let equal = rate("responses_per_second", &self.responses_per_second, defaults.responses_per_second);
        RateConfig {
            responses_per_second: equal,
            nxdomains_per_second: rate("nxdomains_per_second", &self.nxdomains_per_second, equal),
            referrals_per_second: rate("referrals_per_second", &self.referrals_per_second, equal),
            errors_per_second: rate("errors_per_second", &self.errors_per_second, equal),
            all_per_second: rate("all_per_second", &self.all_per_second, equal.saturating_mul(ALL_RATE).min(MOST)),
            slip: scope.number("slip", &self.slip, defaults.slip, 0..=100),
            exempt: self.exempt.as_ref().map_or(defaults.exempt, |texts| scope.networks(texts)),
            log_only: self.log_only.unwrap_or(false),
        }
    }
}

impl RateConfig {
    /// Whether anything is limited or told.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let rates = [
            self.responses_per_second,
            self.nxdomains_per_second,
            self.referrals_per_second,
            self.errors_per_second,
            self.all_per_second,
        ];
        rates.iter().any(|rate| *rate > 0)
    }
}

impl CookieForm {
    /// One of three words.
    pub(super) fn judge(&self, scope: &mut Scope<'_>) -> CookieMode {
        let Some(mode) = &self.mode else { return CookieMode::Offered };
        match mode.get_ref().as_str() {
            "off" => CookieMode::Off,
            "offered" => CookieMode::Offered,
            "required" => CookieMode::Required,
            other => {
                let remedy = "write \"off\", \"offered\" or \"required\"";
                scope.refuse(&mode.span(), format!("`mode` can't be `{other}`"), remedy);
                CookieMode::Offered
            }
        }
    }
}

impl DnstapForm {
    /// One reader, by socket or by address.
    pub(super) fn judge(&self, span: &Range<usize>, folder: &Path, scope: &mut Scope<'_>) -> Option<DnstapConfig> {
        let target = match (&self.socket, &self.address) {
            (Some(socket), None) => Some(DnstapTarget::Unix(folder.join(socket.get_ref()))),
            (None, Some(address)) => scope.reader(address).map(DnstapTarget::Tcp),
            (None, None) => {
                let remedy = "add `socket = \"/run/dnstap.sock\"` or `address = \"127.0.0.1:6000\"`";
                scope.refuse(span, "`[dnstap]` does not say where its reader listens", remedy);
                None
            }
            (Some(_), Some(address)) => {
                scope.refuse(&address.span(), "`socket` and `address` name two readers", "keep one of them");
                None
            }
        };
        let chance = scope.chance("sample", &self.sample);
        let identity = self.identity.as_ref().map_or_else(|| "tidegate".to_owned(), |text| text.get_ref().clone());
        Some(DnstapConfig { target: target?, chance, identity })
    }
}

impl Scope<'_> {
    /// An address with a port that somebody listens at.
    fn reader(&mut self, text: &Spanned<String>) -> Option<SocketAddr> {
        let parsed = text.get_ref().parse().ok().filter(|address: &SocketAddr| address.port() != 0);
        if parsed.is_none() {
            let message = format!("`{}` is no address with a port", text.get_ref());
            self.refuse(&text.span(), message, "write \"127.0.0.1:6000\" or \"[::1]:6000\"");
        }
        parsed
    }

    /// A share such as `"1%"`, `"1/1000"` or `0.01`, of 2^32 - 1; never none.
    fn chance(&mut self, key: &str, field: &Field<Scalar>) -> u32 {
        let Some(field) = field else { return u32::MAX };
        let fraction = match field.get_ref() {
            Scalar::Text(text) => match (text.strip_suffix('%'), text.split_once('/')) {
                (Some(percent), _) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
                (None, Some((one, of))) => {
                    one.trim().parse::<f64>().ok().zip(of.trim().parse::<f64>().ok()).map(|(one, of)| one / of)
                }
                (None, None) => None,
            },
            Scalar::Float(fraction) => Some(*fraction),
            Scalar::Integer(1) => Some(1.0),
            _ => None,
        };
        let units = fraction.map(|f| (f * f64::from(u32::MAX)).round());
        let Some(units) = units.filter(|units| (1.0..=f64::from(u32::MAX)).contains(units)) else {
            let message = format!("`{key}` must be more than nothing and at most everything");
            self.refuse(&field.span(), message, "write \"1%\", \"1/1000\" or \"100%\"");
            return u32::MAX;
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole and within u32, as just tested
        let units = units as u32;
        units
    }
}
