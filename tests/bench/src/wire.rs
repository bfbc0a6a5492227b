//! Queries as octets, and as much of replies as a measurement looks at.

/// Type A.
pub const A: u16 = 1;

/// Octets of a client's cookie, and of the server's (RFC 9018).
pub const CLIENT_COOKIE: usize = 8;
pub const SERVER_COOKIE: usize = 16;

/// What an OPT record adds to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opt {
    /// No OPT.
    None,
    /// EDNS with a client subnet: a random /24 of 10.0.0.0/8 by this number.
    Subnet(u32),
    /// EDNS with a cookie: the client's eight octets, and the server's sixteen behind them if they are known.
    Cookie([u8; CLIENT_COOKIE], Option<[u8; SERVER_COOKIE]>),
}

/// A query for `name` (without trailing dot) with id 0.
pub fn query(name: &str, qtype: u16, opt: Opt) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(opt != Opt::None)];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("a label is at most 63 octets"));
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if let Opt::Subnet(number) = opt {
        let [_, _, high, low] = number.to_be_bytes();
        // Root, OPT, 1232 octets, no flags, 11 octets: option 8, 7 octets, IPv4 /24 (RFC 7871 §6).
        message.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0, 10, high, low]);
    }
    if let Opt::Cookie(client, server) = opt {
        let cookie = [&client[..], server.as_ref().map_or(&[][..], |server| server)].concat();
        let len = u8::try_from(cookie.len()).expect("a cookie is short");
        message.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, len + 4, 0, 10, 0, len]);
        message.extend_from_slice(&cookie);
    }
    message
}

/// The server's cookie in a reply to a query with this client's cookie.
pub fn server_cookie(reply: &[u8], client: [u8; CLIENT_COOKIE]) -> Option<[u8; SERVER_COOKIE]> {
    let option = [&[0, 10, 0, 24][..], &client].concat();
    let at = reply.windows(option.len()).position(|window| window == option)?;
    reply.get(at + option.len()..)?.first_chunk().copied()
}

/// The last octet of the first record's RDATA, if there is an answer: it tells the pools apart.
pub fn answered_octet(reply: &[u8]) -> Option<u8> {
    if reply.get(6..8)? == [0, 0] {
        return None;
    }
    let mut at = 12;
    while *reply.get(at)? != 0 {
        at += usize::from(reply[at]) + 1;
    }
    // Behind the question: a record with a pointer as its owner and four octets of address.
    let owner = at + 5;
    let rdata = if reply.get(owner)? & 0xc0 == 0xc0 { owner + 12 } else { return None };
    reply.get(rdata + 3).copied()
}

/// Numbers that look random and are the same in every run (splitmix64).
#[derive(Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        u32::try_from((u128::from(z) * u128::from(limit)) >> 64).expect("below a 32-bit limit")
    }
}

/// Names every measured zone has, `h0000000` and so on.
pub const NAMES: u32 = 1_000;

/// What is asked in one load.
pub fn queries_of(load: &str) -> Option<Vec<Vec<u8>>> {
    let mut numbers = Numbers(1);
    let many = 20_000;
    let host = |n: u32| query(&format!("h{n:07}.example.test"), A, Opt::None);
    let absent = |n: u32| query(&format!("n{n:07}.example.test"), A, Opt::None);
    Some(match load {
        "weighted" => vec![query("wwwwwwww.example.test", A, Opt::None)],
        "sticky" => vec![query("ssssssss.example.test", A, Opt::None)],
        "subnet" => (0..many).map(|_| query("ssssssss.example.test", A, Opt::Subnet(numbers.below(65_536)))).collect(),
        "static" => (0..many).map(|_| host(numbers.below(NAMES))).collect(),
        "nxdomain" => (0..many).map(|_| absent(numbers.below(10_000_000))).collect(),
        "mix" => (0..many)
            .map(|n| if n % 10 == 9 { absent(numbers.below(10_000_000)) } else { host(numbers.below(NAMES)) })
            .collect(),
        _ => return None,
    })
}
