//! Certificates of tests: an authority, and what it signs.

use crate::harness::Folder;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::path::PathBuf;

/// Signs certificates.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
pub struct Signed {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs for a server of these names and addresses, until the end of a year.
    pub fn server(&self, names: &[String], until: i32) -> Signed {
        self.sign(names, until, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Signs for a client.
    pub fn client(&self, name: &str) -> Signed {
        self.sign(&[name.to_owned()], 2090, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, names: &[String], until: i32, purpose: ExtendedKeyUsagePurpose) -> Signed {
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        params.extended_key_usages = vec![purpose];
        params.distinguished_name.push(DnType::CommonName, "a test");
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { cert, key: key.serialize_pem() }
    }
}

impl Signed {
    /// Writes `<name>.pem` and `<name>.key` and returns where they are.
    pub fn write(&self, folder: &Folder, name: &str) -> [PathBuf; 2] {
        folder.write(&format!("{name}.pem"), &self.cert);
        folder.write(&format!("{name}.key"), &self.key);
        ["pem", "key"].map(|ending| folder.path().join(format!("{name}.{ending}")))
    }
}
