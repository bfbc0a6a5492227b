//! Verbs that need no running server: serving, trying out, looking at files and numbers.

use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `tsig-key`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TsigKeyArgs {
    /// What both sides call it, such as transfer.example.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// hmac-sha256, hmac-sha384 or hmac-sha512
    #[arg(long, value_name = "ALGORITHM", default_value = "hmac-sha256")]
    pub algorithm: String,
    /// Print it for a program
    #[arg(long)]
    pub json: bool,
}

/// `serve`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ServeArgs {
    /// The server's file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to answer DNS over UDP and TCP; may be repeated
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,
    /// The folder of zone files
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
    /// The folder of the state
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Where to answer operators
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: Option<SocketAddr>,
    /// Let the admin interface listen beyond loopback without TLS
    #[arg(long)]
    pub admin_insecure: bool,
}

/// `demo`.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct DemoArgs {
    /// Where to answer DNS
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5300")]
    pub dns: SocketAddr,
    /// Where to answer operators
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8053")]
    pub admin: SocketAddr,
    /// Port of the two model servers
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub backend_port: u16,
    /// How long green takes to load its model (15s; 3s in a scenario)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub load: Option<std::time::Duration>,
    /// Play a release by itself, in under two minutes, with simulated users
    #[arg(long, value_parser = ["good", "slow", "errors", "wrong-model"])]
    pub scenario: Option<String>,
}

/// `check`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// The folder of zone files, instead of the one the server's file names
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
    /// The server's file, which is checked too; it names the databases of rules by country and ASN
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ask the parent of each zone, and each nameserver, whether the world finds the zone
    #[arg(long)]
    pub delegation: bool,
    /// Look at this zone only; may be repeated
    #[arg(long = "zone", value_name = "NAME", requires = "delegation")]
    pub only: Vec<crate::dns::Name>,
    /// A server of the parent, with :PORT if it is not 53; may be repeated (found through a resolver)
    #[arg(long = "parent", value_name = "ADDRESS", requires = "delegation", value_parser = dns_server)]
    pub parents: Vec<SocketAddr>,
    /// A resolver to find the parent and its servers with; may be repeated (those of /etc/resolv.conf)
    #[arg(long = "resolver", value_name = "ADDRESS", requires = "delegation", value_parser = dns_server)]
    pub resolvers: Vec<SocketAddr>,
    /// How long one reply may take
    #[arg(long, value_name = "DURATION", requires = "delegation", default_value = "3s", value_parser = humantime::parse_duration)]
    pub timeout: std::time::Duration,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// An address to ask at, port 53 unless it says another.
fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let alone = || text.parse::<std::net::IpAddr>().map(|address| (address, 53).into());
    text.parse().or_else(|_| alone()).map_err(|_| "write an address such as 192.0.2.1 or [2001:db8::1]:53".to_owned())
}

/// `compare`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    /// What the stable side measured: a file of numbers, or a count such as 10/1000
    #[arg(long, value_name = "FILE|HITS/TOTAL")]
    pub stable: String,
    /// What the canary measured, in the same form
    #[arg(long, value_name = "FILE|HITS/TOTAL")]
    pub canary: String,
    /// Chance to call a difference proven that is none
    #[arg(long, value_name = "CHANCE", default_value_t = 0.05)]
    pub alpha: f64,
    /// Which direction is worse
    #[arg(long, value_enum, default_value_t = WorseArg::Up, conflicts_with_all = ["lower_is_better", "higher_is_better"])]
    pub worse: WorseArg,
    /// Errors, latency: the same as --worse up
    #[arg(long, conflicts_with = "higher_is_better")]
    pub lower_is_better: bool,
    /// Throughput, accuracy: the same as --worse down
    #[arg(long)]
    pub higher_is_better: bool,
    /// How much worse is still accepted: in the unit of the numbers, or a share of the stable side's such as 20%
    #[arg(long, value_name = "NUMBER|PERCENT%", allow_negative_numbers = true)]
    pub margin: Option<String>,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which direction of a measurement is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum WorseArg {
    /// Larger is worse: errors, latency
    Up,
    /// Smaller is worse: throughput, accuracy
    Down,
}
