//! Everything that can reach the control task: one closed enum, handled in order.

use super::copies::CopyReport;
use super::handle::{Ask, Refused, Reloading, Replied};
use super::task::Loaded;
use crate::health::{IdleReport, ProbeReport};
use crate::rollout::{EvidenceReport, HookReport};
use crate::state::{Definitions, SecondaryReport};
use crate::steering::{DiscoveryReport, GeoDatabases, GeoReport};
use std::sync::Arc;
use tokio::sync::oneshot;

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// Somebody asks.
    Ask(Ask),
    /// A probe came back.
    Probed(ProbeReport),
    /// An idle reading came back.
    IdleRead(IdleReport),
    /// The databases of networks were replaced.
    GeoReplaced(GeoReport),
    /// New databases were searched.
    GeoSearched(Box<GeoSearched>),
    /// A query of a rollout came back.
    EvidenceRead(EvidenceReport),
    /// Members were looked up in DNS.
    Discovered(DiscoveryReport),
    /// A hook that a rollout waits for has answered.
    HookAnswered(HookReport),
    /// A secondary was asked for its serial.
    SecondaryShown(SecondaryReport),
    /// The primaries of a zone were asked.
    CopyBrought(CopyReport),
    /// The files were read for a reload.
    Loaded(Box<LoadedFiles>),
    /// Nobody answers from a snapshot older than this view any more.
    Quiet {
        /// The number of the snapshot.
        view: u64,
        /// The switches it changed; `None`: all of them.
        touched: Option<Vec<u32>>,
    },
    /// The sockets are about to answer.
    Answering(oneshot::Sender<()>),
    /// A second has passed.
    Tick,
    /// Save what was observed and end.
    Shutdown(oneshot::Sender<()>),
}

/// Files read for a reload, on their way back to whoever asked.
#[derive(Debug)]
pub struct LoadedFiles {
    /// Who asked, and how.
    pub reloading: Reloading,
    /// What they say, or every problem as text.
    pub outcome: Result<Loaded, Vec<String>>,
    /// How many replacements of databases had been reported before.
    pub geo_reports: u64,
    /// Where the reply goes.
    pub reply: oneshot::Sender<Result<Replied, Refused>>,
}

/// New databases, searched for what the rules name.
#[derive(Debug)]
pub struct GeoSearched {
    /// The databases.
    pub databases: GeoDatabases,
    /// Whose rules were searched for.
    pub definitions: Arc<Definitions>,
    /// The same zones with the networks found, or why not.
    pub outcome: Result<Arc<Definitions>, String>,
}
