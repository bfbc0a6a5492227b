//! The demo's encrypted transports: DNS over TLS and QUIC one port above DNS, over HTTPS two, with a
//! certificate that nobody signed and that goes with the demo's folder.

use super::DemoError;
use crate::config::server::{DohConfig, EncryptedConfig, PemPair};
use std::net::SocketAddr;
use std::path::Path;

/// Makes a certificate for `dns` in `folder`, and says what listens with it.
pub(super) fn encrypted(folder: &Path, dns: SocketAddr) -> Result<(EncryptedConfig, DohConfig), DemoError> {
    let pair = PemPair { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    let names = vec!["ns1.example.test".to_owned(), dns.ip().to_string()];
    let made = rcgen::generate_simple_self_signed(names)?;
    for (path, text) in [(&pair.cert, made.cert.pem()), (&pair.key, made.signing_key.serialize_pem())] {
        std::fs::write(path, text).map_err(|source| DemoError::Folder { path: path.clone(), source })?;
    }
    let at = |above: u16| {
        // Port 0 stays 0: any that is free.
        let port = if dns.port() == 0 { 0 } else { dns.port().saturating_add(above) };
        vec![SocketAddr::new(dns.ip(), port)]
    };
    let doh = DohConfig { listen: at(2), pair: pair.clone(), path: "/dns-query".to_owned(), h3: true };
    Ok((EncryptedConfig { listen: at(1), pair }, doh))
}
