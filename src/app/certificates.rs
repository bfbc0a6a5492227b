//! The certificates that are offered: loaded together, reloaded when their files are replaced, and watched
//! for their end.
//!
//! Files count as replaced when inode, size or time of change is another than before, and as whole when
//! two looks in a row find the same. A bad pair leaves the one before in force, is told in log and metrics, and
//! is tried again at each look: what was in the way may be a folder's mode.

use crate::admin::Exposure;
use crate::clock;
use crate::config::server::PemPair;
use crate::config::{Problem, ServerConfig};
use crate::metrics::exposition::CertificateGauges;
use crate::server::{Certificate, CertificateError, CertificateLook, FreshCertificate};
use arc_swap::ArcSwap;
use std::path::Path;
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

/// What was read of every pair of files and is not in force yet.
pub(super) struct Fresh(Vec<(Arc<Certificate>, FreshCertificate)>);

/// What the watch knows of a certificate.
struct Seen {
    /// The files as they were when they were last read.
    known: CertificateLook,
    /// As the last look found them.
    last: CertificateLook,
    /// Why they are refused, as it was told.
    told: Option<String>,
}

/// The files that a table names.
struct Files<'a> {
    table: &'static str,
    pair: &'a PemPair,
    /// Those who sign for clients.
    authorities: Option<&'a Path>,
}

impl Files<'_> {
    fn load(&self) -> Result<Arc<Certificate>, CertificateError> {
        let PemPair { cert, key } = self.pair;
        match self.authorities {
            Some(authorities) => Certificate::load_with_clients(cert, key, authorities),
            None => Certificate::load(cert, key),
        }
    }
}

/// The tables that name certificates.
fn files(config: &ServerConfig) -> Vec<Files<'_>> {
    let of = |table, pair| Files { table, pair, authorities: None };
    let doh = config.doh.as_ref().map(|doh| of("doh", &doh.pair));
    let dot = config.dot.as_ref().map(|dot| of("dot", &dot.pair));
    let doq = config.doq.as_ref().map(|doq| of("doq", &doq.pair));
    let admin = config.admin.tls.as_ref();
    let admin = admin.map(|tls| Files { authorities: tls.client_ca.as_deref(), ..of("admin", &tls.pair) });
    [doh, dot, doq, admin].into_iter().flatten().collect()
}

/// What is wrong with the certificates that a server's file names, and what will be soon.
#[must_use]
pub fn judge(config: &ServerConfig) -> (Vec<Problem>, Vec<Problem>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for files in files(config) {
        match files.load() {
            Ok(certificate) => {
                let near = nearness(&certificate).map(|words| {
                    Problem::of_file(&files.pair.cert.display().to_string(), words, Some("renew it".to_owned()))
                });
                warnings.extend(near);
            }
            Err(error) => problems.push(Problem::of_file(&format!("[{}]", files.table), with_cause(&error), None)),
        }
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
        let load = |files: &Files<'_>| Ok((files.table, files.load()?));
        files(config).iter().map(load).collect::<Result<_, _>>().map(Self)
    }

    /// The certificate of a table.
    pub(super) fn named(&self, table: &str) -> Option<&Arc<Certificate>> {
        self.0.iter().find(|(name, _)| *name == table).map(|(_, certificate)| certificate)
    }

    /// How operators reach the HTTP interface.
    pub(super) fn exposure(&self, config: &ServerConfig) -> Result<Exposure, CertificateError> {
        let Some(certificate) = self.named("admin") else {
            return Ok(if config.admin.insecure { Exposure::Insecure } else { Exposure::Loopback });
        };
        Ok(Exposure::Tls(match certificate.config_with_clients() {
            Some(config) => Arc::clone(config),
            None => Arc::new(ArcSwap::new(certificate.server_config()?)),
        }))
    }

    /// Reads the files again and puts nothing in force; the first that fails ends it.
    pub(super) fn read(&self) -> Result<Fresh, CertificateError> {
        let read = |certificate: &Arc<Certificate>| Ok((Arc::clone(certificate), certificate.read()?));
        self.0.iter().map(|(_, certificate)| read(certificate)).collect::<Result<_, _>>().map(Fresh)
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
        let look = |(_, certificate): &(_, Arc<Certificate>)| {
            let look = certificate.look();
            Seen { known: look.clone(), last: look, told: None }
        };
        let mut seen: Vec<Seen> = self.0.iter().map(look).collect();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let all = self.clone();
            // Files may lie on a disk that is slow to answer.
            match tokio::task::spawn_blocking(move || all.look_again(seen)).await {
                Ok(after) => seen = after,
                Err(error) => return tracing::error!(%error, "certificates are no longer looked at: a bug to report"),
            }
            if Duration::from_millis(clock::boot_ms().saturating_sub(told_ms)) >= TELL_EVERY {
                told_ms = clock::boot_ms();
                self.tell_ends();
            }
        }
    }

    /// Takes in what is new, and what was refused if it is good by now.
    fn look_again(&self, mut seen: Vec<Seen>) -> Vec<Seen> {
        for ((table, certificate), seen) in self.0.iter().zip(&mut seen) {
            let now = certificate.look();
            let is_whole = now == seen.last;
            seen.last = now;
            let is_new = seen.last != seen.known;
            if !is_whole || !(is_new || certificate.is_refused()) {
                continue;
            }
            seen.known.clone_from(&seen.last);
            let file = certificate.file().display();
            match certificate.read() {
                Ok(fresh) => {
                    certificate.put(fresh);
                    seen.told = None;
                    tracing::info!(table, %file, "a replaced certificate was taken in");
                }
                Err(error) => {
                    let error = with_cause(&error);
                    if is_new || seen.told.as_ref() != Some(&error) {
                        tracing::error!(table, %error, "a replaced certificate is refused; the one before stays in force");
                    }
                    seen.told = Some(error);
                }
            }
        }
        seen
    }

    fn tell_ends(&self) {
        for (table, certificate) in &self.0 {
            if let Some(words) = nearness(certificate) {
                tracing::warn!(table, file = %certificate.file().display(), "{words}");
            }
        }
    }
}

impl Fresh {
    /// Puts all in force, for the handshakes to come.
    pub(super) fn put(self) {
        self.0.into_iter().for_each(|(certificate, fresh)| certificate.put(fresh));
    }
}

/// An error with what caused it.
pub(super) fn with_cause(error: &CertificateError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A folder with a pair of files.
    fn folder(name: &str) -> (PathBuf, PathBuf, PathBuf) {
        let folder = std::env::temp_dir().join(format!("tidegate-certificates-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let issued = rcgen::generate_simple_self_signed(vec!["dns.test".to_owned()]).unwrap();
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        std::fs::write(&chain, issued.cert.pem()).unwrap();
        std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
        (folder, chain, key)
    }

    #[test]
    fn what_was_refused_is_tried_again_though_the_files_look_the_same() {
        let (folder, chain, key) = folder("again");
        let certificate = Certificate::load(&chain, &key).unwrap();
        let all = Certificates(vec![("dot", Arc::clone(&certificate))]);
        let good = std::fs::read(&key).unwrap();
        std::fs::write(&key, "unreadable for a moment").unwrap();
        assert!(all.read().is_err() && certificate.is_refused());
        std::fs::write(&key, good).unwrap();
        let look = certificate.look();
        let seen = all.look_again(vec![Seen { known: look.clone(), last: look, told: None }]);
        assert!(!certificate.is_refused() && seen.len() == 1);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn errors_tell_what_the_system_said() {
        let (folder, chain, _) = folder("cause");
        let error = Certificate::load(&chain, &folder.join("none.pem")).unwrap_err();
        let said = with_cause(&error);
        assert!(said.contains("none.pem") && said.contains("No such file"), "{said}");
        assert_eq!(crate::app::AppError::from(error).to_string(), said);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
