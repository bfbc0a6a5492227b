//! The server's file and the flags.

use super::TestFolder;
use crate::config::server::{
    AdminTls, CookieMode, DnstapConfig, DnstapTarget, DohConfig, EncryptedConfig, LogFormat, PemPair, RateConfig,
    TransferConfig,
};
use crate::config::{Overrides, ServerConfig, load_zones_with};
use crate::dns::RecordType;
use crate::dns::tsig::{Algorithm, Key};
use crate::steering::GeoDatabases;
use std::path::Path;

fn read(text: &str, overrides: Overrides) -> (TestFolder, Result<ServerConfig, String>) {
    let folder = TestFolder::with(&[("tidegate.toml", text)]);
    let result = ServerConfig::from_parts(Some(&folder.path().join("tidegate.toml")), overrides);
    let result = result.map_err(|problems| folder.without_path(&problems.to_string()));
    (folder, result)
}

#[test]
fn databases_are_named_relative_to_the_file() {
    let (folder, config) = read("[geo]\ncountry = \"c.mmdb\"\nasn = \"/a.mmdb\"\n", Overrides::default());
    let geo = config.unwrap().geo;
    assert_eq!(geo.country, Some(folder.path().join("c.mmdb")));
    assert_eq!(geo.asn.as_deref(), Some(Path::new("/a.mmdb")));
    assert!(refused("[geo]\ncity = \"c.mmdb\"\n").contains("known here: country, asn"));
}

fn refused(text: &str) -> String {
    read(text, Overrides::default()).1.expect_err("the file is at fault")
}

#[test]
fn the_file_in_deploy_says_what_the_defaults_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/tidegate.toml");
    assert_eq!(ServerConfig::from_parts(Some(&path), Overrides::default()).unwrap(), ServerConfig::default());
}

#[test]
fn flags_suffice_without_a_file_and_win_over_one() {
    let flags = Overrides {
        listen: vec!["127.0.0.1:5300".parse().unwrap(), "[::1]:5300".parse().unwrap()],
        zones: Some("zones".into()),
        state: Some("state".into()),
        admin: Some("127.0.0.1:9000".parse().unwrap()),
        admin_insecure: false,
    };
    let alone = ServerConfig::from_parts(None, flags.clone()).unwrap();
    assert_eq!((alone.listen.len(), alone.zones.as_path(), alone.admin.listen.port()), (2, Path::new("zones"), 9000));
    let (_folder, over) =
        read("listen = \"192.0.2.1:53\"\nzones = \"z\"\nstate = \"s\"\nadmin.listen = \"127.0.0.1:1\"\n", flags);
    assert_eq!(over.unwrap(), alone);
}

#[test]
fn every_key_arrives_and_relative_paths_start_at_the_file() {
    let text = r#"
        listen = ["192.0.2.53:53", "[2001:db8::53]:53"]
        zones = "zones"
        [admin]
        listen = "0.0.0.0:8053"
        insecure = true
        cert = "cert.pem"
        key = "/k.pem"
        client_ca = "ca.pem"
        [doh]
        cert = "cert.pem"
        key = "/k.pem"
        h3 = true
        [doq]
        cert = "cert.pem"
        key = "/k.pem"
        [limits]
        tcp_total = 5
        tcp_per_client = 2
        tcp_idle = "3s"
        udp_workers = 4
        [rate_limit]
        responses_per_second = 50
        errors_per_second = 0
        exempt = ["198.51.100.0/24"]
        log_only = true
        [cookies]
        mode = "required"
        [dnstap]
        socket = "tap.sock"
        sample = "1/2"
        [dot]
        listen = ["192.0.2.53:853"]
        cert = "cert.pem"
        key = "/k.pem"
        [log]
        format = "json"
        level = "info,tidegate::probe=debug"
        [answers]
        version = "Tidegate"
        ecs_from = ["192.0.2.0/24"]
    "#;
    let (folder, config) = read(text, Overrides::default());
    let config = config.unwrap();
    assert_eq!(config.zones, folder.path().join("zones"));
    let pair = PemPair { cert: folder.path().join("cert.pem"), key: "/k.pem".into() };
    let doh = DohConfig {
        listen: vec!["127.0.0.1:443".parse().unwrap()],
        pair: pair.clone(),
        path: "/dns-query".to_owned(),
        h3: true,
    };
    assert_eq!(config.doh, Some(doh));
    assert_eq!((config.limits.tcp_idle_ms, config.limits.udp_workers), (3_000, Some(4)));
    let at = |address: &str| EncryptedConfig { listen: vec![address.parse().unwrap()], pair: pair.clone() };
    assert_eq!((config.dot, config.doq), (Some(at("192.0.2.53:853")), Some(at("127.0.0.1:853"))));
    let client_ca = Some(folder.path().join("ca.pem"));
    assert_eq!(config.admin.tls, Some(AdminTls { pair: pair.clone(), client_ca }));
    let rate = RateConfig {
        responses_per_second: 50,
        nxdomains_per_second: 50,
        referrals_per_second: 50,
        errors_per_second: 0,
        all_per_second: 1250,
        slip: 2,
        exempt: vec!["198.51.100.0/24".parse().unwrap()],
        log_only: true,
    };
    assert_eq!(config.rate, rate);
    assert_eq!(config.cookies, CookieMode::Required);
    let dnstap = DnstapConfig {
        target: DnstapTarget::Unix(folder.path().join("tap.sock")),
        chance: 1 << 31,
        identity: "tidegate".to_owned(),
    };
    assert_eq!(config.dnstap, Some(dnstap));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!((config.answers.version.as_deref(), config.answers.ecs_from.len()), (Some("Tidegate"), 1));
}

#[test]
fn admin_beyond_loopback_must_be_spelled_out() {
    let shown = refused("[admin]\nlisten = \"192.0.2.1:8053\"\n");
    assert!(
        shown.contains("tidegate.toml:2:10: the admin interface would listen on 192.0.2.1:8053 without TLS"),
        "{shown}"
    );
    assert!(shown.contains("spell out `insecure = true`"), "{shown}");
    let flags = Overrides { admin: Some("192.0.2.1:8053".parse().unwrap()), ..Overrides::default() };
    let shown = ServerConfig::from_parts(None, flags.clone()).unwrap_err().to_string();
    assert!(shown.starts_with("--admin: the admin interface"), "{shown}");
    assert!(ServerConfig::from_parts(None, Overrides { admin_insecure: true, ..flags }).is_ok());
}

#[test]
fn faults_are_shown_with_their_place() {
    let cases: &[(&str, &str)] = &[
        ("[admin]\ncert = \"c.pem\"", "2:8: `[admin]` has no `key`"),
        ("[doq]\nkey = \"k.pem\"", "`[doq]` has no `cert`"),
        ("[answers]\nannounce = \"ns1.test\"", "2:12: there is no encrypted transport to announce"),
        ("[answers]\nannounce = \"*.test\"", "2:12: `*.test` is no name of a nameserver"),
        (
            "lissen = \"127.0.0.1:53\"",
            "tidegate.toml:1:1: unknown key `lissen`\n    lissen = \"127.0.0.1:53\"\n    ^^^^^^\n    remedy: did you mean `listen`?",
        ),
        ("listen = [\"127.0.0.1\"]", "1:11: `127.0.0.1` is no address with a port"),
        ("listen = []", "`listen` is an empty list"),
        ("listen = [\"127.0.0.1:53\", \"127.0.0.1:53\"]", "127.0.0.1:53 is listed twice"),
        ("[limits]\ntcp_total = 0", "2:13: `tcp_total` must be 1 to 1000000; this is 0"),
        ("[limits]\ntcp_idle = \"never\"", "`tcp_idle` is no length of time"),
        ("[log]\nformat = \"jsn\"", "did you mean `json`?"),
        ("[log]\nlevel = \"a=b=c\"", "`a=b=c` is no log level"),
        ("[doh]\ncert = \"c\"", "`[doh]` has no `key`"),
        ("[doh]\ncert = \"c\"\nkey = \"k\"\npath = \"dns\"", "`dns` is no path"),
        ("[dot]\nkey = \"k\"", "`[dot]` has no `cert`"),
        ("[rate_limit]\nresponses_per_second = -1", "`responses_per_second` must be 0 to 100000000; this is -1"),
        (
            "[limits]\nresponses_per_second = 5",
            "`responses_per_second` does not stand in `[limits]`\n    responses_per_second = 5\n                           ^\n    \
             remedy: write it in `[rate_limit]`, as `responses_per_second = ...`",
        ),
        ("[limits]\nunlimited = []", "remedy: write it in `[rate_limit]`, as `exempt = ...`"),
        ("[cookies]\nmode = \"on\"", "`mode` can't be `on`"),
        ("[dnstap]\nsample = \"1%\"", "`[dnstap]` does not say where its reader listens"),
        ("[dnstap]\naddress = \"127.0.0.1\"", "`127.0.0.1` is no address with a port"),
        ("[dnstap]\nsocket = \"a\"\naddress = \"127.0.0.1:1\"", "name two readers"),
        ("[dnstap]\nsocket = \"a\"\nsample = \"0%\"", "`sample` must be more than nothing"),
        ("[answers]\necs_from = [\"x\"]", "`x` is no address prefix"),
        ("listen = ", "not TOML: "),
    ];
    for (text, words) in cases {
        let shown = refused(text);
        assert!(shown.contains(words), "{text}\nshows:\n{shown}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let shown = ServerConfig::from_parts(Some(Path::new("/nowhere/tidegate.toml")), Overrides::default())
        .unwrap_err()
        .to_string();
    assert!(shown.starts_with("/nowhere/tidegate.toml: can't read the file: "), "{shown}");
}

#[test]
fn keys_are_read_from_the_file_or_from_one_of_their_own() {
    let text = r#"
        [tsig.keys."Transfer.Example"]
        secret = "AQIDBAUGBwg="
        [tsig.keys."certbot."]
        algorithm = "HMAC-SHA512."
        secret_file = "/dev/null"
        [transfer]
        allow = ["192.0.2.0/24", "2001:db8::1"]
        keys = ["transfer.example."]
        notify = ["192.0.2.54", "[2001:db8::54]:5300 transfer.example.", "2001:db8::55"]
    "#;
    let folder = TestFolder::with(&[("secret", "AQI=\n")]);
    let text = text.replace("/dev/null", &folder.path().join("secret").display().to_string());
    let (_folder, config) = read(&text, Overrides::default());
    let config = config.unwrap();
    let name = |text: &str| text.parse::<crate::dns::Name>().unwrap();
    let key = config.keys.find(&name("transfer.example.")).expect("the key");
    assert_eq!(**key, Key::new(name("transfer.example."), Algorithm::HmacSha256, &[1, 2, 3, 4, 5, 6, 7, 8]));
    let key = config.keys.find(&name("certbot.")).expect("the key");
    assert_eq!(**key, Key::new(name("certbot."), Algorithm::HmacSha512, &[1, 2]));
    let TransferConfig { rules, catalog } = config.transfer;
    assert_eq!(catalog, None);
    assert_eq!(rules.allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.0/24", "2001:db8::1/128"]);
    assert_eq!(rules.keys, [name("transfer.example.")]);
    let secondaries: Vec<_> = rules.secondaries.iter().map(|s| (s.address.to_string(), s.key.clone())).collect();
    let with_key = Some(name("transfer.example."));
    assert_eq!(
        secondaries,
        [
            ("192.0.2.54:53".to_owned(), None),
            ("[2001:db8::54]:5300".to_owned(), with_key),
            ("[2001:db8::55]:53".to_owned(), None)
        ]
    );
}

#[test]
fn what_is_wrong_with_keys_and_transfers_is_said_at_its_place_without_the_secret() {
    for (text, said) in [
        ("[tsig.keys.\"a b..\"]\nsecret = \"AQI=\"\n", "tidegate.toml:1:12: `a b..` is not a domain name: empty label"),
        ("[tsig.keys.k]\nsecret = \"AQIx!\"\n", "tidegate.toml:2:10: the secret is not base64"),
        ("[tsig.keys.k]\nsecret = \"\"\n", "the secret is empty"),
        ("[tsig.keys.k]\n", "tidegate.toml:1:12: the key k has no secret"),
        ("[tsig.keys.k]\nsecret = \"AQI=\"\nsecret_file = \"f\"\n", "the key k has two secrets"),
        ("[tsig.keys.k]\nsecret_file = \"absent\"\n", "can't read the secret from"),
        ("[tsig.keys.k]\nalgorithm = \"hmac-md5\"\nsecret = \"AQI=\"\n", "remedy: it is too weak: make a new key"),
        ("[tsig.keys.k]\nsecret = \"AQI=\"\n[tsig.keys.\"K.\"]\nsecret = \"AQI=\"\n", "is there twice"),
        ("[tsig.keys.k]\nsecrets = \"AQI=\"\n", "did you mean `secret`?"),
        ("[transfer]\nkeys = [\"k\"]\n", "tidegate.toml:2:9: there is no key k."),
        ("[transfer]\nnotify = [\"192.0.2.1\"]\n", "nobody may take a zone"),
        (
            "[transfer]\nallow = [\"127.0.0.1\"]\nnotify = [\"ns2.example\"]\n",
            "`ns2.example` is no address of a secondary",
        ),
        ("[transfer]\nallow = [\"127.0.0.1\"]\nnotify = [\"192.0.2.1 k\"]\n", "there is no key k."),
        ("[transfer]\nallow = [\"127.0.0.1/8\"]\n", "bits set behind its prefix"),
        ("[transfer]\nallow = [\"127.0.0.1\"]\ncatalog = \".\"\n", "`.` cannot be a catalog"),
        ("[transfer]\ncatalog = \"catalog.invalid\"\n", "tidegate.toml:2:11: nobody may take the catalog"),
    ] {
        let problems = refused(text);
        assert!(problems.contains(said), "{said} is missing in\n{problems}");
        assert!(!problems.contains("AQI"), "the secret is shown:\n{problems}");
    }
}

#[test]
fn rules_of_updates_name_a_key_and_where() {
    let keys = "[tsig.keys.k]\nsecret = \"AQIDBAUGBwg=\"\n";
    let text = format!(
        "{keys}[[update]]\nkey = \"k\"\npreset = \"acme\"\n[[update]]\nkey = \"K.\"\nsuffix = \"apps.example\"\ntypes = [\"a\", \"TXT\"]\n\
         [[update]]\nkey = \"k\"\nname = \"host.example.\"\n[[update]]\nkey = \"k\"\npreset = \"acme\"\nsuffix = \"example.\"\n"
    );
    let (_folder, config) = read(&text, Overrides::default());
    let rules = config.unwrap().updates.0;
    let names: Vec<String> = rules.iter().map(|rule| rule.names.to_string()).collect();
    let expected = [
        "_acme-challenge of every name",
        "apps.example. and below",
        "host.example.",
        "_acme-challenge at and below example.",
    ];
    assert_eq!(names, expected);
    assert_eq!(rules[1].types, [RecordType::A, RecordType::TXT]);
    for (rule, problem) in [
        ("", "this rule names no key"),
        ("key = \"x\"\nsuffix = \".\"\n", "there is no key x."),
        ("key = \"k\"\n", "does not say what the key may change"),
        ("key = \"k\"\npreset = \"dyndns\"\n", "there is no preset `dyndns`"),
        ("key = \"k\"\npreset = \"acme\"\ntypes = [\"A\"]\n", "is about TXT records only"),
        ("key = \"k\"\npreset = \"acme\"\nname = \"a.\"\n", "only one of them can be meant"),
        ("key = \"k\"\nname = \"a.\"\nsuffix = \"b.\"\n", "only one of them can be meant"),
        ("key = \"k\"\nsuffix = \".\"\ntypes = [\"AXFR\"]\n", "`AXFR` is no type of records"),
        ("key = \"k\"\nsuffix = \".\"\ntypes = []\n", "names no type that the key may change"),
        ("key = \"k\"\nsuffix = \"a..b\"\n", "is not a domain name"),
        ("key = \"k\"\nzone = \"a.\"\n", "known here: key, preset, name, suffix, types"),
    ] {
        let said = refused(&format!("{keys}[[update]]\n{rule}"));
        assert!(said.contains(problem) && said.contains("tidegate.toml:"), "{rule}: {said}");
    }
}

/// A folder with a zone and a server's file that announces its transports.
fn announcing(zone: &str, name: &str) -> (TestFolder, ServerConfig) {
    let (folder, config) = read(
        &format!(
            "zones = \"zones\"\n[dot]\ncert = \"c\"\nkey = \"k\"\n[doq]\ncert = \"c\"\nkey = \"k\"\n[doh]\ncert = \"c\"\nkey = \"k\"\n\
             h3 = true\n[answers]\nannounce = \"{name}\"\n"
        ),
        Overrides::default(),
    );
    let text = format!("@ 60 SOA ns1 h 1 2 3 4 5\n@ 60 NS ns1\nns1 60 A 192.0.2.53\n{zone}");
    std::fs::create_dir(folder.path().join("zones")).unwrap();
    std::fs::write(folder.path().join("zones/example.test.zone"), text).unwrap();
    (folder, config.unwrap())
}

#[test]
fn rfc9461_the_zone_of_the_nameserver_tells_of_its_transports() {
    let load = |zone: &str, name: &str| {
        let (folder, config) = announcing(zone, name);
        let loaded = load_zones_with(
            &folder.path().join("zones"),
            &GeoDatabases::default(),
            config.announcement().as_ref(),
            None,
        );
        loaded.map_err(|problems| problems.to_string())
    };
    let loaded = load("", "ns1.example.test").unwrap();
    let rrsets = loaded.definitions.zones[0].data.rrsets().count();
    assert_eq!((rrsets, loaded.warnings.len()), (4, 0));
    let own = load("_dns.ns1 60 SVCB 1 . alpn=dot\n", "ns1.example.test").unwrap();
    assert!(own.warnings[0].to_string().contains("`_dns.ns1.example.test` has SVCB records in"), "{:?}", own.warnings);
    assert_eq!(own.definitions.zones[0].data.rrsets().count(), 4);
    for (zone, name, why) in [
        ("", "ns1.other.test", "no zone here holds `ns1.other.test`"),
        ("_dns.ns1 60 CNAME www\n", "ns1.example.test", "`_dns.ns1.example.test` has a CNAME"),
        ("sub 60 NS ns1\n", "ns.sub.example.test", "`ns.sub.example.test` is delegated at `sub.example.test`"),
    ] {
        let refused = load(zone, name).unwrap_err();
        assert!(refused.contains(why) && refused.contains("[answers] announce"), "{refused}");
    }
}
