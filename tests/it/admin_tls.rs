//! TLS and client certificates of the admin interface (§7.1), asked by curl and by our own program.

use crate::harness::{Folder, LIMIT, PROGRAM, Server};
use crate::pki::Authority;
use crate::printed::code;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const ZONE: &str = "[zone]\nns = [\"ns1.example.test\"]\n[switch.app]\nowners = [\"app.example.test\"]\n\
     [switch.app.pool.blue]\nmembers = [\"192.0.2.10\"]\nweight = 1\n\
     [switch.app.pool.green]\nmembers = [\"192.0.2.20\"]\nweight = 0\n";

struct Guarded {
    server: Server,
    ours: Authority,
}

impl Guarded {
    fn start(client_ca: bool) -> Self {
        let mut server = Server::prepare(&[("example.test.toml", ZONE)], &[]);
        let ours = Authority::new("our authority");
        server.folder.write("ca.pem", ours.pem());
        server.folder.write("clients.pem", ours.pem());
        ours.server(&[server.admin.ip().to_string()], 2090).write(&server.folder, "admin");
        ours.client("an operator").write(&server.folder, "operator");
        let more = if client_ca { "client_ca = \"clients.pem\"\n" } else { "" };
        server.configure(&format!("[admin]\ncert = \"admin.pem\"\nkey = \"admin.key\"\n{more}"));
        server.spawn();
        let guarded = Self { server, ours };
        let begun = Instant::now();
        let shown = if client_ca { guarded.operator() } else { Vec::new() };
        while code(&guarded.curl(&shown, "/readyz")) != 0 {
            assert!(begun.elapsed() < LIMIT, "not ready: {}", guarded.server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        guarded
    }

    fn file(&self, name: &str) -> PathBuf {
        self.server.folder.path().join(name)
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.server.admin)
    }

    fn operator(&self) -> Vec<String> {
        ["--cert", "operator.pem", "--key", "operator.key"]
            .map(|word| if word.starts_with("--") { word.to_owned() } else { self.file(word).display().to_string() })
            .to_vec()
    }

    fn curl(&self, more: &[String], path: &str) -> Output {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "10", "--cacert"]);
        curl.arg(self.file("ca.pem")).args(more).arg(self.url(path));
        curl.output().expect("curl is installed")
    }

    /// Our own program, with nothing in its environment but these.
    fn cli(&self, environment: &[(&str, String)], arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_clear().env("TIDEGATE_TOKEN", self.server.token());
        command.envs(environment.iter().map(|(name, value)| (*name, value))).output().expect("our program runs")
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn curl_and_our_program_verify_the_admin_interface() {
    let guarded = Guarded::start(false);
    assert_eq!(code(&guarded.curl(&["--output".to_owned(), "/dev/null".to_owned()], "/healthz")), 0);
    assert_eq!(code(&guarded.curl(&[], "/v1/status")), 22, "a token is needed as ever");
    let token = format!("Authorization: Bearer {}", guarded.server.token());
    let status = guarded.curl(&["--header".to_owned(), token], "/v1/status");
    assert!(code(&status) == 0 && said(&status).contains("\"app\""), "{}", said(&status));

    let (address, ca) = (guarded.url(""), guarded.file("ca.pem").display().to_string());
    let status = guarded.cli(&[], &["status", "--address", &address, "--ca", &ca]);
    assert!(code(&status) == 0 && said(&status).contains("app"), "{}", said(&status));
    let variables = [("TIDEGATE_ADDRESS", address.clone()), ("TIDEGATE_CA_FILE", ca.clone())];
    assert_eq!(code(&guarded.cli(&variables, &["status"])), 0);

    // Who signed it is unknown, is somebody else, or is no authority at all.
    let strange = guarded.cli(&[], &["status", "--address", &address]);
    assert!(code(&strange) == 4 && said(&strange).contains("with --ca"), "{}", said(&strange));
    guarded.server.folder.write("other.pem", Authority::new("another").pem());
    let other = guarded.file("other.pem").display().to_string();
    assert_eq!(code(&guarded.cli(&[], &["status", "--address", &address, "--ca", &other])), 4);
    let empty = guarded.cli(&[], &["status", "--address", &address, "--ca", "/dev/null"]);
    assert!(code(&empty) == 2 && said(&empty).contains("holds no certificate"), "{}", said(&empty));
    // Plain HTTP finds no ear.
    let plain = guarded.cli(&[], &["status", "--address", &address.replace("https", "http")]);
    assert!(code(&plain) == 4 && said(&plain).contains("https://"), "{}", said(&plain));
}

#[test]
fn a_context_remembers_authority_and_certificate() {
    let guarded = Guarded::start(true);
    let home = Folder::new("trust");
    let around = [("HOME", home.path().display().to_string())];
    let [ca, cert, key] =
        ["ca.pem", "operator.pem", "operator.key"].map(|name| guarded.file(name).display().to_string());
    let address = guarded.url("");
    let added = guarded.cli(
        &around,
        &["context", "add", "prod", "--address", &address, "--ca", &ca, "--client-cert", &cert, "--client-key", &key],
    );
    assert_eq!(code(&added), 0, "{}", said(&added));
    let text = std::fs::read_to_string(home.path().join(".config/tidegate/contexts.toml")).unwrap();
    for line in [format!("ca_file = \"{ca}\""), format!("client_cert = \"{cert}\""), format!("client_key = \"{key}\"")]
    {
        assert!(text.contains(&line), "{text}");
    }
    assert_eq!(code(&guarded.cli(&around, &["status"])), 0, "{}", said(&guarded.cli(&around, &["status"])));
    let shown = said(&guarded.cli(&around, &["context", "show"]));
    assert!(shown.contains(&format!("believes {ca}")) && shown.contains(&format!("shows {cert}")), "{shown}");
    let flip = guarded.cli(&around, &["flip", "app", "green", "--force", "--reason", "a test"]);
    assert_eq!(code(&flip), 0, "{}", said(&flip));
}

#[test]
fn who_shows_no_certificate_of_ours_is_not_heard() {
    let guarded = Guarded::start(true);
    assert_eq!(code(&guarded.curl(&guarded.operator(), "/healthz")), 0);
    assert_ne!(code(&guarded.curl(&[], "/healthz")), 0);
    Authority::new("another").client("a stranger").write(&guarded.server.folder, "stranger");
    let stranger: Vec<String> = guarded.operator().iter().map(|word| word.replace("operator", "stranger")).collect();
    assert_ne!(code(&guarded.curl(&stranger, "/healthz")), 0);
    // A server's certificate says nothing about a client.
    let server: Vec<String> = guarded.operator().iter().map(|word| word.replace("operator.", "admin.")).collect();
    assert_ne!(code(&guarded.curl(&server, "/healthz")), 0);
    // The certificate opens the connection; what may be done is the token's.
    assert_eq!(code(&guarded.curl(&guarded.operator(), "/v1/status")), 22);

    let (address, ca) = (guarded.url(""), guarded.file("ca.pem").display().to_string());
    let [cert, key] = ["operator.pem", "operator.key"].map(|name| guarded.file(name).display().to_string());
    let base = ["status", "--address", &address, "--ca", &ca];
    let bare = guarded.cli(&[], &base);
    assert!(code(&bare) == 4 && said(&bare).contains("--client-cert"), "{}", said(&bare));
    assert_eq!(code(&guarded.cli(&[], &[&base[..], &["--client-cert", &cert, "--client-key", &key]].concat())), 0);
    let variables = [("TIDEGATE_CLIENT_CERT", cert.clone()), ("TIDEGATE_CLIENT_KEY", key.clone())];
    assert_eq!(code(&guarded.cli(&variables, &base)), 0);
    let lone = guarded.cli(&[], &[&base[..], &["--client-cert", &cert]].concat());
    assert!(code(&lone) == 2 && said(&lone).contains("--client-key"), "{}", said(&lone));
}

#[test]
fn a_replaced_certificate_of_the_admin_interface_is_taken_in() {
    let guarded = Guarded::start(false);
    let next = Authority::new("the next authority");
    next.server(&[guarded.server.admin.ip().to_string()], 2090).write(&guarded.server.folder, "admin");
    guarded.server.folder.write("ca.pem", &(guarded.ours.pem().to_owned() + next.pem()));
    guarded.server.folder.write("next.pem", next.pem());
    let next_only = ["--cacert".to_owned(), guarded.file("next.pem").display().to_string()];
    let begun = Instant::now();
    while code(&guarded.curl(&next_only, "/healthz")) != 0 {
        assert!(begun.elapsed() < LIMIT, "{}", guarded.server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn replaced_authorities_of_clients_are_taken_in() {
    let guarded = Guarded::start(true);
    let next = Authority::new("the next authority");
    next.client("another operator").write(&guarded.server.folder, "another");
    let another: Vec<String> = guarded.operator().iter().map(|word| word.replace("operator.", "another.")).collect();
    assert_ne!(code(&guarded.curl(&another, "/healthz")), 0);
    guarded.server.folder.write("clients.pem", next.pem());
    let begun = Instant::now();
    while code(&guarded.curl(&another, "/healthz")) != 0 {
        assert!(begun.elapsed() < LIMIT, "{}", guarded.server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_ne!(code(&guarded.curl(&guarded.operator(), "/healthz")), 0, "who was signed for before is out");
}

#[test]
fn with_tls_the_admin_interface_may_listen_anywhere() {
    let folder = Folder::new("anywhere");
    folder.write("zones/example.test.toml", ZONE);
    Authority::new("ours").server(&["gate.example.test".to_owned()], 2090).write(&folder, "admin");
    let check = |file: &str| {
        folder.write("tidegate.toml", &format!("[admin]\nlisten = \"0.0.0.0:8053\"\n{file}"));
        let mut command = Command::new(PROGRAM);
        command.args(["check", "--zones"]).arg(folder.path().join("zones"));
        command.arg("--config").arg(folder.path().join("tidegate.toml")).output().expect("our program runs")
    };
    let refused = check("");
    assert!(code(&refused) == 1 && said(&refused).contains("give it `cert` and `key`"), "{}", said(&refused));
    let taken = check("cert = \"admin.pem\"\nkey = \"admin.key\"\n");
    assert_eq!(code(&taken), 0, "{}", said(&taken));
    let half = check("cert = \"admin.pem\"\n");
    assert!(code(&half) == 1 && said(&half).contains("`[admin]` has no `key`"), "{}", said(&half));
    let nobody = check("cert = \"admin.pem\"\nkey = \"admin.key\"\nclient_ca = \"admin.key\"\n");
    assert!(code(&nobody) == 1 && said(&nobody).contains("no authority for client certificates"), "{}", said(&nobody));
}
