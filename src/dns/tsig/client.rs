//! The side that asks: requests signed, replies checked (RFC 8945 §5.1, §5.4).

use super::key::Key;
use super::mac::{Signing, Variables};
use super::record::{Tsig, append, strip};
use super::{FUDGE_S, TsigError};
use crate::dns::message::{Header, Malformed};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Messages of a stream that may go unsigned between two that are (RFC 8945 §5.3.1).
const UNSIGNED_IN_A_ROW: u8 = 99;

/// Checks the replies to one signed request, in order.
pub struct Expecting {
    key: Arc<Key>,
    /// What the next signature covers, as far as it has come.
    signing: Signing,
    is_first: bool,
    unsigned: u8,
}

/// Why a reply is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// It cannot be read.
    #[error("the reply is malformed")]
    Malformed,
    /// It is not signed, or too much of a stream is not.
    #[error("the reply is not signed")]
    Unsigned,
    /// The other side did not take our signature.
    #[error("the server answered {0}: {remedy}", remedy = remedy(*.0))]
    Peer(TsigError),
    /// It is signed with another key.
    #[error("the reply is signed with another key")]
    OtherKey,
    /// The signature is wrong.
    #[error("the reply's signature is wrong")]
    BadSignature,
    /// The clocks are too far apart.
    #[error("the reply was signed {0} s from now: set the clocks right")]
    BadTime(u64),
}

/// What can be done about an error of the other side.
fn remedy(error: TsigError) -> &'static str {
    match error {
        TsigError::BADKEY => "it does not know this key with this algorithm",
        TsigError::BADSIG => "its secret for this key is another one",
        TsigError::BADTIME => "the clocks are more than five minutes apart",
        _ => "it does not take this signature",
    }
}

/// Signs a request, and returns what its replies are checked with.
#[must_use]
pub fn sign_request(key: &Arc<Key>, message: &mut Vec<u8>, now_unix_s: u64) -> Expecting {
    let variables = Variables { time_s: now_unix_s, fudge_s: FUDGE_S, error: 0, other: &[] };
    let mut signing = Signing::with(key);
    if let Some(header) = Header::read(message) {
        signing.add_message(header.id, message, header.counts[3]);
    }
    signing.add_variables(key, &variables);
    let mac = signing.finish();
    append(message, &key.name, key.algorithm.wire(), &variables, &mac);
    Expecting { key: Arc::clone(key), signing: after(key, &mac), is_first: true, unsigned: 0 }
}

/// A signature that begins with an earlier one.
fn after(key: &Key, mac: &[u8]) -> Signing {
    let mut signing = Signing::with(key);
    signing.add_earlier(mac);
    signing
}

impl Expecting {
    /// Checks the next message of the reply, and takes its TSIG record off.
    ///
    /// # Errors
    /// Why it is not to be believed; what was believed of a stream before then is not either, unless
    /// [`Expecting::is_settled`] was true.
    pub fn verify(&mut self, message: &mut Vec<u8>, now_unix_s: u64) -> Result<(), ReplyError> {
        let tsig = Tsig::of(message).map_err(|Malformed| ReplyError::Malformed)?;
        let Some(tsig) = tsig else {
            let header = Header::read(message).ok_or(ReplyError::Malformed)?;
            if self.is_first || self.unsigned >= UNSIGNED_IN_A_ROW {
                return Err(ReplyError::Unsigned);
            }
            self.unsigned += 1;
            self.signing.add_message(header.id, message, header.counts[3]);
            return Ok(());
        };
        if tsig.error != 0 && tsig.mac.is_empty() {
            return Err(ReplyError::Peer(TsigError(tsig.error)));
        }
        if tsig.key != self.key.name || tsig.algorithm.wire() != self.key.algorithm.wire() {
            return Err(ReplyError::OtherKey);
        }
        let mut signing = self.signing.clone();
        signing.add_message(tsig.original_id, message.get(..tsig.start).unwrap_or(&[]), tsig.additionals);
        if self.is_first {
            signing.add_variables(&self.key, &tsig.variables());
        } else {
            signing.add_timers(&tsig.variables());
        }
        let right = signing.finish();
        if !bool::from(right.as_slice().ct_eq(tsig.mac)) {
            return Err(ReplyError::BadSignature);
        }
        if tsig.error != 0 {
            return Err(ReplyError::Peer(TsigError(tsig.error)));
        }
        if !tsig.is_timely(now_unix_s) {
            return Err(ReplyError::BadTime(now_unix_s.abs_diff(tsig.time_s)));
        }
        self.signing = after(&self.key, &right);
        (self.is_first, self.unsigned) = (false, 0);
        let (start, additionals) = (tsig.start, tsig.additionals);
        strip(message, start, additionals);
        Ok(())
    }

    /// Whether a signature covers everything so far: the last message of a stream has to be signed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.is_first && self.unsigned == 0
    }
}

impl std::fmt::Debug for Expecting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expecting({:?})", self.key)
    }
}
