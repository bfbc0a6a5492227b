//! AXFR (RFC 5936) and IXFR (RFC 1995): who may, in which form, message after message.
//!
//! What is sent is an image, so the zone may change meanwhile. A slow reader is given up by its
//! connection; transfers at a time are limited, in all and for one client.

use super::image::records;
use super::journal::{Difference, History, Record};
use super::page::Page;
use super::request::Request;
use super::{Happened, Room};
use crate::answer::{self, Transport};
use crate::dns::edns::ExtendedError;
use crate::dns::message::{Question, Records};
use crate::dns::query::CLASS_IN;
use crate::dns::{Name, Rcode, RecordType, serial};
use crate::server::Gone;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Transfers at a time, and of one client.
const TRANSFERS: usize = 64;
const TRANSFERS_OF_A_CLIENT: usize = 10;

/// The transfers that run, by client.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<IpAddr, usize>>);

/// One of them, until dropped.
struct Seat<'r>(&'r Running, IpAddr);

impl Running {
    fn begin(&self, client: IpAddr) -> Option<Seat<'_>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = running.values().sum();
        let own = running.entry(client).or_default();
        if all >= TRANSFERS || *own >= TRANSFERS_OF_A_CLIENT {
            return None;
        }
        *own += 1;
        Some(Seat(self, client))
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut running = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = running.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                running.remove(&self.1);
            }
        }
    }
}

impl Room {
    /// Replies to a request for a zone or its changes.
    pub(super) async fn transfer(&self, request: Request, question: Question) -> Result<(), Gone> {
        self.keep_up();
        let rules = self.rules_of(&question.name);
        if question.qclass != CLASS_IN || !rules.allows(request.client.ip(), request.key()) {
            self.parts.totals.count(Happened::Refused);
            let (client, zone) = (request.client.ip(), &question.name);
            if self.complaints.may_say(&format!("transfer {client}")) {
                tracing::info!(%client, %zone, key = ?request.key(), "a transfer was refused: [transfer] does not allow this client");
            }
            return request.refuse(Rcode::REFUSED, Some(ExtendedError::Prohibited)).await;
        }
        let Some(history) = self.keeper.history(&question.name) else {
            if let Some(why) = self.why_closed(&question.name) {
                return request.refuse(Rcode::SERVFAIL, Some(why)).await;
            }
            return request.refuse(Rcode::NOTAUTH, Some(ExtendedError::NotAuthoritative)).await;
        };
        if question.qtype == RecordType::IXFR {
            return self.send_changes(request, &question, history).await;
        }
        if request.transport == Transport::Udp {
            // RFC 5936 §4.2: there is no AXFR over UDP.
            self.parts.totals.count(Happened::Refused);
            return request.refuse(Rcode::REFUSED, None).await;
        }
        self.send(request, &question, &history, Form::Whole).await
    }

    /// Why a zone of ours has nothing to send, if so.
    fn why_closed(&self, apex: &Name) -> Option<ExtendedError> {
        let snapshot = self.parts.snapshots.load();
        snapshot.zones.of_apex(apex)?.why_closed().map(answer::why_closed)
    }

    /// IXFR: nothing new, the changes, or the whole zone.
    async fn send_changes(&self, request: Request, question: &Question, history: History) -> Result<(), Gone> {
        let Some(held) = held_serial(&request.message) else {
            self.parts.totals.count(Happened::Malformed);
            return request.refuse(Rcode::FORMERR, None).await;
        };
        if history.is_held_at(held) {
            return self.send(request, question, &history, Form::Serial(Happened::UpToDate)).await;
        }
        let Some(history) = settled(history).await else { return request.refuse(Rcode::SERVFAIL, None).await };
        let history = &history;
        let form = history.since(held).map_or(Form::WholeInstead, Form::Changes);
        if request.transport != Transport::Udp {
            return self.send(request, question, history, form).await;
        }
        // RFC 1995 §2: what does not fit a datagram is one SOA record, and the client comes back over TCP.
        if let Form::Changes(changes) = &form {
            let mut page = Page::new(&request.message, question, history.image.zone.apex().wire(), request.limit());
            if changes_into(changes, history, &mut |relative, record| page.push(relative, record)) {
                self.parts.totals.count(Happened::Ixfr);
                return request.answer(page.finish()).await;
            }
        }
        self.send(request, question, history, Form::Serial(Happened::IxfrOverTcp)).await
    }

    /// Sends messages until the form is complete.
    async fn send(&self, request: Request, question: &Question, history: &History, form: Form) -> Result<(), Gone> {
        let Some(_seat) = self.running.begin(request.client.ip()) else {
            self.parts.totals.count(Happened::Refused);
            return request.refuse(Rcode::SERVFAIL, None).await;
        };
        let happened = form.happened();
        let (client, zone, serial) = (request.client.ip(), &question.name, history.image.serial);
        let sent = write(request, question, history, form).await;
        self.parts.totals.count(if sent.is_ok() { happened } else { Happened::TransferCut });
        match &sent {
            Ok(()) => tracing::debug!(%client, %zone, serial, form = happened.word(), "transferred"),
            Err(Gone) => {
                tracing::info!(%client, %zone, serial, "a transfer ended early: the client left, or did not read");
            }
        }
        sent
    }
}

/// A zone with all its steps, worked out on a thread of its own; `None` after a panic, a bug of ours.
async fn settled(mut history: History) -> Option<History> {
    if history.is_settled() {
        return Some(history);
    }
    let settling = tokio::task::spawn_blocking(move || {
        history.settle();
        history
    });
    settling.await.inspect_err(|error| tracing::error!(%error, "what changed in a zone could not be worked out")).ok()
}

/// How a transfer is replied to.
enum Form {
    /// One SOA record.
    Serial(Happened),
    /// SOA, the changes, SOA.
    Changes(Difference),
    /// SOA, every record, SOA.
    Whole,
    /// The same, to who asked for changes.
    WholeInstead,
}

impl Form {
    fn happened(&self) -> Happened {
        match self {
            Self::Serial(happened) => *happened,
            Self::Changes(_) => Happened::Ixfr,
            Self::Whole => Happened::Axfr,
            Self::WholeInstead => Happened::IxfrAsAxfr,
        }
    }
}

/// The serial in an IXFR request: that of the SOA record in its authority section.
fn held_serial(message: &[u8]) -> Option<u32> {
    let records = Records::of(message).ok()?;
    let soa = records.map_while(Result::ok).find(|record| record.section == 2 && record.rtype == RecordType::SOA)?;
    serial::of_soa(message.get(soa.rdata)?)
}

/// The records of a difference in their order (RFC 1995 §4); false as soon as one was not taken.
fn changes_into(changes: &Difference, history: &History, take: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> bool {
    let Some(soa) = history.image.soa() else { return false };
    let mut all = |records: &[Record]| records.iter().all(|(relative, record)| take(relative, record));
    all(&[(Box::default(), soa.clone().into()), (Box::default(), changes.soa_before.clone().into())])
        && all(&changes.gone)
        && all(&[(Box::default(), soa.clone().into())])
        && all(&changes.come)
        && all(&[(Box::default(), soa.into())])
}

/// Records as they are written.
fn borrowed(records: &[Record]) -> impl Iterator<Item = (&[u8], &[u8])> {
    records.iter().map(|(owner, record)| (&**owner, &**record))
}

/// Writes messages of a transfer.
async fn write(mut request: Request, question: &Question, history: &History, form: Form) -> Result<(), Gone> {
    let (image, limit) = (&history.image, request.limit());
    let (apex, asked) = (image.zone.apex().wire(), request.message.clone());
    let Some(soa) = image.soa() else { return request.refuse(Rcode::SERVFAIL, None).await };
    let new_page = || Page::new(&asked, question, apex, limit);
    let mut page = new_page();
    let all: Box<dyn Iterator<Item = (&[u8], &[u8])> + Send> = match &form {
        Form::Serial(_) => Box::new(std::iter::once((&[][..], &soa[..]))),
        Form::Changes(changes) => {
            let one = |record| std::iter::once((&[][..], record));
            let listed = one(&soa[..])
                .chain(one(&changes.soa_before[..]))
                .chain(borrowed(&changes.gone))
                .chain(one(&soa[..]))
                .chain(borrowed(&changes.come))
                .chain(one(&soa[..]));
            Box::new(listed)
        }
        Form::Whole | Form::WholeInstead => {
            let one = || std::iter::once((&[][..], &soa[..]));
            let sets = image.sets().flat_map(|(relative, wire)| records(wire).map(move |record| (relative, record)));
            Box::new(one().chain(sets).chain(one()))
        }
    };
    for (relative, record) in all {
        if page.push(relative, record) {
            continue;
        }
        if page.is_empty() {
            tracing::error!(zone = %question.name, "a record is too long for any message of a transfer");
            return Err(Gone);
        }
        let full = std::mem::replace(&mut page, new_page());
        request.answer_part(full.finish()).await?;
        if !page.push(relative, record) {
            tracing::error!(zone = %question.name, "a record is too long for any message of a transfer");
            return Err(Gone);
        }
    }
    request.answer(page.finish()).await
}
