//! A backend that behaves or misbehaves as a test tells it: its health, the model it shows, its load.

use crate::harness::own_address;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The port of every backend; each has an address of its own.
pub const PORT: u16 = 8080;

/// How it answers.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Status of `/health`.
    pub status: u16,
    /// The model it shows.
    pub version: String,
    /// How long it thinks.
    pub delay: Duration,
    /// Hangs up without a word.
    pub dead: bool,
    /// What `/load` says, as JSON.
    pub load: String,
}

/// A server on an address of its own; gone when dropped.
pub struct Backend {
    pub address: Ipv4Addr,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Mutex<Manner>,
    asked: AtomicUsize,
    closed: AtomicBool,
}

impl Backend {
    /// A healthy backend that shows this model.
    pub fn start(version: &str) -> Self {
        let address = own_address();
        let listener = TcpListener::bind((address, PORT)).expect("an address of its own");
        let manner = Manner {
            status: 200,
            version: version.to_owned(),
            delay: Duration::ZERO,
            dead: false,
            load: "0".to_owned(),
        };
        let shared =
            Arc::new(Shared { manner: Mutex::new(manner), asked: AtomicUsize::new(0), closed: AtomicBool::new(false) });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                let shared = accepting.clone();
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// Changes how it answers from here on.
    pub fn behave(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut self.shared.manner.lock().expect("no panic"));
    }

    /// Requests so far.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; nobody there is as good.
        let _ = TcpStream::connect((self.address, PORT));
    }
}

/// One request, one reply; a broken connection is the client's affair.
fn answer(mut stream: TcpStream, shared: &Shared) {
    let manner = shared.manner.lock().expect("no panic").clone();
    shared.asked.fetch_add(1, Ordering::SeqCst);
    if manner.dead {
        return;
    }
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(len) => request.extend_from_slice(&piece[..len]),
        }
    }
    std::thread::sleep(manner.delay);
    let body = if request.starts_with(b"GET /load") {
        format!("{{\"running\":{}}}\n", manner.load)
    } else {
        format!("{{\"status\":\"ok\",\"version\":\"{}\"}}\n", manner.version)
    };
    let head = format!(
        "HTTP/1.1 {} Told\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        manner.status,
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}
