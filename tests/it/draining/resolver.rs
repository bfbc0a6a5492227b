//! A resolver that asks all the time and keeps every answer for its TTL, as caches do.

use crate::flips::{answer, query};
use crate::harness::eventually;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A caching resolver that never stops asking.
pub struct Resolver {
    /// Until when the last answer naming an address may be used.
    held_until: Mutex<HashMap<Ipv4Addr, Instant>>,
    pub answers: AtomicU64,
    stop: AtomicBool,
}

impl Resolver {
    pub fn start(dns: SocketAddr, names: &[&str]) -> Arc<Self> {
        let resolver =
            Arc::new(Self { held_until: Mutex::default(), answers: AtomicU64::new(0), stop: AtomicBool::new(false) });
        for name in names {
            let (resolver, message) = (resolver.clone(), query(9, &format!("{name}.example.test")));
            std::thread::spawn(move || {
                let socket = UdpSocket::bind((dns.ip(), 0)).unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                while !resolver.stop.load(Ordering::Relaxed) {
                    resolver.ask(&socket, dns, &message);
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
        resolver
    }

    /// One question; a server that is away gives no answer, and none is kept.
    fn ask(&self, socket: &UdpSocket, dns: SocketAddr, message: &[u8]) {
        let mut reply = [0; 512];
        if socket.send_to(message, dns).is_err() {
            return;
        }
        let Ok(len) = socket.recv(&mut reply) else { return };
        let Some((address, ttl)) = answer(&reply[..len]) else { return };
        let until = Instant::now() + Duration::from_secs(ttl.into());
        let mut held = self.held_until.lock().unwrap();
        let entry = held.entry(address).or_insert(until);
        *entry = (*entry).max(until);
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// How much longer an answer that names the address is kept.
    pub fn holds(&self, address: Ipv4Addr) -> Option<Duration> {
        self.held_until.lock().unwrap().get(&address)?.checked_duration_since(Instant::now())
    }

    /// Waits until it has been answered with this address.
    pub async fn has(&self, address: Ipv4Addr) {
        eventually(&format!("the resolver holds {address}"), || async { self.holds(address).map(drop) }).await;
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
