//! RFC 7828: edns-tcp-keepalive, and what becomes of other options that are malformed, oversized or repeated.

use crate::certificates::{ask, client, connect};
use crate::encrypted::Encrypted;
use crate::wire::*;
use crate::world::{Client, Stream, world};

/// The option as a server sends it, 10 s by default.
const TEN_SECONDS: [u8; 6] = [0, 11, 0, 2, 0, 100];

fn asked(options: &[u8]) -> Vec<u8> {
    edns_query("www.example.test", A, 1232, options)
}

fn has(wire: &[u8], option: &[u8]) -> bool {
    wire.windows(option.len()).any(|octets| octets == option)
}

fn codes(wire: &[u8]) -> Vec<u16> {
    Reply::read(wire).opt.expect("OPT").codes
}

#[test]
fn rfc7828_3_3_2_a_client_over_tcp_that_asks_is_told_the_idle_time() {
    let reply = Stream::new(world().v4).ask(&asked(&option(11, &[])));
    assert!(has(&reply, &TEN_SECONDS) && codes(&reply) == [11], "{reply:02x?}");
    assert_eq!(Reply::read(&reply).answer.len(), 2);
    let printed = world().dig(&["+tcp", "+keepalive", "www.example.test"]);
    assert!(printed.contains("KEEPALIVE: 10.0 secs"), "{printed}");
}

#[test]
fn rfc7828_3_3_2_who_does_not_ask_is_not_told() {
    assert!(codes(&Stream::new(world().v4).ask(&asked(&[]))).is_empty());
    let bare = Stream::new(world().v4).ask(&query("www.example.test", A));
    assert_eq!(Reply::read(&bare).opt, None);
}

#[test]
fn rfc7828_3_2_1_the_option_is_ignored_over_udp_whatever_it_holds() {
    for value in [&[][..], &[0, 100], &[1; 300]] {
        let reply = Client::new(world().v4).udp(&asked(&option(11, value)));
        assert_eq!((Reply::read(&reply).rcode, Reply::read(&reply).answer.len()), (NOERROR, 2));
        assert!(codes(&reply).is_empty());
    }
}

#[test]
fn rfc7828_3_2_a_time_in_a_query_is_a_format_error() {
    let whole = [option(11, &[]), option(11, &[0, 1])].concat();
    for options in [option(11, &[0, 100]), option(11, &[7]), option(11, &[0; 1000]), whole] {
        let mut stream = Stream::new(world().v4);
        let reply = Reply::read(&stream.ask(&asked(&options)));
        assert_eq!((reply.rcode, reply.answer.len(), reply.opt.is_some()), (FORMERR, 0, true));
        assert_eq!(Reply::read(&stream.ask(&asked(&[]))).rcode, NOERROR, "the connection goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7828_3_6_tls_is_told_the_time_of_the_servers_file() {
    let all = Encrypted::start("[limits]\ntcp_idle = \"25s\"\n").await;
    let mut stream = connect(&all, &client(&all, &[b"dot"], &[&rustls::version::TLS13]), 853);
    let soa = |options: &[u8]| edns_query("example.test", SOA, 1232, options);
    assert!(has(&ask(&mut stream, &soa(&option(11, &[]))), &[0, 11, 0, 2, 0, 250]));
    assert_eq!(Reply::read(&ask(&mut stream, &soa(&option(11, &[0, 1])))).rcode, FORMERR);
    assert!(codes(&ask(&mut stream, &soa(&[]))).is_empty());
}

#[test]
fn options_that_are_malformed_oversized_or_repeated_are_refused_or_passed_over() {
    let cookie = option(10, b"8 octets");
    let fine: &[(&str, Vec<u8>, &[u16])] = &[
        ("NSID with data (RFC 5001 §2.1)", option(3, &[7; 900]), &[3]),
        ("NSID twice", option(3, &[]).repeat(2), &[3]),
        ("padding that is large", option(12, &[0; 1000]), &[]),
        ("padding that is not zeroes (RFC 7830 §3)", option(12, &[9; 9]), &[]),
        ("padding twice", option(12, &[]).repeat(2), &[]),
        ("a cookie", cookie.clone(), &[10]),
        ("a cookie twice: the first counts (RFC 7873 §5.2)", cookie.repeat(2), &[10]),
        ("a second cookie that is malformed", [cookie.clone(), option(10, &[1])].concat(), &[10]),
        ("the shortest server cookie", option(10, &[5; 16]), &[10]),
        ("the longest server cookie", option(10, &[5; 40]), &[10]),
        ("an extended error", option(15, &[0, 22, b'x']), &[]),
        ("an extended error without code", option(15, &[]), &[]),
        ("an option nobody knows, 900 octets of it", option(65_001, &[1; 900]), &[]),
        ("two hundred of them", option(65_001, &[1]).repeat(200), &[]),
    ];
    for (what, options, expected) in fine {
        let wires = [Client::new(world().v4).udp(&asked(options)), Stream::new(world().v4).ask(&asked(options))];
        for wire in wires {
            let reply = Reply::read(&wire);
            assert_eq!((reply.rcode, reply.answer.len()), (NOERROR, 2), "{what}");
            assert_eq!(codes(&wire), *expected, "{what}");
        }
    }
    for len in (0..8).chain(9..16).chain([41, 64, 1000]) {
        let reply = world().ask_bytes(&asked(&option(10, &vec![3; len])));
        assert_eq!((reply.rcode, reply.answer.len(), reply.opt.is_some()), (FORMERR, 0, true), "a cookie of {len}");
    }
}
