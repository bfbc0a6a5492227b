//! Packets nobody should send, by name: the corpus of the fuzz target `respond`.

use crate::wire::*;

/// A header with one question whose name is these octets.
fn asked(qname: &[u8]) -> Vec<u8> {
    [&header(0x6666, 0, [1, 0, 0, 0]), qname, &[0, 1, 0, 1]].concat()
}

/// A record of the additional section.
fn record(owner: &[u8], rtype: u16, rdata: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rdata.len()).unwrap();
    [owner, &rtype.to_be_bytes(), &[0, 1, 0, 0, 0, 0], &len.to_be_bytes(), rdata].concat()
}

/// A plain query with these flags.
fn flagged(flags: u16) -> Vec<u8> {
    let mut message = query("www.example.test", A);
    message[2..4].copy_from_slice(&flags.to_be_bytes());
    message
}

/// A plain query with these counts.
fn counted(counts: [u16; 4]) -> Vec<u8> {
    [header(0x6666, 0, counts), question("www.example.test", A, 1)].concat()
}

/// A plain query with OPT and these options.
fn opted(options: &[u8]) -> Vec<u8> {
    edns_query("app.example.test", A, 1232, options)
}

/// A plain query with these additional records.
fn with(records: &[Vec<u8>]) -> Vec<u8> {
    records.iter().fold(query("www.example.test", A), |message, record| with_additional(message, record))
}

/// Names that cannot be read, or only just.
fn names() -> Vec<(&'static str, Vec<u8>)> {
    let label = |octet: u8, len: usize| [&[u8::try_from(len).unwrap()][..], &vec![octet; len]].concat();
    let long = |last: usize| {
        [label(b'a', 63), label(b'b', 63), label(b'c', 63), label(b'd', last), name("example.test")].concat()
    };
    vec![
        ("pointer-to-itself", asked(&[0xc0, 12])),
        ("pointer-to-the-header", asked(&[0xc0, 0])),
        ("pointer-to-the-id", asked(&[0xc0, 1])),
        ("pointer-forward", asked(&[0xc0, 14])),
        ("pointer-beyond-the-end", asked(&[0xff, 0xff])),
        ("pointer-loop-through-a-label", asked(&[1, b'a', 0xc0, 12])),
        ("pointers-at-each-other", asked(&[0xc0, 14, 0xc0, 12])),
        ("pointer-cut-in-half", [header(1, 0, [1, 0, 0, 0]), vec![0xc0]].concat()),
        ("label-type-01", asked(&[0x41, b'a', 0])),
        ("label-type-10", asked(&[0x81, b'a', 0])),
        ("label-runs-over-the-end", asked(&[63, b'a'])),
        ("name-without-an-end", [header(1, 0, [1, 0, 0, 0]), vec![1; 300]].concat()),
        ("name-of-255-octets", asked(&long(48))),
        ("name-of-256-octets", asked(&long(49))),
        ("name-of-127-labels", asked(&[[1, b'a'].repeat(127), vec![0]].concat())),
        ("name-of-128-labels", asked(&[[1, b'a'].repeat(128), vec![0]].concat())),
        (
            "wildcard-of-255-octets",
            asked(
                &[label(b'a', 63), label(b'b', 63), label(b'c', 63), label(b'd', 43), name("wild.example.test")]
                    .concat(),
            ),
        ),
        ("user-of-63-octets", asked(&[label(0xff, 63), name("users.example.test")].concat())),
        ("label-of-zero-octets", asked(&[label(0, 63), name("example.test")].concat())),
        ("label-of-dots", asked(&[label(b'.', 20), name("example.test")].concat())),
        ("label-of-stars", asked(&[label(b'*', 5), name("wild.example.test")].concat())),
        ("star-itself", asked(&name("*.users.example.test"))),
        ("root", asked(&[0])),
        (
            "dname-that-grows-too-long",
            asked(
                &[label(b'a', 63), label(b'b', 63), label(b'c', 63), label(b'd', 42), name("short.example.test")]
                    .concat(),
            ),
        ),
        ("alias-loop", query("loop1.example.test", A)),
        ("ixfr-without-a-soa", query("example.test", 251)),
    ]
}

/// Headers that lie.
fn headers() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing", vec![]),
        ("one-octet", vec![0]),
        ("eleven-octets", vec![0; 11]),
        ("header-of-zeroes", vec![0; 12]),
        ("header-of-ones", vec![0xff; 12]),
        ("datagram-of-ones", vec![0xff; 512]),
        ("datagram-of-zeroes", vec![0; 512]),
        ("response", flagged(0x8000)),
        ("response-that-is-malformed", [header(1, 0x8180, [9, 9, 9, 9]), vec![0xc0; 9]].concat()),
        ("every-flag-but-qr", flagged(0x07ff)),
        ("rcode-in-a-query", flagged(0x000f)),
        ("opcode-iquery", flagged(1 << 11)),
        ("opcode-status", flagged(2 << 11)),
        ("opcode-notify", flagged(4 << 11)),
        ("opcode-update", flagged(5 << 11)),
        ("opcode-15", flagged(15 << 11)),
        ("no-question", counted([0, 0, 0, 0])),
        (
            "two-questions",
            [header(2, 0, [2, 0, 0, 0]), question("a.example.test", A, 1), question("b.example.test", A, 1)].concat(),
        ),
        ("questions-65535", counted([0xffff, 0, 0, 0])),
        ("answers-65535", counted([1, 0xffff, 0, 0])),
        ("authorities-65535", counted([1, 0, 0xffff, 0])),
        ("additionals-65535", counted([1, 0, 0, 0xffff])),
        ("all-counts-65535", counted([0xffff; 4])),
        (
            "answer-in-a-query",
            [header(2, 0, [1, 1, 0, 0]), question("www.example.test", A, 1), record(&[0xc0, 12], A, &[1, 2, 3, 4])]
                .concat(),
        ),
        ("type-0", query("www.example.test", 0)),
        ("type-opt-asked-for", query("www.example.test", OPT)),
        ("type-tsig-asked-for", query("www.example.test", 250)),
        ("type-axfr", query("example.test", 252)),
        ("type-65535", query("www.example.test", 65_535)),
        ("any-of-any-class", [header(2, 0, [1, 0, 0, 0]), question("app.example.test", ANY, 255)].concat()),
        ("class-0", [header(2, 0, [1, 0, 0, 0]), question("www.example.test", A, 0)].concat()),
        ("trailing-kilobyte", [query("www.example.test", A), vec![0xee; 1024]].concat()),
    ]
}

/// Additional records of all sorts.
fn additionals() -> Vec<(&'static str, Vec<u8>)> {
    let plain = opt(1232, 0, &[]);
    vec![
        ("opt-twice", with(&[plain.clone(), plain.clone()])),
        ("opt-below-a-name", with(&[[name("x"), plain[1..].to_vec()].concat()])),
        ("opt-behind-a-pointer", with(&[[vec![0xc0, 12], plain[1..].to_vec()].concat()])),
        ("opt-behind-a-pointer-to-a-root", with(&[[vec![0xc0, 28], plain[1..].to_vec()].concat()])),
        ("opt-that-promises-too-much", with(&[[&plain[..9], &[0xff, 0xff]].concat()])),
        ("opt-that-ends-early", with(&[plain[..10].to_vec()])),
        ("opt-of-version-255", with(&[opt(1232, 0x00ff_0000, &[])])),
        ("opt-of-every-flag", with(&[opt(65_535, 0xff00_ffff, &[])])),
        ("opt-of-size-0", with(&[opt(0, 0, &[])])),
        ("opt-in-front-of-rubbish", with(&[plain.clone(), vec![0xff; 30]])),
        ("forty-records-then-opt", with(&[vec![record(&[0], TXT, &[]); 40], vec![plain.clone()]].concat())),
        ("owner-points-into-the-question", with(&[record(&[0xc0, 16], A, &[1, 2, 3, 4]), plain.clone()])),
        ("owner-points-at-itself", with(&[record(&[0xc0, 34], A, &[1, 2, 3, 4])])),
        ("rdata-beyond-the-end", with(&[[record(&[0], A, &[]), vec![]].concat()[..9].to_vec()])),
        ("tsig", with(&[record(&name("key"), 250, &[&name("hmac-sha256")[..], &[0; 16]].concat())])),
        ("sig-0", with(&[record(&[0], 24, &[0; 18])])),
    ]
}

/// EDNS options of all sorts.
fn options() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("option-cut-in-half", opted(&[0, 8])),
        ("option-that-promises-too-much", opted(&[0, 10, 0xff, 0xff, 1])),
        ("option-0", opted(&option(0, &[]))),
        ("option-65535", opted(&option(65_535, &[0xff; 100]))),
        ("options-three-hundred-empty", opted(&option(65_001, &[]).repeat(300))),
        ("subnet-empty", opted(&option(8, &[]))),
        ("subnet-of-family-0", opted(&subnet(0, 0, 0, &[]))),
        ("subnet-of-family-65535", opted(&subnet(65_535, 8, 0, &[1]))),
        ("subnet-source-255", opted(&subnet(1, 255, 0, &[1; 32]))),
        ("subnet-scope-255", opted(&subnet(1, 24, 255, &[192, 0, 2]))),
        ("subnet-bits-beyond-the-prefix", opted(&subnet(1, 1, 0, &[0xff]))),
        ("subnet-too-long", opted(&subnet(1, 8, 0, &[10; 400]))),
        ("subnet-twice", opted(&subnet(1, 24, 0, &[192, 0, 2]).repeat(2))),
        ("subnet-mapped", opted(&subnet(2, 128, 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 1]))),
        ("subnet-v6-of-nothing", opted(&subnet(2, 0, 0, &[]))),
        ("cookie-empty", opted(&option(10, &[]))),
        ("cookie-of-7", opted(&option(10, &[7; 7]))),
        ("cookie-of-9", opted(&option(10, &[9; 9]))),
        ("cookie-of-40", opted(&option(10, &[4; 40]))),
        ("cookie-of-41", opted(&option(10, &[4; 41]))),
        ("cookie-forged", opted(&option(10, &[8; 24]))),
        ("nsid-with-data", opted(&option(3, &[1; 200]))),
        ("padding-of-1000", opted(&option(12, &[0; 1000]))),
        ("keepalive-over-udp", opted(&option(11, &[0xff, 0xff]))),
        ("extended-error-in-a-query", opted(&option(15, b"\0\x16what?"))),
        (
            "explain-with-a-subnet",
            edns_query("_explain.app.example.test", TXT, 4096, &subnet(1, 32, 0, &[198, 51, 100, 1])),
        ),
        (
            "explain-of-a-nasty-label",
            [
                &header(1, 0, [1, 0, 0, 0])[..],
                &[6, 0, 0xff, b'"', b'\\', b'\n', b'='],
                &name("_explain.users.example.test"),
                &[0, 16, 0, 1],
            ]
            .concat(),
        ),
        (
            "large-answer-in-a-small-datagram",
            edns_query("huge.example.test", TXT, 512, &subnet(1, 24, 0, &[192, 0, 2])),
        ),
        ("referral-with-too-much-glue", edns_query("x.crowded.example.test", A, 1232, &[])),
    ]
}

/// Every named packet.
pub fn packets() -> Vec<(&'static str, Vec<u8>)> {
    [names(), headers(), additionals(), options()].concat()
}

/// Queries that are sound, of every kind: the stock of prefixes and flipped bits.
pub fn sound() -> Vec<Vec<u8>> {
    vec![
        query("www.example.test", A),
        edns_query(
            "app.example.test",
            A,
            1232,
            &[subnet(1, 24, 0, &[198, 51, 100]), option(10, &[1; 8]), option(3, &[])].concat(),
        ),
        edns_query("u7.users.example.test", A, 4096, &subnet(2, 56, 0, &[0x20, 1, 0x0d, 0xb8, 0, 5, 0])),
        edns_query("chain1.example.test", AAAA, 512, &option(12, &[0; 20])),
        edns_query("www.deleg.example.test", A, 1232, &[]),
        with_additional(query("www.old.example.test", TXT), &opt(1232, 0x8000, &[])),
    ]
}

/// Every prefix of the sound queries.
pub fn prefixes() -> impl Iterator<Item = Vec<u8>> {
    sound().into_iter().flat_map(|query| (0..query.len()).map(move |len| query[..len].to_vec()))
}

/// Every single bit of the sound queries, flipped.
pub fn flips() -> impl Iterator<Item = Vec<u8>> {
    sound().into_iter().flat_map(|query| {
        (0..query.len() * 8).map(move |bit| {
            let mut flipped = query.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        })
    })
}
