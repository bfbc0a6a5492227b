//! HTTPS and TLS probes against servers with certificates of our own making.

use super::{PATIENT, failure_of, probe, probe_http};
use crate::health::{HttpCheck, MonitorKind};
use crate::probe::responder::{check, reply, say, serve, target};
use crate::probe::{install_crypto, tls};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// A CA and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `name` that lasts to the first of January of `until`.
    fn sign(&self, name: &str, until: i32) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Serves `reply` under TLS with a certificate for `name`; the port.
    async fn serve(&self, name: &str, until: i32, alpn: &[&str]) -> u16 {
        install_crypto();
        let (certificate, key) = self.sign(name, until);
        let chain = vec![certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let manner = move |stream, log| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    over_http2(stream).await;
                } else {
                    say(stream, log, reply(200, "", "ok").into()).await;
                }
            }
        };
        serve(manner).await.0
    }

    fn check(&self, port: u16) -> HttpCheck {
        let host = Some("app.example.test".to_owned());
        HttpCheck { ca_pem: Some(self.pem.clone()), host, ..check(&format!("https://{{address}}:{port}/")) }
    }
}

async fn over_http2(stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>) {
    let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
        let shown = format!("{:?} {}", request.version(), request.uri());
        Ok::<_, std::convert::Infallible>(hyper::Response::new(http_body_util::Full::<bytes::Bytes>::from(shown)))
    });
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
        .serve_connection(io, service)
        .await;
}

#[tokio::test]
async fn a_certificate_of_our_own_ca_passes_and_shows_its_days() {
    let authority = Authority::new();
    let port = authority.serve("app.example.test", 2120, &[]).await;
    let outcome = probe_http(authority.check(port), PATIENT).await;
    assert_eq!(outcome.failure, None);
    assert!(outcome.certificate_days.unwrap() > 20_000);
}

#[tokio::test]
async fn a_certificate_for_the_address_needs_no_host() {
    let authority = Authority::new();
    let port = authority.serve("127.0.0.1", 2120, &[]).await;
    let by_address = HttpCheck { host: None, ..authority.check(port) };
    assert_eq!(probe_http(by_address, PATIENT).await.failure, None);
}

#[tokio::test]
async fn an_expired_certificate_fails() {
    let authority = Authority::new();
    let port = authority.serve("app.example.test", 2002, &[]).await;
    assert_eq!(failure_of(authority.check(port), PATIENT).await, "certificate has expired");
    let unverified = HttpCheck { verify: false, ..authority.check(port) };
    assert_eq!(probe_http(unverified.clone(), PATIENT).await.failure, None);
    let dated = HttpCheck { min_days: Some(14), ..unverified };
    assert_eq!(failure_of(dated, PATIENT).await, "certificate has expired");
}

#[tokio::test]
async fn a_certificate_for_another_name_fails() {
    let authority = Authority::new();
    let port = authority.serve("other.example.test", 2120, &[]).await;
    let failure = failure_of(authority.check(port), PATIENT).await;
    assert!(failure.contains("other.example.test") && failure.ends_with("wanted app.example.test"), "{failure}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_fails() {
    let authority = Authority::new();
    let port = authority.serve("app.example.test", 2120, &[]).await;
    let other = HttpCheck { ca_pem: Some(Authority::new().pem), ..authority.check(port) };
    // rcgen gives every CA the same name, so the signature and not the issuer is what does not fit.
    let failure = failure_of(other, PATIENT).await;
    assert!(failure.starts_with("certificate is "), "{failure}");
    let system = HttpCheck { ca_pem: None, ..authority.check(port) };
    let failure = failure_of(system, PATIENT).await;
    assert!(failure.contains("unknown CA") || failure.starts_with("no system CA certificates"), "{failure}");
}

#[tokio::test]
async fn a_certificate_that_lasts_too_short_fails() {
    let authority = Authority::new();
    let port = authority.serve("app.example.test", 2120, &[]).await;
    let wanted = HttpCheck { min_days: Some(100_000), ..authority.check(port) };
    let outcome = probe_http(wanted, PATIENT).await;
    let days = outcome.certificate_days.unwrap();
    assert_eq!(outcome.failure, Some(format!("certificate expires in {days} days, wanted at least 100000")));
}

#[tokio::test]
async fn days_left_are_whole_days_and_negative_after_the_end() {
    let (certificate, _) = Authority::new().sign("app.example.test", 2030);
    let der = CertificateDer::from(certificate.der().to_vec());
    let end_ms: u64 = 1_893_456_000_000;
    let day_ms = 86_400_000;
    assert_eq!(tls::days_left(&der, end_ms - 3 * day_ms), Some(3));
    assert_eq!(tls::days_left(&der, end_ms - 3 * day_ms + 1_000), Some(2));
    assert_eq!(tls::days_left(&der, end_ms + 1_000), Some(-1));
}

#[tokio::test]
async fn http2_is_negotiated_and_its_absence_fails() {
    let authority = Authority::new();
    let port = authority.serve("app.example.test", 2120, &["h2", "http/1.1"]).await;
    let over_h2 = HttpCheck {
        http2: true,
        body_regex: Some("^HTTP/2.0 https://app.example.test/$".into()),
        ..authority.check(port)
    };
    assert_eq!(probe_http(over_h2.clone(), PATIENT).await.failure, None);
    let port = authority.serve("app.example.test", 2120, &[]).await;
    let none = HttpCheck { url: format!("https://{{address}}:{port}/"), ..over_h2.clone() };
    assert_eq!(failure_of(none, PATIENT).await, "the server does not offer HTTP/2");
    let port = authority.serve("app.example.test", 2120, &["http/1.1"]).await;
    let old = HttpCheck { url: format!("https://{{address}}:{port}/"), ..over_h2 };
    assert_eq!(failure_of(old, PATIENT).await, "the server does not offer the HTTP version asked for");
}

#[tokio::test]
async fn a_tls_probe_shakes_hands_and_no_more() {
    let authority = Authority::new();
    let port = authority.serve("app.example.test", 2120, &[]).await;
    let tls = |name: &str, min_days| {
        let (server_name, ca_pem) = (Some(name.to_owned()), Some(authority.pem.clone()));
        target(MonitorKind::Tls { port, server_name, verify: true, ca_pem, min_days }, PATIENT)
    };
    let outcome = probe(&tls("app.example.test", Some(14))).await;
    assert_eq!(outcome.failure, None);
    assert!(outcome.certificate_days.is_some());
    assert!(probe(&tls("wrong.example.test", None)).await.failure.unwrap().contains("wanted wrong.example.test"));
    assert!(
        probe(&tls("app.example.test", Some(1_000_000))).await.failure.unwrap().starts_with("certificate expires in")
    );
}
