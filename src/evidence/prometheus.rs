//! One question to a Prometheus server: `POST /api/v1/query`, and what its answer means.
//!
//! Spoken by VictoriaMetrics, Thanos, Mimir and others as well. One number is wanted: a scalar, or a
//! vector of one sample. Everything else is an error in words, never a guess.

use super::source::{self, Fetched};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes of a token.
const MAX_TOKEN: u64 = 64 * 1024;
/// The most bytes of a file with CA certificates.
const MAX_CA: u64 = 4 * 1024 * 1024;
/// The most characters of somebody else's words that are shown.
const SHOWN: usize = 300;

/// A server, and how it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server<'a> {
    /// `http(s)://host:port` with any path before `/api/v1/query`.
    pub(super) url: &'a str,
    /// A file with a bearer token, read at each use.
    pub(super) bearer_file: Option<&'a str>,
    /// A file with CA certificates to trust instead of the system's, read at each use.
    pub(super) ca_file: Option<&'a str>,
    /// Of one question.
    pub(super) limit: Duration,
}

impl Server<'_> {
    /// The number a query gives now.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub(super) async fn ask(&self, query: &str) -> Result<f64, String> {
        // One limit over everything: files may lie on a file system that hangs.
        timeout(self.limit, self.post(query)).await.unwrap_or_else(|_| Err(source::timed_out(self.limit)))
    }

    async fn post(&self, query: &str) -> Result<f64, String> {
        let text = format!("{}/api/v1/query", self.url.trim_end_matches('/'));
        let url = Url::parse(&text).map_err(|problem| format!("URL {text:?} is not usable: {problem}"))?;
        let ca = match self.ca_file {
            Some(path) => Some(source::read_file("CA", path, MAX_CA).await?),
            None => None,
        };
        let mut request = source::client(ca.as_deref())?
            .post(url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form(&[("query", query), ("timeout", &format!("{}ms", self.limit.as_millis()))]));
        if let Some(path) = self.bearer_file {
            let token = source::read_file("token", path, MAX_TOKEN).await?;
            let token =
                str::from_utf8(token.trim_ascii()).ok().filter(|token| token.bytes().all(|b| b.is_ascii_graphic()));
            let token = token.filter(|token| !token.is_empty());
            request = request.bearer_auth(token.ok_or_else(|| format!("the token file {path} holds no token"))?);
        }
        answer(&source::send(request, self.limit).await?)
    }
}

/// `application/x-www-form-urlencoded` text.
fn form(fields: &[(&str, &str)]) -> String {
    let mut carrier = Url::parse("form:").expect("a scheme alone is a URL");
    carrier.query_pairs_mut().extend_pairs(fields);
    carrier.query().unwrap_or("").to_owned()
}

/// What the API answers with.
#[derive(Debug, Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
}

/// The result of a query.
#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

/// The number in an answer.
fn answer(fetched: &Fetched) -> Result<f64, String> {
    let parsed = serde_json::from_slice::<Envelope>(&fetched.body);
    let status = fetched.status;
    let place = if status.is_success() { String::new() } else { format!("status {}: ", status.as_u16()) };
    let envelope = match parsed {
        Ok(envelope) => envelope,
        Err(_) if status.is_redirection() => {
            return Err(format!("status {}, and redirects are not followed", status.as_u16()));
        }
        Err(_) if !status.is_success() => {
            let said = shown(&String::from_utf8_lossy(&fetched.body));
            return Err(format!(
                "status {}, wanted 200-299{}{said}",
                status.as_u16(),
                if said.is_empty() { "" } else { ": " }
            ));
        }
        Err(problem) => return Err(format!("the reply is not that of a Prometheus server: {problem}")),
    };
    if envelope.status != "success" || !status.is_success() {
        let kind = envelope.error_type.as_deref().unwrap_or("error");
        return Err(format!(
            "{place}{}: {}",
            shown(kind),
            shown(envelope.error.as_deref().unwrap_or("no reason given"))
        ));
    }
    let data = envelope.data.ok_or("the reply is not that of a Prometheus server: it holds no data")?;
    number(&data)
}

/// The one number of a result.
fn number(data: &Data) -> Result<f64, String> {
    let sample = match (data.kind.as_str(), &data.result) {
        ("scalar", sample) => sample,
        ("vector", Value::Array(samples)) => match samples.as_slice() {
            [] => return Err("no data: the query gives no series (add `or vector(0)` where none means 0)".to_owned()),
            [sample] if sample.get("histogram").is_some() => {
                return Err("the query gives a histogram, wanted a number: use histogram_quantile() or such".to_owned());
            }
            [sample] => sample.get("value").unwrap_or(&Value::Null),
            many => {
                return Err(format!("the query gives {} series, wanted one: put sum() or avg() around it", many.len()));
            }
        },
        (kind, _) => return Err(format!("the query gives a {}, wanted one number of now", shown(kind))),
    };
    let text = sample.get(1).and_then(Value::as_str).ok_or("the reply holds a sample without a value")?;
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(format!("the query gives {}, which is no measurement (a division by zero?)", shown(text))),
        Err(_) => Err(format!("the query gives \"{}\", which is no number", shown(text))),
    }
}

/// Somebody else's words on one line, shortened.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let shown: String = line.chars().take(SHOWN).map(clean).collect();
    if line.chars().nth(SHOWN).is_some() { shown + " ..." } else { shown }
}
