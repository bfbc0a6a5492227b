//! The file form of `tidegate.toml`, and what its fields do to the defaults.

use super::protection::{CookieForm, DnstapForm, RateForm};
use super::transfer::TransferForm;
use super::tsig::TsigForm;
use super::update::{self, UpdateForm};
use super::{AdminTls, DohConfig, EncryptedConfig, GeoConfig, LogFormat, PemPair, ServerConfig};
use crate::config::findings::Scope;
use crate::config::problem::{Problem, Source, nearest};
use crate::config::v1::{self, Field, Scalar, Texts};
use crate::dns::Name;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerForm {
    /// Addresses with ports.
    listen: Option<Texts>,
    /// Folder.
    zones: Field<String>,
    /// Folder.
    state: Field<String>,
    /// `[admin]`.
    pub(super) admin: AdminForm,
    /// `[doh]`.
    doh: Option<Spanned<DohForm>>,
    /// `[dot]`.
    dot: Option<Spanned<EncryptedForm>>,
    /// `[doq]`.
    doq: Option<Spanned<EncryptedForm>>,
    /// `[geo]`.
    geo: GeoForm,
    /// `[limits]`.
    limits: LimitsForm,
    /// `[rate_limit]`.
    rate_limit: RateForm,
    /// `[cookies]`.
    cookies: CookieForm,
    /// `[dnstap]`.
    dnstap: Option<Spanned<DnstapForm>>,
    /// `[log]`.
    log: LogForm,
    /// `[answers]`.
    answers: AnswersForm,
    /// `[tsig]`.
    tsig: TsigForm,
    /// `[transfer]`.
    transfer: TransferForm,
    /// `[[update]]`.
    update: Vec<Spanned<UpdateForm>>,
}

/// `[admin]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AdminForm {
    /// An address with a port.
    pub(super) listen: Field<String>,
    /// Spelled out.
    insecure: Option<bool>,
    cert: Field<String>,
    key: Field<String>,
    client_ca: Field<String>,
}

/// `[doh]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DohForm {
    listen: Option<Texts>,
    cert: Field<String>,
    key: Field<String>,
    path: Field<String>,
    h3: Option<bool>,
}

/// `[dot]`, `[doq]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EncryptedForm {
    listen: Option<Texts>,
    cert: Field<String>,
    key: Field<String>,
}

/// `[geo]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GeoForm {
    country: Field<String>,
    asn: Field<String>,
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsForm {
    tcp_total: Field<i64>,
    tcp_per_client: Field<i64>,
    tcp_idle: Field<Scalar>,
    udp_workers: Field<i64>,
    /// Stands in `[rate_limit]`; said with a remedy.
    responses_per_second: Option<Spanned<toml::Value>>,
    /// The same.
    unlimited: Option<Spanned<toml::Value>>,
}

/// `[log]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogForm {
    format: Field<String>,
    level: Field<String>,
}

/// `[answers]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AnswersForm {
    version: Field<String>,
    id_server: Field<String>,
    ecs_from: Option<Texts>,
    announce: Field<String>,
}

/// Text to form; `None` when anything was at fault.
pub(super) fn read(source: &Source, problems: &mut Vec<Problem>) -> Option<ServerForm> {
    let (root, errors) = DeTable::parse_recoverable(source.text());
    if !errors.is_empty() {
        problems.extend(errors.iter().map(|error| v1::syntax_problem(source, error)));
        return None;
    }
    let span = root.span();
    v1::read_value(source, Spanned::new(span, DeValue::Table(root.into_inner())), problems)
}

impl ServerForm {
    /// Puts what is given in the place of the defaults.
    pub(super) fn apply(self, config: &mut ServerConfig, folder: &Path, scope: &mut Scope<'_>) {
        if let Some(listen) = &self.listen {
            config.listen = scope.sockets(listen);
        }
        if let Some(zones) = &self.zones {
            config.zones = folder.join(zones.get_ref());
        }
        if let Some(state) = &self.state {
            config.state = folder.join(state.get_ref());
        }
        if let Some(listen) = &self.admin.listen
            && let Some(address) = scope.socket(listen)
        {
            config.admin.listen = address;
        }
        config.admin.insecure = self.admin.insecure.unwrap_or(false);
        config.admin.tls = admin_tls(&self.admin, folder, scope);
        config.doh = self.doh.as_ref().and_then(|doh| doh_config(doh, folder, scope));
        config.dot = self.dot.as_ref().and_then(|dot| encrypted_config("dot", dot, folder, scope));
        config.doq = self.doq.as_ref().and_then(|doq| encrypted_config("doq", doq, folder, scope));
        let file = |field: &Field<String>| field.as_ref().map(|path| folder.join(path.get_ref()));
        config.geo = GeoConfig { country: file(&self.geo.country), asn: file(&self.geo.asn) };
        config.keys = self.tsig.keys(folder, scope);
        config.transfer = self.transfer.judge(&config.keys, scope);
        config.updates = update::judge(&self.update, &config.keys, scope);
        config.rate = self.rate_limit.judge(scope);
        config.cookies = self.cookies.judge(scope);
        config.dnstap = self.dnstap.as_ref().and_then(|form| form.get_ref().judge(&form.span(), folder, scope));
        self.apply_limits(config, scope);
        self.apply_log(config, scope);
        config.answers.version = self.answers.version.as_ref().and_then(|text| scope.character_string("version", text));
        config.answers.id_server =
            self.answers.id_server.as_ref().and_then(|text| scope.character_string("id_server", text));
        if let Some(name) = self.answers.announce.as_ref().filter(|name| !name.get_ref().is_empty()) {
            config.announce = scope.nameserver(name);
            if config.announcement().is_some_and(|announcement| announcement.is_empty()) {
                let message = "there is no encrypted transport to announce";
                scope.refuse(&name.span(), message.to_owned(), "add `[dot]`, `[doq]` or `[doh]`, or remove `announce`");
            }
        }
        config.answers.ecs_from = self.answers.ecs_from.as_ref().map(|texts| scope.networks(texts)).unwrap_or_default();
    }

    /// `[limits]`.
    fn apply_limits(&self, config: &mut ServerConfig, scope: &mut Scope<'_>) {
        let (form, limits) = (&self.limits, &mut config.limits);
        limits.tcp_total = scope.number("tcp_total", &form.tcp_total, limits.tcp_total, 1..=1_000_000);
        limits.tcp_per_client =
            scope.number("tcp_per_client", &form.tcp_per_client, limits.tcp_per_client, 1..=1_000_000);
        limits.tcp_idle_ms = scope.duration_ms("tcp_idle", &form.tcp_idle, limits.tcp_idle_ms, 100..=3_600_000);
        // 0 says what leaving it out says, so that the commented file can show the key.
        limits.udp_workers = Some(scope.number("udp_workers", &form.udp_workers, 0, 0..=1024)).filter(|n| *n > 0);
        for (old, key, new) in [
            (&form.responses_per_second, "responses_per_second", "responses_per_second"),
            (&form.unlimited, "unlimited", "exempt"),
        ] {
            if let Some(old) = old {
                let message = format!("`{key}` does not stand in `[limits]`");
                scope.refuse(&old.span(), message, format!("write it in `[rate_limit]`, as `{new} = ...`"));
            }
        }
    }

    /// `[log]`.
    fn apply_log(&self, config: &mut ServerConfig, scope: &mut Scope<'_>) {
        if let Some(format) = &self.log.format {
            match format.get_ref().as_str() {
                "text" => config.log.format = LogFormat::Text,
                "json" => config.log.format = LogFormat::Json,
                other => {
                    let remedy = nearest(other, ["text", "json"])
                        .map_or("write \"text\" or \"json\"".to_owned(), |n| format!("did you mean `{n}`?"));
                    scope.refuse(&format.span(), format!("`format` can't be `{other}`"), remedy);
                }
            }
        }
        if let Some(level) = &self.log.level {
            if level.get_ref().parse::<tracing_subscriber::filter::Targets>().is_err() {
                let message = format!("`{}` is no log level", level.get_ref());
                scope.refuse(&level.span(), message, "write error, warn, info, debug or trace");
            }
            config.log.level = level.get_ref().clone();
        }
    }
}

/// `[doh]`: certificate and key are needed, the rest has defaults.
fn doh_config(form: &Spanned<DohForm>, folder: &Path, scope: &mut Scope<'_>) -> Option<DohConfig> {
    let (span, form) = (form.span(), form.get_ref());
    let pair = pem_pair("doh", &form.cert, &form.key, &span, folder, scope);
    let listen = listen_or(form.listen.as_ref(), 443, scope);
    let path = form.path.as_ref().map_or("/dns-query".to_owned(), |path| path.get_ref().clone());
    if let Some(given) = &form.path
        && (!path.starts_with('/') || !path.bytes().all(|c| c.is_ascii_graphic() && c != b'{' && c != b'?'))
    {
        scope.refuse(&given.span(), format!("`{path}` is no path"), "write \"/dns-query\"");
    }
    Some(DohConfig { listen, pair: pair?, path, h3: form.h3.unwrap_or(false) })
}

/// `[dot]` or `[doq]`: certificate and key are needed.
fn encrypted_config(
    table: &str,
    form: &Spanned<EncryptedForm>,
    folder: &Path,
    scope: &mut Scope<'_>,
) -> Option<EncryptedConfig> {
    let (span, form) = (form.span(), form.get_ref());
    let pair = pem_pair(table, &form.cert, &form.key, &span, folder, scope);
    Some(EncryptedConfig { listen: listen_or(form.listen.as_ref(), 853, scope), pair: pair? })
}

/// TLS of `[admin]`: certificate and key, or neither.
fn admin_tls(form: &AdminForm, folder: &Path, scope: &mut Scope<'_>) -> Option<AdminTls> {
    let given = form.cert.as_ref().or(form.key.as_ref()).or(form.client_ca.as_ref())?;
    let pair = pem_pair("admin", &form.cert, &form.key, &given.span(), folder, scope)?;
    Some(AdminTls { pair, client_ca: form.client_ca.as_ref().map(|path| folder.join(path.get_ref())) })
}

/// A certificate and a key that a table cannot do without.
fn pem_pair(
    table: &str,
    cert: &Field<String>,
    key: &Field<String>,
    span: &std::ops::Range<usize>,
    folder: &Path,
    scope: &mut Scope<'_>,
) -> Option<PemPair> {
    let cert = needed_file(table, "cert", cert, span, folder, scope);
    let key = needed_file(table, "key", key, span, folder, scope);
    Some(PemPair { cert: cert?, key: key? })
}

/// A file that a table cannot do without.
fn needed_file(
    table: &str,
    key: &str,
    field: &Field<String>,
    span: &std::ops::Range<usize>,
    folder: &Path,
    scope: &mut Scope<'_>,
) -> Option<PathBuf> {
    if field.is_none() {
        let instead =
            if table == "admin" { "remove the others of TLS".to_owned() } else { format!("remove `[{table}]`") };
        let remedy = format!("add `{key} = \"{key}.pem\"`, or {instead}");
        scope.refuse(span, format!("`[{table}]` has no `{key}`"), remedy);
    }
    field.as_ref().map(|path| folder.join(path.get_ref()))
}

/// The addresses given, or loopback.
fn listen_or(texts: Option<&Texts>, port: u16, scope: &mut Scope<'_>) -> Vec<SocketAddr> {
    texts.map_or_else(|| vec![SocketAddr::from(([127, 0, 0, 1], port))], |texts| scope.sockets(texts))
}

impl Scope<'_> {
    /// Addresses with ports, each once, at least one.
    fn sockets(&mut self, texts: &Texts) -> Vec<SocketAddr> {
        let mut seen = HashSet::new();
        let mut sockets = Vec::with_capacity(texts.0.len());
        for text in &texts.0 {
            let Some(address) = self.socket(text) else { continue };
            if address.port() != 0 && !seen.insert(address) {
                self.refuse(&text.span(), format!("{address} is listed twice"), "remove one");
            }
            sockets.push(address);
        }
        if texts.0.is_empty() {
            self.refuse(
                &(0..0),
                "`listen` is an empty list",
                "leave it out for the default, or name an address such as \"192.0.2.53:53\"",
            );
        }
        sockets
    }

    /// An address with a port.
    fn socket(&mut self, text: &Spanned<String>) -> Option<SocketAddr> {
        let parsed = text.get_ref().parse().ok();
        if parsed.is_none() {
            let message = format!("`{}` is no address with a port", text.get_ref());
            self.refuse(&text.span(), message, "write \"127.0.0.1:53\" or \"[::1]:53\"");
        }
        parsed
    }

    /// The name of a nameserver.
    fn nameserver(&mut self, text: &Spanned<String>) -> Option<Name> {
        match text.get_ref().parse::<Name>() {
            Ok(name) if !name.is_wildcard() && name != Name::root() => Some(name),
            _ => {
                let message = format!("`{}` is no name of a nameserver", text.get_ref());
                self.refuse(&text.span(), message, "write \"ns1.example.test\"");
                None
            }
        }
    }

    /// A text that fits one TXT string (RFC 1035 §3.3); empty means absent.
    fn character_string(&mut self, key: &str, text: &Spanned<String>) -> Option<String> {
        if text.get_ref().len() > 255 {
            self.refuse(&text.span(), format!("`{key}` is longer than the 255 octets of a TXT string"), "");
        }
        Some(text.get_ref().clone()).filter(|text| !text.is_empty())
    }
}
