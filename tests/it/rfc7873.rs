//! RFC 7873 and RFC 9018: cookies as dig uses them, required or offered, and secrets that last.

use crate::harness::{LIMIT, Server, own_address};
use crate::wire::*;
use std::net::UdpSocket;

const ZONE: &str = "$ORIGIN cookie.test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.1\n";
const BADCOOKIE: u16 = 23;

async fn started(mode: &str) -> Server {
    Server::start_configured(&[("cookie.test.zone", ZONE)], &format!("[cookies]\nmode = \"{mode}\"\n")).await
}

struct Asker(UdpSocket);

impl Asker {
    fn new(server: &Server) -> Self {
        let socket = UdpSocket::bind((own_address(), 0)).unwrap();
        socket.connect(server.dns).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self(socket)
    }

    fn ask(&self, message: &[u8]) -> Vec<u8> {
        self.0.send(message).unwrap();
        let mut buffer = [0; 1500];
        let len = self.0.recv(&mut buffer).expect("a reply");
        buffer[..len].to_vec()
    }

    /// Asks with this cookie; the reply, and the cookie in it.
    fn with_cookie(&self, cookie: &[u8]) -> (Reply, Option<Vec<u8>>) {
        let reply = self.ask(&edns_query("www.cookie.test", A, 1232, &option(10, cookie)));
        let at = reply.windows(4).position(|head| head == [0, 10, 0, 24]);
        (Reply::read(&reply), at.map(|at| reply[at + 4..at + 28].to_vec()))
    }
}

#[tokio::test]
async fn rfc7873_5_2_3_where_cookies_are_required_dig_comes_back_with_one() {
    let server = started("required").await;
    let bare = server.dig(&["+cookie=0011223344556677", "+nobadcookie", "www.cookie.test"]);
    assert!(bare.contains("status: BADCOOKIE") && bare.contains("; COOKIE: 0011223344556677"), "{bare}");
    let retried = server.dig(&["+cookie", "www.cookie.test"]);
    assert!(retried.contains("BADCOOKIE, retrying") && retried.contains("192.0.2.1"), "{retried}");
    assert_eq!(server.short(&["+cookie", "+tcp", "www.cookie.test"]), ["192.0.2.1"], "an address TCP has proven");
    assert_eq!(server.short(&["+nocookie", "www.cookie.test"]), ["192.0.2.1"], "a client of another age");
    assert_eq!(server.short(&["+noedns", "www.cookie.test"]), ["192.0.2.1"]);
}

#[tokio::test]
async fn rfc7873_5_2_4_a_cookie_of_somebody_else_is_as_good_as_none() {
    let server = started("required").await;
    let asker = Asker::new(&server);
    let (refused, cookie) = asker.with_cookie(b"clients!");
    let cookie = cookie.expect("a cookie to come back with");
    assert_eq!((refused.rcode, refused.answer.len(), refused.len < 100), (BADCOOKIE, 0, true));
    assert_eq!(asker.with_cookie(&cookie).0.rcode, NOERROR);
    let mut forged = cookie.clone();
    forged[23] ^= 1;
    let (refused, fresh) = asker.with_cookie(&forged);
    assert_eq!((refused.rcode, fresh.is_some()), (BADCOOKIE, true));
    assert_eq!(Asker::new(&server).with_cookie(&cookie).0.rcode, BADCOOKIE, "of another address");
    assert_eq!(asker.with_cookie(&[7; 16]).0.rcode, BADCOOKIE, "of no length of ours");
    assert_eq!(asker.with_cookie(&[7; 9]).0.rcode, FORMERR);
    // A query for nothing but a cookie (§5.4).
    let only = with_additional(header(9, 0, [0, 0, 0, 0]), &opt(1232, 0, &option(10, b"clients!")));
    assert_eq!(Reply::read(&asker.ask(&only)).rcode, NOERROR);
}

#[tokio::test]
async fn rfc9018_5_cookies_outlive_a_restart() {
    let mut server = started("required").await;
    let asker = Asker::new(&server);
    let cookie = asker.with_cookie(b"clients!").1.expect("a cookie");
    server.kill9();
    server.restart().await;
    assert_eq!(asker.with_cookie(&cookie).0.rcode, NOERROR);
}

#[tokio::test]
async fn cookies_can_be_offered_or_not() {
    let server = started("off").await;
    assert_eq!(Asker::new(&server).with_cookie(b"clients!").1, None);
    let server = started("offered").await;
    let (reply, cookie) = Asker::new(&server).with_cookie(b"clients!");
    assert_eq!((reply.rcode, reply.answer.len(), cookie.is_some()), (NOERROR, 1, true));
}
