//! The CLI as a client of the admin interface.

mod failing;

use super::destination::{Destination, is_loopback};
use super::exit::Failure;
use failing::causes;
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for an answer, unless the verb waits for something.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read (a million members would fit).
const ANSWER_LIMIT: usize = 512 << 20;

/// A way to one server; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    destination: Destination,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    limit: Duration,
}

impl Call {
    /// A request to `/v1/` and these segments.
    #[must_use]
    pub(super) fn new(method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None, limit: ANSWER_TIMEOUT }
    }

    /// A GET.
    #[must_use]
    pub(super) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST of a body.
    ///
    /// # Errors
    /// When the body has no JSON form.
    pub(super) fn post(path: &[&str], body: &impl Serialize) -> Result<Self, Failure> {
        Self::with_body(Method::POST, path, body)
    }

    /// A request with a body.
    ///
    /// # Errors
    /// When the body has no JSON form.
    pub(super) fn with_body(method: Method, path: &[&str], body: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_value(body)
            .map_err(|error| Failure::failed(format!("the request has no JSON form: {error}")))?;
        Ok(Self { body: Some(body), ..Self::new(method, path) })
    }

    /// Adds a query parameter, if there is one.
    #[must_use]
    pub(super) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Adds a header, if there is one.
    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.headers.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Waits this long for the answer.
    #[must_use]
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// An answer: the text as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as what it should be.
    ///
    /// # Errors
    /// When server and client do not understand each other.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text).map_err(|error| {
            Failure::failed(format!(
                "the server's answer is not understood ({error}): are server and client of the same version?"
            ))
        })
    }
}

impl Client {
    /// Prepares the way; connects later.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(destination: Destination) -> Result<Self, Failure> {
        // An error means that somebody installed a provider before, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        if destination.address.starts_with("http://") {
            // Without TLS no trust roots are needed, and a machine without any must do.
            builder = builder.tls_certs_only([]);
        }
        let http = destination
            .trust
            .apply(builder)?
            .build()
            .map_err(|error| Failure::failed(format!("cannot set up the HTTP client: {}", causes(&error))))?;
        Ok(Self { http, destination })
    }

    /// Whether the token would be readable on the way.
    #[must_use]
    pub(super) fn sends_token_in_the_clear(&self) -> bool {
        let Destination { address, token, .. } = &self.destination;
        token.is_some() && address.starts_with("http://") && !is_loopback(address)
    }

    /// The server this leads to.
    #[must_use]
    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Sends and waits for the answer.
    ///
    /// # Errors
    /// Unreachable (4), timed out (3), or refused with the server's own sentence (1).
    pub(super) async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let request = self.request(&call)?.timeout(call.limit);
        let response = request.send().await.map_err(|error| self.unanswered(&error, &call.method))?;
        let status = response.status();
        let text = self.read_body(response, &call.method).await?;
        if status.is_success() { Ok(Answer { text }) } else { Err(self.refused(status, text)) }
    }

    /// Sends and hands over the answer to be read piece by piece, for as long as it lasts.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub(super) async fn open(&self, call: Call) -> Result<reqwest::Response, Failure> {
        let response = self.request(&call)?.send().await.map_err(|error| self.unanswered(&error, &call.method))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(self.refused(status, self.read_body(response, &call.method).await?)),
        }
    }

    /// A call with the token.
    fn request(&self, call: &Call) -> Result<reqwest::RequestBuilder, Failure> {
        let mut request = self.http.request(call.method.clone(), self.url(call)?);
        if let Some(token) = &self.destination.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        Ok(request)
    }

    /// The address of a call, each segment escaped.
    fn url(&self, call: &Call) -> Result<Url, Failure> {
        let wrong = || Failure::usage(format!("`{}` is no address", self.destination.address));
        let mut url = Url::parse(&self.destination.address).map_err(|_| wrong())?;
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().push("v1").extend(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }

    /// The whole body, within a limit.
    async fn read_body(&self, mut response: reqwest::Response, method: &Method) -> Result<String, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unanswered(&error, method))? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(Failure::failed("the answer is absurdly large: is this a tidegate server?"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn client(address: &str, token: Option<&str>) -> Client {
        let origin = "a test".to_owned();
        let (address, token) = (address.to_owned(), token.map(Into::into));
        Client::new(Destination {
            address,
            token,
            token_origin: None,
            origin,
            trust: Default::default(),
            demo: false,
            warning: None,
        })
        .unwrap()
    }

    /// What comes of a call to a server that answers every request with this text, and what it read.
    async fn against(answer: &'static str) -> (Result<Answer, Failure>, String) {
        let call = Call::get(&["switches", "a/b c?"]).query("limit", Some(3)).header("If-Match", Some("\"7\""));
        called(call, answer).await
    }

    /// What comes of this call.
    async fn called(call: Call, answer: &'static str) -> (Result<Answer, Failure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let len = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            // The head and the body of a request may come in two.
            stream.shutdown().await.unwrap();
            while stream.read(&mut [0; 64]).await.is_ok_and(|len| len > 0) {}
            String::from_utf8_lossy(&request[..len]).into_owned()
        });
        let result = client(&address, Some("tg_a_b")).send(call).await;
        (result, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_call_escapes_its_path_and_carries_token_and_headers() {
        let (answer, request) = against("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
        assert_eq!(answer.unwrap().text, "{}");
        assert!(request.starts_with("GET /v1/switches/a%2Fb%20c%3F?limit=3 HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("authorization: Bearer tg_a_b\r\n") && request.contains("if-match: \"7\"\r\n"),
            "{request}"
        );
    }

    #[tokio::test]
    async fn a_problem_becomes_its_sentence_with_what_to_do() {
        let (answer, _) = against("HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n{\"detail\":\"too soon\",\"forceable\":true,\"problems\":[\"a.toml:1: no\",\"too soon\"]}").await;
        let failure = answer.unwrap_err();
        assert_eq!(failure.sentence, "too soon\na.toml:1: no\nto do it all the same: --force --reason '...'");
        assert!(failure.exit == Exit::Failed && failure.body.is_some_and(|body| body.contains("too soon")));
    }

    #[tokio::test]
    async fn what_is_no_tidegate_is_told_so_and_redirects_are_not_followed() {
        for strange in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope",
            "HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n",
        ] {
            let failure = against(strange).await.0.unwrap_err();
            assert!(
                failure.exit == Exit::Failed && failure.sentence.contains("is it the admin interface?"),
                "{failure:?}"
            );
        }
        let page = against("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>").await.0.unwrap();
        assert!(page.read::<Value>().unwrap_err().sentence.contains("same version"));
    }

    #[tokio::test]
    async fn silence_times_out_and_a_closed_port_is_unreachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let call = Call::get(&["status"]).within(Duration::from_millis(50));
        let silent = client(&address, None).send(call.clone()).await.unwrap_err();
        assert!(silent.exit == Exit::TimedOut && silent.sentence.contains("may still happen"), "{silent:?}");
        drop(listener);
        let closed = client(&address, None).send(call).await.unwrap_err();
        assert!(closed.exit == Exit::Unreachable && closed.sentence.contains("--address"), "{closed:?}");
    }

    #[tokio::test]
    async fn a_change_whose_answer_broke_off_may_have_been_made() {
        for part in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"] {
            let look = against(part).await.0.unwrap_err();
            assert!(look.exit == Exit::Unreachable && look.sentence.contains("ask again"), "{part:?}: {look:?}");
            let change = Call::post(&["reload"], &serde_json::json!({})).unwrap();
            let change = called(change, part).await.0.unwrap_err();
            assert!(
                change.exit == Exit::TimedOut
                    && change.sentence.contains("may still happen")
                    && !change.sentence.contains("cannot reach"),
                "{part:?}: {change:?}"
            );
        }
        let tls = against("\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{46}").await.0.unwrap_err();
        assert!(tls.sentence.contains("cannot reach") && tls.sentence.contains("wants https://"), "{tls:?}");
    }

    #[tokio::test]
    async fn a_token_in_the_clear_is_noticed() {
        assert!(client("http://192.0.2.1:8053", Some("tg_a_b")).sends_token_in_the_clear());
        assert!(!client("http://127.0.0.1:8053", Some("tg_a_b")).sends_token_in_the_clear());
        assert!(!client("http://192.0.2.1:8053", None).sends_token_in_the_clear());
    }
}
