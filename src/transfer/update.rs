//! Dynamic updates (RFC 2136): signed, decided by `control` like every other change, replied to when every answer
//! shows it.

use super::pace::PER_S;
use super::repeats::{Said, Seen};
use super::request::Request;
use super::{Happened, Room};
use crate::answer::Transport;
use crate::clock;
use crate::control::{Asked, Caller, IdempotencyKey, Refused};
use crate::dns::edns::ExtendedError;
use crate::dns::update::Update;
use crate::dns::{Name, Rcode};
use crate::server::Gone;
use crate::state::apply::UpdateRefusal;
use crate::state::{Command, Grants, Rejection};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;

/// How an update that is not in order is replied to, and what the log says of it.
struct Refusing {
    said: Said,
    happened: Happened,
    why: String,
}

impl Room {
    /// Decides an update and replies.
    pub(super) async fn update(&self, request: Request) -> Result<(), Gone> {
        let Some(session) = &request.session else {
            self.parts.totals.count(Happened::UpdateRefused);
            if self.complaints.may_say("update unsigned") {
                let client = request.client.ip();
                tracing::warn!(%client, "an update without a signature was refused: give the client a key of [tsig.keys] that [[update]] names");
            }
            return request.refuse(Rcode::REFUSED, Some(ExtendedError::UpdateUnsigned)).await;
        };
        let (key, mac) = (session.key().name.clone(), session.mark().0.to_vec());
        let grants = self.parts.updates.of(&key);
        if grants.is_empty() {
            self.parts.totals.count(Happened::UpdateRefused);
            if self.complaints.may_say(&format!("update without rule {key}")) {
                tracing::info!(client = %request.client.ip(), %key, "an update was refused: no [[update]] of the server's file names this key");
            }
            return request.refuse(Rcode::REFUSED, Some(ExtendedError::UpdateNotAllowed)).await;
        }
        match self.repeats.see(&key, session.mark(), clock::now()) {
            Seen::First => {}
            Seen::InHand => {
                self.parts.totals.count(Happened::UpdateRepeated);
                // Over UDP the reply to the first copy is on its way; a stream waits for one to each.
                if request.transport == Transport::Udp {
                    return Ok(());
                }
                return request.refuse(Rcode::SERVFAIL, Some(ExtendedError::UpdateUnknown)).await;
            }
            Seen::Answered((rcode, error)) => {
                self.parts.totals.count(Happened::UpdateRepeated);
                return request.refuse(rcode, error).await;
            }
            Seen::Stale => {
                self.parts.totals.count(Happened::UpdateStale);
                if self.complaints.may_say(&format!("update stale {key}")) {
                    tracing::info!(client = %request.client.ip(), %key, "an update was refused: it was signed before this server started, and may be a copy; the client has to sign it again");
                }
                return request.refuse(Rcode::REFUSED, Some(ExtendedError::UpdateStale)).await;
            }
            Seen::TooMany => return self.throttle(request, &key).await,
        }
        if !self.pace.allows(&key, clock::boot_ms()) {
            self.repeats.forget(&key, &mac);
            return self.throttle(request, &key).await;
        }
        let (rcode, error) = match self.change(&request, &key, &mac, grants).await {
            Ok(said) => said,
            Err(refusing) => {
                self.parts.totals.count(refusing.happened);
                if self.complaints.may_say(&format!("update {key} {:?}", refusing.happened)) {
                    tracing::info!(client = %request.client.ip(), %key, rcode = refusing.said.0.0, "an update was refused: {}", refusing.why);
                }
                refusing.said
            }
        };
        if rcode == Rcode::SERVFAIL {
            self.repeats.forget(&key, &mac);
        } else {
            self.repeats.answered(&key, &mac, (rcode, error));
        }
        request.refuse(rcode, error).await
    }

    /// Replies to one update too many of a key.
    async fn throttle(&self, request: Request, key: &Name) -> Result<(), Gone> {
        self.parts.totals.count(Happened::UpdateThrottled);
        if self.complaints.may_say(&format!("update throttled {key}")) {
            tracing::warn!(client = %request.client.ip(), %key, "a key sends more than {PER_S} updates a second: those beyond are not taken; put more changes into one update");
        }
        request.refuse(Rcode::SERVFAIL, Some(ExtendedError::UpdateThrottled)).await
    }

    /// Has the change made.
    async fn change(&self, request: &Request, key: &Name, mac: &[u8], grants: Grants) -> Result<Said, Refusing> {
        let update = Update::read(&request.message).map_err(|rcode| Refusing {
            said: (rcode, None),
            happened: Happened::Malformed,
            why: "its records cannot be read, or lie outside its zone".to_owned(),
        })?;
        let zone = update.zone.clone();
        let asked = asked(Command::Update(Box::new(update), grants), key, mac, request.client);
        let replied = self.parts.control.change(asked).await.map_err(refusing)?;
        if replied.replayed {
            self.parts.totals.count(Happened::UpdateRepeated);
            return Ok((Rcode::NOERROR, None));
        }
        let (changed, applied) = (replied.changed, replied.applied);
        if !replied.notes.is_empty() && self.complaints.may_say(&format!("update ignored {key}")) {
            tracing::info!(%zone, %key, "changes of an update were ignored (RFC 2136): {}", replied.notes.join("; "));
        }
        if !applied {
            tracing::warn!(%zone, %key, "an update is kept, and some answers do not show it yet");
        }
        self.parts.totals.count(if changed { Happened::Updated } else { Happened::UpdateUnchanged });
        Ok((Rcode::NOERROR, None))
    }
}

/// A change on behalf of a key. Its signature is kept with what it changes, so that a copy of it is known also after a
/// start.
fn asked(command: Command, key: &Name, mac: &[u8], client: SocketAddr) -> Asked {
    let name = format!("key {key}");
    let request = crate::state::Request { command, reason: None, force: false, if_match: None, by: name.clone() };
    let from = client.ip().to_canonical().to_string();
    let caller = Caller { token_id: name.clone(), name, from, ..Caller::default() };
    // The signature covers the whole request: there is no other request with it.
    let idempotency = Some(IdempotencyKey { key: STANDARD.encode(mac), request_hash: String::new() });
    Asked { request, dry_run: false, caller, idempotency }
}

/// How a refused change is replied to (RFC 2136 §3).
fn refusing(refused: Refused) -> Refusing {
    use UpdateRefusal as U;
    let why = refused.to_string();
    let (rcode, error, happened) = match refused {
        Refused::Rejected(Rejection::Update(refusal)) => match refusal {
            U::UnknownZone(_) => (Rcode::NOTAUTH, Some(ExtendedError::NotAuthoritative), Happened::UpdateRefused),
            U::NameUnused(_) => (Rcode::NXDOMAIN, None, Happened::UpdateUnmet),
            U::NameInUse(_) => (Rcode::YXDOMAIN, None, Happened::UpdateUnmet),
            U::SetDiffers(..) => (Rcode::NXRRSET, None, Happened::UpdateUnmet),
            U::SetExists(..) => (Rcode::YXRRSET, None, Happened::UpdateUnmet),
            U::NotAllowed { .. } | U::Generated(_) => {
                (Rcode::REFUSED, Some(ExtendedError::UpdateNotAllowed), Happened::UpdateRefused)
            }
            U::Copied(_) => (Rcode::REFUSED, Some(ExtendedError::UpdateCopied), Happened::UpdateRefused),
            U::Steered { .. } | U::Hides { .. } => {
                (Rcode::REFUSED, Some(ExtendedError::UpdateSteered), Happened::UpdateRefused)
            }
            U::SetTooLarge(..) | U::TooManyEdits(_) => {
                (Rcode::REFUSED, Some(ExtendedError::UpdateTooLarge), Happened::UpdateRefused)
            }
        },
        refused => {
            let error =
                if refused.changed_nothing() { ExtendedError::UpdateNotKept } else { ExtendedError::UpdateUnknown };
            (Rcode::SERVFAIL, Some(error), Happened::UpdateFailed)
        }
    };
    Refusing { said: (rcode, error), happened, why }
}
