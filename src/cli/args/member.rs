//! Arguments of `member`.

use super::{Connection, Guards};
use clap::{Args, Subcommand};

/// `member`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MemberArgs {
    /// What to do with members.
    #[command(subcommand)]
    pub verb: MemberVerb,
}

/// What can be done with members.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MemberVerb {
    /// List the members of a switch, and how each came
    List {
        /// The switch
        switch: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Register a member, or renew its registration
    Register(MemberRegisterArgs),
    /// End a registration
    Remove(MemberRemoveArgs),
}

/// `member register`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MemberRegisterArgs {
    /// The switch
    pub switch: String,
    /// The pool; its files must allow registrations
    pub pool: String,
    /// The member's name, unique in the pool
    pub id: String,
    /// Its address; once more for the other family
    #[arg(long = "ip", value_name = "ADDRESS", required = true)]
    pub addresses: Vec<String>,
    /// Weight inside the pool, 1 to 10000
    #[arg(long, value_name = "N")]
    pub weight: Option<u16>,
    /// The version it must show, where that differs from its pool's
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// How long it lasts without a heartbeat [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub ttl: Option<String>,
    /// Why; kept in the history
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Say what would change, change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// `member remove`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MemberRemoveArgs {
    /// The switch
    pub switch: String,
    /// The pool
    pub pool: String,
    /// The member
    pub id: String,
    #[command(flatten)]
    pub guards: Guards,
    #[command(flatten)]
    pub connection: Connection,
}

impl MemberVerb {
    /// Where it goes.
    pub(in crate::cli) const fn connection(&self) -> &Connection {
        match self {
            Self::List { connection, .. } => connection,
            Self::Register(args) => &args.connection,
            Self::Remove(args) => &args.connection,
        }
    }
}
