//! Monitor forms to what `health` knows, with the defaults of §2.1 and §2.2.

pub(super) mod http;

use super::findings::Scope;
use super::folder::Folder;
use super::v1::{MonitorForm, span_or};
use super::value::time;
use crate::health::{GrpcCheck, Monitor, MonitorKind, Trust};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// Shortest time between two probes of one member, milliseconds: below it probing is a load of its own.
const MIN_INTERVAL_MS: u64 = 100;

/// The longest window of outcomes that is kept.
const MAX_WINDOW: u32 = 1024;

/// The longest name of a gRPC service, octets: a probe's request stays one small frame.
const MAX_SERVICE: usize = 200;

/// An hour, the longest time between probes that still says something, milliseconds.
const MAX_INTERVAL_MS: u64 = 3_600_000;

/// What an ordinary or a deep probe takes when the file says nothing: interval, timeout, fall, rise.
const ORDINARY: (u64, u64, u32, u32) = (2_000, 1_000, 3, 5);
const DEEP: (u64, u64, u32, u32) = (30_000, 10_000, 2, 1);

impl Scope<'_> {
    /// `monitor` or `monitors`; `None` when neither is given.
    pub(super) fn monitors(
        &mut self,
        one: Option<&Spanned<MonitorForm>>,
        many: Option<&Spanned<Vec<Spanned<MonitorForm>>>>,
        folder: &Folder,
    ) -> Option<Vec<Arc<Monitor>>> {
        if let (Some(_), Some(many)) = (one, many) {
            self.refuse(
                &many.span(),
                "`monitor` and `monitors` are both given",
                "put them all into `monitors = [...]`",
            );
        }
        let forms: Vec<&Spanned<MonitorForm>> =
            one.into_iter().chain(many.into_iter().flat_map(Spanned::get_ref)).collect();
        if one.is_none() && many.is_none() {
            return None;
        }
        let mut names = HashSet::new();
        let mut monitors = Vec::with_capacity(forms.len());
        for form in forms {
            let Some(mut monitor) = self.monitor(&form.span(), form.get_ref(), folder) else { continue };
            if !names.insert(monitor.name.clone()) {
                if let Some(given) = &form.get_ref().name {
                    self.refuse(
                        &given.span(),
                        format!("two monitors are named `{}`", monitor.name),
                        "give each its own name",
                    );
                }
                let free = (2..=u32::MAX).map(|n| format!("{}-{n}", monitor.name)).find(|name| !names.contains(name));
                monitor.name = free.expect("numbers do not run out");
                names.insert(monitor.name.clone());
            }
            monitors.push(Arc::new(monitor));
        }
        Some(monitors)
    }

    /// One monitor.
    fn monitor(&mut self, span: &Range<usize>, form: &MonitorForm, folder: &Folder) -> Option<Monitor> {
        let kind_key = self.kind_of(span, form)?;
        for (key, at, kinds) in form.particular_fields() {
            if !kinds.contains(&kind_key) {
                let message = format!("`{key}` has no meaning for a `{kind_key}` monitor");
                self.refuse(&at, message, format!("it belongs to: {}", kinds.join(", ")));
            }
        }
        let deep = form.deep.as_ref().is_some_and(|d| *d.get_ref());
        let (interval, timeout, fall, rise) = if deep { DEEP } else { ORDINARY };
        let interval_ms = self.duration_ms("interval", &form.interval, interval, MIN_INTERVAL_MS..=MAX_INTERVAL_MS);
        let timeout_ms = self.duration_ms("timeout", &form.timeout, timeout.min(interval_ms), 1..=MAX_INTERVAL_MS);
        if timeout_ms > interval_ms {
            let message = format!(
                "`timeout` ({}) is longer than `interval` ({}): probes would overtake each other",
                time(timeout_ms),
                time(interval_ms)
            );
            self.refuse(&span_or(&form.timeout, span), message, format!("write at most \"{}\"", time(interval_ms)));
        }
        let kind = match kind_key {
            "tcp" => self.tcp(form),
            "tls" => self.tls(form, folder),
            "grpc" | "grpcs" => self.grpc(kind_key, form, folder),
            "icmp" => self.icmp(form),
            scheme => MonitorKind::Http(Box::new(self.http(span, form, scheme, deep, timeout_ms, folder)?)),
        };
        let name =
            form.name.as_ref().map_or_else(|| if deep { "deep" } else { kind_key }.to_owned(), |n| n.get_ref().clone());
        if let Some(given) = &form.name {
            self.label("monitor", given);
        }
        Some(Monitor {
            name,
            kind,
            interval_ms,
            timeout_ms,
            fall: self.number("fall", &form.fall, fall, 1..=1000),
            rise: self.number("rise", &form.rise, rise, 1..=1000),
            window: self.window(form),
            manual_resume: form.manual_resume.as_ref().is_some_and(|m| *m.get_ref()),
        })
    }

    /// The one key that says how it checks.
    fn kind_of(&mut self, span: &Range<usize>, form: &MonitorForm) -> Option<&'static str> {
        match form.kinds().as_slice() {
            [(key, _)] => Some(key),
            [] => {
                let remedy = "add one of `http = \"http://{address}:8080/health\"`, `https = ...`, `tcp = 5432`, `tls = 443`, `grpc = 50051`, `icmp = true`";
                self.refuse(span, "the monitor does not say how it checks", remedy);
                None
            }
            [(first, _), (second, at), ..] => {
                let message = format!("a monitor checks in one way; this one has `{first}` and `{second}`");
                self.refuse(at, message, "make them two with `monitors = [{ ... }, { ... }]`");
                None
            }
        }
    }

    /// A TCP connection.
    fn tcp(&mut self, form: &MonitorForm) -> MonitorKind {
        MonitorKind::Tcp {
            port: self.number("tcp", &form.tcp, 1, 1..=u16::MAX),
            send: form.send.as_ref().map(|s| s.get_ref().clone()),
            expect: form.expect.as_ref().map(|s| s.get_ref().clone()),
        }
    }

    /// A TLS handshake.
    fn tls(&mut self, form: &MonitorForm, folder: &Folder) -> MonitorKind {
        if let Some(name) = &form.server_name {
            self.host_name("server_name", name);
        }
        MonitorKind::Tls {
            port: self.number("tls", &form.tls, 443, 1..=u16::MAX),
            server_name: form.server_name.as_ref().map(|s| s.get_ref().clone()),
            verify: self.verify(form),
            ca_pem: self.ca_pem(form, folder),
            min_days: self.min_days(form),
        }
    }

    /// A call of the health service, in the clear (`grpc`) or over TLS (`grpcs`).
    fn grpc(&mut self, key: &'static str, form: &MonitorForm, folder: &Folder) -> MonitorKind {
        if let Some(host) = &form.host {
            self.host_name("host", host);
        }
        let service = form.service.as_ref().map_or("", |name| name.get_ref().as_str());
        if let Some(given) = &form.service
            && (service.len() > MAX_SERVICE || !service.bytes().all(|c| c.is_ascii_graphic()))
        {
            let message = format!("`service` must be a name of at most {MAX_SERVICE} visible characters");
            self.refuse(&given.span(), message, "write it as in the .proto file: `inference.v1.Model`");
        }
        let tls = (key == "grpcs").then(|| Trust {
            verify: self.verify(form),
            ca_pem: self.ca_pem(form, folder),
            min_days: self.min_days(form),
        });
        let port = if tls.is_some() { &form.grpcs } else { &form.grpc };
        MonitorKind::Grpc(Box::new(GrpcCheck {
            port: self.number(key, port, 1, 1..=u16::MAX),
            service: service.to_owned(),
            host: form.host.as_ref().map(|host| host.get_ref().clone()),
            tls,
        }))
    }

    /// An echo.
    fn icmp(&mut self, form: &MonitorForm) -> MonitorKind {
        if let Some(icmp) = form.icmp.as_ref().filter(|icmp| !icmp.get_ref()) {
            self.refuse(&icmp.span(), "`icmp = false` checks nothing", "write `icmp = true`, or remove the monitor");
        }
        MonitorKind::Icmp
    }

    /// Whether the chain is verified.
    fn verify(&mut self, form: &MonitorForm) -> bool {
        let verify = form.verify.as_ref().is_none_or(|v| *v.get_ref());
        if let (false, Some(ca)) = (verify, &form.ca_file) {
            self.warn(&ca.span(), "`ca_file` is not looked at with `verify = false`", "remove one of the two");
        }
        verify
    }

    /// The CA bundle, read beside the zone files.
    fn ca_pem(&mut self, form: &MonitorForm, folder: &Folder) -> Option<String> {
        let file = form.ca_file.as_ref()?;
        match folder.read_beside(file.get_ref()) {
            Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => Some(text),
            Ok(_) => {
                self.refuse(
                    &file.span(),
                    format!("`{}` holds no certificate", file.get_ref()),
                    "name a PEM file with `-----BEGIN CERTIFICATE-----`",
                );
                None
            }
            Err(error) => {
                let remedy = "relative paths start at the folder of the zone files";
                self.refuse(&file.span(), format!("can't read `{}`: {error}", file.get_ref()), remedy);
                None
            }
        }
    }

    /// Days that the certificate must last.
    fn min_days(&mut self, form: &MonitorForm) -> Option<i64> {
        form.min_days.as_ref().map(|_| self.number("min_days", &form.min_days, 0, 0..=3650))
    }

    /// `"3/5"`: down when 3 of the last 5 failed.
    fn window(&mut self, form: &MonitorForm) -> Option<(u32, u32)> {
        let field = form.window.as_ref()?;
        let parsed =
            field.get_ref().split_once('/').and_then(|(k, n)| Some((k.trim().parse().ok()?, n.trim().parse().ok()?)));
        match parsed {
            Some((k, n)) if (1..=n).contains(&k) && n <= MAX_WINDOW => Some((k, n)),
            _ => {
                let message = format!("`window` is k failures of the last n probes, 1 <= k <= n <= {MAX_WINDOW}");
                self.refuse(&field.span(), message, "write it as \"3/5\"");
                None
            }
        }
    }

    /// A name for SNI or a Host header.
    fn host_name(&mut self, key: &str, name: &Spanned<String>) {
        let text = name.get_ref();
        let host = text
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .map_or(text.as_str(), |(host, _)| host);
        let good =
            !host.is_empty() && host.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'));
        if !good {
            self.refuse(&name.span(), format!("`{key}` must be a host name; this is `{text}`"), "");
        }
    }
}
