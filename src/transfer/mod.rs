//! What takes longer than an answer: signed queries, transfers, and whatever else `server` hands over.
//!
//! [`run`] takes messages as they come and gives each a task of its own, up to `IN_FLIGHT`; more wait in
//! the bounded channel of `server`. A message's signature is checked first, in one place; who it is from
//! is part of the `Request` that goes on. Nothing here holds a snapshot while it waits for a
//! client.

mod complaints;
mod copies;
mod exchange;
mod follow;
mod image;
mod journal;
mod keeper;
mod pace;
mod page;
mod repeats;
mod request;
mod send;
mod totals;
mod update;

pub use copies::keep_copies;
pub use follow::follow;
pub use totals::{Happened, TransferTotals};

use crate::answer::{self, Asker};
use crate::clock;
use crate::control::Handle;
use crate::dns::cut::cut_to_question;
use crate::dns::message::{Header, Malformed};
use crate::dns::query::{OPCODE_NOTIFY, OPCODE_UPDATE};
use crate::dns::tsig::{KeyRing, Refusal, TsigError, Verified, verify_request};
use crate::dns::{Name, Rcode, RecordType};
use crate::metrics::SharedWriter;
use crate::server::{Deferred, Gone, tally};
use crate::snapshot::SnapshotCell;
use crate::state::{Peer, TransferRules, TransferTable, UpdateRules};
use complaints::Complaints;
use keeper::Keeper;
use pace::Pace;
use repeats::Repeats;
use request::{Request, brief, now_s};
use send::Running;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Messages in hand at a time.
const IN_FLIGHT: usize = 256;

/// How long replies in the making may take once the server ends.
const GRACE: Duration = Duration::from_secs(5);

/// The longest reply of a stream.
const MESSAGE: usize = u16::MAX as usize;

/// What this room needs to know.
pub struct Parts {
    /// Keys by which others sign.
    pub keys: Arc<KeyRing>,
    /// Who may take which zone, as the definitions say last.
    pub rules: watch::Receiver<Arc<TransferTable>>,
    /// Which key may change what.
    pub updates: UpdateRules,
    /// Where changes are decided.
    pub control: Handle,
    /// The view that is answered from.
    pub snapshots: Arc<SnapshotCell>,
    /// Where the answers to signed queries are counted, and until when they may be cached.
    pub writer: SharedWriter,
    /// Addresses we answer at: secondaries are spoken to from there.
    pub sources: Vec<IpAddr>,
    /// What is counted.
    pub totals: Arc<TransferTotals>,
}

/// The room: what it was given, and what it remembers.
pub struct Room {
    parts: Parts,
    repeats: Repeats,
    pace: Pace,
    complaints: Complaints,
    keeper: Arc<Keeper>,
    running: Running,
    /// The serial that each secondary of a zone showed last.
    shown: Mutex<HashMap<(Name, Peer), u32>>,
    /// The zones that are copies.
    copies: copies::Known,
}

impl Room {
    /// A room that remembers nothing yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            repeats: Repeats::since(clock::now()),
            pace: Pace::default(),
            complaints: Complaints::default(),
            keeper: Arc::default(),
            running: Running::default(),
            shown: Mutex::default(),
            copies: copies::Known::default(),
        }
    }
}

/// Takes what is handed over until `stop` completes, then lets replies in the making finish.
pub async fn run(room: Arc<Room>, mut deferred: mpsc::Receiver<Deferred>, stop: impl Future<Output = ()>) {
    let mut tasks = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => said_of(ended),
            taken = deferred.recv(), if tasks.len() < IN_FLIGHT => match taken {
                Some(taken) => drop(tasks.spawn(serve(Arc::clone(&room), taken))),
                None => break,
            },
        }
    }
    let finish = async {
        while let Some(ended) = tasks.join_next().await {
            said_of(ended);
        }
    };
    // What is still open after the grace ends with the set.
    let _ = tokio::time::timeout(GRACE, finish).await;
}

/// A task that panicked is a bug of ours: it costs its message.
fn said_of(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a message that was handed over ended in a panic");
    }
}

/// One message.
async fn serve(room: Arc<Room>, deferred: Deferred) {
    let Deferred { mut message, client, transport, reply } = deferred;
    let verified = verify_request(&room.parts.keys, &mut message, now_s());
    // A client that is gone needs no reply.
    let _ = match verified {
        Err(Malformed) => {
            room.parts.totals.count(Happened::Malformed);
            reply.send(brief(&message, Rcode::FORMERR, None)).await
        }
        Ok(Verified::Refused(refusal)) => {
            room.complain(&refusal, client.ip());
            let mut refused = brief(&message, Rcode::NOTAUTH, None);
            refusal.sign(&mut refused, now_s());
            reply.send(refused).await
        }
        Ok(Verified::Unsigned) => room.dispatch(Request { message, client, transport, session: None, reply }).await,
        Ok(Verified::Signed(session)) => {
            room.dispatch(Request { message, client, transport, session: Some(session), reply }).await
        }
    };
}

impl Room {
    /// Sorts requests by what they ask for.
    async fn dispatch(&self, request: Request) -> Result<(), Gone> {
        let opcode = Header::read(&request.message).map_or(0, |header| header.opcode());
        if opcode == u16::from(OPCODE_UPDATE) {
            return self.update(request).await;
        }
        if opcode == u16::from(OPCODE_NOTIFY) {
            return self.notified(request).await;
        }
        match request.question() {
            Some(question) if matches!(question.qtype, RecordType::AXFR | RecordType::IXFR) => {
                self.transfer(request, question).await
            }
            _ => self.answer_query(request).await,
        }
    }

    /// Who may take a zone.
    fn rules_of(&self, apex: &Name) -> Arc<TransferRules> {
        Arc::clone(self.parts.rules.borrow().of(apex))
    }

    /// Takes note of what was published.
    fn keep_up(&self) {
        self.keeper.catch_up(&self.parts.snapshots, |apex| self.rules_of(apex).allow_somebody());
    }

    /// The serial that a secondary showed last.
    fn shown(&self, pair: &(Name, Peer)) -> Option<u32> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).get(pair).copied()
    }

    /// Takes note of the serial a secondary shows.
    fn note_shown(&self, pair: &(Name, Peer), serial: u32) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(pair.clone(), serial);
    }

    /// An ordinary query that was signed: the ordinary answer, signed.
    async fn answer_query(&self, request: Request) -> Result<(), Gone> {
        self.parts.totals.count(Happened::SignedQuery);
        let query_len = request.message.len();
        let mut message = request.message.clone();
        message.resize(MESSAGE, 0);
        let asker = Asker { client: request.client.ip(), transport: request.transport, draw: clock::random_u64() };
        let outcome = {
            let snapshot = self.parts.snapshots.load();
            let outcome = answer::respond(&snapshot, &asker, &mut message, query_len);
            // Written while the snapshot is held, as every promise is (§4.1).
            if let Some(chosen) = &outcome.choice {
                self.parts.writer.answers(clock::boot_ms(), &[tally(chosen)]);
            }
            outcome
        };
        self.parts.writer.response(outcome.rcode);
        // RFC 8945 §5.3: what does not fit with its signature asks to come back over TCP.
        let len = if outcome.len > request.limit() { cut_to_question(&mut message, outcome.len) } else { outcome.len };
        message.truncate(len);
        request.answer(message).await
    }

    /// Counts a signature that was not taken, and says so, at most once a minute for each key.
    fn complain(&self, refusal: &Refusal, client: IpAddr) {
        let Refusal { error, key, algorithm, .. } = refusal;
        let (happened, remedy) = match *error {
            TsigError::BADKEY if self.parts.keys.find(key).is_none() => {
                (Happened::BadKey, "add the key under [tsig.keys], or correct its name on the other side")
            }
            TsigError::BADKEY => (
                Happened::BadKey,
                "hmac-sha256, hmac-sha384 and hmac-sha512 are offered, each key with the one it is configured with",
            ),
            TsigError::BADTIME => {
                (Happened::BadTime, "set the clocks of both sides right: they may be 5 minutes apart")
            }
            TsigError::BADTRUNC => (Happened::BadTruncation, "have the other side send whole signatures"),
            _ => (Happened::BadSignature, "give both sides the same secret for this key"),
        };
        self.parts.totals.count(happened);
        if self.complaints.may_say(&format!("{error} {key}")) {
            tracing::warn!(%client, %key, %algorithm, %error, "a signature was refused: {remedy}");
        }
    }
}
