//! A small internet of network namespaces: NSD for the root and `example.`, Tidegate for the
//! delegated `models.example.`, Unbound as resolvers, and clients of many networks.
//!
//! Every interface lives inside namespaces whose names carry this process's id. They and what runs
//! in them are removed when the lab is dropped, also when a test fails. Nothing outside them changes.

use crate::harness::{Folder, LIMIT, PROGRAM};
use serde_json::Value;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The server of the root and of `example.`.
pub const PARENT: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 1);
/// The members of the two pools. NSD's port 53 there stands for the service that is probed.
pub const BLUE: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 10);
/// See [`BLUE`].
pub const GREEN: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 20);
/// The delegated server.
pub const TIDE: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 1);
/// How many networks resolvers and clients have.
pub const NETWORKS: u8 = 32;
/// TTL of everything that is to change within a test, seconds.
pub const TTL_S: u32 = 6;

/// Where the n-th resolver is asked.
pub fn resolver(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 53, 2, n)
}

/// Where the n-th resolver asks from: each in a /24 of its own.
pub fn resolver_source(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 100, n, 53)
}

/// The n-th client: each in a /24 of its own.
pub fn client(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 200, n, 7)
}

const PARENT_SPACE: &str = "parent";
const TIDE_SPACE: &str = "tide";
/// The namespace of the resolvers.
pub const RESOLVERS: &str = "resolvers";
/// The namespace of the clients.
pub const CLIENTS: &str = "clients";
/// The namespace that holds the bridge between the others.
const MIDDLE: &str = "middle";

const NOT_PERMITTED: &str = "this test makes network namespaces, which the system refuses here: \
    run it as root (with CAP_SYS_ADMIN and CAP_NET_ADMIN), for example in a privileged container";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The namespaces, and what runs in them.
pub struct Lab {
    name: String,
    pub folder: Folder,
    spaces: Vec<&'static str>,
    children: Vec<Child>,
}

impl Lab {
    /// Builds the network and starts the parent's server and Tidegate, steering `model.models.example`.
    pub fn start() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidegate-{}-{number}", std::process::id());
        let mut lab = Self { name, folder: Folder::new("lab"), spaces: Vec::new(), children: Vec::new() };
        lab.build_network();
        lab.start_parent();
        lab.start_tidegate();
        lab
    }

    fn build_network(&mut self) {
        self.add_space(MIDDLE);
        self.ip_batch(MIDDLE, &["link add middle type bridge", "link set middle up"]);
        let sources = (1..=NETWORKS).map(resolver_source);
        let listeners = (1..=4).map(resolver);
        self.join(PARENT_SPACE, &[PARENT, BLUE, GREEN]);
        self.join(TIDE_SPACE, &[TIDE]);
        self.join(RESOLVERS, &listeners.chain(sources).collect::<Vec<_>>());
        self.join(CLIENTS, &(1..=NETWORKS).map(client).collect::<Vec<_>>());
    }

    /// Makes a namespace with its loopback up.
    fn add_space(&mut self, space: &'static str) {
        let output = Command::new("ip")
            .args(["netns", "add", &self.space_name(space)])
            .output()
            .expect("ip is installed (Debian: iproute2)");
        assert!(output.status.success(), "{NOT_PERMITTED}\n{}", String::from_utf8_lossy(&output.stderr));
        self.spaces.push(space);
        self.ip_batch(space, &["link set lo up"]);
    }

    /// Makes a namespace with these addresses on the common bridge.
    fn join(&mut self, space: &'static str, addresses: &[Ipv4Addr]) {
        self.add_space(space);
        let peer = self.space_name(space);
        self.ip_batch(
            MIDDLE,
            &[
                &format!("link add {space} type veth peer name eth0 netns {peer}"),
                &format!("link set {space} master middle up"),
            ],
        );
        let mut lines: Vec<String> =
            addresses.iter().map(|address| format!("address add {address}/8 dev eth0")).collect();
        lines.push("link set eth0 up".to_owned());
        self.ip_batch(space, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn space_name(&self, space: &str) -> String {
        format!("{}-{space}", self.name)
    }

    /// Several `ip` commands inside one namespace.
    fn ip_batch(&self, space: &str, lines: &[&str]) {
        let mut command = Command::new("ip");
        command.args(["-n", &self.space_name(space), "-batch", "-"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ip runs");
        child.stdin.take().expect("a pipe").write_all(lines.join("\n").as_bytes()).expect("written");
        let output = child.wait_with_output().expect("ip ends");
        assert!(output.status.success(), "{NOT_PERMITTED}\n{lines:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A command inside a namespace.
    fn command(&self, space: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space_name(space), program]).stdin(Stdio::null());
        command
    }

    fn start_parent(&mut self) {
        let folder = self.folder.path().display().to_string();
        let head = |apex: &str| {
            format!(
                "$ORIGIN {apex}\n$TTL 86400\n@ IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n@ IN NS ns.example.\n"
            )
        };
        self.folder.write("root", &format!("{}example. IN NS ns.example.\nns.example. IN A {PARENT}\n", head(".")));
        let delegation = format!("models IN NS ns1.models\nns1.models IN A {TIDE}\n");
        self.folder.write("example", &format!("{}ns IN A {PARENT}\n{delegation}", head("example.")));
        self.folder.write("hints", &format!(". 86400 IN NS ns.example.\nns.example. 86400 IN A {PARENT}\n"));
        let listen: String = [PARENT, BLUE, GREEN].map(|address| format!("  ip-address: {address}\n")).concat();
        let server = format!(
            "server:\n{listen}  port: 53\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{folder}\"\n  database: \"\"\n  \
             pidfile: \"\"\n  xfrdfile: \"\"\n  zonelistfile: \"{folder}/zone.list\"\n  xfrdir: \"{folder}\"\n\
             remote-control:\n  control-enable: no\nzone:\n  name: .\n  zonefile: root\nzone:\n  name: example.\n  zonefile: example\n"
        );
        self.folder.write("nsd.conf", &server);
        self.spawn(PARENT_SPACE, "nsd", &["-d", "-c", &format!("{folder}/nsd.conf")], "nsd.log");
        self.wait_for(CLIENTS, "nsd", &[&format!("@{PARENT}"), "SOA", "example."]);
    }

    fn start_tidegate(&mut self) {
        self.write_zone("");
        let switch = format!(
            "[switch.model]\nowners = [\"model.models.example\"]\nttl = {TTL_S}\nfast_ttl = {TTL_S}\nmonitor = {{ tcp = 53 }}\n\
             [switch.model.pool.blue]\nmembers = [\"{BLUE}\"]\nweight = 10000\n\
             [switch.model.pool.green]\nmembers = [\"{GREEN}\"]\nweight = 0\n"
        );
        self.folder.write("zones/models.example.toml", &switch);
        let folder = self.folder.path().display().to_string();
        let (listen, zones, state) = (format!("{TIDE}:53"), format!("{folder}/zones"), format!("{folder}/state"));
        self.spawn(
            TIDE_SPACE,
            PROGRAM,
            &["serve", "--listen", &listen, "--zones", &zones, "--state", &state, "--admin", "127.0.0.1:8053"],
            "tidegate.log",
        );
        self.wait_for(CLIENTS, "tidegate", &[&format!("@{TIDE}"), "SOA", "models.example."]);
        let begun = Instant::now();
        while self.api("GET", "/v1/switches/model", None)["pools"]
            .as_array()
            .is_none_or(|pools| pools.iter().any(|pool| pool["eligible"] != true))
        {
            assert!(begun.elapsed() < LIMIT, "the members are not healthy:\n{}", self.log("tidegate.log"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes the master file of `models.example.`, with these lines at its end.
    pub fn write_zone(&self, more: &str) {
        let soa = format!("@ {TTL_S} IN SOA ns1 hostmaster 1 3600 600 86400 {TTL_S}");
        self.folder.write(
            "zones/models.example.zone",
            &format!("$ORIGIN models.example.\n$TTL 300\n{soa}\n@ IN NS ns1\nns1 IN A {TIDE}\n{more}\n"),
        );
    }

    /// Starts the n-th resolver, with these lines added to its `server:` clause.
    pub fn start_resolver(&mut self, n: u8, modules: &str, more: &[&str]) {
        let folder = self.folder.path().display().to_string();
        let more: String = more.iter().map(|line| format!("  {line}\n")).collect();
        let text = format!(
            "server:\n  interface: {}\n  outgoing-interface: {}\n  access-control: 0.0.0.0/0 allow\n  num-threads: 1\n  do-ip6: no\n  \
             username: \"\"\n  chroot: \"\"\n  directory: \"{folder}\"\n  pidfile: \"\"\n  use-syslog: no\n  root-hints: \"{folder}/hints\"\n  \
             module-config: \"{modules}\"\n{more}remote-control:\n  control-enable: no\n",
            resolver(n),
            resolver_source(n),
        );
        self.folder.write(&format!("unbound-{n}.conf"), &text);
        self.spawn(
            RESOLVERS,
            "unbound",
            &["-d", "-c", &format!("{folder}/unbound-{n}.conf")],
            &format!("unbound-{n}.log"),
        );
        self.wait_for(CLIENTS, "unbound", &[&format!("@{}", resolver(n)), "SOA", "example."]);
    }

    /// Starts a server in a namespace; its output goes to `log` in the folder.
    fn spawn(&mut self, space: &str, program: &str, arguments: &[&str], log: &str) {
        let open =
            || std::fs::File::options().create(true).append(true).open(self.folder.path().join(log)).expect("a log");
        let mut command = self.command(space, program);
        let child = command.args(arguments).stdout(open()).stderr(open()).spawn().expect("ip runs");
        self.children.push(child);
    }

    /// What a server wrote.
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Waits until this question gets NOERROR.
    fn wait_for(&mut self, space: &str, server: &str, question: &[&str]) {
        let begun = Instant::now();
        while self.ask(space, question).status != "NOERROR" {
            let ended = self.children.last_mut().and_then(|child| child.try_wait().expect("a child"));
            let logs = format!("{} {} {}", self.log("nsd.log"), self.log("tidegate.log"), self.log("unbound-1.log"));
            assert!(
                ended.is_none(),
                "{server} ended at once ({ended:?}); is it installed (Debian: nsd, unbound)?\n{logs}"
            );
            assert!(begun.elapsed() < LIMIT, "{server} does not answer {question:?}:\n{logs}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks with the real dig.
    pub fn ask(&self, space: &str, arguments: &[&str]) -> Reply {
        let mut command = self.command(space, "dig");
        let output = command.args(["+time=1", "+tries=1", "+nocookie"]).args(arguments).output().expect("ip runs");
        let code = output.status.code();
        assert!(code == Some(0) || code == Some(9), "dig (Debian: bind9-dnsutils) failed: {}", words(&output));
        Reply::read(&String::from_utf8_lossy(&output.stdout))
    }

    /// Runs something in a namespace to its end.
    pub fn run(&self, space: &str, program: &str, arguments: &[&str]) -> Output {
        self.command(space, program).args(arguments).output().expect("ip runs")
    }

    /// Asks a server from one address.
    pub fn ask_from(&self, space: &str, source: Ipv4Addr, server: Ipv4Addr, arguments: &[&str]) -> Reply {
        let (source, server) = (source.to_string(), format!("@{server}"));
        let mut all = vec!["-b", &source, &server, "+tries=3"];
        all.extend(arguments);
        self.ask(space, &all)
    }

    /// Asks the admin interface with curl, as an operator on the same host would.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let token = std::fs::read_to_string(self.folder.path().join("state/admin-token")).unwrap_or_default();
        let mut command = self.command(TIDE_SPACE, "curl");
        command.args(["-sS", "--noproxy", "*", "-X", method, "-H", &format!("Authorization: Bearer {}", token.trim())]);
        if let Some(body) = body {
            command.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let output = command.arg(format!("http://127.0.0.1:8053{path}")).output().expect("ip runs");
        assert!(output.status.success(), "curl (Debian: curl) failed: {}", words(&output));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{path} gave no JSON ({error}): {}", words(&output)))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for space in &self.spaces {
            let output = Command::new("ip").args(["netns", "pids", &self.space_name(space)]).output();
            let pids = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            for pid in pids.split_whitespace() {
                let _ = Command::new("kill").args(["-KILL", pid]).stderr(Stdio::null()).status();
            }
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for space in &self.spaces {
            let _ = Command::new("ip").args(["netns", "delete", &self.space_name(space)]).status();
        }
    }
}

/// Everything a command printed.
fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A reply as dig shows it.
#[derive(Debug, Default)]
pub struct Reply {
    /// Such as NOERROR; empty when none came.
    pub status: String,
    pub flags: Vec<String>,
    pub answer: Vec<Record>,
    pub authority: Vec<Record>,
    pub additional: Vec<Record>,
}

/// A line of a section.
#[derive(Debug, Clone)]
pub struct Record {
    pub owner: String,
    pub ttl_s: u32,
    pub rtype: String,
    pub data: String,
}

impl Reply {
    fn read(text: &str) -> Self {
        let mut reply = Self::default();
        let mut section = "";
        for line in text.lines() {
            if let Some((_, rest)) = line.split_once("status: ") {
                reply.status = rest.split(',').next().unwrap_or_default().to_owned();
            } else if let Some(rest) = line.strip_prefix(";; flags: ") {
                reply.flags =
                    rest.split(';').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
            } else if let Some(name) = line.strip_prefix(";; ").and_then(|rest| rest.strip_suffix(" SECTION:")) {
                section = name;
            } else if let Some(record) = Record::read(line) {
                match section {
                    "ANSWER" => reply.answer.push(record),
                    "AUTHORITY" => reply.authority.push(record),
                    "ADDITIONAL" => reply.additional.push(record),
                    _ => {}
                }
            }
        }
        reply
    }

    /// The one address that was answered.
    pub fn address(&self) -> Ipv4Addr {
        assert_eq!((self.status.as_str(), self.answer.len()), ("NOERROR", 1), "{self:?}");
        self.answer[0].data.parse().expect("an address")
    }

    /// The serial of the SOA that was answered.
    pub fn serial(&self) -> u64 {
        let soa =
            self.answer.iter().find(|record| record.rtype == "SOA").unwrap_or_else(|| panic!("no SOA in {self:?}"));
        soa.data.split_whitespace().nth(2).expect("a serial").parse().expect("a number")
    }
}

impl Record {
    fn read(line: &str) -> Option<Self> {
        if line.starts_with(';') {
            return None;
        }
        let mut words = line.split_whitespace();
        let (owner, ttl_s, _class, rtype) = (words.next()?, words.next()?.parse().ok()?, words.next()?, words.next()?);
        Some(Self {
            owner: owner.to_owned(),
            ttl_s,
            rtype: rtype.to_owned(),
            data: words.collect::<Vec<_>>().join(" "),
        })
    }
}
