//! The files of every world: a few versions that reloads go between, and one that is broken.

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tidegate::control::Loader;
use tidegate::state::Definitions;

/// Names of switches a caller may use; the last is in no file.
pub(crate) const SWITCHES: [&str; 4] = ["app", "chat", "flag", "nothing"];

/// Names of pools a caller may use.
pub(crate) const POOLS: [&str; 5] = ["blue", "green", "base", "on", "off"];

/// One version of the files.
fn text(version: u64) -> String {
    let ttl = 20 + version;
    let base = if version == 2 { "" } else { "[switch.app.pool.base]\nmembers = [\"192.0.2.14\"]\nweight = 0\n" };
    let third = if version == 1 { "\"192.0.2.13\"" } else { "" };
    format!(
        r#"
[zone]
ns = ["ns1.example.net"]
serial = {serial}
max_moving = 3

[switch.app]
owners = ["app.example.test"]
monitor = {{ tcp = 80 }}
ttl = {ttl}
min_interval = "0s"
fallback = "all"

[switch.app.pool.blue]
members = ["192.0.2.10", "192.0.2.11", {third}]
weight = 10000

[switch.app.pool.green]
members = ["192.0.2.12"]
weight = 0

{base}

[switch.chat]
owners = ["*.chat.example.test"]
min_interval = "0s"

[switch.chat.pool.blue]
members = ["192.0.2.20"]
weight = {chat}

[switch.chat.pool.green]
members = ["192.0.2.21"]
weight = 1000

[switch.flag]
owners = ["flag.example.test"]

[switch.flag.pool.off]
records = {{ TXT = ["off"] }}
weight = 10000

[switch.flag.pool.on]
records = {{ TXT = ["on"] }}
weight = 0
"#,
        serial = 100 + version,
        chat = 9000 - version,
    )
}

/// The definitions of a version.
pub(crate) fn version(number: u64) -> Arc<Definitions> {
    static KNOWN: OnceLock<Mutex<BTreeMap<u64, Arc<Definitions>>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(number).or_insert_with(|| load(number)).clone()
}

fn load(number: u64) -> Arc<Definitions> {
    let folder = std::env::temp_dir().join(format!("tidegate-sim-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    std::fs::write(folder.join("example.test.toml"), text(number)).expect("a written file");
    let loaded = tidegate::config::load_zones(&folder).unwrap_or_else(|problems| panic!("{problems}"));
    std::fs::remove_dir_all(&folder).expect("a folder that can be removed");
    Arc::new(loaded.definitions)
}

/// A loader that finds another version, or broken files, each time.
pub(crate) fn loader(seed: u64) -> Loader {
    let dice = Mutex::new(Dice::of(seed, 77));
    Arc::new(move || {
        let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
        match dice.below(5) {
            0 => Err(vec!["the files are broken".to_owned()]),
            1 => panic!("a loader that panics"),
            n => Ok(version(n % 3).into()),
        }
    })
}
