//! A snapshot with one zone of many types and one switch, for tests that look into answers.

use crate::dns::Name;
use crate::snapshot::{Chunked, OwnerRole, Snapshot, SteeredOwner};
use crate::steering::{
    Extras, Given, Member, MemberHealth, Policy, Pool, PoolInput, PoolSlot, Switch, SwitchInput, Terms, compile,
};
use crate::zone::{SteerId, Zone, ZoneSet, master};
use std::sync::Arc;

/// The slot under which the switch's only pool is counted.
pub(super) const SLOT: PoolSlot = PoolSlot(300);
/// The TTL of its answers, seconds.
pub(super) const TTL_S: u32 = 30;

const ZONE: &str = r#"
$TTL 300
@ SOA ns1 hostmaster 1 7200 900 1209600 60
@ NS ns1
@ NS ns2.elsewhere.example.
@ MX 10 mail
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.2
www CNAME web
web A 192.0.2.3
web A 192.0.2.4
text TXT "one" "two;three" "with \"quotes\""
svc HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.9
_sip._udp SRV 1 2 5060 mail
caa CAA 0 issue "ca.example"
odd TYPE65280 \# 4 deadbeef
*.wild TXT "any"
below NS ns.below
ns.below A 192.0.2.5
"#;

fn switch() -> Arc<Switch> {
    let member =
        Member::new(Some([192, 0, 2, 80].into()), None, Given { name: Some("one".into()), expect_version: None });
    let pool = Pool::new("blue".into(), 100, vec![member], Extras::default());
    Arc::new(Switch {
        name: "shop".into(),
        owners: vec![name("shop.example.test")],
        pools: vec![pool],
        terms: Arc::new(Terms { ttl_s: TTL_S, min_interval_ms: 0, ..Terms::of(Policy::Sticky) }),
    })
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// `example.test` with the records above, `many` with 2,000 octets and more of TXT, and the switch
/// `shop.example.test`.
pub(super) fn snapshot() -> Snapshot {
    let apex = name("example.test");
    let mut text = ZONE.to_owned();
    for line in 0..40 {
        text.push_str(&format!("many TXT \"{line:03}{}\"\n", "m".repeat(60)));
    }
    let records =
        master::parse("example.test.zone", text.as_bytes(), &apex, &mut |_, _| Err("no includes".to_owned())).unwrap();
    let zone = Zone::build(&apex, &records, &[(name("shop.example.test"), SteerId(0))]);
    let definition = switch();
    let compiled = compile(&SwitchInput {
        definition: &definition,
        networks: None,
        ttl_s: TTL_S,
        ttl_cause: "steady",
        weights: &[100],
        salt: "shop",
        pools: vec![PoolInput { slot: SLOT, health: vec![MemberHealth { eligible: true }], eligible: true, why: None }],
        last_active: vec![0],
        capped: None,
        target_ttl: &|_| None,
    });
    let owner = SteeredOwner { switch: 0, role: OwnerRole::Owner, wildcard: false };
    Snapshot {
        number: 7,
        zones: Arc::new(ZoneSet::build(vec![Arc::new(zone)])),
        serials: Chunked::new(&[1]),
        owners: Arc::new([owner]),
        switches: Chunked::new(&[Arc::new(compiled)]),
        ..Snapshot::default()
    }
}
