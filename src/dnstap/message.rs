//! The messages of dnstap (dnstap.proto), as far as an authoritative server fills them in.

use crate::answer::Transport;
use crate::server::{Copies, Exchange};
use prost::Message as _;
use std::net::{IpAddr, SocketAddr};

/// `Dnstap`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Dnstap {
    /// What the server calls itself.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) identity: Option<Vec<u8>>,
    /// Program and version.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) version: Option<Vec<u8>>,
    /// What was seen.
    #[prost(message, optional, tag = "14")]
    pub(super) message: Option<Message>,
    /// `MESSAGE`: the only type there is.
    #[prost(int32, required, tag = "15")]
    pub(super) kind: i32,
}

/// `Message`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Message {
    /// [`AUTH_QUERY`] or [`AUTH_RESPONSE`].
    #[prost(int32, required, tag = "1")]
    pub(super) kind: i32,
    /// 1: IPv4, 2: IPv6.
    #[prost(int32, optional, tag = "2")]
    pub(super) socket_family: Option<i32>,
    /// By [`protocol`].
    #[prost(int32, optional, tag = "3")]
    pub(super) socket_protocol: Option<i32>,
    /// Who asked.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) query_address: Option<Vec<u8>>,
    /// Who was asked.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(super) response_address: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "6")]
    pub(super) query_port: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub(super) response_port: Option<u32>,
    #[prost(uint64, optional, tag = "8")]
    pub(super) query_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "9")]
    pub(super) query_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "10")]
    pub(super) query_message: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "12")]
    pub(super) response_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "13")]
    pub(super) response_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "14")]
    pub(super) response_message: Option<Vec<u8>>,
}

/// `Dnstap.Type.MESSAGE`.
const MESSAGE: i32 = 1;
/// A query that an authoritative server received.
const AUTH_QUERY: i32 = 1;
/// A response that it sent.
const AUTH_RESPONSE: i32 = 2;

/// `SocketProtocol`.
fn protocol(transport: Transport) -> i32 {
    match transport {
        Transport::Udp => 1,
        Transport::Tcp => 2,
        Transport::Tls => 3,
        Transport::Https => 4,
        Transport::Quic => 7,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Seconds, and the nanoseconds above them.
fn parts(ns: u64) -> (Option<u64>, Option<u32>) {
    (Some(ns / 1_000_000_000), u32::try_from(ns % 1_000_000_000).ok())
}

/// The frames of copies: each query, and each response.
pub(super) fn frames(copies: &Copies, identity: &str, version: &str) -> Vec<Vec<u8>> {
    let frame = |message| {
        let frame = Dnstap {
            identity: Some(identity.as_bytes().to_vec()),
            version: Some(version.as_bytes().to_vec()),
            message: Some(message),
            kind: MESSAGE,
        };
        frame.encode_to_vec()
    };
    let mut frames = Vec::with_capacity(copies.exchanges.len() * 2);
    for exchange in &copies.exchanges {
        let base = Message { kind: AUTH_QUERY, ..addressed(copies, exchange) };
        frames.push(frame(Message { query_message: Some(copies.query_of(exchange).to_vec()), ..base.clone() }));
        if let Some(reply) = copies.reply_of(exchange) {
            let (response_time_sec, response_time_nsec) = parts(copies.answered_ns);
            let response_message = Some(reply.to_vec());
            frames.push(frame(Message {
                kind: AUTH_RESPONSE,
                response_time_sec,
                response_time_nsec,
                response_message,
                ..base
            }));
        }
    }
    frames
}

/// What both messages of an exchange say.
fn addressed(copies: &Copies, exchange: &Exchange) -> Message {
    let client = SocketAddr::new(exchange.client.ip().to_canonical(), exchange.client.port());
    let (query_time_sec, query_time_nsec) = parts(copies.arrived_ns);
    Message {
        socket_family: Some(if client.is_ipv4() { 1 } else { 2 }),
        socket_protocol: Some(protocol(copies.transport)),
        query_address: Some(octets(client.ip())),
        query_port: Some(client.port().into()),
        response_address: exchange.server.map(|server| octets(server.ip().to_canonical())),
        response_port: exchange.server.map(|server| server.port().into()),
        query_time_sec,
        query_time_nsec,
        ..Message::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_octets_are_those_of_dnstap_proto() {
        let message = Message {
            kind: AUTH_RESPONSE,
            socket_protocol: Some(protocol(Transport::Https)),
            query_time_nsec: Some(1),
            response_message: Some(vec![9]),
            ..Message::default()
        };
        let frame = Dnstap { identity: Some(vec![b'n']), version: None, message: Some(message), kind: MESSAGE };
        let inner = [&[0x08, 2, 0x18, 4][..], &[0x4d, 1, 0, 0, 0], &[0x72, 1, 9]].concat();
        let inner_len = u8::try_from(inner.len()).unwrap();
        assert_eq!(frame.encode_to_vec(), [&[0x0a, 1, b'n', 0x72, inner_len][..], &inner, &[0x78, 1]].concat());
        let numbers = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic].map(protocol);
        assert_eq!(numbers, [1, 2, 3, 4, 7]);
    }
}
