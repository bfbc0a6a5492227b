//! The demo from its first line to its last.

use super::*;
use crate::control::report::{Happening, What};
use std::sync::Mutex;
use tokio::sync::oneshot;

fn options() -> Options {
    Options {
        dns: "127.0.0.1:0".parse().unwrap(),
        admin: "127.0.0.1:0".parse().unwrap(),
        backend_port: 8080,
        load: Duration::from_secs(15),
        scenario: None,
        program: "./target/release/tidegate".into(),
        note: None,
        name_address: false,
    }
}

#[test]
fn the_demos_zone_is_valid() {
    let folder = Folder::create().unwrap();
    std::fs::write(folder.0.join("example.test.toml"), scene::zone(8080)).unwrap();
    let loaded = crate::config::load_zones(&folder.0).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let path = folder.0.clone();
    drop(folder);
    assert!(!path.exists());
}

#[test]
fn the_introduction_fits_a_terminal_and_names_the_address_when_it_must() {
    let options = options();
    let (dns, admin) = ("127.0.0.1:5300".parse().unwrap(), "127.0.0.1:8053".parse().unwrap());
    let text = |found_by_itself| {
        scene::introduction(&scene::Scene {
            options: &options,
            dns,
            encrypted: [5301, 5302],
            admin,
            token: "tg_abcdefghij_secret",
            found_by_itself,
        })
    };
    let found = text(true);
    assert!(found.contains("\n  ./target/release/tidegate flip model green --reason 'v2 is good'\n"), "{found}");
    assert!(found.contains("\n  dig +short @127.0.0.1 -p 5300 model.example.test\n"), "{found}");
    assert!(found.contains("\n  dig +short +tls @127.0.0.1 -p 5301 model.example.test\n"), "{found}");
    let longest = found.lines().filter(|line| !line.contains("TOKEN")).map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{longest:?}\n{found}");
    let named = text(false);
    assert!(
        named.contains("status model --address http://127.0.0.1:8053\n") && named.contains("export TIDEGATE_TOKEN="),
        "{named}"
    );
}

#[test]
fn happenings_become_one_line_each() {
    let line = |what| scene::line(&Happening { id: 1, at: "2026-11-20T16:07:11.994Z".into(), what });
    let changed = What::Changed {
        verb: "flip".into(),
        who: "first".into(),
        revision: 3,
        switches: vec!["model".into()],
        reason: Some("v2".into()),
    };
    assert_eq!(line(changed), "16:07:11  flip model by first, revision 3: v2");
    let eligible = What::Eligible { switch: "model".into(), pool: "green".into(), eligible: true };
    assert_eq!(line(eligible), "16:07:11  model/green may be answered");
}

#[tokio::test]
async fn a_demo_beyond_this_machine_and_a_taken_port_are_refused_with_the_flag_to_use() {
    let exposed = Options { admin: "0.0.0.0:0".parse().unwrap(), ..options() };
    let refused = run(&exposed, |_| {}, std::future::pending()).await.unwrap_err();
    assert!(refused.to_string().contains("--admin"), "{refused}");
    let taken = tokio::net::TcpListener::bind("127.0.0.11:0").await.unwrap();
    let options = Options { backend_port: taken.local_addr().unwrap().port(), ..options() };
    let refused = run(&options, |_| {}, std::future::pending()).await.unwrap_err();
    assert!(refused.to_string().contains("--backend-port"), "{refused}");
}

/// Where no other test listens or calls from, so that a port stays free until it is taken.
const MODEL: [u8; 4] = [127, 0, 0, 13];

#[tokio::test]
async fn models_load_then_answer_and_count() {
    let model = Model {
        name: "green",
        version: "v2",
        address: "127.0.0.1:0".parse().unwrap(),
        load: Duration::ZERO,
        scenario: None,
    };
    let port = free_port().await;
    let address = SocketAddr::from((MODEL, port));
    let loading = Model { address, load: Duration::from_secs(3600), ..model.clone() }.start().await.unwrap();
    let (status, body) = get(address, "/health").await;
    assert!(status == 503 && body.contains("\"loading\"") && body.contains("progress"), "{status} {body}");
    loading.abort();
    let _ = loading.await;
    let address = SocketAddr::from((MODEL, free_port().await));
    let ready = Model { address, ..model }.start().await.unwrap();
    assert_eq!(get(address, "/health").await, (200, r#"{"status":"ok","model":"v2"}"#.to_owned()));
    let (status, body) = ask(address, "POST /v1/completions", "{\"prompt\":\"hi\"}").await;
    assert!(status == 200 && body.contains("\"served_by\":\"green\""), "{status} {body}");
    assert_eq!(get(address, "/requests").await.1, r#"{"requests":1}"#);
    ready.abort();
}

/// A port nobody uses at this moment.
async fn free_port() -> u16 {
    tokio::net::TcpListener::bind((std::net::Ipv4Addr::from(MODEL), 0)).await.unwrap().local_addr().unwrap().port()
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path}"), "").await
}

async fn ask(address: SocketAddr, line: &str, body: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_starts_flips_and_leaves_nothing_behind() {
    let said = Arc::new(Mutex::new(Vec::new()));
    let (stop, stopped) = oneshot::channel::<()>();
    let port = free_port().await;
    let listener = said.clone();
    let options = Options { backend_port: port, load: Duration::ZERO, name_address: true, ..options() };
    let demo = tokio::spawn(async move {
        let say = move |line: &str| listener.lock().unwrap().push(line.to_owned());
        run(&options, say, async { drop(stopped.await) }).await
    });
    let heard = async |words: &str| {
        let search = async {
            loop {
                if let Some(line) = said.lock().unwrap().iter().find(|line| line.contains(words)).cloned() {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), search)
            .await
            .unwrap_or_else(|_| panic!("{words:?} in {:?}", said.lock().unwrap()))
    };
    let introduction = heard("Tidegate demo").await;
    let find = |start: &str| introduction.lines().find_map(|line| line.trim().strip_prefix(start)).unwrap().to_owned();
    let admin: SocketAddr = find("admin  http://").split(' ').next().unwrap().parse().unwrap();
    let token = find("TOKEN=");
    let flip = format!("POST /v1/switches/model/flip HTTP/1.1\r\nAuthorization: Bearer {token}\r\nX-Rest:");
    let (status, body) = ask(admin, &flip, r#"{"to":"green"}"#).await;
    assert_eq!(status, 200, "{body}");
    heard("flip model by first").await;
    heard("model/blue is drained").await;
    drop(stop);
    tokio::time::timeout(Duration::from_secs(30), demo).await.expect("the demo ends").unwrap().unwrap();
}
