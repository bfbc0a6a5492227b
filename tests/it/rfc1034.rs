//! RFC 1034 §3.6.2 and §4.3.2: aliases, chains of them, and chains that lead into a switch.

use crate::wire::*;
use crate::world::world;

#[test]
fn rfc1034_3_6_2_a_chain_is_followed_to_its_end() {
    let reply = world().ask("chain1.example.test", A);
    assert_eq!(reply.shape(), (NOERROR, "QR AA", [5, 0, 0]));
    assert_eq!(reply.rdata("CNAME"), ["chain2.example.test.", "chain3.example.test.", "www.example.test."]);
    let wildcard = world().ask("anything.aliases.example.test", A);
    assert_eq!((wildcard.rdata("CNAME"), wildcard.rdata("A").len()), (vec!["www.example.test.".to_owned()], 2));
}

#[test]
fn a_loop_of_aliases_ends() {
    let reply = world().ask("loop1.example.test", A);
    assert_eq!(reply.shape(), (NOERROR, "QR AA", [2, 0, 0]));
}

#[test]
fn an_alias_that_leads_elsewhere_is_all_we_say() {
    assert_eq!(world().ask("outward.example.test", A).shape(), (NOERROR, "QR AA", [1, 0, 0]));
}

#[test]
fn an_alias_into_another_zone_of_ours_is_followed() {
    let reply = world().ask("to-child.example.test", A);
    assert_eq!(reply.rdata("A"), ["198.51.100.1"]);
}

#[test]
fn rfc6604_3_rcode_and_soa_speak_of_the_last_name_of_a_chain() {
    let nothing = world().ask("to-nothing.example.test", A);
    assert_eq!(nothing.shape(), (NXDOMAIN, "QR AA", [1, 1, 0]));
    let nodata = world().ask("to-nodata.example.test", AAAA);
    assert_eq!(nodata.shape(), (NOERROR, "QR AA", [1, 1, 0]));
}

#[test]
fn an_alias_below_a_cut_brings_the_referral_with_it() {
    let reply = world().ask("to-delegated.example.test", A);
    assert_eq!(reply.shape(), (NOERROR, "QR AA", [1, 3, 4]));
    assert!(reply.authority.iter().all(|line| line.starts_with("deleg.example.test. ")), "{:?}", reply.authority);
}

#[test]
fn an_alias_into_a_switch_is_answered_by_the_switch() {
    let reply = world().ask("to-steered.example.test", A);
    assert_eq!(
        reply.answer,
        ["app.example.test. 30 IN A 192.0.2.10", "to-steered.example.test. 3600 IN CNAME app.example.test."]
    );
    assert_eq!(world().ask("to-steered.example.test", AAAA).rdata("AAAA"), ["2001:db8::10"]);
    let apex = world().ask("to-apex.example.test", A);
    assert_eq!(
        (apex.rdata("CNAME"), apex.rdata("A")),
        (vec!["steered.test.".to_owned()], vec!["192.0.2.15".to_owned()])
    );
    let user = world().ask("to-user.example.test", A);
    assert_eq!(
        user.rdata("A"),
        world().ask("u1.users.example.test", A).rdata("A"),
        "the label of the target is the key"
    );
}

#[test]
fn a_pool_may_be_an_alias_which_is_followed() {
    let reply = world().ask("moved.example.test", A);
    assert_eq!(reply.rdata("CNAME"), ["www.example.test."]);
    assert_eq!(reply.rdata("A"), ["192.0.2.1", "192.0.2.2"]);
    assert!(
        reply.answer.contains(&"moved.example.test. 30 IN CNAME www.example.test.".to_owned()),
        "{:?}",
        reply.answer
    );
    assert_eq!(world().ask("moved.example.test", CNAME).answer.len(), 1);
    let pin = world().ask("green.moved.example.test", A);
    assert_eq!(pin.answer, ["green.moved.example.test. 30 IN CNAME www.elsewhere.test."]);
}
