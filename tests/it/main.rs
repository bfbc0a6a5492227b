//! smoke
use std::sync::Arc;
use tidegate::{app, config::ServerConfig, store::sqlite::SqliteStore};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smoke() {
    let dir = std::env::temp_dir().join(format!("tg-smoke-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("zones")).unwrap();
    std::fs::write(dir.join("zones/example.test.toml"), r#"
[zone]
ns = ["ns1.example.test"]
[switch.model]
owners = ["model.example.test"]
min_interval = "0s"
[switch.model.pool.blue]
members = ["192.0.2.10"]
weight = 10000
[switch.model.pool.green]
members = ["192.0.2.20"]
weight = 0
"#).unwrap();
    tracing_subscriber::fmt().init();
    let cfg = ServerConfig { listen: vec!["127.0.0.1:5399".parse().unwrap()], zones: dir.join("zones"), state: dir.join("state"), admin: tidegate::config::server::AdminConfig{listen: "127.0.0.1:8059".parse().unwrap(), insecure: false}, ..ServerConfig::default() };
    let store = Arc::new(SqliteStore::open(&cfg.state).unwrap());
    let running = app::start(&cfg, store).await.unwrap();
    println!("{:?} {:?} {:?}", running.dns, running.admin, running.first_token);
    let token = std::fs::read_to_string(running.first_token.clone().unwrap()).unwrap();
    let sh = format!(r#"
dig @127.0.0.1 -p 5399 model.example.test A +noall +answer +comments
curl -s -H 'Authorization: Bearer {t}' http://127.0.0.1:8059/v1/status | head -c 3000; echo
curl -s -H 'Authorization: Bearer {t}' -H 'content-type: application/json' -d '{{"to":"green"}}' http://127.0.0.1:8059/v1/switches/model/flip; echo
curl -s -H 'Authorization: Bearer {t}' -H 'content-type: application/json' -d '{{"to":"green","force":true,"reason":"x"}}' http://127.0.0.1:8059/v1/switches/model/flip; echo
dig @127.0.0.1 -p 5399 model.example.test A +noall +answer +comments
dig @127.0.0.1 -p 5399 example.test SOA +noall +answer
curl -s -H 'Authorization: Bearer {t}' http://127.0.0.1:8059/v1/switches/model/drain/blue; echo
curl -s -H 'Authorization: Bearer {t}' -X POST http://127.0.0.1:8059/v1/switches/model/undo; echo
curl -s -H 'Authorization: Bearer {t}' -X POST -H 'content-type: application/json' -d '{{}}' http://127.0.0.1:8059/v1/switches/model/undo; echo
curl -s http://127.0.0.1:8059/metrics | head -60
"#, t = token.trim());
    let out = tokio::process::Command::new("sh").arg("-c").arg(sh).output().await.unwrap();
    println!("{}", String::from_utf8_lossy(&out.stdout));
    running.shutdown().await;
}
