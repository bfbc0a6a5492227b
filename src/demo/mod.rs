//! `tidegate demo`: a release from blue to green on one machine, without root or configuration.
//!
//! Two small model servers, a zone that switches between them in a folder that is removed at exit,
//! and the same server that `serve` starts. Prints through the caller; never touches a user's file.

pub mod context;
mod encryption;
mod model;
pub mod scenario;
mod scene;
mod users;

use crate::app::{self, AppError, Running};
use crate::clock;
use crate::config::ServerConfig;
use crate::config::server::AdminConfig;
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;
use context::DemoContext;
use model::Model;
use scenario::{Ending, Scenario};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

/// Where blue listens.
const BLUE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

/// Where green listens.
const GREEN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 12));

/// What the demo is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where DNS is answered.
    pub dns: SocketAddr,
    /// Where operators are answered.
    pub admin: SocketAddr,
    /// Port of both model servers.
    pub backend_port: u16,
    /// How long green loads.
    pub load: Duration,
    /// A release to play by itself.
    pub scenario: Option<Scenario>,
    /// How the user calls this program.
    pub program: String,
    /// Where to leave the note for other commands, if anywhere.
    pub note: Option<PathBuf>,
    /// The user's own settings lead to another server: printed commands name the demo's address.
    pub name_address: bool,
}

/// Why the demo does not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The admin interface of a demo stays on this machine.
    #[error("--admin {0} is not a loopback address: the demo stays on this machine")]
    Exposed(SocketAddr),
    /// A model server cannot listen.
    #[error(
        "cannot listen on {address} for the {name} model server: {source}; choose another port with --backend-port"
    )]
    Backend {
        /// Blue or green.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The folder of the demo cannot be made.
    #[error("cannot make the demo's folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// DNS cannot be answered.
    #[error("{0}; choose another with --dns")]
    Dns(#[source] AppError),
    /// The server does not start.
    #[error("{0}")]
    App(#[source] AppError),
    /// No certificate can be made.
    #[error("cannot make the demo's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The demo's state.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Runs until `stop` completes or the scenario has ended, saying what happens.
///
/// # Errors
/// [`DemoError`] before anything is printed; everything started is ended.
pub async fn run(
    options: &Options,
    say: impl Fn(&str),
    stop: impl Future<Output = ()>,
) -> Result<Option<Ending>, DemoError> {
    if !options.admin.ip().is_loopback() {
        return Err(DemoError::Exposed(options.admin));
    }
    let models = Models::start(options).await?;
    let folder = Folder::create()?;
    let running = serve(options, &folder).await?;
    let token = read_token(&running, &folder)?;
    let context = DemoContext::of_this_process(format!("http://{}", running.admin), token.clone());
    let note = options.note.as_ref().and_then(|path| {
        context.leave(path).unwrap_or_else(|error| {
            say(&format!("note: other commands will not find this demo by themselves: {error}"));
            None
        })
    });
    let found_by_itself = note.is_some() && !options.name_address;
    let dns = running.dns.first().copied().unwrap_or(options.dns);
    let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, SocketAddr::port);
    let encrypted = [port(&running.dot), port(&running.doh)];
    let scene = scene::Scene { options, dns, encrypted, admin: running.admin, token: &token, found_by_itself };
    let ending = match options.scenario {
        None => {
            say(&scene::introduction(&scene));
            tell(&running, &say, stop).await;
            None
        }
        Some(scenario) => {
            say(&scene::prologue(&scene, scenario));
            let world = users::World { dns, port: options.backend_port, handle: running.handle.clone() };
            tokio::select! {
                ending = scenario::play(scenario, options, &running.handle) => Some(ending),
                () = tell(&running, &say, stop) => None,
                () = users::work(world) => None,
            }
        }
    };
    say(ending.as_ref().map_or("ending the demo", |ending| &ending.words));
    drop(note);
    running.shutdown().await;
    drop(models);
    Ok(ending)
}

/// Says what happens until `stop`.
async fn tell(running: &Running, say: &impl Fn(&str), stop: impl Future<Output = ()>) {
    let mut happenings = running.handle.happenings(None).future;
    let mut stop = std::pin::pin!(stop);
    loop {
        let happening = tokio::select! {
            () = &mut stop => return,
            happening = happenings.recv() => happening,
        };
        match happening {
            Ok(happening) => say(&scene::line(&happening)),
            Err(RecvError::Lagged(missed)) => say(&format!("          ({missed} more)")),
            Err(RecvError::Closed) => return stop.await,
        }
    }
}

/// Starts the server on the demo's zone: the same road as `serve`.
async fn serve(options: &Options, folder: &Folder) -> Result<Running, DemoError> {
    let zones = folder.0.join("zones");
    let written = std::fs::create_dir(&zones).and_then(|()| {
        std::fs::write(
            zones.join("example.test.toml"),
            scene::zone(options.backend_port) + if options.scenario.is_some() { scenario::PLAN } else { "" },
        )
    });
    written.map_err(|source| DemoError::Folder { path: zones.clone(), source })?;
    let (encrypted, doh) = encryption::encrypted(&folder.0, options.dns)?;
    let config = ServerConfig {
        dot: Some(encrypted.clone()),
        doq: Some(encrypted),
        doh: Some(doh),
        listen: vec![options.dns],
        zones,
        state: folder.0.join("state"),
        admin: AdminConfig { listen: options.admin, insecure: false, tls: None },
        ..ServerConfig::default()
    };
    let store = Arc::new(SqliteStore::open(&config.state)?);
    app::start(&config, store).await.map_err(|error| match error {
        AppError::Bind(_) => DemoError::Dns(error),
        other => DemoError::App(other),
    })
}

/// The admin token the first start wrote.
fn read_token(running: &Running, folder: &Folder) -> Result<String, DemoError> {
    let path = running.first_token.clone().unwrap_or_else(|| folder.0.clone());
    let text = std::fs::read_to_string(&path).map_err(|source| DemoError::Folder { path, source })?;
    Ok(text.trim().to_owned())
}

/// Both model servers; they end when dropped.
struct Models(Vec<JoinHandle<()>>);

impl Models {
    async fn start(options: &Options) -> Result<Self, DemoError> {
        let mut models = Self(Vec::new());
        let green = if options.scenario == Some(Scenario::WrongModel) { "v9" } else { "v2" };
        for (name, version, ip, load) in [("blue", "v1", BLUE, Duration::ZERO), ("green", green, GREEN, options.load)] {
            let address = SocketAddr::new(ip, options.backend_port);
            let scenario = options.scenario.filter(|_| name == "green");
            let started = Model { name, version, address, load, scenario }.start().await;
            models.0.push(started.map_err(|source| DemoError::Backend { name, address, source })?);
        }
        Ok(models)
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// A private folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, DemoError> {
        let path = std::env::temp_dir().join(format!("tidegate-demo-{:016x}", clock::random_u64()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| DemoError::Folder { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes the demo's folder with what is in it.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove the demo's folder");
    }
}

#[cfg(test)]
mod tests;
