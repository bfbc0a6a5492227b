//! `contexts.toml`: the servers a person works with, by name.
//!
//! It may hold tokens, so it is written with mode 0600, in one step, and a wider mode is warned of.

use super::exit::Failure;
use super::trust::Trust;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What stands at the top of the file.
const HEADLINE: &str = "# Written by `tidegate context`; what it does not know it does not keep.\n\n";

/// How many links are followed.
const LINK_LIMIT: usize = 16;

/// The file.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contexts {
    /// The context that is used without `--context`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// By name.
    #[serde(default, rename = "context")]
    pub contexts: BTreeMap<String, Context>,
}

/// One server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Context {
    /// Scheme, host and port.
    pub address: String,
    /// The token itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The authority whose certificates are believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate that is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// Its key, if it is in a file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
}

impl Context {
    /// What TLS goes by.
    pub(super) fn trust(&self) -> Trust {
        Trust { ca: self.ca_file.clone(), client_cert: self.client_cert.clone(), client_key: self.client_key.clone() }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Contexts {
    /// Reads the file; an absent one is empty.
    ///
    /// # Errors
    /// Unreadable, or not what it should be, with the place.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| Failure::usage(format!("{} is not valid: {error}", path.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::usage(format!("cannot read {}: {error}", path.display()))),
        }
    }

    /// The context of this name, or what the file has instead.
    ///
    /// # Errors
    /// An unknown name.
    pub(super) fn named(&self, name: &str, path: &Path) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::usage(format!("{} has no context `{name}` (it has: {known})", path.display()))
        })
    }

    /// Writes the file, readable by its owner only; a reader sees the old one or the new one. Who changes what it
    /// read holds the [`lock`].
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed =
            |error: &dyn std::fmt::Display| Failure::failed(format!("cannot write {}: {error}", path.display()));
        let text = toml::to_string_pretty(self).map_err(|error| failed(&error))?;
        let path = &real(path).map_err(|error| failed(&error))?;
        let draft = path.with_extension(format!("toml.{}", std::process::id()));
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| {
                file.write_all(format!("{HEADLINE}{text}").as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&draft, path));
        written.map_err(|error| {
            // The draft may hold a token, and nobody would look for it.
            let _ = std::fs::remove_file(&draft);
            failed(&error)
        })
    }

    /// Whether a token stands in the file itself.
    fn holds_a_token(&self) -> bool {
        self.contexts.values().any(|context| context.token.is_some())
    }

    /// What to say where others can read a token in it.
    pub(super) fn warning(&self, path: &Path) -> Option<String> {
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (self.holds_a_token() && mode & 0o077 != 0)
            .then(|| format!("warning: {0} holds a token and has mode {mode:03o}: chmod 600 {0}", path.display()))
    }
}

/// Waits until nobody else changes the file, and keeps others from it until the answer is dropped.
///
/// # Errors
/// What the disk says.
pub(super) fn lock(path: &Path) -> Result<std::fs::File, Failure> {
    let locked = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let beside = real(path)?.with_extension("toml.lock");
        // It stays, since a lock on a file that was removed would keep nobody out.
        let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(beside)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(|error: std::io::Error| Failure::failed(format!("cannot lock {}: {error}", path.display())))
}

/// Where the file is in the end: a link to it, there or not, stays one.
fn real(path: &Path) -> std::io::Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..LINK_LIMIT {
        match std::fs::read_link(&at) {
            Ok(target) => at = at.parent().unwrap_or(Path::new("")).join(target),
            // It is no link, or not there yet.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => return Ok(at),
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::new(ErrorKind::InvalidInput, "too many links"))
}
