//! The server's own file, `tidegate.toml`: where it listens, where its files are, its limits.
//!
//! Every key may be left out; flags win over the file. Relative paths in the file start at the
//! file's folder. Reads the file it is given, and nothing else.

mod form;
mod protection;
mod transfer;
mod tsig;
mod update;

use super::announce::Announcement;
use super::findings::{Findings, Scope};
use super::problem::{Problem, Problems, Source};
use crate::dns::Name;
use crate::dns::tsig::KeyRing;
use crate::state::{AnswerSettings, UpdateRules};
pub use protection::{CookieMode, DnstapConfig, DnstapTarget, RateConfig};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
pub(super) use transfer::peer;
pub use transfer::{TransferConfig, TransferForm};

/// Everything `serve` needs to know before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerConfig {
    /// Where DNS is answered, over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// The folder of zone files.
    pub zones: PathBuf,
    /// The folder of the state file and the first token.
    pub state: PathBuf,
    /// The HTTP interface.
    pub admin: AdminConfig,
    /// DNS over HTTPS, when wanted.
    pub doh: Option<DohConfig>,
    /// DNS over TLS, if it is offered.
    pub dot: Option<EncryptedConfig>,
    /// DNS over QUIC, if it is offered.
    pub doq: Option<EncryptedConfig>,
    /// Databases that rules by country and system go by.
    pub geo: GeoConfig,
    /// How much is let in.
    pub limits: Limits,
    /// Response rate limiting.
    pub rate: RateConfig,
    /// DNS cookies.
    pub cookies: CookieMode,
    /// Copies of queries and answers, when wanted.
    pub dnstap: Option<DnstapConfig>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Answers that do not come from zones.
    pub answers: AnswerSettings,
    /// Keys by which messages are signed.
    pub keys: KeyRing,
    /// Who may take zones.
    pub transfer: TransferConfig,
    /// Which key may change what.
    pub updates: UpdateRules,
    /// The name of this nameserver, when its encrypted transports are to be announced (RFC 9461).
    pub announce: Option<Name>,
}

/// The HTTP interface of operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether it may listen beyond loopback without TLS (§7.1).
    pub insecure: bool,
    /// With TLS, when wanted.
    pub tls: Option<AdminTls>,
}

/// TLS of the HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminTls {
    /// Certificate and key.
    pub pair: PemPair,
    /// Those who sign the certificates that clients have to show, PEM; `None`: clients show none.
    pub client_ca: Option<PathBuf>,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemPair {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// DNS over HTTPS (RFC 8484).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DohConfig {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Certificate and key.
    pub pair: PemPair,
    /// The path of the URI template.
    pub path: String,
    /// Whether HTTP/3 is spoken at the same addresses over UDP.
    pub h3: bool,
}

/// Databases in MaxMind's format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeoConfig {
    /// Countries of networks, such as GeoLite2-Country.
    pub country: Option<PathBuf>,
    /// Autonomous systems of networks, such as GeoLite2-ASN.
    pub asn: Option<PathBuf>,
}

/// DNS over TLS (RFC 7858) or QUIC (RFC 9250).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedConfig {
    /// Addresses of TCP, or of UDP for QUIC.
    pub listen: Vec<SocketAddr>,
    /// Certificate and key.
    pub pair: PemPair,
}

/// How much is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// TCP connections at a time.
    pub tcp_total: usize,
    /// TCP connections of one client address at a time.
    pub tcp_per_client: usize,
    /// How long a TCP connection may be idle, milliseconds (RFC 7766 §6.2.3).
    pub tcp_idle_ms: u64,
    /// Threads that answer UDP; `None`: one a core.
    pub udp_workers: Option<usize>,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// For people or for programs.
    pub format: LogFormat,
    /// error, warn, info, debug, trace, or a filter such as `info,tidegate::probe=debug`.
    pub level: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What flags say; each wins over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`, repeated.
    pub listen: Vec<SocketAddr>,
    /// `--zones`.
    pub zones: Option<PathBuf>,
    /// `--state`.
    pub state: Option<PathBuf>,
    /// `--admin`.
    pub admin: Option<SocketAddr>,
    /// `--admin-insecure`: beyond loopback without TLS.
    pub admin_insecure: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 53))],
            zones: "/etc/tidegate/zones".into(),
            state: "/var/lib/tidegate".into(),
            admin: AdminConfig { listen: SocketAddr::from(([127, 0, 0, 1], 8053)), insecure: false, tls: None },
            doh: None,
            dot: None,
            doq: None,
            geo: GeoConfig::default(),
            rate: RateConfig::default(),
            cookies: CookieMode::Offered,
            dnstap: None,
            limits: Limits { tcp_total: 1_000, tcp_per_client: 20, tcp_idle_ms: 10_000, udp_workers: None },
            log: LogConfig { format: LogFormat::Text, level: "info".to_owned() },
            answers: AnswerSettings::default(),
            keys: KeyRing::default(),
            transfer: TransferConfig::default(),
            updates: UpdateRules::default(),
            announce: None,
        }
    }
}

impl ServerConfig {
    /// The defaults, then the file, then the flags.
    ///
    /// # Errors
    /// Everything that is wrong in the file, or with what the flags make of it.
    pub fn from_parts(file: Option<&Path>, overrides: Overrides) -> Result<Self, Problems> {
        let mut config = Self::default();
        let mut findings = Findings::default();
        let source = file.and_then(|path| read(path, &mut findings));
        let mut admin_span = None;
        if let (Some(source), Some(path)) = (&source, file) {
            let form = form::read(source, &mut findings.problems);
            if let Some(form) = form {
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                admin_span = form.admin.listen.as_ref().map(toml::Spanned::span);
                form.apply(&mut config, &folder, &mut Scope { source, findings: &mut findings });
            }
        }
        let flagged_admin = overrides.admin.is_some();
        overrides.apply(&mut config);
        if !config.admin.insecure && config.admin.tls.is_none() && !config.admin.listen.ip().is_loopback() {
            let message = format!(
                "the admin interface would listen on {} without TLS, where tokens can be read on the way",
                config.admin.listen
            );
            let remedy = "give it `cert` and `key` under `[admin]`, or listen on loopback and put a TLS proxy or tunnel in front, or spell out `insecure = true` (--admin-insecure)";
            let problem = match (&source, admin_span) {
                (Some(source), Some(span)) if !flagged_admin => source.problem(&span, message, Some(remedy.to_owned())),
                _ => Problem::of_file("--admin", message, Some(remedy.to_owned())),
            };
            findings.problems.push(problem);
        }
        if findings.problems.is_empty() { Ok(config) } else { Err(Problems::in_order(findings.problems)) }
    }
}

impl ServerConfig {
    /// What resolvers are told of the encrypted transports, if they are.
    #[must_use]
    pub fn announcement(&self) -> Option<Announcement> {
        Announcement::of(self)
    }
}

impl Overrides {
    /// Replaces what the flags name.
    fn apply(self, config: &mut ServerConfig) {
        if !self.listen.is_empty() {
            config.listen = self.listen;
        }
        if let Some(zones) = self.zones {
            config.zones = zones;
        }
        if let Some(state) = self.state {
            config.state = state;
        }
        if let Some(admin) = self.admin {
            config.admin.listen = admin;
        }
        config.admin.insecure |= self.admin_insecure;
    }
}

/// The file's text.
fn read(path: &Path, findings: &mut Findings) -> Option<Source> {
    let shown = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Some(Source::new(&shown, &text)),
        Err(error) => {
            let remedy = "name another with --config, or leave it out: flags and defaults suffice".to_owned();
            findings.problems.push(Problem::of_file(&shown, format!("can't read the file: {error}"), Some(remedy)));
            None
        }
    }
}
