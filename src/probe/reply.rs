//! Whether an HTTP reply is what the monitor wants. Pure: no socket, no clock.

use super::attempt::Seen;
use super::words;
use crate::health::HttpCheck;
use hyper::{HeaderMap, StatusCode};
use regex::bytes::Regex;
use serde_json::Value;
use std::time::Duration;

/// How much of a reply is read, bytes.
pub(super) const READ_LIMIT: usize = 64 * 1024;

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// What came behind the body, when it was read to its end.
    pub(super) trailers: HeaderMap,
    /// The first [`READ_LIMIT`] bytes.
    pub(super) body: Vec<u8>,
    /// Whether there was more.
    pub(super) cut: bool,
}

/// Judges a reply; notes the version it shows even when something else is wrong.
pub(super) fn judge(
    check: &HttpCheck,
    body_regex: Option<&Regex>,
    expect_version: Option<&str>,
    reply: &Reply,
    took: Duration,
    seen: &mut Seen,
) -> Result<(), String> {
    let json = Json::read(check, reply);
    if let Some(at) = &check.version_at {
        seen.version = match at.strip_prefix("header:") {
            Some(name) => {
                reply.headers.get(name.trim()).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            }
            None => json.at(at).ok(),
        };
    }
    status_is_wanted(&check.status, reply.status)?;
    if let (Some(at), Some(expected)) = (&check.version_at, expect_version) {
        match &seen.version {
            Some(version) if version == expected => {}
            Some(version) => return Err(format!("shows version {}, expected {expected}", words::quote(version))),
            None => return Err(format!("shows no version at {at}, expected {expected}{}", json.problem())),
        }
    }
    if let Some((pointer, wanted)) = &check.json {
        let found = json.at(pointer)?;
        if found != *wanted {
            return Err(format!("JSON pointer {pointer} is {}, wanted {wanted}", words::quote(&found)));
        }
    }
    if let Some(regex) = body_regex
        && !regex.is_match(&reply.body)
    {
        let within = if reply.cut { "the first 64 KiB of the body" } else { "the body" };
        return Err(format!("{within} does not match {}", words::quote(regex.as_str())));
    }
    match check.max_latency_ms.map(Duration::from_millis) {
        Some(limit) if took > limit => Err(format!("took {} ms, allowed {} ms", took.as_millis(), limit.as_millis())),
        _ => Ok(()),
    }
}

fn status_is_wanted(wanted: &[(u16, u16)], status: StatusCode) -> Result<(), String> {
    let wanted = if wanted.is_empty() { &[(200, 299)] } else { wanted };
    let code = status.as_u16();
    if wanted.iter().any(|(low, high)| (*low..=*high).contains(&code)) {
        return Ok(());
    }
    let range = |(low, high): &(u16, u16)| if low == high { low.to_string() } else { format!("{low}-{high}") };
    Err(format!("status {code}, wanted {}", wanted.iter().map(range).collect::<Vec<_>>().join(", ")))
}

/// The body as JSON, read only when a check needs it.
enum Json {
    Unasked,
    Value(Value),
    Bad(String),
}

impl Json {
    fn read(check: &HttpCheck, reply: &Reply) -> Self {
        let version_in_body = check.version_at.as_ref().is_some_and(|at| !at.starts_with("header:"));
        if check.json.is_none() && !version_in_body {
            return Self::Unasked;
        }
        if reply.cut {
            return Self::Bad("the reply is larger than 64 KiB, too large to read as JSON".to_owned());
        }
        match serde_json::from_slice(&reply.body) {
            Ok(value) => Self::Value(value),
            Err(problem) => Self::Bad(format!("the reply is not JSON: {problem}")),
        }
    }

    /// The value at an RFC 6901 pointer: strings as their text, the rest as JSON renders it.
    fn at(&self, pointer: &str) -> Result<String, String> {
        let value = match self {
            Self::Value(value) => value.pointer(pointer),
            Self::Bad(problem) => return Err(problem.clone()),
            Self::Unasked => None,
        };
        match value {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
            None => Err(format!("JSON pointer {pointer} is not in the reply")),
        }
    }

    /// Why there is no JSON, as the tail of a sentence.
    fn problem(&self) -> String {
        if let Self::Bad(problem) = self { format!(" ({problem})") } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::responder::check;

    fn verdict(
        check: &HttpCheck,
        expect: Option<&str>,
        status: u16,
        body: &str,
    ) -> (Result<(), String>, Option<String>) {
        let headers = [("x-model", "v7")].map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).into_iter().collect();
        let status = StatusCode::from_u16(status).unwrap();
        let (trailers, cut) = (HeaderMap::new(), body.len() > READ_LIMIT);
        let reply = Reply { status, headers, trailers, body: body.into(), cut };
        let regex = check.body_regex.as_deref().map(|text| Regex::new(text).unwrap());
        let mut seen = Seen::default();
        let result = judge(check, regex.as_ref(), expect, &reply, Duration::from_millis(350), &mut seen);
        (result, seen.version)
    }

    fn failure(check: &HttpCheck, expect: Option<&str>, status: u16, body: &str) -> String {
        verdict(check, expect, status, body).0.unwrap_err()
    }

    #[test]
    fn a_status_outside_the_ranges_fails() {
        assert_eq!(failure(&check("http://{address}/"), None, 503, ""), "status 503, wanted 200-299");
        let ranges = HttpCheck { status: vec![(200, 204), (401, 401)], ..check("http://{address}/") };
        assert_eq!(failure(&ranges, None, 302, ""), "status 302, wanted 200-204, 401");
        assert_eq!(verdict(&ranges, None, 401, "").0, Ok(()));
        let none = HttpCheck { status: vec![], ..check("http://{address}/") };
        assert_eq!(verdict(&none, None, 204, "").0, Ok(()));
    }

    #[test]
    fn json_strings_compare_as_text_and_the_rest_as_rendered() {
        let at = |pointer: &str, wanted: &str| HttpCheck {
            json: Some((pointer.into(), wanted.into())),
            ..check("http://{address}/")
        };
        let body = r#"{"model":"v1","ready":true,"n":3,"a/b":[null,{"x":1.5}]}"#;
        for (pointer, wanted) in
            [("/model", "v1"), ("/ready", "true"), ("/n", "3"), ("/a~1b/1/x", "1.5"), ("/a~1b/0", "null")]
        {
            assert_eq!(verdict(&at(pointer, wanted), None, 200, body).0, Ok(()), "{pointer}");
        }
        assert_eq!(failure(&at("/model", "v2"), None, 200, body), "JSON pointer /model is v1, wanted v2");
        assert_eq!(failure(&at("/nope", "v2"), None, 200, body), "JSON pointer /nope is not in the reply");
        assert!(failure(&at("/model", "v2"), None, 200, "<html>").starts_with("the reply is not JSON: "));
        assert!(failure(&at("/model", "v2"), None, 200, &"[".repeat(30_000)).starts_with("the reply is not JSON: "));
        assert!(failure(&at("/model", "v2"), None, 200, &" ".repeat(READ_LIMIT + 1)).contains("larger than 64 KiB"));
    }

    #[test]
    fn blue_cannot_pass_for_green() {
        let version = HttpCheck { version_at: Some("/model".into()), ..check("http://{address}/") };
        let (result, seen) = verdict(&version, Some("v2"), 200, r#"{"model":"v1"}"#);
        assert_eq!(result, Err("shows version v1, expected v2".to_owned()));
        assert_eq!(seen.as_deref(), Some("v1"));
        assert_eq!(verdict(&version, Some("v1"), 200, r#"{"model":"v1"}"#).0, Ok(()));
        assert_eq!(failure(&version, Some("v1"), 200, "{}"), "shows no version at /model, expected v1");
        assert!(failure(&version, Some("v1"), 200, "ok").contains("the reply is not JSON"));
    }

    #[test]
    fn a_version_may_stand_in_a_header() {
        let version = HttpCheck { version_at: Some("header:X-Model".into()), ..check("http://{address}/") };
        assert_eq!(verdict(&version, Some("v7"), 200, "not json"), (Ok(()), Some("v7".to_owned())));
        assert_eq!(failure(&version, Some("v8"), 200, ""), "shows version v7, expected v8");
    }

    #[test]
    fn without_an_expected_version_the_shown_one_is_only_noted() {
        let version = HttpCheck { version_at: Some("/model".into()), ..check("http://{address}/") };
        assert_eq!(verdict(&version, None, 200, r#"{"model":7}"#), (Ok(()), Some("7".to_owned())));
        assert_eq!(verdict(&version, None, 200, "plain"), (Ok(()), None));
    }

    #[test]
    fn the_version_is_noted_even_when_the_status_is_wrong() {
        let version = HttpCheck { version_at: Some("/model".into()), ..check("http://{address}/") };
        let (result, seen) = verdict(&version, Some("v2"), 503, r#"{"model":"v2"}"#);
        assert!(result.is_err());
        assert_eq!(seen.as_deref(), Some("v2"));
    }

    #[test]
    fn the_body_must_match_the_expression() {
        let ready = HttpCheck { body_regex: Some("(?i)model .* READY".into()), ..check("http://{address}/") };
        assert_eq!(verdict(&ready, None, 200, "Model llama ready").0, Ok(()));
        assert_eq!(failure(&ready, None, 200, "loading"), "the body does not match (?i)model .* READY");
    }

    #[test]
    fn slower_than_the_ceiling_fails() {
        let quick = |ms| HttpCheck { max_latency_ms: Some(ms), ..check("http://{address}/") };
        assert_eq!(failure(&quick(300), None, 200, ""), "took 350 ms, allowed 300 ms");
        assert_eq!(verdict(&quick(350), None, 200, "").0, Ok(()));
    }
}
