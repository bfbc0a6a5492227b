//! TLS of probes: trust, the handshake, the certificate's remaining days; and the `tls` probe.
//!
//! Sessions are never resumed: a resumed session would show the certificate of an earlier probe.

use super::attempt::{Deadline, Failure, Seen, connect};
use super::words;
use crate::clock;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a TLS configuration depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TlsNeeds {
    /// Whether the chain is verified.
    pub(super) verify: bool,
    /// A CA bundle instead of the system's.
    pub(super) ca_pem: Option<String>,
    /// The protocol offered by ALPN (RFC 7301).
    pub(super) alpn: Option<&'static str>,
}

/// Configurations in use: reading the system's roots takes milliseconds, so monitors share them.
#[derive(Default)]
pub(super) struct TlsConfigs(HashMap<TlsNeeds, Arc<ClientConfig>>);

impl TlsConfigs {
    /// The configuration for `needs`.
    pub(super) fn config(&mut self, needs: TlsNeeds) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.0.get(&needs) {
            return Ok(config.clone());
        }
        let config = Arc::new(build(&needs)?);
        self.0.insert(needs, config.clone());
        Ok(config)
    }

    /// Drops what no plan uses any more.
    pub(super) fn forget_unused(&mut self) {
        self.0.retain(|_, config| Arc::strong_count(config) > 1);
    }
}

fn build(needs: &TlsNeeds) -> Result<ClientConfig, String> {
    super::install_crypto();
    let verifier: Arc<dyn ServerCertVerifier> = match &needs.ca_pem {
        _ if !needs.verify => Arc::new(AcceptAny),
        Some(pem) => WebPkiServerVerifier::builder(Arc::new(roots(pem)?))
            .build()
            .map_err(|problem| format!("ca is not usable: {problem}"))?,
        None => Arc::new(system_roots()?),
    };
    let mut config =
        ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = needs.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|problem| format!("ca is not PEM: {problem}"))?;
        roots.add(certificate).map_err(|problem| format!("ca holds a certificate that is none: {problem}"))?;
    }
    if roots.is_empty() { Err("ca holds no certificate".to_owned()) } else { Ok(roots) }
}

fn system_roots() -> Result<rustls_platform_verifier::Verifier, String> {
    let provider = rustls::crypto::CryptoProvider::get_default().ok_or("no TLS provider is installed")?.clone();
    rustls_platform_verifier::Verifier::new(provider)
        .map_err(|problem| format!("no system CA certificates ({problem}): install ca-certificates, or give ca"))
}

/// Shakes hands on a fresh connection and notes how long the certificate lasts.
pub(super) async fn handshake(
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: TcpStream,
    deadline: &Deadline,
    seen: &mut Seen,
) -> Result<TlsStream<TcpStream>, Failure> {
    const DOING: &str = "in the TLS handshake";
    let stream = deadline.step(DOING, TlsConnector::from(config.clone()).connect(name, stream)).await?;
    let stream = stream.map_err(|problem| words::io_failure(&problem, DOING))?;
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    seen.certificate_days = certificate.and_then(|certificate| days_left(certificate, clock::unix_ms()));
    Ok(stream)
}

/// Whole days until the certificate expires, negative when it has.
pub(super) fn days_left(certificate: &CertificateDer<'_>, now_unix_ms: u64) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let now_s = i64::try_from(now_unix_ms / 1000).ok()?;
    Some((certificate.validity().not_after.timestamp() - now_s).div_euclid(86_400))
}

/// Fails when the certificate lasts fewer days than wanted.
pub(super) fn lasts(seen: &Seen, min_days: Option<i64>) -> Result<(), Failure> {
    let Some(wanted) = min_days else { return Ok(()) };
    match seen.certificate_days {
        Some(days) if days >= wanted => Ok(()),
        Some(days) if days < 0 => Err(Failure::Theirs("certificate has expired".to_owned())),
        Some(days) => Err(Failure::Theirs(format!("certificate expires in {days} days, wanted at least {wanted}"))),
        None => Err(Failure::Theirs(format!("no certificate date to read, wanted at least {wanted} days"))),
    }
}

/// The name verified and sent as SNI; an address when none is given.
pub(super) fn server_name(name: Option<&str>, address: IpAddr) -> Result<ServerName<'static>, String> {
    match name {
        None => Ok(ServerName::IpAddress(address.into())),
        Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| format!("{name:?} is no name for TLS")),
    }
}

/// The `tls` probe: a handshake and nothing else.
pub(super) struct TlsPlan {
    port: u16,
    server_name: Option<String>,
    config: Arc<ClientConfig>,
    min_days: Option<i64>,
}

impl TlsPlan {
    /// Prepares a `tls` monitor.
    pub(super) fn new(
        port: u16,
        server_name: Option<&str>,
        verify: bool,
        ca_pem: Option<&str>,
        min_days: Option<i64>,
        configs: &mut TlsConfigs,
    ) -> Result<Self, String> {
        let config = configs.config(TlsNeeds { verify, ca_pem: ca_pem.map(str::to_owned), alpn: None })?;
        Ok(Self { port, server_name: server_name.map(str::to_owned), config, min_days })
    }

    /// Carries it out.
    pub(super) async fn probe(&self, address: IpAddr, deadline: &Deadline, seen: &mut Seen) -> Result<(), Failure> {
        let name = server_name(self.server_name.as_deref(), address)?;
        let stream = connect(address, self.port, deadline).await?;
        let mut stream = handshake(&self.config, name, stream, deadline, seen).await?;
        // A goodbye spares the server a log line; the verdict does not hang on it.
        let _ = deadline.step("closing", stream.shutdown()).await;
        lasts(seen, self.min_days)
    }
}

/// Accepts every certificate, for monitors that say so.
#[derive(Debug)]
struct AcceptAny;

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
