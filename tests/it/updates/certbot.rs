//! A certificate by certbot's rfc2136 plugin from pebble, a certificate authority for tests: both from Debian.

use super::{SECRET, server};
use crate::harness::{Folder, LIMIT, eventually, own_address};
use std::process::{Child, Command, Stdio};

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certbot_gets_a_certificate_for_a_name_and_its_wildcard() {
    let server = server().await;
    let folder = Folder::new("acme");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let authority = own_address().to_string();
    let certified = rcgen::generate_simple_self_signed([authority.clone()]).unwrap();
    folder.write("ca.pem", &certified.cert.pem());
    folder.write("ca.key", &certified.signing_key.serialize_pem());
    let config = serde_json::json!({ "pebble": {
        "listenAddress": format!("{authority}:14000"),
        "managementListenAddress": format!("{authority}:15000"),
        "certificate": path("ca.pem"), "privateKey": path("ca.key"),
        "httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "", "externalAccountBindingRequired": false,
    }});
    folder.write("pebble.json", &config.to_string());
    let log = std::fs::File::create(path("pebble.log")).unwrap();
    let pebble = Command::new("pebble")
        .args(["-config", &path("pebble.json"), "-dnsserver", &server.dns.to_string()])
        .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("pebble is installed");
    let _pebble = Ended(pebble);
    eventually("pebble listens", || async { tokio::net::TcpStream::connect((&*authority, 14000)).await.ok() }).await;
    let credentials = format!(
        "dns_rfc2136_server = {}\ndns_rfc2136_port = {}\ndns_rfc2136_name = acme.\ndns_rfc2136_secret = {SECRET}\ndns_rfc2136_algorithm = HMAC-SHA256\n",
        server.dns.ip(),
        server.dns.port()
    );
    folder.write("credentials.ini", &credentials);
    let mut child = Command::new("certbot");
    child
        .args(["certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email"])
        .args(["--server", &format!("https://{authority}:14000/dir")])
        .args(["--authenticator", "dns-rfc2136", "--dns-rfc2136-credentials", &path("credentials.ini")])
        .args(["--dns-rfc2136-propagation-seconds", "1", "-d", "example.test", "-d", "*.example.test"])
        .args(["--config-dir", &path("etc"), "--work-dir", &path("work"), "--logs-dir", &path("logs")])
        .env("REQUESTS_CA_BUNDLE", path("ca.pem"))
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || child.output().expect("certbot is installed"));
    let output = tokio::time::timeout(6 * LIMIT, output).await.expect("certbot ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let authority_said = std::fs::read_to_string(path("pebble.log")).unwrap();
    assert!(output.status.success(), "{said}\n{authority_said}\n{}", server.log());
    let certificate = std::fs::read_to_string(path("etc/live/example.test/fullchain.pem")).unwrap();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{certificate}");
    let updated = super::event(&server, "updated").await;
    assert_eq!(updated, 4, "two challenges put up and taken down");
    assert!(server.short(&["_acme-challenge.example.test", "TXT"]).is_empty(), "cleaned up");
}
