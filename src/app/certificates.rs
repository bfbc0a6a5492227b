//! The certificates that are offered: loaded together, reloaded when their files are replaced, and watched
//! for their end.
//!
//! Files count as replaced when inode, size or time of change is another than before, and as whole when
//! two looks in a row find the same. A bad pair leaves the one before in force and is told in log and metrics.

use crate::admin::Exposure;
use crate::clock;
use crate::config::server::PemPair;
use crate::config::{Problem, ServerConfig};
use crate::metrics::exposition::CertificateGauges;
use crate::server::{Certificate, CertificateError, CertificateLook};
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often an end that is near is told.
const TELL_EVERY: Duration = Duration::from_secs(12 * 3600);

/// An end is near when it is this close: who renews a month ahead has been failing for more than a week.
const NEAR_S: u64 = 21 * 86_400;

/// Every certificate, by the table of the server's file that names it.
#[derive(Debug, Clone)]
pub(super) struct Certificates(Vec<(&'static str, Arc<Certificate>)>);

/// The tables that name certificates.
fn pairs(config: &ServerConfig) -> Vec<(&'static str, &PemPair)> {
    let doh = config.doh.as_ref().map(|doh| ("doh", &doh.pair));
    let dot = config.dot.as_ref().map(|dot| ("dot", &dot.pair));
    let doq = config.doq.as_ref().map(|doq| ("doq", &doq.pair));
    let admin = config.admin.tls.as_ref().map(|tls| ("admin", &tls.pair));
    [doh, dot, doq, admin].into_iter().flatten().collect()
}

/// What is wrong with the certificates that a server's file names, and what will be soon.
#[must_use]
pub fn judge(config: &ServerConfig) -> (Vec<Problem>, Vec<Problem>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for (table, pair) in pairs(config) {
        match Certificate::load(&pair.cert, &pair.key) {
            Ok(certificate) => {
                let near = nearness(&certificate).map(|words| {
                    Problem::of_file(&pair.cert.display().to_string(), words, Some("renew it".to_owned()))
                });
                warnings.extend(near);
            }
            Err(error) => problems.push(Problem::of_file(&format!("[{table}]"), error.to_string(), None)),
        }
    }
    if let Some(tls) = &config.admin.tls
        && let Some(authorities) = &tls.client_ca
        && let Ok(certificate) = Certificate::load(&tls.pair.cert, &tls.pair.key)
        && let Err(error) = certificate.server_config_with_clients(authorities)
    {
        problems.push(Problem::of_file("[admin]", error.to_string(), None));
    }
    (problems, warnings)
}

/// Words for an end that is near or past.
fn nearness(certificate: &Certificate) -> Option<String> {
    let (end_s, now_s) = (certificate.expires_unix_s(), clock::unix_ms() / 1000);
    match end_s.checked_sub(now_s) {
        None => Some("the certificate has expired: clients that verify it get no answer".to_owned()),
        Some(left_s) if left_s < NEAR_S => Some(format!("the certificate expires in {} days", left_s / 86_400)),
        Some(_) => None,
    }
}

impl Certificates {
    /// Reads every pair of files.
    pub(super) fn load(config: &ServerConfig) -> Result<Self, CertificateError> {
        let load = |(table, pair): (_, &PemPair)| Ok((table, Certificate::load(&pair.cert, &pair.key)?));
        pairs(config).into_iter().map(load).collect::<Result<_, _>>().map(Self)
    }

    /// The certificate of a table.
    pub(super) fn named(&self, table: &str) -> Option<&Arc<Certificate>> {
        self.0.iter().find(|(name, _)| *name == table).map(|(_, certificate)| certificate)
    }

    /// How operators reach the HTTP interface.
    pub(super) fn exposure(&self, config: &ServerConfig) -> Result<Exposure, CertificateError> {
        let Some((tls, certificate)) = config.admin.tls.as_ref().zip(self.named("admin")) else {
            return Ok(if config.admin.insecure { Exposure::Insecure } else { Exposure::Loopback });
        };
        Ok(Exposure::Tls(match &tls.client_ca {
            Some(authorities) => certificate.server_config_with_clients(authorities)?,
            None => certificate.server_config()?,
        }))
    }

    /// Reads the files again, for the handshakes to come; the first that fails ends it.
    pub(super) fn reload(&self) -> Result<(), CertificateError> {
        self.0.iter().try_for_each(|(_, certificate)| certificate.reload())
    }

    /// When they end, and whether newer ones are refused.
    pub(super) fn gauges(&self) -> Vec<CertificateGauges> {
        let row = |(table, certificate): &(&'static str, Arc<Certificate>)| CertificateGauges {
            used_by: table,
            expires_s: certificate.expires_unix_s(),
            refused: certificate.is_refused(),
        };
        self.0.iter().map(row).collect()
    }

    /// Takes in replaced files and tells of ends that are near, until told to end.
    pub(super) async fn watch(self, until: impl Future<Output = ()>) {
        if self.0.is_empty() {
            return;
        }
        tokio::select! {
            () = self.take_in() => {}
            () = until => {}
        }
    }

    async fn take_in(&self) {
        self.tell_ends();
        let mut told_ms = clock::boot_ms();
        let looks = || self.0.iter().map(|(_, certificate)| certificate.look()).collect::<Vec<CertificateLook>>();
        let mut known = looks();
        let mut last = known.clone();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = looks();
            for (at, (table, certificate)) in self.0.iter().enumerate() {
                let (Some(known), Some(now), Some(last)) = (known.get_mut(at), now.get(at), last.get(at)) else {
                    continue;
                };
                if now == known || now != last {
                    continue;
                }
                known.clone_from(now);
                let file = certificate.file().display();
                match certificate.reload() {
                    Ok(()) => tracing::info!(table, %file, "a replaced certificate was taken in"),
                    Err(error) => {
                        let error = with_cause(&error);
                        tracing::error!(table, %error, "a replaced certificate is refused; the one before stays in force");
                    }
                }
            }
            last = now;
            if Duration::from_millis(clock::boot_ms().saturating_sub(told_ms)) >= TELL_EVERY {
                told_ms = clock::boot_ms();
                self.tell_ends();
            }
        }
    }

    fn tell_ends(&self) {
        for (table, certificate) in &self.0 {
            if let Some(words) = nearness(certificate) {
                tracing::warn!(table, file = %certificate.file().display(), "{words}");
            }
        }
    }
}

/// An error with what caused it.
fn with_cause(error: &CertificateError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
