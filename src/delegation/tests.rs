//! Findings from facts, one fault at a time.

use super::parent::{Parent, Referral, View};
use super::server::{Answer, Edns, Server, Servers};
use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn two() -> Addresses {
    [(name("ns1.a.test."), [address(1)].into()), (name("ns2.a.test."), [address(2)].into())].into()
}

fn expected() -> Expected {
    Expected { apex: name("a.test."), ns: two().into_keys().collect(), addresses: two() }
}

fn parent() -> Parent {
    let referral = Referral { ns: two().into_keys().collect(), glue: two(), ds: Some(false) };
    Parent { views: vec![("192.0.2.53:53".parse().unwrap(), View::Refers(referral))], ..Parent::default() }
}

fn answer() -> Answer {
    Answer { rcode: 0, rcode_word: "NOERROR".to_owned(), is_authoritative: true, is_truncated: false, serial: Some(7) }
}

fn servers() -> Servers {
    let seen = two().into_iter().map(|(name, addresses)| Server {
        name,
        address: *addresses.first().unwrap(),
        udp: Ok(answer()),
        tcp: Ok(answer()),
        edns: Edns::Works,
        ns: Some(expected().ns),
        dnskey: None,
    });
    Servers { seen: seen.collect(), outside: BTreeMap::new() }
}

/// The kinds of what is found when these facts are changed.
fn found(change: impl FnOnce(&mut Expected, &mut Parent, &mut Servers)) -> Vec<&'static str> {
    let (mut zone, mut parent, mut servers) = (expected(), parent(), servers());
    change(&mut zone, &mut parent, &mut servers);
    let report = judge::judge(&zone, &parent, &servers);
    assert!(report.findings.iter().all(|finding| !finding.remedy.is_empty()));
    report.findings.iter().map(|finding| finding.kind).collect()
}

fn referral(parent: &mut Parent) -> &mut Referral {
    match &mut parent.views[0].1 {
        View::Refers(referral) => referral,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_right_is_not_talked_about() {
    assert_eq!(found(|_, _, _| ()), [""; 0]);
}

#[test]
fn each_fault_of_the_parent_is_found() {
    let ns2 = name("ns2.a.test.");
    assert_eq!(found(|_, parent, _| assert!(referral(parent).ns.remove(&ns2))), ["ns-missing"]);
    let more = name("ns3.elsewhere.test.");
    assert_eq!(found(|_, parent, _| assert!(referral(parent).ns.insert(more))), ["ns-extra"]);
    assert_eq!(found(|_, parent, _| drop(referral(parent).glue.remove(&ns2))), ["glue-missing"]);
    let wrong = [address(9)].into();
    assert_eq!(found(|_, parent, _| drop(referral(parent).glue.insert(ns2.clone(), wrong))), ["glue-differs"]);
    assert_eq!(found(|_, parent, _| parent.views[0].1 = View::Knows("nothing")), ["not-delegated"]);
    assert_eq!(found(|_, parent, _| parent.views[0].1 = View::Unfit("REFUSED".to_owned())), ["parent-lame"]);
    assert_eq!(found(|_, parent, _| parent.views[0].1 = View::Silent(Silence::TimedOut)), ["parent-silent"]);
    assert_eq!(found(|_, parent, _| parent.views[0].1 = View::ServesZone), ["parent-serves-zone"]);
    assert_eq!(
        found(|_, parent, _| {
            let mut other = parent.views[0].clone();
            if let View::Refers(referral) = &mut other.1 {
                referral.ns.remove(&ns2);
            }
            parent.views.push(other);
        }),
        ["parents-differ"]
    );
}

#[test]
fn a_server_of_the_parent_that_this_machine_cannot_reach_does_not_count_while_another_answers() {
    let beyond = ("[2001:db8::1]:53".parse().unwrap(), View::Silent(Silence::NoWay));
    assert_eq!(found(|_, parent, _| parent.views.push(beyond.clone())), [""; 0]);
    assert_eq!(found(|_, parent, _| parent.views = vec![beyond]), ["parent-silent"]);
}

#[test]
fn each_fault_of_a_server_is_found() {
    assert_eq!(found(|_, _, servers| servers.seen[0].udp = Err(Silence::TimedOut)), ["no-udp"]);
    assert_eq!(found(|_, _, servers| servers.seen[0].tcp = Err(Silence::Closed)), ["no-tcp"]);
    let refused =
        Answer { rcode: 5, rcode_word: "REFUSED".to_owned(), is_authoritative: false, serial: None, ..answer() };
    let both = |servers: &mut Servers, answer: Answer| {
        servers.seen[0].udp = Ok(answer.clone());
        servers.seen[0].tcp = Ok(answer);
    };
    assert_eq!(found(|_, _, servers| both(servers, refused.clone())), ["lame"]);
    let cached = Answer { is_authoritative: false, ..answer() };
    assert_eq!(found(|_, _, servers| both(servers, cached)), ["not-authoritative"]);
    assert_eq!(found(|_, _, servers| servers.seen[0].tcp = Ok(refused)), ["transports-differ"]);
    assert_eq!(found(|_, _, servers| both(servers, Answer { serial: Some(8), ..answer() })), ["serials-differ"]);
    for edns in [Edns::Ignored, Edns::Refused, Edns::Lost] {
        assert_eq!(found(|_, _, servers| servers.seen[0].edns = edns), ["edns"]);
    }
    assert_eq!(found(|_, _, servers| servers.seen[0].ns = Some([name("ns1.a.test.")].into())), ["ns-differs"]);
    assert_eq!(found(|_, _, servers| servers.seen[0].udp = Err(Silence::NoWay)), ["not-seen"]);
}

#[test]
fn a_server_that_sends_to_tcp_is_judged_by_what_it_says_there() {
    let cut = Answer { is_truncated: true, serial: None, ..answer() };
    let with = |tcp: Result<Answer, Silence>| {
        found(|_, _, servers| {
            servers.seen[0].udp = Ok(cut.clone());
            servers.seen[0].tcp = tcp;
        })
    };
    assert_eq!(with(Ok(answer())), ["truncates"], "it serves the zone");
    assert_eq!(with(Ok(Answer { serial: None, ..answer() })), ["lame", "truncates"]);
    assert_eq!(with(Err(Silence::TimedOut)), ["no-tcp", "truncates"]);
}

#[test]
fn names_without_an_address_are_found() {
    assert_eq!(
        found(|zone, parent, servers| {
            zone.addresses.remove(&name("ns2.a.test."));
            referral(parent).glue.remove(&name("ns2.a.test."));
            servers.seen.pop();
        }),
        ["no-address"]
    );
    let outside = |outcome: Result<BTreeSet<IpAddr>, String>| {
        found(|zone, parent, servers| {
            zone.ns.insert(name("ns.elsewhere.test."));
            referral(parent).ns.insert(name("ns.elsewhere.test."));
            servers.seen.iter_mut().for_each(|server| server.ns = Some(zone.ns.clone()));
            servers.outside.insert(name("ns.elsewhere.test."), outcome);
        })
    };
    assert_eq!(outside(Ok(BTreeSet::new())), ["no-address"]);
    assert_eq!(outside(Err("SERVFAIL".to_owned())), ["no-address"]);
}

#[test]
fn a_ds_record_wants_a_signed_zone() {
    let with = |dnskey| {
        found(|_, parent, servers| {
            referral(parent).ds = Some(true);
            servers.seen.iter_mut().for_each(|server| server.dnskey = dnskey);
        })
    };
    assert_eq!(with(Some(false)), ["ds-unsigned"]);
    assert_eq!(with(Some(true)), [""; 0]);
}
