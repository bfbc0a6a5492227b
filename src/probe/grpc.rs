//! The `grpc` probe: one call of `grpc.health.v1.Health/Check` over HTTP/2, plain or under TLS.
//!
//! A message is five octets of frame (compressed or not, length) and a protobuf of one field, read
//! and written here; the status of the call stands in the trailers. Only SERVING passes.

use super::attempt::{Deadline, Failure, Seen, connect};
use super::exchange::{Wire, over_http2};
use super::reply::Reply;
use super::tls::{self, TlsConfigs, TlsNeeds};
use super::words;
use crate::health::GrpcCheck;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, TE, USER_AGENT};
use hyper::{Method, Request, Uri};
use rustls::ClientConfig;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where the health service is found.
const PATH: &str = "/grpc.health.v1.Health/Check";

/// What the status codes of calls are called, from 0.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A `grpc` monitor, prepared.
pub(super) struct GrpcPlan {
    check: GrpcCheck,
    /// `None`: HTTP/2 with prior knowledge.
    tls: Option<Arc<ClientConfig>>,
}

impl GrpcPlan {
    /// Prepares a `grpc` monitor.
    pub(super) fn new(check: &GrpcCheck, configs: &mut TlsConfigs) -> Result<Self, String> {
        let needs = check.tls.as_ref().map(|trust| TlsNeeds {
            verify: trust.verify,
            ca_pem: trust.ca_pem.clone(),
            alpn: Some("h2"),
        });
        Ok(Self { check: check.clone(), tls: needs.map(|needs| configs.config(needs)).transpose()? })
    }

    /// Carries it out.
    pub(super) async fn probe(&self, address: IpAddr, deadline: &Deadline, seen: &mut Seen) -> Result<(), Failure> {
        let request = self.request(address)?;
        let stream = connect(address, self.check.port, deadline).await?;
        let stream: Box<dyn Wire> = match &self.tls {
            Some(config) => {
                let name = tls::server_name(self.host(), address)?;
                let stream = tls::handshake(config, name, stream, deadline, seen).await?;
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(Failure::Theirs("the server does not offer HTTP/2".to_owned()));
                }
                Box::new(stream)
            }
            None => Box::new(stream),
        };
        let reply = over_http2(stream, request, deadline).await?;
        judge(&self.check.service, &reply)?;
        tls::lasts(seen, self.check.tls.as_ref().and_then(|trust| trust.min_days))
    }

    /// The name asked for, without a port.
    fn host(&self) -> Option<&str> {
        let host = self.check.host.as_deref()?;
        Some(host.rsplit_once(':').map_or(host, |(name, _)| name))
    }

    fn request(&self, address: IpAddr) -> Result<Request<Full<Bytes>>, String> {
        let authority =
            self.check.host.clone().unwrap_or_else(|| SocketAddr::new(address, self.check.port).to_string());
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let uri: Uri = format!("{scheme}://{authority}{PATH}")
            .parse()
            .map_err(|problem| format!("host {authority:?} is not usable: {problem}"))?;
        let mut request = Request::new(Full::new(Bytes::from(framed(&self.check.service)?)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
        for (name, value) in [(CONTENT_TYPE, "application/grpc"), (TE, "trailers"), (USER_AGENT, agent)] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(request)
    }
}

/// A `HealthCheckRequest` in its frame: field 1, the service's name, absent when empty.
fn framed(service: &str) -> Result<Vec<u8>, String> {
    let mut message = Vec::with_capacity(service.len() + 8);
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).expect("seven bits"));
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).map_err(|_| "the name of the service is too long".to_owned())?;
    let mut frame = vec![0];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.append(&mut message);
    Ok(frame)
}

/// Whether the reply says SERVING.
fn judge(service: &str, reply: &Reply) -> Result<(), String> {
    let kind = reply.headers.get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()));
    let is_grpc = kind.as_ref().is_some_and(|kind| kind.starts_with("application/grpc"));
    if !is_grpc {
        let kind =
            kind.map_or_else(|| "no content type".to_owned(), |kind| format!("content type {}", words::quote(&kind)));
        return Err(format!("the reply is not gRPC: HTTP status {}, {kind}", reply.status.as_u16()));
    }
    let field = |name: &str| reply.trailers.get(name).or_else(|| reply.headers.get(name));
    let Some(code) = field("grpc-status") else {
        return Err("the reply ends without a gRPC status".to_owned());
    };
    let code = code.to_str().unwrap_or_default();
    if code != "0" {
        let name = code.parse().ok().and_then(|code: usize| CODES.get(code)).copied().unwrap_or("status");
        let message = field("grpc-message").map(|text| percent_decoded(text.as_bytes())).unwrap_or_default();
        let hint = match name {
            "UNIMPLEMENTED" => "; the server has no grpc.health.v1.Health service",
            "NOT_FOUND" => "; the server does not know the service asked about",
            _ => "",
        };
        return Err(format!("gRPC {name} ({}): {}{hint}", words::quote(code), words::quote(&message)));
    }
    let about = if service.is_empty() { String::new() } else { format!("{} is ", words::quote(service)) };
    match serving_status(&reply.body)? {
        1 => Ok(()),
        0 => Err(format!("{about}UNKNOWN, wanted SERVING")),
        2 => Err(format!("{about}NOT_SERVING, wanted SERVING")),
        3 => Err(format!("{about}SERVICE_UNKNOWN, wanted SERVING")),
        other => Err(format!("{about}in status {other}, wanted SERVING (1)")),
    }
}

/// The `status` of a `HealthCheckResponse` in its frame; 0 when absent, as protobuf has it.
fn serving_status(body: &[u8]) -> Result<u64, String> {
    let (frame, rest) = body.split_at_checked(5).ok_or("the reply holds no message")?;
    if frame[0] != 0 {
        return Err("the message is compressed, which was not offered".to_owned());
    }
    let length = u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]]);
    let mut message =
        usize::try_from(length).ok().and_then(|length| rest.get(..length)).ok_or("the message is cut off")?;
    let mut status = 0;
    const BROKEN: &str = "the message is no HealthCheckResponse";
    while !message.is_empty() {
        let key = varint(&mut message).ok_or(BROKEN)?;
        match key & 7 {
            0 => {
                let value = varint(&mut message).ok_or(BROKEN)?;
                if key >> 3 == 1 {
                    status = value;
                }
            }
            wire => {
                let skipped = match wire {
                    1 => 8,
                    2 => varint(&mut message).and_then(|length| usize::try_from(length).ok()).ok_or(BROKEN)?,
                    5 => 4,
                    _ => return Err(BROKEN.to_owned()),
                };
                message = message.get(skipped..).ok_or(BROKEN)?;
            }
        }
    }
    Ok(status)
}

/// Takes a base-128 number from the front.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for at in 0..10 {
        let (octet, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(octet & 0x7f).checked_shl(7 * at)?;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The text of a `grpc-message`: `%XX` stands for an octet.
fn percent_decoded(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((octet, behind)) = rest.split_first() {
        let hex = (*octet == b'%').then(|| behind.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                rest = &behind[2..];
            }
            None => {
                decoded.push(*octet);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{HeaderMap, StatusCode};
    use proptest::prelude::*;

    fn reply(headers: &[(&'static str, &str)], trailers: &[(&'static str, &str)], body: &[u8]) -> Reply {
        let map = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        Reply {
            status: StatusCode::OK,
            headers: map(headers),
            trailers: map(trailers),
            body: body.to_vec(),
            cut: false,
        }
    }

    const KIND: (&str, &str) = ("content-type", "application/grpc");
    const FINE: (&str, &str) = ("grpc-status", "0");

    fn failure(reply: &Reply) -> String {
        judge("llm.Chat", reply).unwrap_err()
    }

    #[test]
    fn requests_are_framed_protobufs() {
        assert_eq!(framed("").unwrap(), [0, 0, 0, 0, 0]);
        assert_eq!(framed("ab").unwrap(), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = framed(&"x".repeat(200)).unwrap();
        assert_eq!(long[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01]);
    }

    #[test]
    fn only_serving_passes() {
        assert_eq!(judge("", &reply(&[KIND], &[FINE], &[0, 0, 0, 0, 2, 8, 1])), Ok(()));
        for (status, word) in [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN")] {
            let said = failure(&reply(&[KIND], &[FINE], &[0, 0, 0, 0, 2, 8, status]));
            assert_eq!(said, format!("llm.Chat is {word}, wanted SERVING"));
        }
        // An absent field is its zero.
        assert!(failure(&reply(&[KIND], &[FINE], &[0; 5])).contains("UNKNOWN"));
        // Fields of later versions are skipped.
        assert_eq!(judge("", &reply(&[KIND], &[FINE], &[0, 0, 0, 0, 6, 0x12, 2, 8, 2, 8, 1])), Ok(()));
    }

    #[test]
    fn every_other_reply_is_told_in_words() {
        let said = |headers: &[_], trailers: &[_], body: &[u8]| failure(&reply(headers, trailers, body));
        assert_eq!(
            said(&[("content-type", "text/html")], &[], b"hello"),
            "the reply is not gRPC: HTTP status 200, content type text/html"
        );
        assert_eq!(said(&[KIND], &[], &[0; 5]), "the reply ends without a gRPC status");
        assert_eq!(
            said(&[KIND, ("grpc-status", "12"), ("grpc-message", "Method not found!")], &[], &[]),
            "gRPC UNIMPLEMENTED (12): Method not found!; the server has no grpc.health.v1.Health service"
        );
        assert_eq!(
            said(&[KIND], &[("grpc-status", "7"), ("grpc-message", "no%20entry%")], &[]),
            "gRPC PERMISSION_DENIED (7): no entry%"
        );
        assert_eq!(said(&[KIND], &[("grpc-status", "99")], &[]), "gRPC status (99): ");
        assert_eq!(said(&[KIND], &[FINE], &[]), "the reply holds no message");
        assert_eq!(said(&[KIND], &[FINE], &[0, 0, 0, 0, 9, 8, 1]), "the message is cut off");
        assert_eq!(said(&[KIND], &[FINE], &[1, 0, 0, 0, 0]), "the message is compressed, which was not offered");
        assert_eq!(said(&[KIND], &[FINE], &[0, 0, 0, 0, 1, 8]), "the message is no HealthCheckResponse");
    }

    proptest! {
        #[test]
        fn no_message_breaks_the_reader(body in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = serving_status(&body);
        }
    }
}
