//! The demo's zone and its words.

use super::scenario::Scenario;
use super::{BLUE, GREEN, Options};
use crate::control::report::{Happening, What};
use crate::rollout::{GateVerdict, Verdict};
use serde::Serialize;
use std::net::SocketAddr;

/// What the introduction tells.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub options: &'a Options,
    pub dns: SocketAddr,
    /// Ports of DNS over TLS and over HTTPS, at the same address.
    pub encrypted: [u16; 2],
    pub admin: SocketAddr,
    pub token: &'a str,
    /// Other commands find the demo without flags.
    pub found_by_itself: bool,
}

/// The zone file, timers shortened so that a release with its drain takes about a minute.
pub(super) fn zone(backend_port: u16) -> String {
    format!(
        r#"[zone]
ns = ["ns1.example.test"]
glue = {{ "ns1.example.test" = ["127.0.0.1"] }}

[switch.model]
owners = ["model.example.test"]
ttl = 10
fast_ttl = 5
tail = 20
explain = ["127.0.0.0/8"]
monitor = {{ http = "http://{{address}}:{backend_port}/health", expect_version = "/model", interval = "1s", rise = 3 }}
idle = {{ url = "http://{{address}}:{backend_port}/requests", json = "/requests", counter = true, floor = 0.5, interval = "2s" }}

[switch.model.pool.blue]
members = ["{BLUE}"]
expect_version = "v1"
weight = 10000

[switch.model.pool.green]
members = ["{GREEN}"]
expect_version = "v2"
weight = 0
"#
    )
}

/// What a scenario is about to play.
pub(super) fn prologue(scene: &Scene<'_>, scenario: Scenario) -> String {
    let Scene { options, dns, admin, .. } = scene;
    format!(
        "\
Tidegate demo, scenario {}: {}

  DNS    {dns}    admin  http://{admin}
  blue   {BLUE}:{port}, model v1    green  {GREEN}:{port}

120 users ask for model.example.test and send prompts. A rollout releases v2 on green in
steps of 20, 50 and 100 %, and goes on only where the gates pass: at most 2 % errors, and
a p95 latency not proven above 1.2 times blue's. Holds are short here (ordinarily minutes).
What happens (UTC):
",
        scenario.name(),
        scenario.about(),
        port = options.backend_port,
    )
}

/// What runs where, and what to try.
pub(super) fn introduction(scene: &Scene<'_>) -> String {
    let Scene { options, dns, encrypted: [tls, https], admin, token, found_by_itself } = scene;
    let ip = dns.ip();
    let Options { backend_port: port, load, program, .. } = options;
    let dig = format!("dig +short @{} -p {}", dns.ip(), dns.port());
    let server = if *found_by_itself { String::new() } else { format!(" --address http://{admin}") };
    let (export, verbs) = if *found_by_itself {
        (String::new(), "(commands find the running demo by themselves)")
    } else {
        (format!("  export TIDEGATE_TOKEN={token}\n"), "(your own settings lead elsewhere)")
    };
    let load = humantime::format_duration(*load);
    format!(
        "\
Tidegate demo: model.example.test moves from blue (model v1) to green (model v2)

  DNS    {dns}, UDP and TCP
  admin  http://{admin} (dashboard; counters at /metrics)
  blue   {BLUE}:{port}, model v1, serving
  green  {GREEN}:{port}, model v2, loading for {load}

Timers are short here, so that all of it takes about a minute: TTL 10 s and 5 s
while something moves (ordinarily 30 and 10), tail 20 s (ordinarily 15 min).

Try in another terminal {verbs}:
{export}1 Who answers?
  {dig} model.example.test
  IP=$({dig} model.example.test)
  curl http://$IP:{port}/v1/completions -d '{{\"prompt\": \"hi\"}}'
2 Is green ready, with the right model? (it must load first)
  {program} status model{server}
  {dig} green.model.example.test
3 Move everybody, and look again
  {program} flip model green --reason 'v2 is good'{server}
4 May blue be closed? (about 30 s after the last answer that named it)
  {program} drain model blue --wait --verified{server}
5 Back, as fast
  {program} undo model{server}
Why, and who did what
  {program} explain model.example.test 203.0.113.7{server}
  {program} history{server}

Encrypted, with a certificate that nobody signed (QUIC and HTTP/3 there too)
  dig +short +tls @{ip} -p {tls} model.example.test
  dig +short +https @{ip} -p {https} model.example.test

In a browser: http://{admin}/ and sign in with this token
  {token}

The same over HTTP
  TOKEN={token}
  curl -H \"Authorization: Bearer $TOKEN\" http://{admin}/v1/switches/model
  curl -H \"Authorization: Bearer $TOKEN\" http://{admin}/v1/switches/model/flip \\
       -d '{{\"to\": \"green\", \"reason\": \"v2 is good\"}}'

Ctrl-C ends the demo and removes what it made. What happens from here on (UTC):
"
    )
}

/// One happening as one line.
pub(super) fn line(happening: &Happening) -> String {
    let time = happening.at.get(11..19).unwrap_or(&happening.at);
    format!("{time}  {}", words(&happening.what))
}

/// A happening in words.
fn words(what: &What) -> String {
    match what {
        What::Changed { verb, who, revision, switches, reason } => {
            let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{verb} {} by {who}, revision {revision}{why}", switches.join(" "))
        }
        What::Health { switch, pool, member, from, to, failure } => {
            let why = failure.as_ref().map_or_else(String::new, |failure| format!(": {failure}"));
            format!("{switch}/{pool} member {member} {} -> {}{why}", word(from), word(to))
        }
        What::Eligible { switch, pool, eligible: true } => format!("{switch}/{pool} may be answered"),
        What::Eligible { switch, pool, eligible: false } => format!("{switch}/{pool} may not be answered"),
        What::Fallback { switch, in_use: true } => {
            format!("{switch}: no pool that may take them is eligible, the fallback answers clients")
        }
        What::Fallback { switch, in_use: false } => format!("{switch}: the fallback is no longer needed"),
        What::Drain { switch, pool, state } => match word(state).as_str() {
            "drained" => format!("{switch}/{pool} is drained: it may be closed"),
            state => format!("{switch}/{pool} is {state}"),
        },
        What::Rollout { switch, entry, .. } => format!("rollout of {switch}: {}", entry.what),
        What::Looked { verdicts, .. } if verdicts.is_empty() => "no gate looks".to_owned(),
        What::Looked { verdicts, .. } => verdicts.iter().map(gate).collect::<Vec<_>>().join("\n          "),
        What::Source { switch, metric, error } => format!("{switch}: {metric} cannot be read: {error}"),
        What::Store { condition } => format!("state store: {}", serde_json::to_string(condition).unwrap_or_default()),
    }
}

/// One gate at one look.
fn gate(verdict: &GateVerdict) -> String {
    let word = match verdict.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive => "open",
    };
    format!("{word}  {}", verdict.line)
}

/// The word a value has in the API.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}
