//! `[tsig]`: the keys that vouch for updates and transfers. A secret is in the file or in one of its own.

use crate::config::findings::Scope;
use crate::config::v1::{Entries, Field};
use crate::dns::Name;
use crate::dns::tsig::{Algorithm, Key, KeyRing, UnknownAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;

/// The longest secret, octets; HMAC hashes what is longer than its block anyway.
const MAX_SECRET: usize = 1024;

/// `[tsig]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TsigForm {
    keys: Entries<Spanned<KeyForm>>,
}

/// `[tsig.keys."name."]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KeyForm {
    algorithm: Field<String>,
    secret: Field<String>,
    secret_file: Field<String>,
}

impl std::fmt::Debug for TsigForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TsigForm({} keys)", self.keys.len())
    }
}

impl TsigForm {
    /// The keys, as far as they are in order.
    pub(super) fn keys(&self, folder: &Path, scope: &mut Scope<'_>) -> KeyRing {
        let mut ring = KeyRing::default();
        for (name, form) in &self.keys {
            let Some(key) = key(name, form, folder, scope) else { continue };
            if ring.find(&key.name).is_some() {
                let message = format!("the key {} is there twice, written differently", key.name);
                scope.refuse(&name.span(), message, "remove one");
                continue;
            }
            ring.insert(key);
        }
        ring
    }
}

/// One key.
fn key(name: &Spanned<String>, form: &Spanned<KeyForm>, folder: &Path, scope: &mut Scope<'_>) -> Option<Key> {
    let parsed = scope.name(name);
    let (form, span) = (form.get_ref(), name.span());
    let algorithm = match &form.algorithm {
        None => Some(Algorithm::HmacSha256),
        Some(text) => match text.get_ref().parse() {
            Ok(algorithm) => Some(algorithm),
            Err(problem) => {
                let problem: UnknownAlgorithm = problem;
                let weak = ["hmac-md5", "hmac-sha1", "hmac-sha224"].iter().any(|weak| text.get_ref().starts_with(weak));
                let remedy = if weak {
                    "it is too weak: make a new key on both sides (`tidegate tsig-key NAME`)"
                } else {
                    "write \"hmac-sha256\""
                };
                scope.refuse(&text.span(), problem.to_string(), remedy);
                None
            }
        },
    };
    let secret = match (&form.secret, &form.secret_file) {
        (Some(secret), None) => decoded(secret.get_ref(), &secret.span(), "the secret", scope),
        (None, Some(file)) => {
            let path = folder.join(file.get_ref());
            match std::fs::read_to_string(&path) {
                Ok(text) => decoded(text.trim(), &file.span(), "what the file holds", scope),
                Err(error) => {
                    let message = format!("can't read the secret from {}: {error}", path.display());
                    scope.refuse(&file.span(), message, "");
                    None
                }
            }
        }
        (None, None) => {
            let remedy = "add `secret = \"...\"` or `secret_file = \"...\"`; `tidegate tsig-key NAME` prints a new key";
            scope.refuse(&span, format!("the key {} has no secret", name.get_ref()), remedy);
            None
        }
        (Some(_), Some(file)) => {
            let message = format!("the key {} has two secrets", name.get_ref());
            scope.refuse(&file.span(), message, "keep `secret` or `secret_file`, not both");
            None
        }
    };
    Some(Key::new(parsed?, algorithm?, &secret?))
}

/// A secret of base64 text.
fn decoded(text: &str, span: &std::ops::Range<usize>, what: &str, scope: &mut Scope<'_>) -> Option<Vec<u8>> {
    // The text itself is in no message: messages end in logs.
    let remedy = "`tidegate tsig-key NAME` prints a new key";
    let secret = STANDARD.decode(text).ok();
    match secret {
        None => scope.refuse(span, format!("{what} is not base64"), remedy),
        Some(secret) if secret.is_empty() => scope.refuse(span, format!("{what} is empty"), remedy),
        Some(secret) if secret.len() > MAX_SECRET => {
            scope.refuse(span, format!("{what} is longer than {MAX_SECRET} octets"), remedy);
        }
        good => return good,
    }
    None
}

impl Scope<'_> {
    /// A domain name; the final dot may be missing.
    pub(super) fn name(&mut self, text: &Spanned<String>) -> Option<Name> {
        match text.get_ref().parse() {
            Ok(name) => Some(name),
            Err(problem) => {
                let problem: crate::dns::NameError = problem;
                self.refuse(&text.span(), format!("`{}` is not a domain name: {problem}", text.get_ref()), "");
                None
            }
        }
    }
}
