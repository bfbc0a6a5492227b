//! Verdicts go by the boot clock: a wall clock that is set wrong moves none of them.

use super::{change, verdict, zone};
use crate::harness::{Server, eventually};
use serde_json::json;
use std::time::{Duration, Instant};

/// Shifts CLOCK_REALTIME, and no other clock, by the seconds that a file says.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *at) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int status = real(id, at);
  if (id == CLOCK_REALTIME) {
    char text[32] = {0};
    int fd = open(getenv("CLOCK_SHIFT"), O_RDONLY);
    if (fd >= 0) {
      if (read(fd, text, sizeof text - 1) > 0) at->tv_sec += atol(text);
      close(fd);
    }
  }
  return status;
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wall_clock_may_jump_either_way_and_moves_no_verdict() {
    let mut server = Server::prepare(&[("example.test.toml", &zone(&["a"], "tail = \"0s\""))], &[]);
    server.folder.write("shim.c", SHIM);
    let (source, shim, shift) =
        (server.folder.path().join("shim.c"), server.folder.path().join("shim.so"), server.folder.path().join("shift"));
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&shim)
        .arg(&source)
        .arg("-ldl")
        .status()
        .expect("a C compiler, which the build needs too");
    assert!(built.success());
    server.environment = vec![
        ("LD_PRELOAD".to_owned(), shim.display().to_string()),
        ("CLOCK_SHIFT".to_owned(), shift.display().to_string()),
    ];
    let jump = |seconds: i64| {
        let next = shift.with_extension("next");
        std::fs::write(&next, seconds.to_string()).unwrap();
        std::fs::rename(next, &shift).unwrap();
    };
    jump(0);
    server.spawn();
    server.ready().await;
    server.short(&["A", "a.example.test"]);
    let asked = Instant::now();
    change(&server, "a", "flip", json!({ "to": "green" })).await;
    for seconds in [7200, -7200, 100_000_000, 0, 86_400] {
        jump(seconds);
        let report = verdict(&server, "a", "blue").await;
        assert!(
            asked.elapsed() > Duration::from_secs(8) || report["state"] == "draining",
            "after a jump of {seconds} s: {report}"
        );
        assert_eq!(report["safe_to_close"], false, "after a jump of {seconds} s: {report}");
    }
    change(&server, "a", "prepare", json!({})).await;
    let at = crate::switches::history(&server, "?limit=1").await[0]["at_unix_ms"].as_u64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(at > now + 86_000_000, "the shim works: the audit is on the wall clock");
    eventually("drained by the clock nobody can move", || async {
        (verdict(&server, "a", "blue").await["safe_to_close"] == true).then_some(())
    })
    .await;
    assert!(asked.elapsed() >= Duration::from_millis(9_500), "{:?}", asked.elapsed());
    // A crash and a jump back to before it all, once the verdict is on disk.
    let written = Instant::now();
    eventually("some heartbeats later", || async { (written.elapsed() > Duration::from_secs(3)).then_some(()) }).await;
    jump(-100_000_000);
    server.kill9();
    server.restart().await;
    assert_eq!(verdict(&server, "a", "blue").await["state"], "drained");
    assert_eq!(verdict(&server, "a", "green").await["state"], "serving");
}
