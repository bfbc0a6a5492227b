//! The configuration of every server: one worker, loopback, a port above 20000, no rate limit.

use crate::peer::Peer;
use crate::zone::{self, STATIC};
use std::fs;
use std::io;
use std::path::Path;

/// What is added to the file of Tidegate: as it is, with every guard on the way, with none.
const GUARDED: &str = "[rate_limit]\nresponses_per_second = 100000000\nexempt = []\n[cookies]\nmode = \"offered\"\n";
const UNGUARDED: &str = "[rate_limit]\nresponses_per_second = 0\n[cookies]\nmode = \"off\"\n";

/// All servers that can be compared.
pub const ALL: [&str; 7] = ["echo", "tidegate", "gdnsd", "knot", "nsd", "bind", "pdns"];

/// Where the measured program is, and this one.
#[derive(Debug, Clone)]
pub struct Programs {
    pub tidegate: String,
    pub bench: String,
}

/// Writes the files of one server below `folder` and says how to start it.
pub fn peer(name: &str, folder: &Path, programs: &Programs) -> io::Result<Peer> {
    let own = folder.join(name);
    fs::create_dir_all(&own)?;
    let at = own.display().to_string();
    let (port, command) = match name {
        "echo" => (25_307, format!("{} echo 25307", programs.bench)),
        "tidegate" => (25_320, tidegate(&own, &programs.tidegate, &steered(), &zone::small(""), &encrypted(&own)?)?),
        "guarded" => (25_320, tidegate(&own, &programs.tidegate, &steered(), &zone::small(""), GUARDED)?),
        "unguarded" => (25_320, tidegate(&own, &programs.tidegate, &steered(), &zone::small(""), UNGUARDED)?),
        "gdnsd" => (25_301, gdnsd(&own, &at)?),
        "knot" => (25_302, knot(&own, &at)?),
        "nsd" => (25_303, nsd(&own, &at)?),
        "bind" => (25_305, bind(&own, &at)?),
        "pdns" => (25_304, pdns(&own, &at)?),
        other => return Err(io::Error::other(format!("there is no server called {other}"))),
    };
    Ok(Peer { name: name.to_owned(), port, command: command.split(' ').map(str::to_owned).collect() })
}

/// The two steered names of Tidegate.
fn steered() -> String {
    let members = [["192.0.2.10".to_owned(), "192.0.2.20".to_owned()]];
    zone::switch("www", "wwwwwwww.example.test", "random", &members)
        + &zone::switch("sss", "ssssssss.example.test", "sticky", &members)
}

/// Tidegate on port 25320 with its admin interface on 25321; state starts empty.
pub fn tidegate(own: &Path, program: &str, toml: &str, master: &str, more: &str) -> io::Result<String> {
    let _ = fs::remove_dir_all(own.join("state"));
    write(own, "zones/example.test.toml", toml)?;
    write(own, "zones/example.test.zone", master)?;
    let at = own.display();
    write(
        own,
        "tidegate.toml",
        &format!(
            "listen = [\"127.0.0.1:25320\"]\nzones = \"{at}/zones\"\nstate = \"{at}/state\"\n\
         [admin]\nlisten = \"127.0.0.1:25321\"\n[limits]\nudp_workers = 1\n[log]\nlevel = \"warn\"\n{more}"
        ),
    )?;
    Ok(format!("{program} serve --config {at}/tidegate.toml"))
}

/// Where Tidegate and BIND offer DNS over TLS and over HTTPS.
pub const fn encrypted_port(port: u16, https: bool) -> u16 {
    port + if https { 40 } else { 20 }
}

/// A certificate for both, and what Tidegate's file says of it.
fn encrypted(own: &Path) -> io::Result<String> {
    certificate(own)?;
    let [tls, https] = [false, true].map(|https| encrypted_port(25_320, https));
    Ok(format!(
        "[dot]\nlisten = [\"127.0.0.1:{tls}\"]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n\
         [doh]\nlisten = [\"127.0.0.1:{https}\"]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n"
    ))
}

/// A self-signed certificate on P-256, by openssl.
fn certificate(own: &Path) -> io::Result<()> {
    fs::create_dir_all(own)?;
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost -keyout key.pem -out cert.pem";
    let output = std::process::Command::new("openssl").args(words.split(' ')).current_dir(own).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("openssl made no certificate: {}", String::from_utf8_lossy(&output.stderr))))
}

fn write(own: &Path, file: &str, text: &str) -> io::Result<()> {
    let path = own.join(file);
    fs::create_dir_all(path.parent().expect("below a folder"))?;
    fs::write(path, text)
}

fn gdnsd(own: &Path, at: &str) -> io::Result<String> {
    fs::create_dir_all(own.join("run"))?;
    fs::create_dir_all(own.join("state"))?;
    write(
        own,
        "etc/config",
        &format!(
            "options => {{\n listen => 127.0.0.1:25301\n udp_threads = 1\n tcp_threads = 1\n run_dir => {at}/run\n\
         state_dir => {at}/state\n zones_default_ttl = 60\n}}\nplugins => {{ weighted => {{ multi = false\n\
         svc => {{ up_thresh = 0.01 blue = [ 192.0.2.10, 90 ] green = [ 192.0.2.20, 10 ] }} }} }}\n"
        ),
    )?;
    write(
        own,
        "etc/zones/example.test",
        &zone::small("wwwwwwww 60 DYNA weighted!svc\nssssssss 60 DYNA weighted!svc\n"),
    )?;
    Ok(format!("gdnsd -c {at}/etc start"))
}

fn knot(own: &Path, at: &str) -> io::Result<String> {
    fs::create_dir_all(own.join("run"))?;
    fs::create_dir_all(own.join("db"))?;
    let weighted = |name: &str| {
        format!("{name}.example.test:\n  - weight: 90\n    A: 192.0.2.10\n  - weight: 10\n    A: 192.0.2.20\n")
    };
    write(own, "geo.conf", &(weighted("wwwwwwww") + &weighted("ssssssss")))?;
    write(own, "zones/example.test.zone", &zone::small(STATIC))?;
    write(
        own,
        "knot.conf",
        &format!(
            "server:\n    rundir: {at}/run\n    listen: [ 127.0.0.1@25302 ]\n    udp-workers: 1\n    tcp-workers: 1\n\
         \x20   background-workers: 1\n    automatic-acl: off\nlog:\n  - target: stderr\n    any: warning\n\
         database:\n    storage: {at}/db\nmod-geoip:\n  - id: w\n    config-file: {at}/geo.conf\n    ttl: 60\n    mode: weighted\n\
         template:\n  - id: default\n    storage: {at}/zones\n    file: \"%s.zone\"\n    zonefile-sync: -1\n\
         \x20   zonefile-load: whole\n    journal-content: none\nzone:\n  - domain: example.test\n    module: [ mod-geoip/w ]\n"
        ),
    )?;
    Ok(format!("knotd -c {at}/knot.conf"))
}

fn nsd(own: &Path, at: &str) -> io::Result<String> {
    write(own, "example.test.zone", &zone::small(STATIC))?;
    write(
        own,
        "nsd.conf",
        &format!(
            "server:\n    server-count: 1\n    ip-address: 127.0.0.1@25303\n    username: \"\"\n    chroot: \"\"\n    zonesdir: \"{at}\"\n\
         \x20   pidfile: \"{at}/nsd.pid\"\n    xfrdfile: \"{at}/xfrd.state\"\n    zonelistfile: \"{at}/zone.list\"\n    xfrdir: \"{at}\"\n\
         \x20   database: \"\"\n    cookie-secret-file: \"\"\n    verbosity: 0\n    rrl-ratelimit: 0\n    rrl-whitelist-ratelimit: 0\n\
         \x20   round-robin: no\nremote-control:\n    control-enable: no\nzone:\n    name: example.test\n    zonefile: example.test.zone\n"
        ),
    )?;
    Ok(format!("nsd -d -c {at}/nsd.conf"))
}

fn bind(own: &Path, at: &str) -> io::Result<String> {
    write(own, "example.test.zone", &zone::small(STATIC))?;
    certificate(own)?;
    let [tls, https] = [false, true].map(|https| encrypted_port(25_305, https));
    write(
        own,
        "named.conf",
        &format!(
            "tls own {{ key-file \"{at}/key.pem\"; cert-file \"{at}/cert.pem\"; }};\noptions {{ directory \"{at}\"; listen-on port 25305 {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;\n\
         listen-on port {tls} tls own {{ 127.0.0.1; }}; listen-on port {https} tls own http default {{ 127.0.0.1; }};\n\
         allow-query {{ any; }}; pid-file \"{at}/named.pid\"; session-keyfile \"{at}/session.key\"; dnssec-validation no;\n\
         minimal-responses yes; notify no; managed-keys-directory \"{at}\"; }};\ncontrols {{ }};\n\
         logging {{ category default {{ stderr; }}; channel stderr {{ stderr; severity error; }}; }};\n\
         zone \"example.test\" {{ type primary; file \"{at}/example.test.zone\"; }};\n"
        ),
    )?;
    Ok(format!("named -f -n 1 -c {at}/named.conf"))
}

fn pdns(own: &Path, at: &str) -> io::Result<String> {
    let weighted =
        |name: &str| format!("{name} 60 IN LUA A \"pickwrandom({{{{90,'192.0.2.10'}},{{10,'192.0.2.20'}}}})\"\n");
    write(own, "example.test.zone", &zone::small(&(weighted("wwwwwwww") + &weighted("ssssssss"))))?;
    write(own, "named.conf", &format!("zone \"example.test\" {{ type native; file \"{at}/example.test.zone\"; }};\n"))?;
    write(
        own,
        "pdns.conf",
        &format!(
            "launch=bind\nbind-config={at}/named.conf\nlocal-address=127.0.0.1\nlocal-port=25304\nreceiver-threads=1\n\
         distributor-threads=1\nsigning-threads=1\nreuseport=no\nsocket-dir={at}\nenable-lua-records=shared\nloglevel=3\n\
         log-dns-queries=no\nzone-cache-refresh-interval=300\nversion-string=anonymous\nsecurity-poll-suffix=\n"
        ),
    )?;
    Ok(format!("pdns_server --config-dir={at} --daemon=no --guardian=no --disable-syslog"))
}
