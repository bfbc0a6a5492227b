//! Members that are looked up in DNS: a real authority, its changes, its troubles (§2.5).

use crate::harness::{Folder, LIMIT, Server, eventually, own_address};
use crate::pair::accepted;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The steered name.
const OWNER: &str = "work.example.test";

/// NSD with the zone `consul.`, on an address of its own.
struct Authority {
    folder: Folder,
    address: Ipv4Addr,
    child: Option<Child>,
    serial: u32,
}

impl Authority {
    fn start(records: &str) -> Self {
        let mut authority = Self { folder: Folder::new("consul"), address: own_address(), child: None, serial: 0 };
        let (folder, address) = (authority.folder.path().display().to_string(), authority.address);
        let settings = format!(
            "server:\n  ip-address: {address}\n  port: 8600\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{folder}\"\n  \
             database: \"\"\n  pidfile: \"\"\n  xfrdfile: \"\"\n  zonelistfile: \"{folder}/zone.list\"\n  xfrdir: \"{folder}\"\n\
             remote-control:\n  control-enable: no\nzone:\n  name: consul.\n  zonefile: consul\n"
        );
        authority.folder.write("nsd.conf", &settings);
        authority.write(records);
        authority.run();
        authority
    }

    /// Starts it (again), and waits until it serves what was written last.
    fn run(&mut self) {
        let settings = self.folder.path().join("nsd.conf");
        let log = std::fs::File::create(self.folder.path().join("log")).expect("a log");
        let mut command = Command::new("nsd");
        command.arg("-d").arg("-c").arg(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("nsd is installed"));
        self.serves();
    }

    fn write(&mut self, records: &str) {
        self.serial += 1;
        let head = format!(
            "$ORIGIN consul.\n$TTL 1\n@ IN SOA ns hostmaster {} 3600 600 86400 1\n@ IN NS ns\nns IN A 127.0.0.1\n",
            self.serial
        );
        self.folder.write("consul", &format!("{head}{records}\n"));
    }

    fn serves(&self) {
        let begun = Instant::now();
        loop {
            let mut dig = Command::new("dig");
            dig.args([&format!("@{}", self.address), "-p", "8600", "+short", "+time=1", "+tries=1", "SOA", "consul."]);
            let output = String::from_utf8(dig.output().expect("dig").stdout).expect("text");
            if output.split(' ').nth(2) == Some(&self.serial.to_string()) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "nsd does not serve serial {}", self.serial);
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Serves other records.
    fn change(&mut self, records: &str) {
        self.write(records);
        let pid = self.child.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("kill").success());
        self.serves();
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // NSD ends its children when asked, not when killed.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.stop();
    }
}

fn zone(authority: &Authority, source: &str) -> String {
    format!(
        "[zone]\nns = [\"ns1.example.test\"]\n[switch.work]\nowners = [\"{OWNER}\"]\nttl = 5\n\
         [switch.work.pool.blue]\nmembers = {{ {source}, every = \"1s\", timeout = \"1s\", resolver = \"{}:8600\" }}\nweight = 10000\n",
        authority.address
    )
}

async fn pool(server: &Server) -> Value {
    accepted(server.api("GET", "/v1/switches/work", None).await)["pools"][0].clone()
}

async fn answers(server: &Server, rtype: &str, wanted: &[&str]) {
    eventually(&format!("answers {wanted:?}"), || async {
        let mut got = server.short(&[rtype, OWNER]);
        got.sort();
        (got == wanted).then_some(())
    })
    .await;
}

async fn fails(server: &Server, why: &str) {
    eventually(&format!("fails: {why}"), || async {
        let pool = pool(server).await;
        pool["discovery"]["failure"].as_str().is_some_and(|failure| failure.contains(why)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_follow_a_name_in_dns_and_stay_while_it_cannot_be_looked_up() {
    let mut consul = Authority::start("blue.service A 10.0.0.1\nblue.service A 10.0.0.2\nblue.service AAAA fd00::1");
    let mut server = Server::start(&[("example.test.toml", &zone(&consul, "dns = \"blue.service.consul\""))]).await;
    answers(&server, "A", &["10.0.0.1", "10.0.0.2"]).await;
    answers(&server, "AAAA", &["fd00::1"]).await;
    assert_eq!(pool(&server).await["members"][0]["origin"]["kind"], "discovered");
    consul.change("blue.service CNAME elsewhere\nelsewhere A 10.0.0.2\nelsewhere A 10.0.0.3");
    answers(&server, "A", &["10.0.0.2", "10.0.0.3"]).await;
    // Gone, empty, silent: the last good ones stay, loudly.
    consul.change("green.service A 10.0.0.9");
    fails(&server, "NXDOMAIN").await;
    let status = accepted(server.api("GET", "/v1/status", None).await);
    assert!(status["alarms"].to_string().contains("cannot be looked up"), "{}", status["alarms"]);
    consul.change("blue.service TXT none");
    fails(&server, "has no address").await;
    consul.stop();
    fails(&server, "blue.service.consul. A: ").await;
    answers(&server, "A", &["10.0.0.2", "10.0.0.3"]).await;
    let metrics = reqwest::get(format!("http://{}/metrics", server.admin)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"tidegate_pool_discovery_failing{switch="work",pool="blue"} 1"#), "{metrics}");
    // A start without the source begins with the last good ones.
    server.kill9();
    server.restart().await;
    answers(&server, "A", &["10.0.0.2", "10.0.0.3"]).await;
    consul.write("blue.service A 10.0.0.4");
    consul.run();
    answers(&server, "A", &["10.0.0.4"]).await;
    eventually("it is well again", || async { pool(&server).await["discovery"]["failure"].is_null().then_some(()) })
        .await;
    let history = crate::switches::history(&server, "").await;
    assert!(
        history.iter().any(|row| row["verb"] == "discover" && row["reason"] == "DNS has for blue: 10.0.0.4"),
        "{history:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_give_weights_and_large_answers_come_over_tcp_up_to_the_maximum() {
    let mut consul = Authority::start(
        "_gpu._tcp SRV 1 7 8080 n1\n_gpu._tcp SRV 1 0 8080 n2\n_gpu._tcp SRV 2 9 8080 n3\nn1 A 10.0.0.1\nn2 A 10.0.0.2\nn3 A 10.0.0.3",
    );
    let source = "dns = \"_gpu._tcp.consul\", srv = true, max = 200";
    let server = Server::start(&[("example.test.toml", &zone(&consul, source))]).await;
    answers(&server, "A", &["10.0.0.1", "10.0.0.2"]).await;
    let weights: Vec<Value> =
        pool(&server).await["members"].as_array().unwrap().iter().map(|m| m["weight"].clone()).collect();
    assert_eq!(weights, [7, 1]);
    // 150 addresses of one target: more than a datagram of 1232 octets holds.
    let many = |count: u16| {
        let lines: String = (1..=count).map(|n| format!("many A 10.1.{}.{}\n", n / 200, n % 200 + 1)).collect();
        format!("_gpu._tcp SRV 1 1 8080 many\n{lines}")
    };
    consul.change(&many(150));
    eventually("150 members", || async {
        (pool(&server).await["members"].as_array().unwrap().len() == 150).then_some(())
    })
    .await;
    consul.change(&many(201));
    fails(&server, "201 members were found; at most 200 are taken").await;
    assert_eq!(pool(&server).await["members"].as_array().unwrap().len(), 150);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_whose_members_all_change_is_never_without_one() {
    use crate::backend::Backend;
    let (old, new) = (Backend::start("v1"), Backend::start("v1"));
    new.behave(|manner| manner.status = 503);
    let mut consul = Authority::start(&format!("blue.service A {}", old.address));
    let probe =
        "monitor = { http = \"http://{address}:8080/health\", interval = \"250ms\", timeout = \"250ms\", rise = 1 }\n";
    let zone = zone(&consul, "dns = \"blue.service.consul\"").replacen("ttl = 5\n", &format!("ttl = 5\n{probe}"), 1);
    let zone = format!("{zone}[switch.work.pool.green]\nmembers = [\"192.0.2.9\"]\nmonitors = []\n");
    let server = Server::start(&[("example.test.toml", &zone)]).await;
    eventually("it is up", || async { (pool(&server).await["members"][0]["health"] == "up").then_some(()) }).await;
    let pinned = || server.short(&["A", "blue.work.example.test"]);
    let (was, is) = ([old.address.to_string()], [new.address.to_string()]);
    eventually("it is in", || async { (pinned() == was).then_some(()) }).await;
    consul.change(&format!("blue.service A {}", new.address));
    eventually("the new one is down", || async {
        assert_eq!(pinned(), was);
        let pool = pool(&server).await;
        let members = pool["members"].as_array().unwrap();
        let down = members.iter().any(|m| m["name"] == is[0] && m["health"] == "down");
        let leaves = members.iter().any(|m| m["name"] == was[0] && m["origin"]["leaves_at"].is_string());
        (down && leaves).then_some(())
    })
    .await;
    assert!(server.log().contains("DNS no longer has this member"));
    let listed = String::from_utf8(server.cli(&["member", "list", "work"]).stdout).unwrap();
    assert!(listed.contains("leaving"), "{listed}");
    new.behave(|manner| manner.status = 200);
    eventually("the new one is in", || async {
        let got = pinned();
        assert!(got.len() == 1 || got.len() == 2, "{got:?}");
        (got == is).then_some(())
    })
    .await;
}
