//! The real dig as an operator types it, over UDP, TCP and HTTPS.

use crate::world::world;

/// The lines of an answer section, with single spaces.
fn answers(printed: &str) -> Vec<String> {
    let mut lines: Vec<String> = printed
        .lines()
        .filter(|line| !line.starts_with(';') && !line.is_empty())
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

/// `dig +short`, sorted.
fn short(arguments: &[&str]) -> Vec<String> {
    answers(&world().dig(&[&["+short"], arguments].concat()))
}

/// Whether the printed header says this status and these flags.
#[track_caller]
fn holds(printed: &str, status: &str, flags: &str) {
    assert!(printed.contains(&format!("status: {status},")), "{printed}");
    assert!(printed.contains(&format!(";; flags: {flags};")), "{printed}");
}

#[test]
fn one_question_gets_one_answer_over_every_transport() {
    let doh =
        |with: &'static str| answers(&world().dig_at(world().doh, &[with, "+noall", "+answer", "www.example.test"]));
    let expected = ["www.example.test. 300 IN A 192.0.2.1", "www.example.test. 300 IN A 192.0.2.2"];
    let udp = world().dig(&["www.example.test"]);
    holds(&udp, "NOERROR", "qr aa");
    assert_eq!(answers(&udp), expected);
    assert_eq!(answers(&world().dig(&["+tcp", "www.example.test"])), expected);
    assert_eq!(answers(&world().dig_at(world().v6, &["www.example.test"])), expected);
    assert_eq!(answers(&world().dig_at(world().v6, &["+tcp", "www.example.test"])), expected);
    assert_eq!(doh("+https"), expected);
    assert_eq!(doh("+https-get"), expected);
}

#[test]
fn a_switch_is_inspected_with_dig_alone() {
    assert_eq!(short(&["app.example.test"]), ["192.0.2.10"]);
    assert_eq!(short(&["app.example.test", "AAAA"]), ["2001:db8::10"]);
    assert_eq!(short(&["+subnet=198.51.100.0/24", "app.example.test"]), ["192.0.2.20"]);
    assert_eq!(short(&["+subnet=2001:db8:5::/48", "app.example.test"]), ["192.0.2.20"]);
    assert_eq!(short(&["green.app.example.test"]), ["192.0.2.20"]);
    assert_eq!(short(&["u7.users.example.test"]), ["192.0.2.23"]);
    assert_eq!(short(&["steered.test"]), ["192.0.2.15"]);
    assert_eq!(short(&["flag.example.test", "TXT"]), ["\"off\""]);
    let why = world().dig_at(world().v6, &["+short", "+subnet=198.51.100.0/24", "_explain.app.example.test", "TXT"]);
    assert!(why.contains("pool=green") && why.contains("office"), "{why}");
}

#[test]
fn the_scope_of_a_subnet_is_shown() {
    for (option, shown) in [
        ("+subnet=198.51.100.0/24", "CLIENT-SUBNET: 198.51.100.0/24/24"),
        ("+subnet=203.0.113.0/24", "CLIENT-SUBNET: 203.0.113.0/24/16"),
        ("+subnet=2001:db8:5::/56", "CLIENT-SUBNET: 2001:db8:5::/56/48"),
        ("+subnet=0", "CLIENT-SUBNET: 0.0.0.0/0/0"),
        ("+subnet=0.0.0.0/0", "CLIENT-SUBNET: 0.0.0.0/0/0"),
    ] {
        let printed = world().dig(&[option, "app.example.test"]);
        assert!(printed.contains(shown), "{printed}");
        let encrypted = world().dig_at(world().doh, &["+https", option, "app.example.test"]);
        assert!(encrypted.contains(shown), "{encrypted}");
    }
}

#[test]
fn rd_is_shown_when_it_was_set_and_ra_never() {
    holds(&world().dig(&["+noedns", "www.example.test"]), "NOERROR", "qr aa");
    // dig warns of recursion that is not available; that is the right thing to hear from it.
    let mut dig = std::process::Command::new("dig");
    dig.arg(format!("@{}", world().v4.ip()))
        .arg("-p")
        .arg(world().v4.port().to_string())
        .args(["+rec", "www.example.test"]);
    let printed = String::from_utf8(dig.output().unwrap().stdout).unwrap();
    holds(&printed, "NOERROR", "qr aa rd");
    assert!(printed.contains("recursion requested but not available"), "{printed}");
}

#[test]
fn a_large_answer_is_fetched_over_tcp() {
    let cut = world().dig(&["+ignore", "+bufsize=512", "medium.example.test"]);
    holds(&cut, "NOERROR", "qr aa tc");
    assert!(cut.contains("ANSWER: 0,"), "{cut}");
    let whole = world().dig(&["+bufsize=512", "medium.example.test"]);
    assert!(whole.contains("Truncated, retrying in TCP mode") && whole.contains("ANSWER: 40,"), "{whole}");
    assert_eq!(answers(&world().dig(&["+noedns", "+noall", "+answer", "large.example.test"])).len(), 100);
    assert!(world().dig(&["+bufsize=1232", "medium.example.test"]).contains("(UDP)"));
    assert_eq!(
        answers(&world().dig_at(world().doh, &["+https", "+noall", "+answer", "huge.example.test", "TXT"])).len(),
        250
    );
}

#[test]
fn edns_versions_and_options_are_negotiated() {
    let version = world().dig(&["+edns=1", "+noednsnegotiation", "www.example.test"]);
    holds(&version, "BADVERS", "qr");
    assert!(version.contains("EDNS: version: 0,"), "{version}");
    assert_eq!(short(&["+edns=1", "www.example.test"]), ["192.0.2.1", "192.0.2.2"], "dig falls back by itself");
    for options in [
        ["+nocookie", "+dnssec"],
        ["+ednsopt=65001:c0ffee", "+ednsflags=0x7fff"],
        ["+zflag", "+adflag"],
        ["+cdflag", "+padding=64"],
        ["+keepalive", "+tcp"],
        ["+expire", "+nsid"],
    ] {
        let printed = world().dig(&[&options[..], &["www.example.test"]].concat());
        holds(&printed, "NOERROR", "qr aa");
        assert_eq!(answers(&printed).len(), 2);
        assert!(printed.contains("; EDNS: version: 0, flags:") && printed.contains("udp: 1232"), "{printed}");
    }
    assert!(world().dig(&["+dnssec", "www.example.test"]).contains("; EDNS: version: 0, flags: do; udp: 1232"));
    assert!(world().dig(&["+nsid", "www.example.test"]).contains("(\"node-1\")"));
    assert!(!world().dig(&["+noedns", "www.example.test"]).contains("OPT PSEUDOSECTION"));
}

#[test]
fn errors_are_what_dig_calls_them() {
    holds(&world().dig(&["nothing.example.test"]), "NXDOMAIN", "qr aa");
    holds(&world().dig(&["www.example.test", "TXT"]), "NOERROR", "qr aa");
    holds(&world().dig(&["www.elsewhere.test"]), "REFUSED", "qr");
    holds(&world().dig(&["+opcode=status", "www.example.test"]), "NOTIMP", "qr");
    holds(&world().dig(&["+opcode=15", "www.example.test"]), "NOTIMP", "qr");
    let referral = world().dig(&["www.deleg.example.test"]);
    holds(&referral, "NOERROR", "qr");
    assert!(referral.contains("AUTHORITY: 3, ADDITIONAL: 5"), "NS, NS, DS; four addresses and OPT: {referral}");
    let not_ready = world().dig(&["green.half-down.example.test"]);
    assert!(not_ready.contains("EDE: 14 (Not Ready)"), "{not_ready}");
    assert!(world().dig(&["www.elsewhere.test"]).contains("EDE: 20 (Not Authoritative)"));
}

#[test]
fn one_tcp_connection_may_be_kept_open() {
    let printed = world().dig(&["+tcp", "+keepopen", "www.example.test", "mail.example.test", "app.example.test"]);
    assert_eq!(printed.matches("status: NOERROR").count(), 3, "{printed}");
}

#[test]
fn names_and_types_of_every_kind_are_read() {
    assert_eq!(short(&["raw.example.test", "TYPE731"]), ["\\# 6 ABCDEF012345"]);
    assert_eq!(short(&["svc.example.test", "HTTPS"]), ["1 . alpn=\"h2,h3\" port=8443"]);
    assert_eq!(short(&["caa.example.test", "CAA"]), ["0 issue \"ca.example.net\""]);
    assert_eq!(short(&["text.example.test", "TXT"]), ["\"one\" \"two\" \"\""]);
    assert_eq!(short(&["www.example.test", "ANY"]), ["\"RFC8482\" \"\""]);
    assert_eq!(
        short(&["chain1.example.test"]),
        ["192.0.2.1", "192.0.2.2", "chain2.example.test.", "chain3.example.test.", "www.example.test."]
    );
    let version = answers(&world().dig(&["+noall", "+answer", "version.bind", "CH", "TXT"]));
    assert_eq!(version, ["version.bind. 0 CH TXT \"tidegate under test\""]);
    assert_eq!(short(&["old.example.test", "DNAME"]), ["new.example.test."]);
    assert_eq!(short(&["-x", "192.0.2.1"]), [""; 0]);
}
