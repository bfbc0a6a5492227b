//! The side that is asked: requests checked, replies signed (RFC 8945 §5.2, §5.3).

use super::key::{Key, KeyRing};
use super::mac::{Signing, Variables, time_octets};
use super::record::{Tsig, append, strip};
use super::{FUDGE_S, TsigError};
use crate::dns::Name;
use crate::dns::message::{Header, Malformed};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The shortest signature that is one at all, octets (RFC 8945 §5.2.2.1).
const SHORTEST_MAC: usize = 10;

/// What a request's signature is worth.
#[derive(Debug)]
pub enum Verified {
    /// It has none.
    Unsigned,
    /// It is the key's. The message no longer has the record.
    Signed(Session),
    /// It is not; the reply says so with NOTAUTH.
    Refused(Refusal),
}

/// Signs the messages that reply to one signed request.
#[derive(Debug)]
pub struct Session {
    key: Arc<Key>,
    /// The signature before: the request's, then that of each message.
    earlier: Vec<u8>,
    /// When the request was signed, seconds since 1970.
    signed_s: u64,
    /// Whether nothing has been signed yet.
    is_first: bool,
}

/// Why a request's signature is not taken, and what the reply has to carry for it.
#[derive(Debug)]
pub struct Refusal {
    /// What the reply says.
    pub error: TsigError,
    /// The name of the key, as the request has it.
    pub key: Name,
    /// The name of the algorithm, as the request has it.
    pub algorithm: Name,
    time_s: u64,
    fudge_s: u16,
    /// The key and the request's signature, when that was right: then the refusal is signed.
    vouched: Option<(Arc<Key>, Vec<u8>)>,
}

/// Checks the signature of a request, and takes it off a message whose signature is right.
///
/// # Errors
/// When the message or its TSIG record is malformed: the reply is FORMERR.
pub fn verify_request(keys: &KeyRing, message: &mut Vec<u8>, now_unix_s: u64) -> Result<Verified, Malformed> {
    let Some(tsig) = Tsig::of(message)? else { return Ok(Verified::Unsigned) };
    let refusal = |error, vouched| Refusal {
        error,
        key: tsig.key.clone(),
        algorithm: tsig.algorithm.clone(),
        time_s: tsig.time_s,
        fudge_s: tsig.fudge_s,
        vouched,
    };
    let known = keys.find(&tsig.key).filter(|key| key.algorithm.wire() == tsig.algorithm.wire());
    let Some(key) = known else { return Ok(Verified::Refused(refusal(TsigError::BADKEY, None))) };
    let full = key.algorithm.mac_len();
    if tsig.mac.len() > full || tsig.mac.len() < SHORTEST_MAC.max(full / 2) {
        return Err(Malformed);
    }
    let mut signing = Signing::with(key);
    signing.add_message(tsig.original_id, message.get(..tsig.start).unwrap_or(&[]), tsig.additionals);
    signing.add_variables(key, &tsig.variables());
    let right = signing.finish();
    let cut = right.get(..tsig.mac.len()).unwrap_or(&[]);
    if !bool::from(cut.ct_eq(tsig.mac)) {
        return Ok(Verified::Refused(refusal(TsigError::BADSIG, None)));
    }
    let vouched = Some((Arc::clone(key), tsig.mac.to_vec()));
    if !tsig.is_timely(now_unix_s) {
        return Ok(Verified::Refused(refusal(TsigError::BADTIME, vouched)));
    }
    if tsig.mac.len() < full {
        return Ok(Verified::Refused(refusal(TsigError::BADTRUNC, vouched)));
    }
    let session = Session { key: Arc::clone(key), earlier: tsig.mac.to_vec(), signed_s: tsig.time_s, is_first: true };
    let (start, additionals) = (tsig.start, tsig.additionals);
    strip(message, start, additionals);
    Ok(Verified::Signed(session))
}

impl Session {
    /// The key that vouched for the request.
    #[must_use]
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// What tells this request from every other one: its signature, and when it was made. To be asked before a
    /// reply is signed.
    #[must_use]
    pub fn mark(&self) -> (&[u8], u64) {
        (&self.earlier, self.signed_s)
    }

    /// Signs the next message of the reply. It must leave room for [`Key::signature_len`].
    pub fn sign(&mut self, message: &mut Vec<u8>, now_unix_s: u64) {
        let Some(header) = Header::read(message) else { return };
        let variables = Variables { time_s: now_unix_s, fudge_s: FUDGE_S, error: 0, other: &[] };
        let mut signing = Signing::with(&self.key);
        signing.add_earlier(&self.earlier);
        signing.add_message(header.id, message, header.counts[3]);
        if std::mem::replace(&mut self.is_first, false) {
            signing.add_variables(&self.key, &variables);
        } else {
            signing.add_timers(&variables);
        }
        self.earlier = signing.finish();
        append(message, &self.key.name, self.key.algorithm.wire(), &variables, &self.earlier);
    }
}

impl Refusal {
    /// Puts the TSIG record of the refusal behind a reply that says NOTAUTH: signed when the request's own
    /// signature was right, without a signature otherwise (RFC 8945 §5.3.2).
    pub fn sign(&self, message: &mut Vec<u8>, now_unix_s: u64) {
        let Some(header) = Header::read(message) else { return };
        let now = time_octets(now_unix_s);
        // §5.2.3: with BADTIME the time is the client's, so that it can check the rest, and ours is beside it.
        let (time_s, other) = match self.error {
            TsigError::BADTIME => (self.time_s, &now[..]),
            _ => (now_unix_s, &[][..]),
        };
        let variables = Variables { time_s, fudge_s: self.fudge_s, error: self.error.0, other };
        let mac = self.vouched.as_ref().map_or(Vec::new(), |(key, request_mac)| {
            let mut signing = Signing::with(key);
            signing.add_earlier(request_mac);
            signing.add_message(header.id, message, header.counts[3]);
            signing.add_variables(key, &variables);
            signing.finish()
        });
        append(message, &self.key, self.algorithm.wire(), &variables, &mac);
    }
}
