//! The certificate of DNS over TLS and HTTPS, from PEM files, replaceable while it is in use.
//!
//! A handshake takes the certificate of its moment; open connections keep theirs. A reload that
//! fails leaves the old certificate in force. Never makes a certificate.

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why certificate files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read as PEM.
    #[error("{}: cannot be read as PEM; it should hold the {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What went wrong.
        source: pem::Error,
    },
    /// The chain file holds no certificate.
    #[error("{}: holds no certificate; it should hold the server's, then those that signed it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The two do not work together.
    #[error("{} and {}: the key cannot be used with the certificate", chain.display(), key.display())]
    Pair {
        /// The certificate file.
        chain: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What went wrong.
        source: rustls::Error,
    },
}

/// A certificate chain with its key.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads a certificate chain (the server's first) and its private key.
    ///
    /// # Errors
    /// Names the file and what it should hold.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let current = ArcSwap::from_pointee(read(chain, key)?);
        Ok(Arc::new(Self { chain: chain.to_owned(), key: key.to_owned(), current }))
    }

    /// Reads the same files again, for the handshakes to come.
    ///
    /// # Errors
    /// As [`Certificate::load`]; the certificate before stays in force.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.current.store(Arc::new(read(&self.chain, &self.key)?));
        Ok(())
    }

    /// A configuration that offers this certificate, for [`super::Encrypted`].
    #[must_use]
    pub fn server_config(self: &Arc<Self>) -> Arc<rustls::ServerConfig> {
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        Arc::new(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(chain: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let file = |path: &Path, what: &'static str| {
        let path = path.to_owned();
        move |source| CertificateError::File { path, what, source }
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file(chain, "certificate chain"))?;
    if certificates.is_empty() {
        return Err(CertificateError::Empty { path: chain.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(file(key, "private key"))?;
    CertifiedKey::from_der(certificates, private, &ring::default_provider()).map_err(|source| CertificateError::Pair {
        chain: chain.to_owned(),
        key: key.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        folder: PathBuf,
    }

    impl Files {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("tidegate-certificate-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self { folder }
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
    }

    fn issue() -> (String, String) {
        let issued = rcgen::generate_simple_self_signed(vec!["dns.test".to_owned()]).unwrap();
        (issued.cert.pem(), issued.signing_key.serialize_pem())
    }

    #[test]
    fn a_reload_takes_the_new_certificate_and_a_bad_one_leaves_the_old() {
        let files = Files::new("reload");
        let (chain, key) = issue();
        let (chain_path, key_path) = (files.write("chain.pem", &chain), files.write("key.pem", &key));
        let certificate = Certificate::load(&chain_path, &key_path).unwrap();
        let first = certificate.current.load_full();
        let (chain, key) = issue();
        files.write("chain.pem", &chain);
        assert!(matches!(certificate.reload(), Err(CertificateError::Pair { .. })));
        assert_eq!(certificate.current.load().cert, first.cert);
        files.write("key.pem", &key);
        certificate.reload().unwrap();
        assert_ne!(certificate.current.load().cert, first.cert);
        assert!(certificate.server_config().alpn_protocols.is_empty());
    }

    #[test]
    fn errors_name_the_file_and_what_it_should_hold() {
        let files = Files::new("errors");
        let (chain, key) = issue();
        let (chain, key) = (files.write("chain.pem", &chain), files.write("key.pem", &key));
        let empty = files.write("empty.pem", "nothing");
        let missing = files.folder.join("missing.pem");
        assert!(Certificate::load(&empty, &key).unwrap_err().to_string().contains("empty.pem: holds no certificate"));
        assert!(Certificate::load(&chain, &empty).unwrap_err().to_string().contains("it should hold the private key"));
        assert!(Certificate::load(&missing, &key).unwrap_err().to_string().contains("missing.pem: cannot be read"));
    }
}
