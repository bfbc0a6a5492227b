//! What protects the server, from its configuration: limits, cookies and their secrets, copies for dnstap.

use crate::clock;
use crate::config::{CookieMode, DnstapConfig, DnstapTarget, RateConfig};
use crate::dnstap::{self, Place, Reader};
use crate::server::{CookieOffer, CookieSecrets, Copies, RateLimit, Tap, TapTotals};
use crate::store::{CookieRow, Store, StoreError};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long a secret makes cookies. Those it made are accepted for as long again, which is far more than
/// the hour a cookie lives (RFC 9018 §4.3).
const SECRET_MS: u64 = 24 * 3600 * 1000;
/// Until a secret that could not be saved is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// Between two looks at the age of the secret: the wall clock may jump.
const LOOK_MS: u64 = 3_600_000;

/// The limits, unless there are none.
pub(super) fn rate_limit(rate: &RateConfig) -> Option<RateLimit> {
    rate.is_on().then(|| RateLimit {
        answers_per_s: rate.responses_per_second,
        nxdomains_per_s: rate.nxdomains_per_second,
        referrals_per_s: rate.referrals_per_second,
        errors_per_s: rate.errors_per_second,
        all_per_s: rate.all_per_second,
        slip: rate.slip,
        exempt: rate.exempt.clone(),
        log_only: rate.log_only,
    })
}

/// Cookies as they are offered, and where their secrets are kept.
pub(super) struct Cookies {
    offer: CookieOffer,
    secrets: CookieSecrets,
    made_unix_ms: u64,
    /// Whether the store has them.
    saved: bool,
    store: Arc<dyn Store>,
}

impl Cookies {
    /// The secrets of the store, or fresh ones; `None` where no cookies are wanted.
    pub(super) async fn open(mode: CookieMode, store: &Arc<dyn Store>) -> Result<Option<Self>, StoreError> {
        let required = match mode {
            CookieMode::Off => return Ok(None),
            CookieMode::Offered => false,
            CookieMode::Required => true,
        };
        let kept = store.cookie_secrets().await?.and_then(|row| Some((from_row(&row)?, row.made_unix_ms)));
        let saved = kept.is_some();
        let (secrets, made_unix_ms) = kept.unwrap_or_else(|| (CookieSecrets::random(), clock::unix_ms()));
        let offer = CookieOffer::new(secrets, required);
        let mut cookies = Self { offer, secrets, made_unix_ms, saved, store: Arc::clone(store) };
        cookies.tend().await;
        Ok(Some(cookies))
    }

    pub(super) fn offer(&self) -> CookieOffer {
        self.offer.clone()
    }

    /// Replaces a secret that is too old, and saves what is not saved. A store that is away changes
    /// nothing for clients: the secrets in force stay.
    async fn tend(&mut self) {
        let now_unix_ms = clock::unix_ms();
        // A secret of the future comes from a clock that was wrong.
        if now_unix_ms.abs_diff(self.made_unix_ms) >= SECRET_MS {
            (self.secrets, self.made_unix_ms, self.saved) = (self.secrets.rolled(), now_unix_ms, false);
        }
        if !self.saved {
            match self.store.put_cookie_secrets(to_row(self.secrets, self.made_unix_ms)).await {
                Ok(()) => self.saved = true,
                Err(error) => {
                    tracing::warn!(%error, "secrets of DNS cookies could not be saved; a restart makes others");
                }
            }
        }
        self.offer.replace(self.secrets);
    }

    /// Rolls the secrets over, once a day.
    pub(super) async fn keep(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let left_ms = SECRET_MS.saturating_sub(clock::unix_ms().saturating_sub(self.made_unix_ms));
            let pause = if self.saved { Duration::from_millis(left_ms.clamp(1, LOOK_MS)) } else { RETRY };
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(pause) => self.tend().await,
            }
        }
    }
}

fn to_row(secrets: CookieSecrets, made_unix_ms: u64) -> CookieRow {
    let hex = |secret| format!("{:032x}", u128::from_be_bytes(secret));
    CookieRow { secret: hex(secrets.secret), previous: secrets.previous.map(hex), made_unix_ms }
}

/// `None`: what stands there is no secret of ours.
fn from_row(row: &CookieRow) -> Option<CookieSecrets> {
    let octets = |text: &str| {
        let is_hex = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok())?.map(u128::to_be_bytes)
    };
    Some(CookieSecrets { secret: octets(&row.secret)?, previous: row.previous.as_deref().and_then(octets) })
}

/// A tap whose other end is not read yet.
pub(super) struct Tapped {
    pub(super) tap: Tap,
    copies: mpsc::Receiver<Copies>,
    totals: Arc<TapTotals>,
    reader: Reader,
}

/// The tap that is configured.
pub(super) fn tap(config: &DnstapConfig) -> Tapped {
    let (tap, copies, totals) = crate::server::tap(config.chance);
    let place = match &config.target {
        DnstapTarget::Unix(path) => Place::Unix(path.clone()),
        DnstapTarget::Tcp(address) => Place::Tcp(*address),
    };
    let version = concat!("tidegate ", env!("CARGO_PKG_VERSION")).to_owned();
    Tapped { tap, copies, totals, reader: Reader { place, identity: config.identity.clone(), version } }
}

impl Tapped {
    /// Starts to write what is copied.
    pub(super) fn spawn(
        self,
        workers: &mut Vec<JoinHandle<()>>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<TapTotals> {
        let Self { copies, totals, reader, .. } = self;
        workers.push(tokio::spawn(dnstap::run(reader, copies, Arc::clone(&totals), stop)));
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[tokio::test]
    async fn secrets_outlive_a_restart_and_roll_over_after_a_day() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let open = || async { Cookies::open(CookieMode::Offered, &store).await.unwrap().unwrap() };
        let first = open().await.secrets;
        assert!(first == open().await.secrets, "kept");
        let mut row = store.cookie_secrets().await.unwrap().unwrap();
        row.made_unix_ms -= SECRET_MS;
        store.put_cookie_secrets(row).await.unwrap();
        let rolled = open().await.secrets;
        assert!(rolled.secret != first.secret && rolled.previous == Some(first.secret));
        assert!(from_row(&store.cookie_secrets().await.unwrap().unwrap()).unwrap() == rolled, "saved");
    }

    #[test]
    fn what_is_no_secret_is_not_taken_for_one() {
        let made = CookieSecrets { secret: [7; 16], previous: Some([0; 16]) };
        assert!(from_row(&to_row(made, 5)).unwrap() == made);
        for text in ["", "00", "zz000000000000000000000000000000", "+0000000000000000000000000000000"] {
            assert!(from_row(&CookieRow { secret: text.to_owned(), previous: None, made_unix_ms: 0 }).is_none());
        }
    }
}
