//! HTTP monitors: URLs, methods, headers, accepted replies.

use crate::config::findings::Scope;
use crate::config::folder::Folder;
use crate::config::v1::{Entries, MonitorForm, Scalar};
use crate::health::HttpCheck;
use std::ops::Range;
use toml::Spanned;

/// Stands for the member's address in URLs.
const ADDRESS: &str = "{address}";

/// The most redirects that are followed.
const MAX_REDIRECTS: u8 = 10;

impl Scope<'_> {
    /// The HTTP part of a monitor.
    pub(super) fn http(
        &mut self,
        span: &Range<usize>,
        form: &MonitorForm,
        scheme: &str,
        deep: bool,
        timeout_ms: u64,
        folder: &Folder,
    ) -> Option<HttpCheck> {
        let url = if scheme == "http" { &form.http } else { &form.https };
        let url = self.member_url(url.as_ref()?, scheme, form)?;
        let posts = deep || form.body.is_some();
        let method = self.method(form, if posts { "POST" } else { "GET" });
        if deep && form.body.is_none() && method == "POST" {
            let remedy = "add `body = '{\"prompt\": \"1+1=\"}'`, or `method = \"GET\"`";
            self.refuse(span, "a deep probe posts a sample and checks the answer, but there is no `body`", remedy);
        }
        if let Some(host) = &form.host {
            self.host_name("host", host);
        }
        if let Some(pattern) = &form.body_regex
            && let Err(error) = regex::Regex::new(pattern.get_ref())
        {
            self.refuse(&pattern.span(), regex_message("body_regex", &error), "");
        }
        let max_latency_ms = form.max_latency.as_ref().map(|at| {
            let ms = self.duration_ms("max_latency", &form.max_latency, timeout_ms, 1..=super::MAX_INTERVAL_MS);
            if ms >= timeout_ms {
                self.warn(&at.span(), "`max_latency` is not below `timeout`, which ends the probe first", "");
            }
            ms
        });
        Some(HttpCheck {
            url,
            headers: self.headers(form.headers.as_ref(), deep && form.body.is_some()),
            method,
            body: form.body.as_ref().map(|b| b.get_ref().clone()),
            host: form.host.as_ref().map(|h| h.get_ref().clone()),
            status: self.status(form.status.as_deref()),
            body_regex: form.body_regex.as_ref().map(|r| r.get_ref().clone()),
            json: self.json(form.json.as_ref()),
            max_latency_ms,
            version_at: self.version_at(form.expect_version.as_ref()),
            verify: self.verify(form),
            ca_pem: self.ca_pem(form, folder),
            min_days: self.min_days(form),
            http2: form.http2.as_ref().is_some_and(|h| *h.get_ref()),
            redirects: self.number("redirects", &form.redirects, 0, 0..=MAX_REDIRECTS),
        })
    }

    /// The URL of a probe, which always connects to the member: a host that `host` repeats is
    /// replaced by `{address}`.
    fn member_url(&mut self, url: &Spanned<String>, scheme: &str, form: &MonitorForm) -> Option<String> {
        let text = url.get_ref();
        let found = match check_url(text) {
            Ok(parts) => parts,
            Err((message, remedy)) => {
                self.refuse(&url.span(), message, remedy);
                return None;
            }
        };
        if found.scheme != scheme {
            let message = format!("`{scheme}` is given a URL that begins with `{}://`", found.scheme);
            self.refuse(&url.span(), message, format!("write `{} = ...`", found.scheme));
            return None;
        }
        if found.host == ADDRESS {
            return Some(text.clone());
        }
        if form.host.as_ref().is_some_and(|host| host.get_ref().eq_ignore_ascii_case(found.host)) {
            return Some(format!("{scheme}://{ADDRESS}{}", &text[scheme.len() + 3 + found.host.len()..]));
        }
        let message = format!("the probe would go to `{}`, whichever member it is for", found.host);
        let remedy = if form.host.is_some() {
            format!("write {ADDRESS} for the host of the URL; `host` is the name it asks for")
        } else {
            format!("write {ADDRESS} for the host, and add `host = \"{}\"` if the server needs that name", found.host)
        };
        self.refuse(&url.span(), message, remedy);
        None
    }

    /// A token, in upper case.
    fn method(&mut self, form: &MonitorForm, default: &str) -> String {
        let Some(method) = &form.method else { return default.to_owned() };
        let text = method.get_ref();
        if text.is_empty() || !text.bytes().all(|c| c.is_ascii_alphabetic()) {
            self.refuse(&method.span(), format!("`{text}` is no request method"), "write GET, HEAD, POST, ...");
        }
        text.to_ascii_uppercase()
    }

    /// Request headers; a deep probe says that its body is JSON unless told otherwise.
    fn headers(&mut self, entries: Option<&Entries<Spanned<String>>>, posts_json: bool) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for (name, value) in entries.into_iter().flatten() {
            let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
            if name.get_ref().is_empty() || !name.get_ref().bytes().all(token) {
                self.refuse(&name.span(), format!("`{}` is no header name", name.get_ref()), "");
            }
            if !value.get_ref().bytes().all(|c| c == b'\t' || (c >= b' ' && c != 0x7f)) {
                self.refuse(&value.span(), "a header's value stands on one line, without control characters", "");
            }
            headers.push((name.get_ref().clone(), value.get_ref().clone()));
        }
        if posts_json && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        headers
    }

    /// Accepted codes: numbers and ranges; 200 to 299 when nothing is given.
    fn status(&mut self, items: Option<&[Spanned<Scalar>]>) -> Vec<(u16, u16)> {
        let mut ranges = Vec::new();
        for item in items.unwrap_or_default() {
            let text = item.get_ref().to_string();
            let (low, high) = text.split_once('-').unwrap_or((&text, &text));
            match (low.trim().parse::<u16>(), high.trim().parse::<u16>()) {
                (Ok(low), Ok(high)) if (100..=599).contains(&low) && (low..=599).contains(&high) => {
                    ranges.push((low, high));
                }
                _ => self.refuse(
                    &item.span(),
                    format!("`{text}` is no status code or range"),
                    "write 204 or \"200-299\"",
                ),
            }
        }
        if ranges.is_empty() {
            ranges.push((200, 299));
        }
        ranges
    }

    /// One pointer and its value.
    fn json(&mut self, field: Option<&Spanned<Entries<Spanned<Scalar>>>>) -> Option<(String, String)> {
        let field = field?;
        let mut entries = field.get_ref().iter();
        let Some((pointer, value)) = entries.next() else {
            self.refuse(&field.span(), "`json` is empty", "write `json = { \"/status\" = \"ok\" }`");
            return None;
        };
        self.json_pointer("json", &pointer.span(), pointer.get_ref());
        if let Some((second, _)) = entries.next() {
            self.refuse(
                &second.span(),
                "a monitor compares one JSON value",
                "make a second monitor for the second value",
            );
        }
        Some((pointer.get_ref().clone(), value.get_ref().to_string()))
    }

    /// RFC 6901: empty, or parts that each begin with a slash; `~` is `~0`, `/` is `~1`.
    pub(in crate::config) fn json_pointer(&mut self, key: &str, span: &Range<usize>, pointer: &str) {
        let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !(pointer.is_empty() || pointer.starts_with('/')) || !escapes {
            let message = format!("`{key}` needs a JSON pointer (RFC 6901); this is `{pointer}`");
            self.refuse(
                span,
                message,
                format!("write \"/{}\"", pointer.trim_start_matches(['$', '.', '/']).replace('.', "/")),
            );
        }
    }

    /// Where the reply names its version.
    fn version_at(&mut self, field: Option<&Spanned<String>>) -> Option<String> {
        let field = field?;
        let text = field.get_ref();
        match text.strip_prefix("header:") {
            Some(name)
                if !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_') => {}
            Some(_) => {
                self.refuse(&field.span(), "`header:` is followed by the name of a header", "write \"header:X-Model\"");
            }
            None if text.starts_with('/') => self.json_pointer("expect_version", &field.span(), text),
            None => {
                let remedy = "in a monitor it says where the version is found: \"/model\" or \"header:X-Model\"; the version itself stands in the pool";
                self.refuse(&field.span(), format!("`{text}` is neither a JSON pointer nor a header"), remedy);
            }
        }
        Some(text.clone())
    }
}

/// What a URL consists of, as far as a probe cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct UrlParts<'a> {
    /// `http` or `https`.
    pub(in crate::config) scheme: &'a str,
    /// The host without port.
    pub(in crate::config) host: &'a str,
}

/// Takes a URL apart; the error is a message and its remedy.
pub(in crate::config) fn check_url(text: &str) -> Result<UrlParts<'_>, (String, &'static str)> {
    const SHAPE: &str = "write it as http://{address}:8080/health";
    let Some((scheme @ ("http" | "https"), rest)) = text.split_once("://") else {
        return Err((format!("`{text}` is no http or https URL"), SHAPE));
    };
    if !text.bytes().all(|c| c.is_ascii_graphic() && !b"<>\"\\^`|#".contains(&c)) {
        return Err(("the URL holds characters that must be written as %XX".to_owned(), SHAPE));
    }
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    if authority.contains('@') {
        return Err((
            "a URL with a user name in it is not sent".to_owned(),
            "use `headers = { authorization = \"...\" }`",
        ));
    }
    let port_from = authority.rfind(':').filter(|at| !authority[*at..].contains([']', '}']));
    let (host, port) = port_from.map_or((authority, None), |at| (&authority[..at], Some(&authority[at + 1..])));
    if host.is_empty() || !host.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._[]:{}%".contains(&c)) {
        return Err((format!("`{text}` has no host"), SHAPE));
    }
    if host != ADDRESS && host.contains(['{', '}']) {
        return Err((format!("`{host}` is not known; only {ADDRESS} is filled in"), SHAPE));
    }
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|n| n > 0)) {
        return Err((format!("`{}` is no port", port.unwrap_or_default()), SHAPE));
    }
    Ok(UrlParts { scheme, host })
}

/// The last line of a regex error, which is the one that says what is wrong.
pub(in crate::config) fn regex_message(key: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("`{key}` is no regular expression: {reason}")
}
