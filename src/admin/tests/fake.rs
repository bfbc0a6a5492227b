//! A control task that accepts everything it knows, remembers what it was asked, and a raw client.

use crate::admin::tokens::mint;
use crate::admin::{AdminContext, Exposure, auth::Role, serve};
use crate::control::handle::Ask;
use crate::control::happenings::Happenings;
use crate::control::report::{Status, SwitchView};
use crate::control::{Asked, Handle, Refused, Replied};
use crate::snapshot::SnapshotCell;
use crate::state::{Command, Rejection};
use crate::steering::Policy;
use crate::store::{Condition, TokenRow};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// How long a test waits for anything.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// What the fake control task holds.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub tokens: Vec<TokenRow>,
    pub asked: Vec<Asked>,
    /// `prepared_in_ms` of the views to come, one after the other; the last stays.
    pub prepared_in_ms: Vec<Option<u64>>,
    pub refuse: Option<Rejection>,
    /// The key of a request that flips as soon as a view says that nothing is prepared any more.
    pub flips_meanwhile: Option<String>,
    /// Keys whose replies are remembered.
    pub known_keys: Vec<String>,
}

/// A running interface.
pub(super) struct Running {
    pub address: SocketAddr,
    pub memory: Arc<Mutex<Memory>>,
    pub events: Happenings,
    pub handle: Handle,
    pub admin: String,
    pub operator: String,
    pub viewer: String,
    /// Operator on switch `model` only.
    pub scoped: String,
    stop: Option<oneshot::Sender<()>>,
    pub served: tokio::task::JoinHandle<()>,
}

/// One reply, as it came over the socket.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    }
}

/// Starts an interface with tokens of every kind.
pub(super) async fn start() -> Running {
    let mut memory = Memory::default();
    let mut token = |name: &str, role, switches: &[&str]| {
        let (row, text) = mint(name, role, switches.iter().map(|s| (*s).to_owned()).collect(), None);
        memory.tokens.push(row);
        text
    };
    let admin = token("root", Role::Admin, &[]);
    let operator = token("deploy", Role::Operator, &[]);
    let viewer = token("wall", Role::Viewer, &[]);
    let scoped = token("model-team", Role::Operator, &["model"]);
    let memory = Arc::new(Mutex::new(memory));
    let (asks, inbox) = mpsc::channel(16);
    let events = Happenings::starting_at(5);
    let handle = Handle::new(asks, events.clone(), Arc::new(SnapshotCell::new(Arc::default())));
    tokio::spawn(control(inbox, Arc::clone(&memory)));
    let metrics: crate::admin::MetricsText = Arc::new(|format| Box::pin(async move { format!("# {format:?}\n") }));
    let context = AdminContext::new(handle.clone(), metrics, Arc::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(async move {
        let shutdown = async { drop(stopped.await) };
        serve(listener, context, Exposure::Loopback, shutdown).await.unwrap();
    });
    Running { address, memory, events, handle, admin, operator, viewer, scoped, stop: Some(stop), served }
}

impl Running {
    /// One request on a connection of its own.
    pub(super) async fn ask(&self, token: &str, line: &str, headers: &[&str], body: &str) -> Reply {
        let mut text = format!("{line} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !token.is_empty() {
            text.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for header in headers {
            text.push_str(&format!("{header}\r\n"));
        }
        self.raw(format!("{text}\r\n{body}").as_bytes()).await
    }

    /// `ask` as the operator.
    pub(super) async fn post(&self, path: &str, body: &str) -> Reply {
        self.ask(&self.operator, &format!("POST {path}"), &[], body).await
    }

    /// Sends bytes and reads until the server closes.
    pub(super) async fn raw(&self, bytes: &[u8]) -> Reply {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            // The server may answer and close before it has read everything.
            let _ = stream.write_all(bytes).await;
            let mut reply = Vec::new();
            let _ = stream.read_to_end(&mut reply).await;
            String::from_utf8(reply).unwrap()
        };
        let text = tokio::time::timeout(LIMIT, exchange).await.expect("an answer within the limit");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Reply { status, head: head.to_owned(), text: body.to_owned() }
    }

    /// The commands that were asked for so far.
    pub(super) fn commands(&self) -> Vec<(Command, bool)> {
        self.memory.lock().unwrap().asked.iter().map(|asked| (asked.request.command.clone(), asked.dry_run)).collect()
    }

    /// The last change that was asked for.
    pub(super) fn last(&self) -> Asked {
        self.memory.lock().unwrap().asked.last().expect("something was asked").clone()
    }

    /// Tells the interface to end.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
    }
}

/// Answers what it knows.
async fn control(mut inbox: mpsc::Receiver<Ask>, memory: Arc<Mutex<Memory>>) {
    while let Some(ask) = inbox.recv().await {
        let mut memory = memory.lock().unwrap();
        match ask {
            Ask::Change(asked, reply) => {
                let refusal = memory.refuse.clone();
                let revision = 12 + u64::try_from(memory.asked.len()).unwrap();
                let replayed = asked.idempotency.as_ref().is_some_and(|asked| memory.known_keys.contains(&asked.key));
                let dry_run = asked.dry_run && !replayed;
                memory.asked.push(*asked);
                let _ = reply.send(refusal.map_or_else(
                    || Ok(Replied { replayed, ..replied(revision, dry_run) }),
                    |why| Err(Refused::Rejected(why)),
                ));
            }
            Ask::Samples { reply, .. } => drop(reply.send(Ok(crate::control::report::SamplesTaken::default()))),
            Ask::Reload(_, reply) => drop(reply.send(Err(Refused::Files(vec!["a.toml:3:1: no".into()])))),
            Ask::Status(reply) => drop(reply.send(status())),
            Ask::Recent(name, reply) => drop(reply.send(Ok(crate::control::report::RecentView {
                switch: name,
                every_s: 10,
                kept: true,
                pools: Vec::new(),
                samples: Vec::new(),
            }))),
            Ask::Switch(name, reply) => {
                let left = if memory.prepared_in_ms.len() > 1 {
                    memory.prepared_in_ms.remove(0)
                } else {
                    memory.prepared_in_ms.first().copied().flatten()
                };
                if left.is_none() {
                    let flips = memory.flips_meanwhile.take();
                    memory.known_keys.extend(flips);
                }
                let unknown =
                    Rejection::UnknownSwitch { name: name.clone(), known: vec!["model".into(), "other".into()] };
                let known = matches!(name.as_str(), "model" | "other");
                drop(reply.send(if known {
                    Ok(SwitchView { prepared_in_ms: left, ..switch(&name) })
                } else {
                    Err(unknown)
                }));
            }
            Ask::Report(switch, reply) => drop(reply.send(Err(Rejection::NoTrial { switch }))),
            Ask::Tokens(reply) => drop(reply.send(memory.tokens.clone())),
            Ask::PutToken(row, reply) => {
                memory.tokens.push(*row);
                drop(reply.send(Ok(())));
            }
            Ask::RemoveToken(id, reply) => {
                let before = memory.tokens.len();
                memory.tokens.retain(|row| row.id != id);
                drop(reply.send(Ok(memory.tokens.len() < before)));
            }
            Ask::History(_, reply) => drop(reply.send(Ok(Vec::new()))),
            Ask::Updates(_, reply) => {
                drop(reply.send(crate::control::updates::UpdatesPage { sets: Vec::new(), next_after: None }));
            }
            Ask::Backup(_, reply) => drop(reply.send(Ok(()))),
            Ask::AcceptCopy(_, reply) => drop(reply.send(Ok(()))),
            Ask::Drain { switch, pool, reply, .. } => {
                drop(reply.send(Err(Rejection::UnknownPool { switch, name: pool, known: vec![] })));
            }
        }
    }
}

/// An accepted change.
fn replied(revision: u64, dry_run: bool) -> Replied {
    Replied {
        revision,
        changed: true,
        dry_run,
        applied: true,
        serials: std::collections::BTreeMap::from([("example.test.".to_owned(), 7)]),
        old_answers_expire_at: None,
        old_answers_expire_in_ms: Some(30_000),
        switches: Vec::new(),
        notes: Vec::new(),
        replayed: false,
    }
}

/// Two switches at revision 11.
fn status() -> Status {
    Status {
        version: "0.0.0".into(),
        revision: 11,
        snapshot: 3,
        started_at: "2026-01-01T00:00:00Z".into(),
        store: Condition::Ok,
        store_errors: 0,
        alarms: Vec::new(),
        zones: Vec::new(),
        geo: Vec::new(),
        geo_refused: None,
        switches: vec![switch("model"), switch("other")],
    }
}

/// A switch without pools.
pub(in crate::admin) fn switch(name: &str) -> SwitchView {
    SwitchView {
        name: name.to_owned(),
        zone: "example.test.".into(),
        owners: vec![format!("{name}.example.test.")],
        policy: Policy::Sticky,
        ttl_s: 30,
        ttl_cause: "steady".into(),
        revision: 1,
        changed_at: None,
        fallback: "last-active".into(),
        fallback_in_use: false,
        prepared_until: None,
        prepared_in_ms: None,
        previous: None,
        rollout: None,
        differs: Vec::new(),
        pools: Vec::new(),
    }
}
