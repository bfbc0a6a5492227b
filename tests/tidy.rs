//! The rules of the house, held by a test: who may import whom, what pure rooms never do, sizes, docs.
//!
//! Reads the source as text. Test code (an inline test module at the end of a file, files and
//! folders named `tests`) may import anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms each room may import. A new row or arrow is a commit of its own.
const IMPORTS: &[(&str, &[&str])] = &[
    ("dns", &[]),
    ("stats", &[]),
    ("moment", &[]),
    ("health", &[]),
    ("clock", &[]),
    ("metrics", &[]),
    ("zone", &["dns"]),
    ("steering", &["dns", "health"]),
    ("dnssec", &["dns", "zone"]),
    ("drain", &["dns", "steering"]),
    ("snapshot", &["dns", "zone", "dnssec", "steering"]),
    ("answer", &["dns", "zone", "dnssec", "steering", "snapshot"]),
    ("rollout", &["steering", "health", "stats"]),
    ("state", &["dns", "zone", "dnssec", "steering", "health", "drain", "rollout", "snapshot"]),
    ("config", &["dns", "zone", "dnssec", "steering", "health", "rollout", "state"]),
    ("store", &["dns", "state", "health", "drain", "rollout", "clock", "metrics"]),
    ("probe", &["dns", "health", "steering", "clock", "metrics"]),
    ("roster", &[]),
    ("evidence", &["roster", "health", "drain", "rollout", "stats", "clock", "metrics"]),
    ("ask", &["dns", "clock"]),
    ("discovery", &["ask", "roster", "dns", "steering", "clock"]),
    ("delegation", &["ask", "dns", "zone"]),
    ("geo", &["steering", "clock"]),
    ("hooks", &["health", "drain", "rollout", "stats", "clock", "metrics"]),
    ("server", &["dns", "answer", "snapshot", "clock", "metrics"]),
    (
        "control",
        &["dns", "zone", "state", "rollout", "steering", "health", "drain", "snapshot", "store", "clock", "metrics"],
    ),
    ("dnstap", &["server", "answer", "clock", "metrics"]),
    (
        "transfer",
        &[
            "server", "answer", "control", "state", "snapshot", "steering", "dnssec", "zone", "dns", "roster", "clock",
            "metrics",
        ],
    ),
    (
        "admin",
        &[
            "control", "state", "store", "steering", "rollout", "health", "drain", "snapshot", "answer", "evidence",
            "dns", "zone", "clock", "metrics",
        ],
    ),
    (
        "app",
        &[
            "dns",
            "moment",
            "stats",
            "health",
            "clock",
            "metrics",
            "zone",
            "steering",
            "dnssec",
            "drain",
            "snapshot",
            "answer",
            "rollout",
            "state",
            "config",
            "store",
            "probe",
            "discovery",
            "evidence",
            "geo",
            "hooks",
            "server",
            "control",
            "transfer",
            "dnstap",
            "admin",
        ],
    ),
    ("demo", &["app", "config", "store", "control", "state", "rollout", "clock"]),
    (
        "cli",
        &[
            "admin",
            "app",
            "demo",
            "config",
            "store",
            "zone",
            "dns",
            "dnssec",
            "state",
            "rollout",
            "steering",
            "stats",
            "health",
            "drain",
            "clock",
            "geo",
            "ask",
            "delegation",
        ],
    ),
];

/// Rooms that return values and do nothing else.
const PURE: &[&str] = &[
    "dns", "zone", "steering", "dnssec", "health", "drain", "stats", "rollout", "snapshot", "answer", "state", "moment",
];

/// What a pure room never names: time, dice, effects, waiting.
const BANNED_IN_PURE: &[&str] = &[
    "tokio::",
    "tracing::",
    "std::fs",
    "std::thread",
    "std::process",
    "SystemTime::now",
    "Instant::now",
    "getrandom",
    ".await",
    "async fn",
    "UdpSocket",
    "TcpStream",
    "println!",
    "reqwest::",
    "rusqlite::",
];

/// Names of rooms and files nobody can look for.
const BANNED_NAMES: &[&str] = &["util", "utils", "common", "helpers", "helper", "manager", "misc"];

/// The visible names at the top of the repository (and what building leaves there).
const TOP_LEVEL: &[&str] =
    &["Cargo.toml", "Cargo.lock", "src", "zones", "tests", "deploy", "README.md", "LICENSE", "CHANGELOG.md", "target"];

const FILE_CEILING: usize = 700;
const MEDIAN_CEILING: usize = 200;

struct Source {
    path: PathBuf,
    room: String,
    text: String,
    is_test: bool,
}

impl Source {
    /// The text without comments and without an inline test module.
    fn product(&self) -> String {
        let end = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        self.text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let below = path.strip_prefix(root().join("src")).expect("below src").to_owned();
                let first = below.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
                let is_test = below.components().any(|part| {
                    matches!(
                        part.as_os_str().to_str(),
                        Some("tests" | "tests.rs" | "responder.rs" | "suite.rs" | "reference.rs")
                    )
                });
                let room = first.trim_end_matches(".rs").to_owned();
                found.push(Source { text: fs::read_to_string(&path).expect("UTF-8 source"), path, room, is_test });
            }
        }
    }
    assert!(found.len() > 50, "the source was found");
    found
}

/// The rooms named by `crate::room` and `crate::{room, ...}` in a text.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let word = |from: &str| from.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut starts = true;
        for (offset, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => starts = true,
                c if starts && c.is_alphabetic() => {
                    rooms.insert(word(&group[offset..]));
                    starts = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

#[test]
fn the_import_reader_sees_every_form() {
    let rooms =
        rooms_named("use crate::dns::Name; use crate::{zone::Zone, answer, server::{self, udp}}; crate::clock::now()");
    assert_eq!(rooms.into_iter().collect::<Vec<_>>(), ["answer", "clock", "dns", "server", "zone"]);
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| !s.is_test && !matches!(s.room.as_str(), "main" | "lib")) {
        let allowed = table
            .get(source.room.as_str())
            .unwrap_or_else(|| panic!("room {} has no row in the import table", source.room));
        for named in rooms_named(&source.product()) {
            let known = table.contains_key(named.as_str());
            if known && named != source.room && named != "moment" && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{}: {} may not import {named}", source.path.display(), source.room));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_stay_pure() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| !s.is_test && PURE.contains(&s.room.as_str())) {
        let text = source.product();
        for banned in BANNED_IN_PURE.iter().filter(|banned| text.contains(**banned)) {
            wrong.push(format!("{}: a pure room names `{banned}`", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn heavy_crates_have_an_owner_room() {
    let owners: &[(&str, &[&str])] = &[
        ("hickory_proto", &["dns"]),
        ("hickory_server", &["server", "dns"]),
        ("rusqlite", &["store"]),
        ("reqwest", &["probe", "evidence", "cli", "hooks", "demo", "app"]),
        ("opentelemetry_otlp", &["app"]),
        ("axum", &["admin", "demo", "server"]),
        ("prometheus_client", &["metrics"]),
        ("quinn", &["server"]),
        ("h3", &["server"]),
        ("rcgen", &["demo"]),
        ("toml", &["config", "cli"]),
        ("clap", &["cli", "main"]),
    ];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| !s.is_test) {
        let text = source.product();
        for (name, rooms) in owners.iter().filter(|(name, _)| text.contains(&format!(" {name}::"))) {
            if !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{}: only {} may name {name}", source.path.display(), rooms.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    let mut wrong = Vec::new();
    let mut lengths = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        lengths.push(lines);
        if !source.text.starts_with("//! ") {
            wrong.push(format!("{}: does not open with a headline (`//! `)", source.path.display()));
        }
        if lines > FILE_CEILING {
            wrong.push(format!("{}: {lines} lines; the ceiling is {FILE_CEILING}", source.path.display()));
        }
        let stem = source.path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        if BANNED_NAMES.contains(&stem) || BANNED_NAMES.contains(&source.room.as_str()) {
            wrong.push(format!("{}: a name nobody can look for", source.path.display()));
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(median <= MEDIAN_CEILING, "the median file has {median} lines; the ceiling is {MEDIAN_CEILING}");
}

#[test]
fn unsafe_code_stands_in_the_named_modules_only() {
    let allowed = ["src/clock.rs", "src/server/udp/syscalls.rs"];
    for source in sources() {
        let path = source.path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        assert!(
            !source.product().contains("unsafe ") || allowed.contains(&path.as_str()),
            "{path}: unsafe code outside {allowed:?}"
        );
    }
}

#[test]
fn each_dependency_says_what_it_is_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let mut section = "";
    let mut before = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && line.starts_with(|c: char| c.is_alphabetic()) {
            let family = |line: &str| line.split(['-', ' ']).next().map(str::to_owned);
            let same_family = before.starts_with(|c: char| c.is_alphabetic()) && family(before) == family(line);
            assert!(
                before.starts_with('#') || same_family,
                "Cargo.toml: `{line}` has no comment that says what it is for"
            );
        }
        before = line;
    }
}

#[test]
fn the_top_level_holds_what_was_agreed() {
    for entry in fs::read_dir(root()).expect("a readable root") {
        let name = entry.expect("a readable entry").file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || TOP_LEVEL.contains(&name.as_str()), "{name} is not part of the agreed layout");
    }
}

#[test]
fn no_unfinished_marks_are_left() {
    for source in sources() {
        for mark in ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "dbg!("] {
            assert!(!source.text.contains(mark), "{}: {mark}", source.path.display());
        }
    }
}
