//! The certificates of the encrypted transports and of the admin interface, from PEM files, replaceable
//! while they are in use.
//!
//! A handshake takes the certificate of its moment, and the authorities of clients; open connections keep
//! theirs. What cannot be read leaves what is in force as it is. Clients may resume by tickets (RFC 5077, RFC 8446 §2.2),
//! whose keys live in memory and change by themselves. Never makes a certificate.

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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
    /// The certificate says something that cannot be understood.
    #[error("{}: the certificate is not readable as X.509", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// The certificates of those who sign for clients cannot be used.
    #[error("{}: no authority for client certificates: {why}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// TLS cannot be set up at all.
    #[error("TLS cannot be set up: {0}")]
    Provider(#[from] rustls::Error),
}

/// A certificate chain with its key, and whose clients are heard.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    clients: Option<Clients>,
    current: ArcSwap<Current>,
    /// The files hold something newer that cannot be used.
    refused: AtomicBool,
}

/// Clients that have to show a certificate.
#[derive(Debug)]
struct Clients {
    /// The file of those who sign for them.
    authorities: PathBuf,
    config: Arc<ArcSwap<rustls::ServerConfig>>,
}

/// What is in force.
#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    /// The end of its validity, seconds since 1970.
    expires_unix_s: u64,
}

/// What was read and is not in force yet.
#[derive(Debug)]
pub struct FreshCertificate {
    current: Current,
    with_clients: Option<Arc<rustls::ServerConfig>>,
}

/// What tells one version of the files from another; `None`: a file is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateLook(Vec<Option<[i128; 6]>>);

impl Certificate {
    /// Reads a certificate chain (the server's first) and its private key.
    ///
    /// # Errors
    /// Names the file and what it should hold.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let current = ArcSwap::from_pointee(read(chain, key)?);
        let (chain, key) = (chain.to_owned(), key.to_owned());
        Ok(Arc::new(Self { chain, key, clients: None, current, refused: AtomicBool::new(false) }))
    }

    /// The same for clients that have to show a certificate signed by one of the authorities in a file.
    ///
    /// # Errors
    /// As [`Certificate::load`], or when the file holds no authority.
    pub fn load_with_clients(chain: &Path, key: &Path, authorities: &Path) -> Result<Arc<Self>, CertificateError> {
        let current = read(chain, key)?;
        let config = Arc::new(ArcSwap::new(config_with_clients(&current.key, authorities)?));
        Ok(Arc::new(Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            clients: Some(Clients { authorities: authorities.to_owned(), config }),
            current: ArcSwap::from_pointee(current),
            refused: AtomicBool::new(false),
        }))
    }

    /// Reads the same files again and puts nothing in force.
    ///
    /// # Errors
    /// As when they were read first.
    pub fn read(&self) -> Result<FreshCertificate, CertificateError> {
        let read = read(&self.chain, &self.key).and_then(|current| {
            let with_clients = |clients: &Clients| config_with_clients(&current.key, &clients.authorities);
            let with_clients = self.clients.as_ref().map(with_clients).transpose()?;
            Ok(FreshCertificate { current, with_clients })
        });
        self.refused.store(read.is_err(), Relaxed);
        read
    }

    /// Puts what was read in force, for the handshakes to come.
    pub fn put(&self, fresh: FreshCertificate) {
        self.current.store(Arc::new(fresh.current));
        if let Some((clients, config)) = self.clients.as_ref().zip(fresh.with_clients) {
            clients.config.store(config);
        }
    }

    /// The end of its validity, seconds since 1970.
    #[must_use]
    pub fn expires_unix_s(&self) -> u64 {
        self.current.load().expires_unix_s
    }

    /// Whether the files could not be read the last time.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// The file of the chain.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.chain
    }

    /// Looks at the files without reading them.
    #[must_use]
    pub fn look(&self) -> CertificateLook {
        let authorities = self.clients.as_ref().map(|clients| &clients.authorities);
        let look = |file: &PathBuf| {
            let metadata = std::fs::metadata(file).ok()?;
            let [inode, size] = [metadata.ino(), metadata.size()].map(i128::from);
            let [seconds, nanoseconds] = [metadata.mtime(), metadata.mtime_nsec()].map(i128::from);
            // Another owner or mode changes this time alone.
            let [changed_s, changed_ns] = [metadata.ctime(), metadata.ctime_nsec()].map(i128::from);
            Some([inode, size, seconds, nanoseconds, changed_s, changed_ns])
        };
        CertificateLook([&self.chain, &self.key].into_iter().chain(authorities).map(look).collect())
    }

    /// A configuration that offers this certificate, for [`super::Encrypted`].
    ///
    /// # Errors
    /// When there is no randomness for the keys of tickets.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<rustls::ServerConfig>, CertificateError> {
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.ticketer = ring::Ticketer::new()?;
        Ok(Arc::new(config))
    }

    /// A configuration for clients that have to show a certificate, as it is at each moment; `None`: they need not.
    #[must_use]
    pub fn config_with_clients(&self) -> Option<&Arc<ArcSwap<rustls::ServerConfig>>> {
        self.clients.as_ref().map(|clients| &clients.config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().key))
    }
}

/// A configuration for clients that have to show a certificate signed by one of the authorities in a file.
/// They cannot resume: each connection shows it anew.
fn config_with_clients(
    key: &Arc<CertifiedKey>,
    authorities: &Path,
) -> Result<Arc<rustls::ServerConfig>, CertificateError> {
    let fail = |why: String| CertificateError::Authority { path: authorities.to_owned(), why };
    let certificates = CertificateDer::pem_file_iter(authorities)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fail(error.to_string()))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| fail(error.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| fail(error.to_string()))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key))));
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn read(chain: &Path, key: &Path) -> Result<Current, CertificateError> {
    let file = |path: &Path, what: &'static str| {
        let path = path.to_owned();
        move |source| CertificateError::File { path, what, source }
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file(chain, "certificate chain"))?;
    let leaf = certificates.first().ok_or_else(|| CertificateError::Empty { path: chain.to_owned() })?;
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf)
        .map_err(|_| CertificateError::Unreadable { path: chain.to_owned() })?;
    let expires_unix_s = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    let private = PrivateKeyDer::from_pem_file(key).map_err(file(key, "private key"))?;
    let pair = |source| CertificateError::Pair { chain: chain.to_owned(), key: key.to_owned(), source };
    let key = CertifiedKey::from_der(certificates, private, &ring::default_provider()).map_err(pair)?;
    Ok(Current { key: Arc::new(key), expires_unix_s })
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
    fn what_was_read_is_in_force_when_it_is_put_there_and_a_bad_one_leaves_the_old() {
        let files = Files::new("reload");
        let (chain, key) = issue();
        let (chain_path, key_path) = (files.write("chain.pem", &chain), files.write("key.pem", &key));
        let certificate = Certificate::load(&chain_path, &key_path).unwrap();
        let first = certificate.current.load_full();
        let (chain, key) = issue();
        files.write("chain.pem", &chain);
        assert!(matches!(certificate.read(), Err(CertificateError::Pair { .. })));
        assert_eq!(certificate.current.load().key.cert, first.key.cert);
        assert!(certificate.is_refused());
        files.write("key.pem", &key);
        let fresh = certificate.read().unwrap();
        assert_eq!(certificate.current.load().key.cert, first.key.cert);
        certificate.put(fresh);
        assert_ne!(certificate.current.load().key.cert, first.key.cert);
        assert!(!certificate.is_refused());
        assert!(certificate.server_config().unwrap().alpn_protocols.is_empty());
    }

    #[test]
    fn another_owner_or_mode_is_another_look() {
        use std::os::unix::fs::PermissionsExt;
        let files = Files::new("look");
        let (chain, key) = issue();
        let (chain, key) = (files.write("chain.pem", &chain), files.write("key.pem", &key));
        let certificate = Certificate::load(&chain, &key).unwrap();
        let before = certificate.look();
        assert_eq!(certificate.look(), before);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_ne!(certificate.look(), before);
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
