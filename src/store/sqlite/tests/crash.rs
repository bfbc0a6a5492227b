//! Kill -9 at random moments: what was acknowledged is there.

use super::{Scratch, open};
use crate::clock;
use crate::store::{Condition, HistoryQuery, Store, suite};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const CHILD: &str = "TIDEGATE_TEST_COMMIT_UNTIL_KILLED";
const MARK: &str = "acknowledged ";

/// What the child does: commits, and says so after each acknowledgement.
async fn commit_until_killed(folder: &Path) {
    let store = open(folder);
    let mut revision = store.load().await.unwrap().revision;
    loop {
        store.commit(suite::step(revision)).await.unwrap();
        revision += 1;
        println!("{MARK}{revision}");
    }
}

#[tokio::test]
async fn an_acknowledged_commit_survives_kill_9() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return commit_until_killed(Path::new(&folder)).await;
    }
    let scratch = Scratch::new();
    let mut acknowledged = 0;
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["an_acknowledged_commit_survives_kill_9", "--nocapture", "--test-threads=1"])
            .env(CHILD, scratch.folder())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        let enough = 1 + clock::random_u64() % 12;
        let mut count = |line: std::io::Result<String>| {
            // The harness prints the test's name on the same line as the child's first words.
            if let Some(revision) = line.unwrap().split(MARK).nth(1).and_then(|rest| rest.parse().ok()) {
                acknowledged = revision;
                heard += 1;
            }
            heard
        };
        for line in lines.by_ref() {
            if count(line) >= enough {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            count(line);
        }
        assert!(heard >= enough, "round {round}: the child ended by itself");
        let store = open(&scratch.folder());
        let loaded = store.load().await.unwrap();
        assert_eq!(store.condition(), Condition::Ok, "round {round}");
        assert!(
            loaded.revision == acknowledged || loaded.revision == acknowledged + 1,
            "round {round}: acknowledged {acknowledged}, found {}",
            loaded.revision
        );
        assert_eq!(loaded.switches, [("model".to_owned(), format!("state {}", loaded.revision))]);
        let mut below = None;
        let mut rows = 0;
        loop {
            let page = store.history(HistoryQuery { switch: None, before_revision: below, limit: 500 }).await.unwrap();
            let Some(last) = page.last() else { break };
            below = Some(last.revision);
            rows += page.len() as u64;
        }
        assert_eq!(rows, loaded.revision, "round {round}: one audit row per commit");
        acknowledged = loaded.revision;
    }
}
