//! Presentation form of every type, and the round trip through the wire.

use super::*;
use proptest::prelude::*;

fn origin() -> Name {
    "example.test".parse().unwrap()
}

fn wire(rtype: &str, text: &str) -> Box<[u8]> {
    parse_rdata_text(rtype.parse().unwrap(), text, &origin()).unwrap_or_else(|e| panic!("{rtype} {text}: {e}"))
}

fn refusal(rtype: &str, text: &str) -> RdataError {
    match parse_rdata_text(rtype.parse().unwrap(), text, &origin()) {
        Ok(wire) => panic!("{rtype} {text} was read as {wire:?}"),
        Err(error) => error,
    }
}

/// Type, text as written, text as shown.
const FORMS: &[(&str, &str, &str)] = &[
    ("A", "192.0.2.1", "192.0.2.1"),
    ("AAAA", "2001:DB8::1", "2001:db8::1"),
    ("NS", "ns1", "ns1.example.test."),
    ("CNAME", "@", "example.test."),
    ("PTR", "Host.Example.", "host.example."),
    ("DNAME", r"a\.b.c.", r"a\.b.c."),
    (
        "SOA",
        "ns1 host.master 7 ( 1h 30m\n 1w 5m )",
        "ns1.example.test. host.master.example.test. 7 3600 1800 604800 300",
    ),
    ("MX", "0 .", "0 ."),
    ("TXT", r#"one "two; 2" "" \"q\" \195"#, r#""one" "two; 2" "" "\"q\"" "\195""#),
    ("SPF", "\"v=spf1 -all\"", "\"v=spf1 -all\""),
    ("SRV", "10 60 5060 sip", "10 60 5060 sip.example.test."),
    ("CAA", "128 issue letsencrypt.org", "128 issue \"letsencrypt.org\""),
    ("CAA", "0 issuewild \";\"", "0 issuewild \";\""),
    ("HINFO", "PC \"Linux 6\"", "\"PC\" \"Linux 6\""),
    ("RP", "admin .", "admin.example.test. ."),
    ("AFSDB", "1 afs", "1 afs.example.test."),
    ("KX", "1 kx.", "1 kx."),
    ("LOC", "42 21 54 N 71 06 18 W -24m 30m", "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m"),
    ("LOC", "52 N 4.0 E 0", "52 0 0.000 N 4 0 0.000 E 0.00m 1.00m 10000.00m 10.00m"),
    ("URI", "10 1 \"https://example.test/\"", "10 1 \"https://example.test/\""),
    ("SSHFP", "4 1 123456789abcdef67890 123456789abcdef67890", "4 1 123456789ABCDEF67890123456789ABCDEF67890"),
    ("TLSA", "3 1 0 d2 ab", "3 1 0 D2AB"),
    ("SMIMEA", "3 0 0 00", "3 0 0 00"),
    (
        "DS",
        "60485 RSASHA1 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
        "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
    ),
    ("CDS", "0 0 0 00", "0 0 0 00"),
    (
        "DNSKEY",
        "257 3 ED25519 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
        "257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
    ),
    ("CDNSKEY", "0 3 0 AA==", "0 3 0 AA=="),
    ("NAPTR", "100 50 \"s\" \"z3950+I2L\" \"\" _z3950", "100 50 \"s\" \"z3950+I2L\" \"\" _z3950.example.test."),
    ("OPENPGPKEY", "AQ ID", "AQID"),
    ("CERT", "PKIX 1 RSASHA256 AQID", "1 1 8 AQID"),
    ("CSYNC", "66 3 A NS AAAA", "66 3 A NS AAAA"),
    ("ZONEMD", "1 1 1 aabb", "1 1 1 AABB"),
    ("NSEC", "host A MX RRSIG NSEC TYPE1234", "host.example.test. A MX RRSIG NSEC TYPE1234"),
    (
        "NSEC3",
        "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX RRSIG",
        "1 1 12 AABBCCDD 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX RRSIG",
    ),
    ("NSEC3PARAM", "1 0 0 -", "1 0 0 -"),
    (
        "RRSIG",
        "A 5 3 86400 20030322173103 20030220173103 2642 @ AQID",
        "A 5 3 86400 20030322173103 20030220173103 2642 example.test. AQID",
    ),
    ("DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="),
    ("EUI48", "00-00-5e-00-53-2a", "00-00-5e-00-53-2a"),
    ("EUI64", "00-00-5e-ef-10-00-00-2a", "00-00-5e-ef-10-00-00-2a"),
    ("HTTPS", "0 pool.example.", "0 pool.example."),
    (
        "HTTPS",
        "1 . port=8443 alpn=\"h2,h3\" ipv4hint=192.0.2.1,192.0.2.2",
        "1 . alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1,192.0.2.2",
    ),
    (
        "SVCB",
        "16 foo mandatory=ipv4hint,alpn no-default-alpn alpn=h2 ipv4hint=192.0.2.1",
        "16 foo.example.test. mandatory=alpn,ipv4hint alpn=\"h2\" no-default-alpn ipv4hint=192.0.2.1",
    ),
    ("SVCB", "1 . key667=\"hello\\210qoo\" ech=AQID", "1 . ech=AQID key667=\"hello\\210qoo\""),
    (
        "SVCB",
        "1 dns alpn=dot dohpath=/dns-query{?dns} ohttp",
        "1 dns.example.test. alpn=\"dot\" dohpath=\"/dns-query{?dns}\" ohttp",
    ),
    ("TYPE65280", "\\# 3 AbCd EF", "\\# 3 ABCDEF"),
    ("APL", "\\# 0", "\\# 0"),
    ("A", "\\# 4 c0000201", "192.0.2.1"),
    ("CNAME", "\\# 3 01 41 00", "a."),
];

#[test]
fn every_type_reads_and_shows_its_presentation_form() {
    for (rtype, text, shown) in FORMS {
        let octets = wire(rtype, text);
        let number = rtype.parse().unwrap();
        assert!(is_well_formed(number, &octets), "{rtype} {text}");
        assert_eq!(display_rdata(number, &octets), *shown, "{rtype} {text}");
        assert_eq!(wire(rtype, shown), octets, "{rtype} {shown}");
    }
}

#[test]
fn rfc_9460_appendix_d_vectors() {
    let mut expected = b"\x00\x10\x03foo\x07example\x03com\x00\x00\x00\x00\x04\x00\x01\x00\x04".to_vec();
    expected.extend(b"\x00\x01\x00\x09\x02h2\x05h3-19\x00\x04\x00\x04\xc0\x00\x02\x01");
    let text = "16 foo.example.com. ( alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1 )";
    assert_eq!(*wire("SVCB", text), *expected);
    let escaped = b"\x00\x10\x03foo\x07example\x03org\x00\x00\x01\x00\x0c\x08f\\oo,bar\x02h2";
    assert_eq!(*wire("SVCB", r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#), *escaped);
    assert_eq!(*wire("SVCB", r"16 foo.example.org. alpn=f\\\092oo\092,bar,h2"), *escaped);
    for bad in [
        "1 foo.example.com. key123=abc key123=def",
        "1 foo.example.com. mandatory",
        "1 foo.example.com. alpn",
        "1 foo.example.com. port",
        "1 foo.example.com. ipv4hint",
        "1 foo.example.com. ipv6hint",
        "1 foo.example.com. no-default-alpn=abc",
        "1 foo.example.com. mandatory=key123",
        "1 foo.example.com. mandatory=mandatory",
        "1 foo.example.com. mandatory=key123,key123 key123=abc",
        "1 foo.example.com. no-default-alpn",
        "0 foo.example.com. port=443",
    ] {
        refusal("SVCB", bad);
    }
}

#[test]
fn refusals_name_the_word_and_the_remedy() {
    let error = refusal("A", "192.0.2.300");
    assert_eq!((error.token, error.at, error.width), (0, 0, 11));
    assert_eq!(error.to_string(), "`192.0.2.300` is no address; write an IPv4 address such as 192.0.2.1");
    let error = refusal("MX", "10");
    assert_eq!((error.token, error.at, error.width), (1, 2, 0));
    assert_eq!(error.to_string(), "the exchange of the MX is missing; write `MX preference exchange`");
    let error = refusal("MX", "70000 mail");
    assert_eq!((error.token, error.at), (0, 0));
    let error = refusal("A", "192.0.2.1  192.0.2.2");
    assert_eq!((error.token, error.at, error.width), (1, 11, 9));
    let error = refusal("APL", "1:192.0.2.0/24");
    assert_eq!(error.to_string(), "APL has no text form here; write it as `\\# length hexadecimal` (RFC 3597)");
    assert_eq!(refusal("TXT", &format!("ok {}", "x".repeat(256))).token, 1);
    assert_eq!(refusal("CNAME", "a..b").problem, "`a..b` is no name: empty label (two dots in a row?)");
    assert_eq!(refusal("HTTPS", "1 . alpn=h2 prot=443").token, 3);
    assert_eq!(refusal("TXT", "\"open").at, 0);
    assert_eq!(refusal("TXT", "one\ntwo").at, 4);
}

#[test]
fn values_that_do_not_fit_are_refused() {
    for (rtype, text) in [
        ("A", ""),
        ("A", "192.0.2"),
        ("AAAA", "192.0.2.1"),
        ("MX", "-1 a"),
        ("MX", "+1 a"),
        ("SRV", "1 2 65536 a"),
        ("TXT", r"\256"),
        ("TXT", r"a\"),
        ("TXT", "a\"b\""),
        ("CAA", "0 is-sue x"),
        ("DS", "1 8 2 aabb"),
        ("DS", "1 8 3 aab"),
        ("TLSA", "3 1 1 aabb"),
        ("DNSKEY", "257 3 8 @@@@"),
        ("LOC", "91 N 0 E 0"),
        ("LOC", "90 0 1 N 0 E 0"),
        ("LOC", "1 60 N 0 E 0"),
        ("LOC", "1 N 0 E"),
        ("LOC", "1 N 0 N 0"),
        ("NSEC", "a BOGUS"),
        ("EUI48", "00-00-5e-00-53"),
        ("RRSIG", "A 5 3 1 20230230000000 20230220173103 2642 @ AQID"),
        ("A", "\\# 3 c00002"),
        ("A", "\\# 4 c00002"),
        ("A", "\\# 4 c000020"),
        ("CNAME", "\\# 2 c00c"),
        ("TYPE65280", "abcd"),
    ] {
        refusal(rtype, text);
    }
}

#[test]
fn targets_are_found_and_the_root_is_none() {
    let target =
        |rtype: &str, text: &str| target_name(rtype.parse().unwrap(), &wire(rtype, text)).map(|n| n.to_string());
    assert_eq!(target("CNAME", "a").as_deref(), Some("a.example.test."));
    assert_eq!(target("MX", "10 mail").as_deref(), Some("mail.example.test."));
    assert_eq!(target("SRV", "0 0 443 web").as_deref(), Some("web.example.test."));
    assert_eq!(target("HTTPS", "1 pool alpn=h2").as_deref(), Some("pool.example.test."));
    for (rtype, text) in [("HTTPS", "1 ."), ("MX", "0 ."), ("A", "192.0.2.1"), ("TXT", "a"), ("SOA", "a b 1 1 1 1 1")] {
        assert_eq!(target(rtype, text), None, "{rtype} {text}");
    }
}

/// Types whose every field the round trip is tried for.
const ROUND_TRIP: &[RecordType] = &[
    RecordType::A,
    RecordType::AAAA,
    RecordType::NS,
    RecordType::SOA,
    RecordType::MX,
    RecordType::TXT,
    RecordType::SRV,
    RecordType::CAA,
    RecordType::HINFO,
    RecordType::RP,
    RecordType::LOC,
    RecordType::URI,
    RecordType::NAPTR,
    RecordType::SSHFP,
    RecordType::TLSA,
    RecordType::DS,
    RecordType::DNSKEY,
    RecordType::CERT,
    RecordType::CSYNC,
    RecordType::ZONEMD,
    RecordType::SVCB,
    RecordType::HTTPS,
    RecordType::RRSIG,
    RecordType::NSEC,
    RecordType::NSEC3,
    RecordType::NSEC3PARAM,
    RecordType::EUI48,
];

fn name_octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = any::<u8>().prop_map(|o| o.to_ascii_lowercase());
    prop::collection::vec(prop::collection::vec(octet, 1..6), 0..5).prop_map(|labels| {
        let mut wire = Vec::new();
        for label in labels {
            wire.push(u8::try_from(label.len()).unwrap());
            wire.extend(label);
        }
        wire.push(0);
        wire
    })
}

fn counted(least: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), least..20).prop_map(|mut octets| {
        octets.insert(0, u8::try_from(octets.len()).unwrap());
        octets
    })
}

fn fixed(len: usize) -> BoxedStrategy<Vec<u8>> {
    prop::collection::vec(any::<u8>(), len).boxed()
}

fn params() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::btree_map(9u16..65_535, prop::collection::vec(any::<u8>(), 0..9), 0..4).prop_map(|map| {
        let mut wire = Vec::new();
        for (key, value) in map {
            wire.extend(key.to_be_bytes());
            wire.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            wire.extend(value);
        }
        wire
    })
}

fn field_octets(kind: layout::Kind) -> BoxedStrategy<Vec<u8>> {
    use layout::Kind as K;
    match kind {
        K::U8 | K::Algorithm => fixed(1),
        K::U16 | K::Type | K::CertType => fixed(2),
        K::U32 | K::Seconds | K::Moment | K::Ipv4 => fixed(4),
        K::Ipv6 => fixed(16),
        K::Name => name_octets().boxed(),
        K::Text | K::Salt => counted(0).boxed(),
        K::Hash => counted(1).boxed(),
        K::Texts => prop::collection::vec(counted(0), 1..4).prop_map(|t| t.concat()).boxed(),
        K::Tail => prop::collection::vec(any::<u8>(), 0..20).boxed(),
        K::Tag => "[a-z0-9]{1,9}".prop_map(|t| [vec![u8::try_from(t.len()).unwrap()], t.into_bytes()].concat()).boxed(),
        K::Hex | K::Base64 => prop::collection::vec(any::<u8>(), 1..40).boxed(),
        K::Types => prop::collection::vec(any::<u16>(), 0..6)
            .prop_map(|types| {
                let mut wire = Vec::new();
                codes::push_types(types, &mut wire);
                wire
            })
            .boxed(),
        K::Eui(len) => fixed(usize::from(len)),
        K::Location => (0u32..=648_000_000, 0u32..=1_296_000_000, any::<u32>(), 1u8..10, 0u8..10)
            .prop_map(|(lat, long, alt, mantissa, exponent)| {
                let size = mantissa << 4 | exponent;
                let middle = 1u32 << 31;
                let mut wire = vec![0, size, 0x16, 0x13];
                wire.extend((middle - 324_000_000 + lat).to_be_bytes());
                wire.extend((middle - 648_000_000 + long).to_be_bytes());
                wire.extend(alt.to_be_bytes());
                wire
            })
            .boxed(),
        K::Params => params().boxed(),
    }
}

fn record() -> impl Strategy<Value = (RecordType, Vec<u8>)> {
    prop::sample::select(ROUND_TRIP).prop_flat_map(|rtype| {
        let fields = layout::of(rtype).unwrap().iter().map(|f| field_octets(f.kind)).collect::<Vec<_>>();
        fields.prop_map(move |parts| (rtype, parts.concat()))
    })
}

proptest! {
    #[test]
    fn what_is_shown_reads_back_to_the_same_octets((rtype, octets) in record()) {
        let alias = matches!(rtype, RecordType::SVCB | RecordType::HTTPS) && octets.starts_with(&[0, 0]);
        let digest = layout::digest_len(rtype, &octets).is_some_and(|(want, got)| want != got);
        prop_assume!(!alias && !digest);
        let text = display_rdata(rtype, &octets);
        prop_assert!(!text.starts_with("\\#"), "{rtype} {text}");
        let read = parse_rdata_text(rtype, &text, &Name::root()).map_err(|e| TestCaseError::fail(format!("{rtype} {text}: {e}")))?;
        prop_assert_eq!(&*read, &*octets, "{} {}", rtype, text);
    }

    #[test]
    fn any_octets_are_shown_and_any_text_is_read_without_a_panic(
        rtype in prop_oneof![prop::sample::select(ROUND_TRIP), any::<u16>().prop_map(RecordType)],
        octets in prop::collection::vec(any::<u8>(), 0..60),
        text in "([ -~]{0,12} ?){0,6}",
    ) {
        let shown = display_rdata(rtype, &octets);
        prop_assert!(!shown.is_empty() || octets.is_empty());
        let _ = target_name(rtype, &octets);
        if let Ok(wire) = parse_rdata_text(rtype, &text, &origin()) {
            prop_assert!(is_well_formed(rtype, &wire), "{rtype} {text}");
        }
    }
}
