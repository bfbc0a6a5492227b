//! Every rule's message, with line, column, caret and remedy. A case is a file and what must stand
//! in what is shown; `<here>` marks nothing: carets are compared as they are.

use super::{ZONE, problems_of, switch};

/// A case: its name, the lines of the switch's own table, and what is shown.
type Case = (&'static str, &'static str, &'static [&'static str]);

/// Lines of `[switch.app]`; they begin on line 6 of the file.
const IN_THE_SWITCH: &[Case] = &[
    (
        "unknown key",
        "polcy = \"random\"",
        &[
            "example.test.toml:6:1: unknown key `polcy`\n    polcy = \"random\"\n    ^^^^^\n    remedy: did you mean `policy`?",
        ],
    ),
    ("wrong kind", "salt = 3", &["6:8: invalid type: integer `3`, expected a string\n    salt = 3\n           ^"]),
    (
        "policy",
        "policy = \"stiky\"",
        &["6:10: `policy` can't be `stiky`", "          ^^^^^^^", "did you mean `sticky`?"],
    ),
    ("answer", "answer = \"two\"", &["`answer` can't be `two`", "write one of all, one"]),
    ("TTL floor", "ttl = 4", &["6:7: `ttl` must be 5s to 7days", "remedy: the nearest that is allowed is \"5s\""]),
    ("TTL zero", "ttl = 0", &["`ttl` must be 5s to 7days"]),
    ("fast TTL floor", "fast_ttl = \"1s\"", &["6:12: `fast_ttl` must be 5s"]),
    ("fast TTL above TTL", "fast_ttl = 60", &["`fast_ttl` (60 s) is longer than `ttl` (30 s)", "write at most 30"]),
    ("TTL in parts of seconds", "ttl = \"7500ms\"", &["`ttl` is counted in whole seconds", "write \"8s\""]),
    ("no duration", "tail = \"soon\"", &["6:8: `tail` is no length of time: `soon`"]),
    ("share", "min_healthy = \"150%\"", &["`min_healthy` must be more than 0 % and at most 100 %"]),
    ("share of zero", "min_healthy = 0.0", &["`min_healthy` must be more than 0 %"]),
    (
        "unknown fallback",
        "fallback = \"bleu\"",
        &["6:12: `fallback` names the pool `bleu`, which this switch does not have", "did you mean `blue`?"],
    ),
    (
        "explain",
        "explain = [\"192.0.2.1/24\"]",
        &["6:12: `192.0.2.1/24` has bits set behind its prefix length", "write \"192.0.2.0/24\""],
    ),
    ("two forms of monitors", "monitors = [{ tcp = 81 }]", &["`monitor` and `monitors` are both given"]),
    ("idle without number", "idle = { url = \"http://{address}/\" }", &["needs one of `regex` and `json`"]),
    ("idle without group", "idle = { url = \"http://{address}/\", regex = \"x\" }", &["`regex` has no group"]),
    ("idle without source", "idle = { floor = 1 }", &["the idle reading has no `url`"]),
    ("idle without query", "idle = { prometheus = \"http://127.0.0.1:9090\" }", &["has no `query` to ask Prometheus"]),
    (
        "idle from two sources",
        "idle = { prometheus = \"http://127.0.0.1:9090\", query = \"up\", json = \"/a\" }",
        &["6:69: `json` and `prometheus` are both given"],
    ),
    (
        "idle query for nobody",
        "idle = { url = \"http://{address}/\", json = \"/a\", query = \"up\" }",
        &[": `query` belongs to a Prometheus server"],
    ),
    (
        "idle query about the version",
        "idle = { prometheus = \"http://127.0.0.1:9090\", query = \"up{v='{version}'}\" }",
        &[": an idle reading can't name the {version}"],
    ),
    (
        "idle query of members",
        "idle = { prometheus = \"http://{address}:9090\", query = \"up\" }",
        &[": `{address}` is the host of no server"],
    ),
    (
        "idle with a bad floor",
        "idle = { url = \"http://{address}/\", json = \"/a\", floor = -1 }",
        &["`floor` must be a number of at least 0"],
    ),
    (
        "rule naming an unknown pool",
        "rule = [{ networks = [\"192.0.2.0/24\"], pool = \"gren\" }]",
        &["the rule names the pool `gren`", "did you mean `green`?"],
    ),
    ("rule for nobody", "rule = [{ pool = \"green\" }]", &["does not say whom it concerns"]),
    ("rule giving nothing", "rule = [{ networks = [\"::/0\"] }]", &["gives either a `pool` or `weights`"]),
    (
        "rule with labels",
        "rule = [{ labels = [\"u1\"], pool = \"green\" }]",
        &["`labels` needs a wildcard owner; `app.example.test` has no label that varies", "steer `*.app.example.test`"],
    ),
    (
        "rule weights of zero",
        "rule = [{ networks = [\"::/0\"], weights = { blue = 0 } }]",
        &["the weights of the rule sum to 0"],
    ),
    (
        "rule weight too large",
        "rule = [{ networks = [\"::/0\"], weights = { blue = 10001 } }]",
        &["`blue` must be 0 to 10000; this is 10001"],
    ),
    (
        "network twice",
        "rule = [{ networks = [\"::/0\"], pool = \"blue\" }, { networks = [\"::/0\"], pool = \"green\" }]",
        &["the network ::/0 is already taken by `rule-1`"],
    ),
    (
        "country without a database",
        "rule = [{ country = [\"DE\"], pool = \"blue\" }]",
        &["6:22: the rule goes by country, and no database by country is configured", "`[geo]` with `country = "],
    ),
    (
        "system without a database",
        "rule = [{ asn = 64496, pool = \"blue\" }]",
        &["the rule goes by asn, and no database by asn is configured"],
    ),
    ("no country", "rule = [{ country = \"UK\", pool = \"blue\" }]", &["`UK` is no country code", "is \"GB\""]),
    ("no country either", "rule = [{ country = [\"Germany\"], pool = \"blue\" }]", &["such as \"DE\""]),
    ("country twice", "rule = [{ country = [\"de\", \"DE\"], pool = \"blue\" }]", &["6:28: it is listed twice"]),
    (
        "country in two rules",
        "rule = [{ country = \"DE\", pool = \"blue\" }, { country = [\"FR\", \"DE\"], pool = \"green\" }]",
        &["the country DE is already taken by `rule-1`"],
    ),
    ("no system", "rule = [{ asn = [\"ASx\"], pool = \"blue\" }]", &["`ASx` is no number of an autonomous system"]),
    ("no system either", "rule = [{ asn = [0], pool = \"blue\" }]", &["`0` is no number", "\"AS64496\""]),
    ("no number", "rule = [{ asn = 1.5, pool = \"blue\" }]", &["expected a number or a list of numbers"]),
    ("system for nobody", "rule = [{ asn = [], pool = \"blue\" }]", &["`asn` is empty"]),
    (
        "two ways",
        "rule = [{ asn = [1], country = [\"DE\"], pool = \"blue\" }]",
        &["this one in several", "one of `networks`, `country`, `asn`, `labels`"],
    ),
    ("no network", "rule = [{ networks = [\"office\"], pool = \"blue\" }]", &["`office` is no address prefix"]),
];

/// What stands in `monitor = { ... }`, on line 5.
const IN_THE_MONITOR: &[Case] = &[
    ("no kind", "interval = \"2s\"", &["5:11: the monitor does not say how it checks"]),
    ("two kinds", "tcp = 80, tls = 443", &["this one has `tcp` and `tls`"]),
    (
        "URL without address",
        "http = \"http://10.0.0.1:8080/health\"",
        &["5:20: the probe would go to `10.0.0.1`", "write {address} for the host"],
    ),
    ("other host", "http = \"http://a.test/\", host = \"b.test\"", &["the probe would go to `a.test`"]),
    ("wrong scheme", "http = \"https://{address}/\"", &["`http` is given a URL that begins with `https://`"]),
    ("no URL", "http = \"{address}:80\"", &["is no http or https URL"]),
    ("bad port", "http = \"http://{address}:0/\"", &["`0` is no port"]),
    ("unknown placeholder", "http = \"http://{adress}/\"", &["only {address} is filled in"]),
    (
        "timeout above interval",
        "tcp = 80, interval = \"1s\", timeout = \"2s\"",
        &["`timeout` (2s) is longer than `interval` (1s)"],
    ),
    ("interval too short", "tcp = 80, interval = \"1ms\"", &["`interval` must be 100ms to 1h"]),
    (
        "meaningless field",
        "tcp = 80, status = [200]",
        &["`status` has no meaning for a `tcp` monitor", "it belongs to: http, https"],
    ),
    (
        "TLS field over http",
        "http = \"http://{address}/\", min_days = 3",
        &["`min_days` has no meaning for a `http` monitor"],
    ),
    ("port", "tcp = 70000", &["`tcp` must be 1 to 65535; this is 70000"]),
    ("status", "http = \"http://{address}/\", status = [\"2xx\"]", &["`2xx` is no status code or range"]),
    (
        "regex",
        "http = \"http://{address}/\", body_regex = \"(\"",
        &["`body_regex` is no regular expression: unclosed group"],
    ),
    (
        "pointer",
        "http = \"http://{address}/\", json = { \"status\" = \"ok\" }",
        &["`json` needs a JSON pointer (RFC 6901)", "write \"/status\""],
    ),
    (
        "two JSON values",
        "http = \"http://{address}/\", json = { \"/a\" = 1, \"/b\" = 2 }",
        &["compares one JSON value"],
    ),
    (
        "version instead of its place",
        "http = \"http://{address}/\", expect_version = \"v2\"",
        &["`v2` is neither a JSON pointer nor a header", "the version itself stands in the pool"],
    ),
    ("window", "tcp = 80, window = \"6/5\"", &["`window` is k failures of the last n probes"]),
    ("deep without a body", "http = \"http://{address}/\", deep = true", &["a deep probe posts a sample", "body"]),
    ("missing CA", "https = \"https://{address}/\", ca_file = \"no.pem\"", &["can't read `no.pem`"]),
    ("monitor name", "tcp = 80, name = \"A b\"", &["`A b` can't name a monitor"]),
    ("header name", "http = \"http://{address}/\", headers = { \"a b\" = \"c\" }", &["`a b` is no header name"]),
    (
        "service of nobody",
        "tcp = 80, service = \"a.B\"",
        &["`service` has no meaning for a `tcp` monitor", "grpc, grpcs"],
    ),
    ("service name", "grpc = 50051, service = \"a b\"", &["5:37: `service` must be a name of at most 200 visible"]),
    ("CA in the clear", "grpc = 50051, ca_file = \"a.pem\"", &["`ca_file` has no meaning for a `grpc` monitor"]),
    ("no gRPC port", "grpcs = 0", &["`grpcs` must be 1 to 65535; this is 0"]),
    ("no echo", "icmp = false", &["5:20: `icmp = false` checks nothing", "write `icmp = true`"]),
    ("port of an echo", "icmp = 7", &["invalid type: integer `7`, expected a boolean"]),
    ("user in URL", "http = \"http://u:p@{address}/\"", &["a user name in it is not sent"]),
];

/// Whole tables behind `[zone]`; they begin on line 3.
const IN_THE_FILE: &[Case] = &[
    ("unknown table", "[swich.app]", &["3:2: unknown table `swich`", "did you mean `switch`?"]),
    (
        "no pool",
        "[switch.app]\nowners = [\"app.example.test\"]",
        &["3:9: the switch has no pool\n    [switch.app]\n            ^^^"],
    ),
    (
        "no owner",
        "[switch.app.pool.blue]\nweight = 1\nmembers = [\"192.0.2.1\"]",
        &["the switch has no `owners`", "add `owners = [\"app.example.test\"]`"],
    ),
    (
        "weights sum to 0",
        "[switch.app]\nowners = [\"@\"]\npool.blue.members = [\"192.0.2.1\"]",
        &["the weights of the pools sum to 0"],
    ),
    (
        "weight too large",
        "[switch.app]\nowners = [\"@\"]\n[switch.app.pool.blue]\nmembers = [\"192.0.2.1\"]\nweight = 10001",
        &[
            "7:10: `weight` must be a whole number from 0 to 10000; this is `10001`\n    weight = 10001\n             ^^^^^",
        ],
    ),
    (
        "weight as a percentage",
        "[switch.app]\nowners = [\"@\"]\n[switch.app.pool.blue]\nmembers = [\"192.0.2.1\"]\nweight = \"50%\"",
        &["`weight` must be a whole number from 0 to 10000; this is `50%`"],
    ),
    (
        "pool name",
        "[switch.app]\nowners = [\"@\"]\n[switch.app.pool.Blue]\nmembers = [\"192.0.2.1\"]\nweight = 1",
        &["5:18: `Blue` can't name a pool: it becomes a DNS label", "write `blue`"],
    ),
    (
        "switch name",
        "[switch.\"a b\"]\nowners = [\"@\"]\n[switch.\"a b\".pool.blue]\nmembers = [\"192.0.2.1\"]\nweight = 1",
        &["`a b` can't name a switch"],
    ),
    (
        "empty pool",
        "[switch.app]\nowners = [\"@\"]\n[switch.app.pool.blue]\nweight = 1",
        &["5:18: pool `blue` has nothing to answer"],
    ),
    (
        "switch that is no table",
        "[switch]\nowners = [\"@\"]",
        &["4:1: `owners` is not a table, so it can't be a switch"],
    ),
    ("syntax", "[switch.app\nowners = 3", &["not TOML: "]),
    ("duplicate key", "[switch.app]\nttl = 5\nttl = 6", &["5:1: not TOML: duplicate key"]),
];

/// `owners = [...]` of a switch; line 4.
const OWNERS: &[Case] = &[
    (
        "outside",
        "\"app.example.net\"",
        &["4:11: `app.example.net` lies outside the zone `example.test`", "          ^^^^^^^^^^^^^^^^^"],
    ),
    ("relative", "\"app\"", &["`app` lies outside the zone `example.test`", "write \"app.example.test\""]),
    ("twice", "\"a.example.test\", \"A.example.test.\"", &["4:29: `A.example.test.` stands twice among the owners"]),
    ("star within", "\"a.*.example.test\"", &["`a.*.example.test` has a `*` within"]),
    ("no name", "\"a..example.test\"", &["`a..example.test` is no name: empty label"]),
    (
        "owner at a pin",
        "\"a.example.test\", \"blue.a.example.test\"",
        &["`blue.a.example.test` would be an owner of switch `app` and the pin of pool `blue` of switch `app`"],
    ),
];

/// What stands in a pool; line 6 and on.
const IN_THE_POOL: &[Case] = &[
    ("no address", "members = [\"192.0.2.300\"]", &["6:12: `192.0.2.300` is no address"]),
    (
        "port",
        "members = [\"192.0.2.3:80\"]",
        &["`192.0.2.3:80` is no address", "DNS answers carry neither port nor prefix"],
    ),
    ("unspecified", "members = [\"0.0.0.0\"]", &["`0.0.0.0` is no address that a client could connect to"]),
    ("two of a family", "members = [\"192.0.2.1 192.0.2.2\"]", &["a member has at most one IPv4 address"]),
    (
        "wrong family",
        "members = [{ ipv4 = \"2001:db8::1\" }]",
        &["6:21: `2001:db8::1` is no IPv4 address", "write it under `ipv6`"],
    ),
    ("member name of dots", "members = [{ name = \"..\", address = \"192.0.2.1\" }]", &["`..` can't name a member"]),
    ("no address at all", "members = [{ name = \"a\" }]", &["the member has no address"]),
    (
        "address twice",
        "members = [\"192.0.2.1\", { name = \"b\", address = \"192.0.2.1\" }]",
        &["6:25: 192.0.2.1 is already a member of this pool, as `192.0.2.1`"],
    ),
    (
        "member name twice",
        "members = [{ name = \"b\", address = \"192.0.2.1\" }, { name = \"b\", address = \"192.0.2.2\" }]",
        &["two members of this pool are named `b`"],
    ),
    (
        "member weight",
        "members = [{ address = \"192.0.2.1\", weight = 0 }]",
        &["`weight` must be 1 to 10000; this is 0"],
    ),
    (
        "unknown member key",
        "members = [{ addr = \"192.0.2.1\" }]",
        &["6:14: unknown key `addr`", "did you mean `address`?"],
    ),
    ("address record", "records = { A = [\"192.0.2.1\"] }", &["6:13: A records of a pool are made from its members"]),
    ("zone type", "records = { NS = [\"ns1\"] }", &["NS can't differ between pools"]),
    ("unknown type", "records = { HTTP = [\"1 .\"] }", &["`HTTP` is not a record type"]),
    ("bad record", "records = { MX = [\"mail\"] }", &["no MX record: "]),
    ("type twice", "records = { HTTPS = [\"1 .\"], TYPE65 = [\"2 .\"] }", &["6:30: pool `blue` has two sets of HTTPS"]),
    ("record twice", "records = { TXT = [\"a\", \"a\"] }", &["the same TXT record stands twice"]),
    ("empty set", "records = { TXT = [] }", &["the set of TXT is empty"]),
    (
        "CNAME with members",
        "members = [\"192.0.2.1\"]\nrecords = { CNAME = \"a.example.net.\" }",
        &["7:13: a CNAME stands alone"],
    ),
    ("two CNAMEs", "records = { CNAME = [\"a.example.net.\", \"b.example.net.\"] }", &["a CNAME stands alone"]),
    ("CNAME with TXT", "records = { CNAME = \"a.example.net.\", TXT = \"x\" }", &["a CNAME stands alone"]),
    (
        "CNAME in one pool only",
        "records = { CNAME = \"a.example.net.\" }",
        &["pool `green` has no CNAME where another has one"],
    ),
];

/// `[zone]` without a master file; line 2 and on.
const IN_THE_ZONE: &[Case] = &[
    ("no ns", "ttl = 60", &["1:2: `[zone]` has no `ns`"]),
    ("ns twice", "ns = [\"a.test\", \"a.test.\"]", &["`a.test.` stands twice in `ns`"]),
    ("bad ns", "ns = [\"a..test\"]", &["2:7: `a..test` is no name"]),
    (
        "glue for nobody",
        "ns = [\"ns1.example.test\"]\nglue = { \"ns2.example.test\" = [\"192.0.2.1\"] }",
        &["3:10: `ns2.example.test` has glue but is none of `ns`"],
    ),
    (
        "glue outside",
        "ns = \"ns1.example.net\"\nglue = { \"ns1.example.net\" = \"192.0.2.1\" }",
        &["`ns1.example.net` lies outside the zone"],
    ),
    ("serial", "ns = \"a.test\"\nserial = -1", &["`serial` must be 0 to 4294967295; this is -1"]),
    ("mailbox", "ns = \"a.test\"\nhostmaster = \"a@b..c\"", &["`a@b..c` is no mailbox"]),
    ("max_moving", "ns = \"a.test\"\nmax_moving = 0", &["`max_moving` must be 1 to"]),
    (
        "unknown key",
        "ns = \"a.test\"\nhost_master = \"a\"",
        &["unknown key `host_master`", "did you mean `hostmaster`?"],
    ),
];

/// Shows each case's file to the loader and looks for its words.
fn hold(cases: &[Case], file: impl Fn(&str) -> String) {
    for (name, lines, expected) in cases {
        let shown = problems_of(&file(lines));
        for words in *expected {
            assert!(shown.contains(words), "case `{name}` shows:\n{shown}\nand should show:\n{words}");
        }
    }
}

#[test]
fn a_switch_at_fault_is_refused_with_its_place() {
    hold(IN_THE_SWITCH, switch);
}

#[test]
fn a_monitor_at_fault_is_refused_with_its_place() {
    hold(IN_THE_MONITOR, |fields| switch("").replace("tcp = 80", fields));
}

#[test]
fn a_file_at_fault_is_refused_with_its_place() {
    hold(IN_THE_FILE, |tables| format!("{ZONE}{tables}\n"));
}

#[test]
fn an_owner_at_fault_is_refused_with_its_place() {
    hold(OWNERS, |owners| switch("").replace("\"app.example.test\"", owners));
}

#[test]
fn a_pool_at_fault_is_refused_with_its_place() {
    hold(IN_THE_POOL, |lines| {
        format!(
            "{ZONE}[switch.app]\nowners = [\"app.example.test\"]\n[switch.app.pool.blue]\n{lines}\nweight = 1\n\
             [switch.app.pool.green]\nmembers = [\"192.0.2.20\"]\n"
        )
    });
}

#[test]
fn a_zone_table_at_fault_is_refused_with_its_place() {
    hold(IN_THE_ZONE, |lines| format!("[zone]\n{lines}\n"));
}

#[test]
fn a_cname_at_the_apex_is_refused() {
    let shown = problems_of(&format!(
        "{ZONE}[switch.app]\nowners = [\"example.test\"]\n[switch.app.pool.a]\nrecords = {{ CNAME = \"x.example.net.\" }}\nweight = 1\n"
    ));
    assert!(shown.contains("4:11: the apex `example.test` can't be a CNAME"), "{shown}");
}

#[test]
fn all_faults_of_a_switch_are_listed_at_once() {
    let shown = problems_of(&switch("ttl = 1\npolicy = \"x\"\nfallback = \"y\"\nsalt = \"z\""));
    assert_eq!(shown.matches("example.test.toml:").count(), 3, "{shown}");
    let shown = problems_of(&switch("tll = 1\npolcy = \"x\"\nanswer = 3\nsalt = 4"));
    assert_eq!(shown.matches("example.test.toml:").count(), 4, "{shown}");
}

#[test]
fn the_right_switch_has_no_problem() {
    assert_eq!(problems_of(&switch("")), "");
}
