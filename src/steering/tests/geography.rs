//! Rules by country and autonomous system: what databases have is what clients get (§1.7).

use super::mmdb;
use super::*;
use crate::dns::Subnet;
use ipnet::IpNet;
use proptest::prelude::*;
use std::net::Ipv6Addr;

fn database(kind: GeoKind, bytes: Vec<u8>) -> Result<GeoDatabases, GeoError> {
    let database = Some(Arc::new(GeoDatabase::read(kind, "test.mmdb", bytes)?));
    Ok(match kind {
        GeoKind::Country => GeoDatabases { country: database, asn: None },
        GeoKind::Asn => GeoDatabases { country: None, asn: database },
    })
}

/// Both databases.
pub(super) fn databases(countries: &[(&str, &str)], systems: &[(&str, u32)]) -> GeoDatabases {
    let country = database(GeoKind::Country, mmdb::countries(1_700_000_000, countries)).unwrap().country;
    let asn = database(GeoKind::Asn, mmdb::systems(1_700_000_000, systems)).unwrap().asn;
    GeoDatabases { country, asn }
}

fn code(text: &str) -> CountryCode {
    CountryCode::parse(text).unwrap()
}

pub(super) fn by_country(codes: &[&str]) -> RuleMatch {
    RuleMatch::Countries(codes.iter().map(|text| code(text)).collect())
}

impl Bench {
    /// Searches databases for what the rules name.
    pub(super) fn with_geo(mut self, databases: &GeoDatabases) -> Self {
        let mut wanted = GeoWanted::default();
        wanted.add(&self.definition);
        self.geo = GeoNetworks::search(databases, &wanted).unwrap();
        self
    }
}

/// A network of a small part of either family, so that networks meet.
fn network() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (0u32..64, 1u8..=32)
            .prop_map(|(bits, len)| IpNet::new(Ipv4Addr::from(bits << 26 | bits).into(), len).unwrap().trunc()),
        (0u128..64, 3u8..=64).prop_map(|(bits, len)| {
            IpNet::new(Ipv6Addr::from(0x2a00 << 112 | bits << 100 | bits << 64).into(), len).unwrap().trunc()
        }),
    ]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..64, 0u32..64).prop_map(|(high, low)| Ipv4Addr::from(high << 26 | low).into()),
        (0u128..64, 0u128..64).prop_map(|(high, low)| Ipv6Addr::from(0x2a00 << 112 | high << 100 | low << 64).into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_networks_of_a_country_hold_the_addresses_the_reader_finds_there(
        rows in proptest::collection::vec((network(), 0usize..3), 1..24), addresses in proptest::collection::vec(address(), 32)
    ) {
        let codes = ["DE", "FR", "JP"];
        let texts: Vec<(String, &str)> = rows.iter().map(|(network, at)| (network.to_string(), codes[*at])).collect();
        let rows: Vec<(&str, &str)> = texts.iter().map(|(network, code)| (network.as_str(), *code)).collect();
        let bytes = mmdb::countries(7, &rows);
        let reader = maxminddb::Reader::from_source(bytes.clone()).unwrap();
        reader.verify().unwrap();
        let databases = database(GeoKind::Country, bytes).unwrap();
        let bench = Bench::new(Policy::Sticky, &[1])
            .rule("all", by_country(&codes), to_pool("p0"))
            .with_geo(&databases);
        for address in addresses {
            let record: Option<maxminddb::geoip2::Country<'_>> = reader.lookup(address).unwrap().decode().unwrap();
            let expected = record.and_then(|record| record.country.iso_code).map(code);
            for known in codes.map(code) {
                let found = bench.geo.of_country(known).iter().any(|network| network.contains(&address));
                prop_assert_eq!(found, expected == Some(known), "{} in {}", address, known);
            }
        }
    }

    #[test]
    fn damaged_files_never_bring_more_than_an_error(at in 0usize..2000, octet in any::<u8>(), cut in 0usize..2000) {
        let good = mmdb::systems(7, &[("10.0.0.0/8", 64496), ("10.1.0.0/16", 64497), ("2a00::/16", 64498)]);
        let mut bytes = good.clone();
        let at = at % bytes.len();
        bytes[at] = octet;
        bytes.truncate(good.len() - cut % 40);
        if let Ok(databases) = database(GeoKind::Asn, bytes) {
            let bench = Bench::new(Policy::Sticky, &[1]).rule("r", RuleMatch::Asns(vec![64496, 64497]), to_pool("p0"));
            let mut wanted = GeoWanted::default();
            wanted.add(&bench.definition);
            let _ = GeoNetworks::search(&databases, &wanted);
        }
    }
}

#[test]
fn halves_with_one_value_become_one_network_and_what_no_rule_names_is_left() {
    let databases = databases(
        &[
            ("10.0.0.0/9", "DE"),
            ("10.128.0.0/9", "DE"),
            ("11.0.0.0/8", "DE"),
            ("12.0.0.0/8", "FR"),
            ("2a00::/16", "DE"),
        ],
        &[("10.0.0.0/8", 64496)],
    );
    let bench =
        Bench::new(Policy::Sticky, &[1]).rule("r", by_country(&["DE", "JP"]), to_pool("p0")).with_geo(&databases);
    let texts: Vec<String> = bench.geo.of_country(code("DE")).iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.0.0.0/7", "2a00::/16"]);
    assert!(bench.geo.of_country(code("FR")).is_empty() && bench.geo.of_asn(64496).is_empty());
    let absent: Vec<_> = bench.geo.absent_from(&bench.definition.rules).collect();
    assert_eq!(absent, [("r", "JP".to_owned())]);
    let told: Vec<_> =
        bench.geo.databases.iter().map(|facts| (facts.kind, &*facts.content, facts.built_unix_s)).collect();
    assert_eq!(told, [(GeoKind::Country, "Test-Country", 1_700_000_000), (GeoKind::Asn, "Test-ASN", 1_700_000_000)]);
}

#[test]
fn networks_go_before_systems_and_systems_before_countries() {
    let databases =
        databases(&[("10.0.0.0/8", "DE"), ("11.0.0.0/8", "FR")], &[("10.1.0.0/16", 64496), ("11.1.0.0/16", 64496)]);
    let bench = Bench::new(Policy::Sticky, &[100, 0, 0, 0])
        .rule("germany", by_country(&["DE"]), to_pool("p1"))
        .rule("system", RuleMatch::Asns(vec![64496]), to_pool("p2"))
        .rule("wide", networks(&["10.1.0.0/17", "11.0.0.0/9"]), to_pool("p3"))
        .with_geo(&databases);
    let compiled = bench.compile();
    for (address, pool, rule) in [
        ("10.0.0.1", 1, Some("germany")),
        ("10.1.200.1", 2, Some("system")),
        ("10.1.2.1", 3, Some("wide")),
        ("11.1.200.1", 3, Some("wide")),
        ("11.200.0.1", 0, None),
        ("::ffff:10.0.0.1", 1, Some("germany")),
        ("2002:a00:1::1", 0, None),
    ] {
        assert_eq!(compiled.choose(&from(address), 0).pool, Some(pool), "{address}");
        assert_eq!(compiled.explain(&from(address), 0).rule.as_deref(), rule, "{address}");
    }
}

#[test]
fn the_scope_is_the_shortest_prefix_with_one_answer() {
    let databases =
        databases(&[("10.0.0.0/9", "DE"), ("10.128.0.0/9", "FR"), ("11.0.0.0/8", "JP")], &[("10.0.0.0/24", 1)]);
    let subnet = |address: &str| {
        let subnet = Subnet { address: address.parse().unwrap(), source: 24 };
        Client { subnet: Some(subnet), ..from("192.0.2.53") }
    };
    let mut bench = Bench::new(Policy::Sticky, &[1, 0, 0])
        .rule("germany", by_country(&["DE"]), to_pool("p1"))
        .rule("france", by_country(&["FR"]), to_pool("p2"))
        .with_geo(&databases);
    let scope = |bench: &Bench, address: &str| bench.compile().choose(&subnet(address), 0).scope;
    assert_eq!([scope(&bench, "10.1.2.0"), scope(&bench, "10.200.2.0"), scope(&bench, "11.1.2.0")], [9, 9, 8]);
    bench.definition.rules[1].target = to_pool("p1");
    assert_eq!(scope(&bench, "10.1.2.0"), 8, "neighbours with one answer are one prefix");
    bench.eligible = vec![true, false, true];
    assert_eq!(scope(&bench, "10.1.2.0"), 0, "rules that cannot be honoured take nothing");
}

#[test]
fn compiled_switches_share_what_the_databases_made() {
    let databases = databases(&[("10.0.0.0/9", "DE"), ("10.128.0.0/9", "FR")], &[("10.0.0.0/24", 1)]);
    let bench = Bench::new(Policy::Sticky, &[1, 0])
        .rule("germany", by_country(&["DE"]), to_pool("p1"))
        .rule("france", by_country(&["FR"]), to_pool("p0"))
        .with_geo(&databases);
    let rules = NetworkRules::new(&bench.definition.rules, &bench.geo);
    let cut = |outcomes: [u16; 3]| match rules.leading_to(Box::new(outcomes)) {
        crate::steering::networks::Networks::Cut(partition, _) => Some(partition),
        crate::steering::networks::Networks::Same(_) => None,
    };
    let (apart, again) = (cut([0, 1, 2]).unwrap(), cut([5, 1, 2]).unwrap());
    assert!(Arc::ptr_eq(&apart, &again), "other tables, same classes");
    let (merged, again) = (cut([0, 1, 0]).unwrap(), cut([3, 1, 3]).unwrap());
    assert!(Arc::ptr_eq(&merged, &again) && !Arc::ptr_eq(&merged, &apart));
    assert!(cut([4, 4, 4]).is_none());
}

#[test]
fn rules_for_everybody_are_honoured() {
    let bench = Bench::new(Policy::Sticky, &[1, 0]).rule("all", networks(&["0.0.0.0/0", "::/0"]), to_pool("p1"));
    let compiled = bench.compile();
    for address in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(compiled.choose(&from(address), 0).pool, Some(1));
        assert_eq!(compiled.explain(&from(address), 0).rule.as_deref(), Some("all"));
    }
}

#[test]
fn what_is_no_database_of_its_kind_is_refused_with_file_and_remedy() {
    let refusal = |kind, bytes| database(kind, bytes).unwrap_err().to_string();
    let swapped = refusal(GeoKind::Country, mmdb::systems(7, &[("10.0.0.0/8", 64496)]));
    assert_eq!(
        swapped,
        "test.mmdb is a `Test-ASN`, whose records have no `country.iso_code`: name a database by country"
    );
    let text = refusal(GeoKind::Asn, b"this is a page that says to log in".to_vec());
    assert!(
        text.starts_with("test.mmdb is no usable database by asn: ") && text.contains("download it again"),
        "{text}"
    );
    let mut cut = mmdb::countries(7, &[("10.0.0.0/8", "DE")]);
    cut.truncate(cut.len() - 30);
    assert!(refusal(GeoKind::Country, cut).contains("no usable database"));
}

#[test]
fn a_record_above_the_place_of_ipv4_covers_ipv4() {
    let bytes = mmdb::countries(7, &[("::/1", "DE"), ("2a00::/16", "FR")]);
    let databases = database(GeoKind::Country, bytes.clone()).unwrap();
    let bench = Bench::new(Policy::Sticky, &[1]).rule("r", by_country(&["DE"]), to_pool("p0")).with_geo(&databases);
    let reader = maxminddb::Reader::from_source(bytes).unwrap();
    for address in ["192.0.2.1", "2a00::1"] {
        let address: IpAddr = address.parse().unwrap();
        let record: Option<maxminddb::geoip2::Country<'_>> = reader.lookup(address).unwrap().decode().unwrap();
        let expected = record.and_then(|record| record.country.iso_code) == Some("DE");
        let found = bench.geo.of_country(code("DE")).iter().any(|network| network.contains(&address));
        assert_eq!(found, expected, "{address}");
    }
}
