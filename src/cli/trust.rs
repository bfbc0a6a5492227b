//! TLS to the admin interface: which authority is believed, and what certificate is shown.

use super::exit::Failure;
use clap::Args;
use reqwest::{Certificate, ClientBuilder, Identity};
use std::path::{Path, PathBuf};

/// What TLS goes by; all absent: the system's authorities, and nothing is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Trust {
    /// Believe certificates that this authority signed, and no others; PEM [env: TIDEGATE_CA_FILE]
    #[arg(long = "ca", value_name = "FILE", help_heading = "Server")]
    pub ca: Option<PathBuf>,
    /// Show this certificate to a server that asks for one; PEM [env: TIDEGATE_CLIENT_CERT]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub client_cert: Option<PathBuf>,
    /// Its key, where the file of the certificate does not hold it; PEM [env: TIDEGATE_CLIENT_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Server", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}

impl Trust {
    /// What is missing comes from `other`; a certificate and its key come from one place.
    pub(super) fn or(self, other: Self) -> Self {
        let ca = self.ca.or(other.ca);
        let from = if self.client_cert.is_some() {
            (self.client_cert, self.client_key)
        } else {
            (other.client_cert, other.client_key)
        };
        Self { ca, client_cert: from.0, client_key: from.1 }
    }

    /// Has a client go by it.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else.
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        if let Some(path) = &self.ca {
            let authorities = Certificate::from_pem_bundle(&read(path)?)
                .ok()
                .filter(|authorities| !authorities.is_empty())
                .ok_or_else(|| {
                    Failure::usage(format!("{}: holds no certificate of an authority in PEM", path.display()))
                })?;
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(path) = &self.client_cert {
            let mut pem = read(path)?;
            if let Some(key) = &self.client_key {
                pem.push(b'\n');
                pem.extend(read(key)?);
            }
            let identity = Identity::from_pem(&pem).map_err(|_| {
                let remedy = if self.client_key.is_some() { "" } else { "; name its key with --client-key" };
                Failure::usage(format!("{}: no certificate with its key in PEM{remedy}", path.display()))
            })?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_with_its_certificate() {
        let of = |ca: &str, cert: &str, key: &str| {
            let file = |name: &str| (!name.is_empty()).then(|| PathBuf::from(name));
            Trust { ca: file(ca), client_cert: file(cert), client_key: file(key) }
        };
        assert_eq!(of("", "", "").or(of("a", "c", "k")), of("a", "c", "k"));
        assert_eq!(of("b", "", "").or(of("a", "c", "k")), of("b", "c", "k"));
        assert_eq!(of("", "d", "").or(of("a", "c", "k")), of("a", "d", ""));
    }
}
