//! Query bytes in, reply bytes out: one snapshot, one client, one draw.
//!
//! The reply is written in place of the query. Guards come first, in protocol order; then the name is
//! resolved within our zones and the sections are written in wire order. The only place where an
//! outcome becomes an RCODE. Pure: no clock, no dice, no log; allocates only for `_explain`.

// Lengths and offsets come from packets here: no octet is reached for without asking whether it is there.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod chaos;
mod direct;
mod negative;
mod resolve;
mod steered;
#[cfg(test)]
mod tests;

pub use resolve::why_closed;

use crate::dns::compose::Reply;
use crate::dns::cookie::Cookies;
use crate::dns::edns::{ExtendedError, Keepalive, ReplyOpt, SentSubnet, UDP_PAYLOAD};
use crate::dns::query::{self, CLASS_ANY, CLASS_CH, CLASS_IN, HEADER_LEN, OPCODE_NOTIFY, OPCODE_UPDATE, Query, SIGNED};
use crate::dns::{Edns, Qname, Rcode, RecordType};
use crate::snapshot::Snapshot;
use crate::steering::{PoolSlot, Seen};
use crate::zone::{Located, Probe};
use std::net::IpAddr;

/// The size of a UDP reply to a query without EDNS (RFC 1035 §4.2.1).
const PLAIN_UDP_LEN: usize = 512;

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams: replies are limited by what the client announces.
    Udp,
    /// TCP.
    Tcp,
    /// TLS (RFC 7858).
    Tls,
    /// HTTPS (RFC 8484).
    Https,
    /// QUIC (RFC 9250).
    Quic,
}

/// Who asks, and the luck of the draw.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The address the query came from.
    pub client: IpAddr,
    /// How it came.
    pub transport: Transport,
    /// A fresh random number.
    pub draw: u64,
}

/// What became of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Octets of the reply at the front of the buffer; 0: silence.
    pub len: usize,
    /// The RCODE, the upper bits of EDNS included.
    pub rcode: u16,
    /// The pool whose records the answer carries.
    pub choice: Option<Chosen>,
    /// Whether TC is set.
    pub truncated: bool,
    /// What kind of answer it is; rate limiting tells them apart.
    pub kind: Kind,
    /// Index of the zone that answered.
    pub zone: Option<u32>,
    /// What was asked for; 0 when the question could not be read.
    pub qtype: RecordType,
    /// Whether the client showed a cookie of ours: its address is not forged (RFC 7873 §5.2.3).
    pub knows_us: bool,
}

/// The pool an answer names, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Where its answers are counted.
    pub slot: PoolSlot,
    /// How long a cache may hold the answer, seconds (§4.1).
    pub promise_s: u32,
    /// Whether the pool was asked for by name: such answers hold no drain.
    pub pinned: bool,
    /// Whether nobody was eligible and the fallback decided.
    pub by_fallback: bool,
    /// The client, where the switch is watched (§5.7).
    pub seen: Option<Seen>,
}

/// The kinds of replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No reply.
    Silence,
    /// No reply from here, and the message as it came: see [`respond_or_defer`].
    Deferred,
    /// Records of the answer section.
    Answer,
    /// The name exists, the type does not.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Another server is named.
    Referral,
    /// Refused or not understood.
    Error,
}

/// A reply in the making: the parts that come to rest in header and OPT at the end.
struct Answering<'a, 'm> {
    snapshot: &'a Snapshot,
    asker: &'m Asker,
    /// What is looked for; follows aliases.
    qname: &'m mut Qname,
    /// Where that name stands in the message.
    qname_at: usize,
    qtype: RecordType,
    reply: Reply<'m>,
    /// What the reply's OPT record will say; holds the client subnet, if it is believed.
    opt: Option<&'m mut ReplyOpt<'a>>,
    authoritative: bool,
    rcode: Rcode,
    kind: Kind,
    /// ECS scope of the answer (RFC 7871 §7.2.1).
    scope: u8,
    error: Option<ExtendedError>,
    choice: Option<Chosen>,
    zone: Option<u32>,
}

/// Answers the query in `message[..query_len]` in its place.
///
/// `message` is the whole buffer: at least [`UDP_PAYLOAD`] octets for datagrams, 65535 for streams, or
/// replies are cut shorter than they need be.
pub fn respond(snapshot: &Snapshot, asker: &Asker, message: &mut [u8], query_len: usize) -> Outcome {
    respond_with(snapshot, asker, None, message, query_len)
}

/// [`respond`] with cookies (RFC 7873): a client that sends one gets ours, and the outcome says
/// whether it showed one of ours.
pub fn respond_with(
    snapshot: &Snapshot,
    asker: &Asker,
    cookies: Option<&Cookies>,
    message: &mut [u8],
    query_len: usize,
) -> Outcome {
    respond_reusing::<false>(&mut Qname::default(), snapshot, asker, cookies, message, query_len)
}

/// [`respond_with`], but for what this room does not answer: updates, notifications, transfers and whatever
/// carries a TSIG record. Such a message is left as it is, and the outcome is [`Kind::Deferred`].
///
/// The name of the query is kept in `qname` meanwhile: what that held before does not matter, and a worker
/// need not clear one for each query.
#[inline(always)] // the UDP worker calls it from one place, where a call would cost a tenth of all
pub fn respond_or_defer(
    qname: &mut Qname,
    snapshot: &Snapshot,
    asker: &Asker,
    cookies: Option<&Cookies>,
    message: &mut [u8],
    query_len: usize,
) -> Outcome {
    respond_reusing::<true>(qname, snapshot, asker, cookies, message, query_len)
}

/// Replies to a message that nobody answers with an RCODE and nothing else.
pub fn decline(message: &mut [u8], query_len: usize, rcode: Rcode) -> Outcome {
    let Some(query) = query::read(message, query_len, &mut Qname::default(), &mut None) else {
        return Outcome::SILENCE;
    };
    let len = Reply::new(message, query.question_end, PLAIN_UDP_LEN, 0).finish(false, rcode, None);
    Outcome { len, rcode: rcode.0, kind: Kind::Error, qtype: query.qtype, ..Outcome::SILENCE }
}

/// Answers, or with `DEFER` leaves what is not answered here.
#[inline(always)]
fn respond_reusing<const DEFER: bool>(
    qname: &mut Qname,
    snapshot: &Snapshot,
    asker: &Asker,
    cookies: Option<&Cookies>,
    message: &mut [u8],
    query_len: usize,
) -> Outcome {
    let mut edns = None;
    let Some(mut query) = query::read(message, query_len, qname, &mut edns) else { return Outcome::SILENCE };
    let mut knows_us = false;
    if let (Some(cookies), Some(sent)) = (cookies, edns.as_ref().and_then(|edns| edns.cookie.as_ref())) {
        knows_us = cookies.accepts(sent, asker.client);
        let lacks_one = cookies.required && !knows_us && asker.transport == Transport::Udp;
        // A query without a question asks for nothing but the cookie (RFC 7873 §5.4).
        if lacks_one && query.rcode == Rcode::NOERROR && query.question_end > HEADER_LEN {
            query.rcode = Rcode::BADCOOKIE;
        }
    }
    #[allow(clippy::manual_map)] // a closure would keep what it borrows in memory
    let mut opt = match &edns {
        Some(edns) => Some(reply_opt(snapshot, asker.client, asker.transport, cookies, edns)),
        None => None,
    };
    if let Some(ReplyOpt { keepalive: Some(_), .. }) = opt
        && edns.as_ref().is_some_and(|edns| edns.keepalive == Some(Keepalive::Malformed))
    {
        // RFC 7828 §3.2: only a server says a time.
        query.rcode = Rcode::FORMERR;
    }
    let limit = reply_limit(asker.transport, edns.as_ref());
    let gives_cookies = cookies.is_some();
    let mut outcome = answer::<DEFER>(snapshot, asker, &query, limit, gives_cookies, qname, message, opt.as_mut());
    outcome.knows_us = knows_us;
    outcome
}

/// The OPT record of the reply, as far as the query decides it.
fn reply_opt<'a>(
    snapshot: &'a Snapshot,
    client: IpAddr,
    transport: Transport,
    cookies: Option<&Cookies>,
    edns: &Edns,
) -> ReplyOpt<'a> {
    let believed = |sent: &SentSubnet| {
        // RFC 7871 §7.1.2: a /0 asks that no prefix be used; echoing it reveals and costs nothing.
        sent.subnet.source == 0 || snapshot.settings.believes_subnet_of(client)
    };
    let cookie = cookies.zip(edns.cookie.as_ref()).map(|(cookies, sent)| {
        let mut both = [0; 24];
        let (own, ours) = both.split_at_mut(sent.client.len());
        own.copy_from_slice(&sent.client);
        ours.copy_from_slice(&cookies.make(sent.client, client));
        both
    });
    ReplyOpt {
        dnssec_ok: edns.dnssec_ok,
        rcode_high: 0,
        subnet: edns.subnet.filter(believed).map(|sent| (sent, 0)),
        cookie,
        nsid: snapshot.settings.nsid().filter(|_| edns.wants_nsid),
        error: None,
        // RFC 7830 §6: padding hides the size of what is encrypted, and is of no use elsewhere.
        padded: edns.is_padded && !matches!(transport, Transport::Udp | Transport::Tcp),
        keepalive: edns.keepalive.and_then(|_| told_idle(snapshot, transport)),
    }
}

/// The idle time to tell a client that asks for it (RFC 7828 §3.3): nothing over UDP, where the option is to be
/// ignored, nor where HTTP or QUIC have their own.
#[cold]
fn told_idle(snapshot: &Snapshot, transport: Transport) -> Option<u16> {
    matches!(transport, Transport::Tcp | Transport::Tls).then(|| snapshot.settings.idle())
}

/// The largest reply this client takes (RFC 6891 §6.2.3 to §6.2.5).
#[inline]
fn reply_limit(transport: Transport, edns: Option<&Edns>) -> usize {
    match (transport, edns) {
        (Transport::Udp, None) => PLAIN_UDP_LEN,
        (Transport::Udp, Some(edns)) => usize::from(edns.payload.min(UDP_PAYLOAD)).max(PLAIN_UDP_LEN),
        _ => usize::from(u16::MAX),
    }
}

/// A query that was read, as it is handed on.
#[derive(Clone, Copy)]
struct Asked<'a> {
    snapshot: &'a Snapshot,
    asker: Asker,
    query: Query,
    /// Octets of the reply at most.
    limit: usize,
    gives_cookies: bool,
}

/// Answers a query: what is at hand at once, everything else from where looking for that has come to.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // taken one by one they stay in registers
fn answer<'a, const DEFER: bool>(
    snapshot: &'a Snapshot,
    asker: &Asker,
    query: &Query,
    limit: usize,
    gives_cookies: bool,
    qname: &mut Qname,
    message: &mut [u8],
    mut opt: Option<&mut ReplyOpt<'a>>,
) -> Outcome {
    let Query { qtype, qclass, question_end, rcode } = *query;
    if qclass == CLASS_IN
        && rcode == Rcode::NOERROR
        && !qtype.is_meta()
        && let Some(located) = snapshot.zones.find(qname)
    {
        let (probe, node) = located.zone.find(qname, located.hash);
        let mut done = None;
        if let Some(node) = node {
            let subnet = match &opt {
                Some(ReplyOpt { subnet: Some((sent, _)), .. }) => Some(sent.subnet),
                _ => None,
            };
            if let Some(found) = direct::at_hand(snapshot, asker, subnet, &located, &node, qtype) {
                done = found.write(message, question_end, qtype, limit, opt.as_deref_mut());
            }
        } else if matches!(probe, Probe::Absent) && located.zone.denies_below_apex(qname) {
            done = direct::deny(snapshot, &located, qname, message, question_end, qtype, limit, opt.as_deref());
        }
        if let Some(outcome) = done {
            return outcome;
        }
        let query = Query { qtype, qclass, question_end, rcode };
        let asked = Asked { snapshot, asker: *asker, query, limit, gives_cookies };
        return answer_from::<DEFER>(asked, Some((located, probe)), qname, message, opt);
    }
    let query = Query { qtype, qclass, question_end, rcode };
    answer_from::<DEFER>(Asked { snapshot, asker: *asker, query, limit, gives_cookies }, None, qname, message, opt)
}

/// Answers a query whose answer is not at hand, given its zone and whether its name exists, where that
/// is known.
#[inline(never)]
fn answer_from<'a, const DEFER: bool>(
    asked: Asked<'a>,
    start: Option<(Located<'a>, Probe)>,
    qname: &mut Qname,
    message: &mut [u8],
    opt: Option<&mut ReplyOpt<'a>>,
) -> Outcome {
    let Asked { snapshot, asker, mut query, limit, gives_cookies } = asked;
    if DEFER && is_for_others(&query, message) {
        return Outcome { kind: Kind::Deferred, ..Outcome::SILENCE };
    }
    if query.rcode == SIGNED {
        query.rcode = Rcode::NOERROR;
    }
    let mut answering = Answering {
        snapshot,
        asker: &asker,
        qname,
        qname_at: HEADER_LEN,
        qtype: query.qtype,
        reply: Reply::new(message, query.question_end, limit, opt.as_ref().map_or(0, |opt| opt.len())),
        opt,
        authoritative: false,
        rcode: query.rcode,
        kind: Kind::Error,
        scope: 0,
        error: None,
        choice: None,
        zone: None,
    };
    if query.question_end == HEADER_LEN {
        // Nothing is asked but a cookie; where none are given, nothing is (RFC 9619 §4).
        if query.rcode == Rcode::NOERROR && !gives_cookies {
            answering.rcode = Rcode::FORMERR;
        }
    } else if query.rcode == Rcode::NOERROR {
        answering.triage(query.qclass, start);
    }
    answering.finish()
}

/// Whether a message is not answered here: UPDATE, NOTIFY, transfers, and what carries a TSIG record.
fn is_for_others(query: &Query, message: &[u8]) -> bool {
    match query.rcode {
        Rcode::NOTIMP => {
            let opcode = message.get(2).map_or(0, |flags| flags >> 3 & 0x0f);
            matches!(opcode, OPCODE_NOTIFY | OPCODE_UPDATE)
        }
        Rcode::NOERROR => matches!(query.qtype, RecordType::AXFR | RecordType::IXFR),
        rcode => rcode == SIGNED,
    }
}

impl<'a> Answering<'a, '_> {
    /// Sorts queries by class and by types that are no data.
    fn triage(&mut self, qclass: u16, start: Option<(Located<'a>, Probe)>) {
        if self.qtype.is_meta() && self.qtype != RecordType::ANY {
            self.rcode = match self.qtype {
                // Transfers take another road; whoever gets here may not have one, and is told so as there.
                RecordType::AXFR | RecordType::IXFR => {
                    if let Some(opt) = self.opt.as_deref_mut() {
                        opt.subnet = None;
                    }
                    return self.refuse(Some(ExtendedError::Prohibited));
                }
                RecordType::OPT | RecordType(0) => Rcode::FORMERR,
                _ => Rcode::NOTIMP,
            };
            return;
        }
        match qclass {
            CLASS_IN | CLASS_ANY => {
                self.resolve(start);
                // RFC 1035 §6.2: an answer for every class is never authoritative; ours covers only IN.
                self.authoritative &= qclass == CLASS_IN;
            }
            CLASS_CH => self.answer_chaos(),
            _ => self.refuse(None),
        }
    }

    /// REFUSED: not our name, or not for this client.
    fn refuse(&mut self, error: Option<ExtendedError>) {
        self.rcode = Rcode::REFUSED;
        self.kind = Kind::Error;
        self.authoritative = false;
        self.error = error;
    }

    /// Writes OPT and header and reports.
    fn finish(&mut self) -> Outcome {
        let truncated = self.reply.is_truncated();
        if let Some(opt) = self.opt.as_deref_mut() {
            opt.rcode_high = self.rcode.high();
            opt.error = self.error;
            if let Some((_, scope)) = &mut opt.subnet {
                *scope = self.scope;
            }
        }
        let len = self.reply.finish(self.authoritative, self.rcode, self.opt.as_deref());
        Outcome {
            len,
            rcode: self.rcode.0,
            choice: self.choice,
            truncated,
            kind: self.kind,
            zone: self.zone,
            qtype: self.qtype,
            knows_us: false,
        }
    }
}

impl Outcome {
    /// Nothing is sent.
    pub const SILENCE: Self = Self {
        len: 0,
        rcode: 0,
        choice: None,
        truncated: false,
        kind: Kind::Silence,
        zone: None,
        qtype: RecordType(0),
        knows_us: false,
    };
}
