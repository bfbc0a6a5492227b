//! What tools send that manage zones by updates: the exact sequences, by dnspython.

use super::{PYTHON, SECRET, ZONE, file, server};
use crate::harness::Server;
use std::process::Command;

/// Shared by all scripts: `update(key, make)` signs what `make` puts into an update of example.test, `send` sends it
/// over UDP (`tcp=True`: TCP), `records(name, type)` asks.
pub const PRELUDE: &str = r#"
import sys, dns.message, dns.query, dns.rcode, dns.tsig, dns.tsigkeyring, dns.update, dns.edns, dns.name, dns.zone, dns.resolver
host, port, secret = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def update(key, make, edns=None):
    ring = dns.tsigkeyring.from_text({key: secret}) if key else None
    u = dns.update.UpdateMessage('example.test.', keyring=ring, keyname=key, keyalgorithm='hmac-sha256') if key else dns.update.UpdateMessage('example.test.')
    if edns is not None: u.use_edns(edns)
    make(u)
    return u
def send(u, tcp=False):
    return (dns.query.tcp if tcp else dns.query.udp)(u, host, port=port, timeout=20)
def records(name, rtype):
    reply = dns.query.udp(dns.message.make_query(name, rtype), host, port=port, timeout=20)
    return sorted(r.to_text() for rrset in reply.answer for r in rrset)
def good(u, tcp=False):
    reply = send(u, tcp)
    assert reply.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(reply.rcode())
"#;

/// Prints the extended errors of three refusals.
pub const EXTENDED_ERRORS: &str = r"
for key, name in (('all.', 'app'), ('host.', 'other'), (None, 'www')):
    reply = send(update(key, lambda u: u.add(name, 60, 'A', '192.0.2.7'), edns=0))
    for option in reply.options:
        print(int(option.code), option.text)
";

/// What a script prints, its prelude and the server's address given.
pub fn python(server: &Server, script: &str) -> String {
    let script = if script.contains("def update") { script.to_owned() } else { format!("{PRELUDE}{script}") };
    let output = Command::new(PYTHON)
        .args(["-c", &script, &server.dns.ip().to_string(), &server.dns.port().to_string(), SECRET])
        .output()
        .expect("dnspython is installed in target/dnspython (tests/run does that)");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{wrong}");
    said.trim().to_owned()
}

/// Terraform's dns provider: a set is created by adding each record, changed by removing and adding the records that
/// differ in one update, deleted as a set; each step is followed by a query that has to show it.
#[tokio::test(flavor = "multi_thread")]
async fn the_sequences_of_terraform() {
    let server = server().await;
    let script = r"
good(update('all.', lambda u: [u.add('tf', 300, 'A', a) for a in ('192.0.2.1', '192.0.2.2')]))
assert records('tf.example.test', 'A') == ['192.0.2.1', '192.0.2.2']
def change(u):
    u.delete('tf', 'A', '192.0.2.1')
    u.add('tf', 300, 'A', '192.0.2.3')
good(update('all.', change))
assert records('tf.example.test', 'A') == ['192.0.2.2', '192.0.2.3']
def ttl(u):
    u.delete('tf', 'A')
    [u.add('tf', 60, 'A', a) for a in ('192.0.2.2', '192.0.2.3')]
good(update('all.', ttl), tcp=True)
assert records('tf.example.test', 'A') == ['192.0.2.2', '192.0.2.3']
good(update('all.', lambda u: u.add('alias', 300, 'CNAME', 'tf.example.test.')))
good(update('all.', lambda u: u.add('@', 300, 'MX', '10 tf')))
good(update('all.', lambda u: u.add('_sip._udp', 300, 'SRV', '1 2 5060 tf')))
good(update('all.', lambda u: u.add('@', 300, 'TXT', '\x22v=spf1 -all\x22')))
assert records('example.test', 'MX') == ['10 tf.example.test.']
assert records('_sip._udp.example.test', 'SRV') == ['1 2 5060 tf.example.test.']
assert records('example.test', 'TXT') == ['\x22v=spf1 -all\x22']
good(update('all.', lambda u: u.replace('alias', 300, 'CNAME', 'www.example.test.')))
assert records('alias.example.test', 'CNAME') == ['www.example.test.']
for name, rtype in (('tf', 'A'), ('alias', 'CNAME'), ('@', 'MX'), ('_sip._udp', 'SRV'), ('@', 'TXT')):
    good(update('all.', lambda u: u.delete(name, rtype)))
    assert records(dns.name.from_text(name, dns.name.from_text('example.test.')).to_text(), rtype) == []
print('ok')
";
    assert_eq!(python(&server, script), "ok");
}

/// external-dns: reads the zone by AXFR, then creates addresses with TXT records of ownership, changes them by
/// deleting the old and adding the new in one update, and deletes both.
#[tokio::test(flavor = "multi_thread")]
async fn the_sequences_of_external_dns() {
    let server = server().await;
    let script = r"
def owned():
    messages = dns.query.xfr(host, 'example.test.', port=port, relativize=False, timeout=20)
    zone = dns.zone.from_xfr(messages, relativize=False)
    return {(n.to_text(), dns.rdatatype.to_text(s.rdtype)): sorted(r.to_text() for r in s) for n, s in zone.iterate_rdatasets()}
import dns.rdatatype
heritage = '\x22heritage=external-dns,external-dns/owner=default,external-dns/resource=service/default/web\x22'
def create(u):
    u.add('web.example.test.', 0, 'A', '192.0.2.31')
    u.add('web.example.test.', 0, 'A', '192.0.2.32')
    u.add('a-web.example.test.', 0, 'TXT', heritage)
good(update('all.', create))
seen = owned()
assert seen[('web.example.test.', 'A')] == ['192.0.2.31', '192.0.2.32'], seen
assert seen[('a-web.example.test.', 'TXT')] == [heritage], seen
assert ('app.example.test.', 'A') in seen
def change(u):
    u.delete('web.example.test.', 'A', '192.0.2.31')
    u.delete('web.example.test.', 'A', '192.0.2.32')
    u.add('web.example.test.', 60, 'A', '192.0.2.33')
    u.delete('a-web.example.test.', 'TXT', heritage)
    u.add('a-web.example.test.', 60, 'TXT', heritage)
good(update('all.', change))
assert owned()[('web.example.test.', 'A')] == ['192.0.2.33']
def delete(u):
    u.delete('web.example.test.', 'A', '192.0.2.33')
    u.delete('a-web.example.test.', 'TXT', heritage)
good(update('all.', delete))
assert not [key for key in owned() if 'web' in key[0]]
print('ok')
";
    assert_eq!(python(&server, script), "ok");
}

/// A challenge is on every address that answers at the moment the update is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_on_every_address_when_the_update_is_answered() {
    let mut server = Server::prepare(&[("example.test.zone", ZONE)], &[]);
    server.folder.write("tidegate.toml", &file());
    let path = server.folder.path().join("tidegate.toml").display().to_string();
    let other = crate::harness::own_address().to_string();
    let second = format!("{other}:{}", server.dns.port());
    server.extra = ["--config", &path, "--listen", &second].map(str::to_owned).to_vec();
    server.spawn();
    server.ready().await;
    let script = r"
def on_all(token):
    question = dns.message.make_query('_acme-challenge.example.test', 'TXT')
    for address in (host, 'OTHER'):
        for ask in (dns.query.udp, dns.query.tcp):
            # From many ports, so that every worker is asked.
            for _ in range(16 if ask is dns.query.udp else 2):
                reply = ask(question, address, port=port, timeout=20)
                assert [r.to_text() for s in reply.answer for r in s] == ['\x22%s\x22' % token], reply
for n in range(20):
    def make(u):
        u.delete('_acme-challenge', 'TXT')
        u.add('_acme-challenge', 0, 'TXT', 'token%d' % n)
    good(update('acme.', make), tcp=n % 2)
    on_all('token%d' % n)
print('ok')
";
    assert_eq!(python(&server, &script.replace("OTHER", &other)), "ok");
}
