//! `primaries` of `[zone]`: what may not stand beside them, and what they mean.

use super::{TestFolder, load, problems_of, switch};

#[test]
fn the_primaries_of_a_zone_are_whom_it_is_taken_from() {
    let toml = "[zone]\nprimaries = [\"192.0.2.53\", \"[2001:db8::53]:5300 k.example.\"]\ntransfer = { allow = [\"192.0.2.54\"] }\n";
    let loaded = load(toml);
    let zone = &loaded.definitions.zones[0];
    assert!(zone.is_copy() && zone.data.why_closed().is_some() && zone.transfer.allow.is_some());
    let named: Vec<_> = zone.primaries.iter().map(|p| (p.address.to_string(), p.key.is_some())).collect();
    assert_eq!(named, [("192.0.2.53:53".to_owned(), false), ("[2001:db8::53]:5300".to_owned(), true)]);
}

#[test]
fn nothing_else_may_say_the_data_of_a_copy() {
    let says = |toml: &str, words: &str| {
        let shown = problems_of(toml);
        assert!(shown.contains(words), "{toml}\nshows:\n{shown}\nand should show: {words}");
    };
    says("[zone]\nprimaries = []\n", "`primaries` names 0 servers, and 1 to 16 may be");
    says("[zone]\nprimaries = [\"somewhere\"]\n", "2:14: `somewhere` is no address of a primary");
    says("[zone]\nprimaries = [\"192.0.2.1\", \"192.0.2.1:53\"]\n", "2:27: 192.0.2.1:53 stands twice in `primaries`");
    says("[zone]\nprimaries = [\"192.0.2.1\"]\nttl = 60\n", "3:7: `ttl` comes from the primaries");
    says("[zone]\nprimaries = [\"192.0.2.1\"]\nmax_moving = 1\n", "no switch can move in a zone that is a copy");
    let steered = switch("").replace("ns = [\"ns1.example.net\"]", "primaries = [\"192.0.2.1\"]");
    says(&steered, "switch `app` lies in a zone that is a copy of its primaries'");
    let both = [
        ("example.test.toml", "[zone]\nprimaries = [\"192.0.2.1\"]\n"),
        ("example.test.zone", "@ IN SOA a b 1 2 3 4 5\n@ IN NS a\n"),
    ];
    let shown = TestFolder::with(&both).problems();
    assert!(shown.contains("come from its primaries, and `") && shown.contains("example.test.zone"), "{shown}");
}
