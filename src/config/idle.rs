//! `idle = { ... }` to an [`IdleReading`], with the defaults of §4.2.

use super::findings::Scope;
use super::folder::Folder;
use super::monitor::http;
use super::v1::{Field, IdleForm, Scalar, span_or};
use super::value::time;
use crate::health::{IdleReading, IdleSource, Number};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// The longest time between readings that still says something, milliseconds.
const MAX_INTERVAL_MS: u64 = 3_600_000;

impl Scope<'_> {
    /// How busy an old side still is.
    pub(super) fn idle(&mut self, form: Option<&Spanned<IdleForm>>, folder: &Folder) -> Option<Arc<IdleReading>> {
        let spanned = form?;
        let (span, form) = (spanned.span(), spanned.get_ref());
        let source = match &form.prometheus {
            Some(server) => self.idle_query(&span, server, form, folder),
            None => self.idle_url(&span, form),
        }?;
        let floor = self.idle_floor(&form.floor);
        let interval_ms = self.duration_ms("interval", &form.interval, 10_000, 1_000..=MAX_INTERVAL_MS);
        let timeout_ms = self.duration_ms("timeout", &form.timeout, 2_000.min(interval_ms), 1..=MAX_INTERVAL_MS);
        if timeout_ms > interval_ms {
            self.refuse(
                &span_or(&form.timeout, &span),
                "`timeout` is longer than `interval`",
                format!("write at most \"{}\"", time(interval_ms)),
            );
        }
        let readings = self.number("readings", &form.readings, 3, 1..=1000);
        Some(Arc::new(IdleReading { source, floor, readings, interval_ms, timeout_ms }))
    }

    /// Idle means at most this.
    fn idle_floor(&mut self, field: &Field<Scalar>) -> Option<f64> {
        let field = field.as_ref()?;
        let value = match field.get_ref() {
            Scalar::Float(f) => Some(*f),
            Scalar::Integer(n) => n.to_string().parse().ok(),
            _ => None,
        };
        let value = value.filter(|f: &f64| f.is_finite() && *f >= 0.0);
        if value.is_none() {
            let remedy = "leave it out for 0.1 % of the reading before the switch";
            self.refuse(&field.span(), "`floor` must be a number of at least 0", remedy);
        }
        value
    }

    /// A reply that holds a number.
    fn idle_url(&mut self, span: &Range<usize>, form: &IdleForm) -> Option<IdleSource> {
        for (key, field) in [("query", &form.query), ("bearer_file", &form.bearer_file), ("ca_file", &form.ca_file)] {
            if let Some(field) = field {
                let message = format!("`{key}` belongs to a Prometheus server, and none is named");
                self.refuse(&field.span(), message, "add `prometheus = \"http://127.0.0.1:9090\"`");
            }
        }
        let Some(url) = &form.url else {
            let remedy =
                "add `url = \"http://{address}:8080/metrics\"`, or `prometheus = \"http://...\"` with a `query`";
            self.refuse(span, "the idle reading has no `url`", remedy);
            return None;
        };
        if let Err((message, remedy)) = http::check_url(url.get_ref()) {
            self.refuse(&url.span(), message, remedy);
        }
        let number = self.idle_number(span, form)?;
        let counter = form.counter.as_ref().is_some_and(|c| *c.get_ref());
        Some(IdleSource::Url { url: url.get_ref().clone(), number, counter })
    }

    /// A Prometheus server that is asked.
    fn idle_query(
        &mut self,
        span: &Range<usize>,
        server: &Spanned<String>,
        form: &IdleForm,
        folder: &Folder,
    ) -> Option<IdleSource> {
        let of_pages = [
            ("url", form.url.as_ref().map(Spanned::span)),
            ("regex", form.regex.as_ref().map(Spanned::span)),
            ("json", form.json.as_ref().map(Spanned::span)),
            ("counter", form.counter.as_ref().map(Spanned::span)),
        ];
        for (key, at) in of_pages.into_iter().filter_map(|(key, at)| at.map(|at| (key, at))) {
            let message = format!("`{key}` and `prometheus` are both given");
            self.refuse(&at, message, "remove one of the two; of a counter, write rate(...) into the query");
        }
        match http::check_url(server.get_ref()) {
            Err((message, _)) => self.refuse(&server.span(), message, "write it as http://127.0.0.1:9090"),
            Ok(parts) if parts.host.contains('{') => {
                let remedy = "name the host of the Prometheus server; members go into the query as {addresses}";
                self.refuse(&server.span(), format!("`{}` is the host of no server", parts.host), remedy);
            }
            Ok(_) => {}
        }
        let Some(query) = form.query.as_ref().filter(|query| !query.get_ref().trim().is_empty()) else {
            let remedy = "add `query = 'sum(rate(requests_total{instance=~\"({addresses}):.*\"}[1m]))'`";
            self.refuse(span, "the idle reading has no `query` to ask Prometheus", remedy);
            return None;
        };
        if query.get_ref().contains("{version}") {
            let remedy = "use {pool}, {switch} or {addresses}";
            self.refuse(
                &query.span(),
                "an idle reading can't name the {version}: an old side has the one it has",
                remedy,
            );
        }
        let mut file = |field: &Field<String>, secret| {
            field.as_ref().map(|field| {
                let path = folder.absolute(field.get_ref());
                self.look_at_file(&field.span(), &path, secret);
                path
            })
        };
        let (bearer_file, ca_file) = (file(&form.bearer_file, true), file(&form.ca_file, false));
        Some(IdleSource::Prometheus {
            url: server.get_ref().clone(),
            query: query.get_ref().clone(),
            bearer_file,
            ca_file,
        })
    }

    /// Where the number of an idle reading stands.
    fn idle_number(&mut self, span: &Range<usize>, form: &IdleForm) -> Option<Number> {
        match (&form.regex, &form.json) {
            (Some(pattern), None) => {
                match regex::Regex::new(pattern.get_ref()) {
                    Ok(regex) if regex.captures_len() > 1 => {}
                    Ok(_) => self.refuse(
                        &pattern.span(),
                        "`regex` has no group that captures the number",
                        "put the number in parentheses: `requests_total (\\d+)`",
                    ),
                    Err(error) => self.refuse(&pattern.span(), http::regex_message("regex", &error), ""),
                }
                Some(Number::Regex(pattern.get_ref().clone()))
            }
            (None, Some(pointer)) => {
                self.json_pointer("json", &pointer.span(), pointer.get_ref());
                Some(Number::Json(pointer.get_ref().clone()))
            }
            _ => {
                self.refuse(
                    span,
                    "the idle reading needs one of `regex` and `json` to find its number",
                    "add `json = \"/running\"`",
                );
                None
            }
        }
    }
}
