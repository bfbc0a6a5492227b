//! The `http` and `https` probe: one connection, one request (and the redirects asked for), over
//! HTTP/1.1 (RFC 9112) or HTTP/2 (RFC 9113).
//!
//! Every connection goes to the member's address; the URL gives port, path, and, unless the monitor
//! names a host of its own, Host and SNI. Replies are read up to fixed limits.

use super::attempt::{Deadline, Failure, Seen, connect};
use super::exchange::{Wire, over_http1, over_http2};
use super::reply::{self, Reply};
use super::tls::{self, TlsConfigs, TlsNeeds};
use super::words;
use crate::health::HttpCheck;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Uri};
use regex::bytes::{Regex, RegexBuilder};
use reqwest::Url;
use rustls::ClientConfig;
use std::net::IpAddr;
use std::sync::Arc;

/// Bounds the automaton of a body expression, bytes.
const REGEX_LIMIT: usize = 4 * 1024 * 1024;

/// An `http` monitor, prepared.
pub(super) struct HttpPlan {
    check: HttpCheck,
    method: Method,
    headers: HeaderMap,
    body_regex: Option<Regex>,
    /// `None` when neither the URL nor a redirect can need it.
    tls: Option<Arc<ClientConfig>>,
}

impl HttpPlan {
    /// Prepares an `http` monitor.
    pub(super) fn new(check: &HttpCheck, configs: &mut TlsConfigs) -> Result<Self, String> {
        let body_regex =
            check.body_regex.as_deref().map(|text| RegexBuilder::new(text).size_limit(REGEX_LIMIT).build());
        let body_regex =
            body_regex.transpose().map_err(|problem| format!("the body expression is not usable: {problem}"))?;
        let needs_tls = check.redirects > 0 || check.url.starts_with("https:");
        let alpn = if check.http2 { "h2" } else { "http/1.1" };
        let needs = TlsNeeds { verify: check.verify, ca_pem: check.ca_pem.clone(), alpn: Some(alpn) };
        Ok(Self {
            method: Method::from_bytes(check.method.as_bytes())
                .map_err(|_| format!("{:?} is no HTTP method", check.method))?,
            headers: headers(check)?,
            body_regex,
            tls: if needs_tls { Some(configs.config(needs)?) } else { None },
            check: check.clone(),
        })
    }

    /// Carries it out.
    pub(super) async fn probe(
        &self,
        address: IpAddr,
        expect_version: Option<&str>,
        deadline: &Deadline,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        let mut url = self.url(address)?;
        let mut method = self.method.clone();
        let mut left = self.check.redirects;
        loop {
            let reply = self.exchange(&url, &method, address, deadline, seen).await?;
            let followed = if self.check.redirects > 0 { redirect(&url, &reply)? } else { None };
            let Some(next) = followed else {
                let check = &self.check;
                reply::judge(check, self.body_regex.as_ref(), expect_version, &reply, deadline.elapsed(), seen)?;
                return if url.scheme() == "https" { tls::lasts(seen, check.min_days) } else { Ok(()) };
            };
            left = left.checked_sub(1).ok_or_else(|| format!("more than {} redirects", self.check.redirects))?;
            url = next;
            // RFC 9110 15.4.8, 15.4.9: only 307 and 308 repeat the request as it was.
            if !matches!(reply.status.as_u16(), 307 | 308) && method != Method::HEAD {
                method = Method::GET;
            }
        }
    }

    fn url(&self, address: IpAddr) -> Result<Url, String> {
        let address = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        let text = self.check.url.replace("{address}", &address);
        let url = Url::parse(&text).map_err(|problem| format!("URL {text:?} is not usable: {problem}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("URL {text:?} is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL holds credentials: give them as an Authorization header".to_owned());
        }
        Ok(url)
    }

    /// One request and its reply.
    async fn exchange(
        &self,
        url: &Url,
        method: &Method,
        address: IpAddr,
        deadline: &Deadline,
        seen: &mut Seen,
    ) -> Result<Reply, Failure> {
        let request = self.request(url, method)?;
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = connect(address, port, deadline).await?;
        let stream: Box<dyn Wire> = if url.scheme() == "https" {
            let config = self.tls.as_ref().ok_or_else(|| "TLS is not set up for this monitor".to_owned())?;
            let stream = tls::handshake(config, self.server_name(url)?, stream, deadline, seen).await?;
            if self.check.http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(Failure::Theirs("the server does not offer HTTP/2".to_owned()));
            }
            Box::new(stream)
        } else {
            Box::new(stream)
        };
        if self.check.http2 {
            over_http2(stream, request, deadline).await
        } else {
            over_http1(stream, request, deadline).await
        }
    }

    fn request(&self, url: &Url, method: &Method) -> Result<Request<Full<Bytes>>, String> {
        let authority = self.authority(url);
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let uri = if self.check.http2 { format!("{}://{authority}{path}", url.scheme()) } else { path };
        let uri: Uri = uri.parse().map_err(|problem| format!("URL {url} is not usable: {problem}"))?;
        let with_body = *method == self.method || !matches!(*method, Method::GET | Method::HEAD);
        let body = self.check.body.as_ref().filter(|_| with_body);
        let mut request = Request::new(Full::new(body.map_or_else(Bytes::new, |body| Bytes::from(body.clone()))));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        if self.check.http2 {
            headers.remove(header::HOST);
        } else {
            let host = HeaderValue::from_str(&authority).map_err(|_| format!("host {authority:?} is not usable"))?;
            headers.insert(header::HOST, host);
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(request)
    }

    /// What stands in Host: the monitor's own, its Host header, or the URL's.
    fn authority(&self, url: &Url) -> String {
        if let Some(host) = &self.check.host {
            return host.clone();
        }
        if let Some(host) = self.headers.get(header::HOST).and_then(|host| host.to_str().ok()) {
            return host.to_owned();
        }
        let host = url.host_str().unwrap_or_default();
        url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn server_name(&self, url: &Url) -> Result<rustls::pki_types::ServerName<'static>, String> {
        let authority = self.authority(url);
        let host = authority
            .parse::<hyper::http::uri::Authority>()
            .map_or_else(|_| authority.clone(), |parsed| parsed.host().to_owned());
        let name = host.trim_start_matches('[').trim_end_matches(']');
        rustls::pki_types::ServerName::try_from(name.to_owned()).map_err(|_| format!("{name:?} is no name for TLS"))
    }
}

/// The operator's headers, with ours where they give none.
fn headers(check: &HttpCheck) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &check.headers {
        let named =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header name {name:?} is not usable"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of header {name} is not usable"))?;
        headers.append(named, value);
    }
    let ours = [(header::USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION"))), (header::ACCEPT, "*/*")];
    for (name, value) in ours {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if check.body.is_some() {
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
    Ok(headers)
}

/// Where a reply redirects to, if it does; only the same host counts as the member.
fn redirect(url: &Url, reply: &Reply) -> Result<Option<Url>, String> {
    if !matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = reply.headers.get(header::LOCATION) else {
        return Err(format!("status {} without a Location", reply.status.as_u16()));
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let next = url.join(&location).map_err(|_| format!("redirects to {}, which is no URL", words::quote(&location)))?;
    if next.host() != url.host() || !matches!(next.scheme(), "http" | "https") {
        return Err(format!("redirects to {}, which is not this member", words::quote(&location)));
    }
    Ok(Some(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::responder::check;

    fn plan(url: &str, change: impl Fn(&mut HttpCheck)) -> HttpPlan {
        let mut check = check(url);
        change(&mut check);
        HttpPlan::new(&check, &mut TlsConfigs::default()).unwrap()
    }

    fn request(plan: &HttpPlan, address: &str) -> (String, Option<String>) {
        let url = plan.url(address.parse().unwrap()).unwrap();
        let request = plan.request(&url, &plan.method).unwrap();
        let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap().to_owned());
        (request.uri().to_string(), host)
    }

    #[test]
    fn addresses_and_ports_stand_right_in_requests() {
        let plain = plan("http://{address}:8080/a?b=c", |_| ());
        assert_eq!(request(&plain, "192.0.2.1"), ("/a?b=c".into(), Some("192.0.2.1:8080".into())));
        assert_eq!(request(&plain, "2001:db8::1"), ("/a?b=c".into(), Some("[2001:db8::1]:8080".into())));
        let by_default = plan("http://{address}", |_| ());
        assert_eq!(request(&by_default, "192.0.2.1"), ("/".into(), Some("192.0.2.1".into())));
        let over_h2 = plan("http://{address}:8080/a", |check| check.http2 = true);
        assert_eq!(request(&over_h2, "2001:db8::1"), ("http://[2001:db8::1]:8080/a".into(), None));
        let named = plan("http://{address}/", |check| check.headers = vec![("Host".into(), "app.example.test".into())]);
        assert_eq!(request(&named, "192.0.2.1").1.as_deref(), Some("app.example.test"));
    }

    #[test]
    fn sni_is_the_host_without_its_port() {
        let name = |host: Option<&str>, address: &str| {
            let plan = plan("https://{address}:8443/", |check| {
                check.host = host.map(str::to_owned);
                check.verify = false;
            });
            plan.server_name(&plan.url(address.parse().unwrap()).unwrap()).unwrap().to_str().into_owned()
        };
        assert_eq!(name(None, "192.0.2.1"), "192.0.2.1");
        assert_eq!(name(None, "2001:db8::1"), "2001:db8::1");
        assert_eq!(name(Some("app.example.test:8443"), "192.0.2.1"), "app.example.test");
    }

    #[test]
    fn urls_that_cannot_be_used_say_why() {
        let problem = |url: &str| plan(url, |_| ()).url("192.0.2.1".parse().unwrap()).unwrap_err();
        assert!(problem("http://user:secret@{address}/").contains("Authorization header"));
        assert!(problem("ftp://{address}/").contains("neither http nor https"));
        assert!(problem("http://{address}:99999/").contains("not usable"));
    }
}
