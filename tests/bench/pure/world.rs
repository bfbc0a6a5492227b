//! A small world: one zone of static names, and two switches, one by chance and one sticky.

use std::net::IpAddr;
use std::sync::Arc;
use tidegate::answer::{Asker, Transport};
use tidegate::dns::{Name, RecordType};
use tidegate::snapshot::{Chunked, OwnerRole, Settings, Snapshot, SteeredOwner};
use tidegate::steering::{
    self, CompiledSwitch, Extras, Given, Member, MemberHealth, Policy, Pool, PoolInput, PoolSlot, Switch, SwitchInput,
    Terms,
};
use tidegate::zone::{SteerId, Zone, ZoneSet, ZoneText, master};

/// Static names in the zone: `h0` to `h999`.
pub(crate) const NAMES: usize = 1_000;

/// A zone as a master file: SOA, NS and `names` A records.
pub(crate) fn master_file(names: usize) -> String {
    let mut text = "$TTL 3600\n@ IN SOA ns1 hostmaster 7 7200 900 1209600 300\n@ IN NS ns1\n".to_owned();
    text.push_str("ns1 IN A 192.0.2.53\n");
    for n in 0..names {
        text.push_str(&format!("h{n} IN A 10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255));
    }
    text
}

/// Reads a master file of `example.test`.
pub(crate) fn read_master(text: &str) -> ZoneText {
    let mut include = |_: &str, _: &str| Err("nothing to include".to_owned());
    master::parse("example.zone", text.as_bytes(), &name("example.test"), &mut include).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A switch with two pools of two members each.
pub(crate) fn switch(name: &str, policy: Policy) -> Switch {
    let pool = |name: &str, weight, last: u8| {
        let member = |last: u8| Member::new(Some([192, 0, 2, last].into()), None, Given::default());
        Pool::new(name.into(), weight, vec![member(last), member(last + 1)], Extras::default())
    };
    Switch {
        name: name.into(),
        owners: vec![format!("{name}.example.test").parse().unwrap()],
        pools: vec![pool("blue", 9_000, 10), pool("green", 1_000, 20)],
        terms: Arc::new(Terms { min_interval_ms: 0, ..Terms::of(policy) }),
    }
}

/// A switch as it answers, both pools healthy.
pub(crate) fn compile(definition: Switch, first_slot: u32) -> Arc<CompiledSwitch> {
    let definition = Arc::new(definition);
    let pool = |(slot, pool): (u32, &Pool)| PoolInput {
        slot: PoolSlot(slot),
        health: pool.members.iter().map(|_| MemberHealth { eligible: true }).collect(),
        eligible: true,
        why: None,
    };
    Arc::new(steering::compile(&SwitchInput {
        definition: &definition,
        networks: None,
        ttl_s: definition.ttl_s,
        ttl_cause: "steady",
        weights: &definition.pools.iter().map(|pool| pool.weight).collect::<Vec<_>>(),
        salt: definition.salt(),
        pools: (first_slot..).zip(&definition.pools).map(pool).collect(),
        last_active: Vec::new(),
        capped: None,
        target_ttl: &|_| None,
    }))
}

/// The static names, `random.example.test` and `sticky.example.test`.
pub(crate) fn snapshot() -> Snapshot {
    let owner = |switch| SteeredOwner { switch, role: OwnerRole::Owner, wildcard: false };
    let steered = [(name("random.example.test"), SteerId(0)), (name("sticky.example.test"), SteerId(1))];
    let zone = Zone::build(&name("example.test"), &read_master(&master_file(NAMES)), &steered);
    Snapshot {
        number: 1,
        revision: 1,
        zones: Arc::new(ZoneSet::build(vec![Arc::new(zone)])),
        serials: Chunked::new(&[7]),
        owners: [owner(0), owner(1)].into(),
        switches: Chunked::new(&[
            compile(switch("random", Policy::Random), 0),
            compile(switch("sticky", Policy::Sticky), 2),
        ]),
        settings: Arc::new(Settings::default()),
    }
}

/// Over UDP from a resolver.
pub(crate) fn asker(draw: u64) -> Asker {
    Asker { client: IpAddr::from([198, 51, 100, 7]), transport: Transport::Udp, draw }
}

/// A query with an OPT record, and a client subnet in it where one is given (/24).
pub(crate) fn query(name: &str, qtype: RecordType, subnet: Option<[u8; 3]>) -> Vec<u8> {
    let mut wire = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\x01".to_vec();
    wire.extend_from_slice(self::name(name).wire());
    wire.extend_from_slice(&qtype.0.to_be_bytes());
    wire.extend_from_slice(b"\0\x01\0\0\x29\x04\xd0\0\0\0\0");
    match subnet {
        None => wire.extend_from_slice(b"\0\0"),
        Some(octets) => {
            wire.extend_from_slice(b"\0\x0b\0\x08\0\x07\0\x01\x18\0");
            wire.extend_from_slice(&octets);
        }
    }
    wire
}
