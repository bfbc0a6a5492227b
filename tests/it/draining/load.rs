//! How busy an old side still is: readings of its load hold the verdict back (§4.2).

use super::verdict;
use crate::harness::eventually;
use crate::pair::{CALM, Pair};
use serde_json::json;

/// A pair whose old side is read for its load.
async fn read_for_load(reading: &str) -> Pair {
    let idle =
        format!("idle = {{ url = \"http://{{address}}:8080/load\", {reading}, interval = \"1s\", readings = 3 }}");
    Pair::with(&format!("min_interval = \"0s\"\nttl = \"5s\"\nfast_ttl = \"5s\"\ntail = \"0s\"\n{idle}"), CALM).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_old_side_is_not_drained_until_three_readings_agree() {
    for reading in ["json = \"/running\", floor = 0", r#"regex = "\"running\":([0-9.]+)", floor = 0"#] {
        let reading = reading.replace(r#"regex = "\"running\":([0-9.]+)""#, r#"regex = '"running":([0-9.]+)'"#);
        let pair = read_for_load(&reading).await;
        pair.blue.behave(|manner| manner.load = "5".to_owned());
        assert!(pair.answers(&pair.blue));
        pair.flip("green").await;
        let report = eventually("promises are over", || async {
            let report = verdict(&pair.server, "model", "blue").await;
            assert_eq!(report["safe_to_close"], false, "five requests are running: {report}");
            (report["state"] == "tail").then_some(report)
        })
        .await;
        assert!(report["reasons"].to_string().contains("idle reading"), "{report}");
        assert_eq!((&report["idle"]["last_value"], &report["idle"]["in_a_row"]), (&json!(5.0), &json!(0)), "{report}");
        // A reading that fails is not an idle one.
        pair.blue.behave(|manner| manner.load = "\"none\"".to_owned());
        eventually("the failure is told", || async {
            verdict(&pair.server, "model", "blue").await["idle"]["error"].is_string().then_some(())
        })
        .await;
        assert_eq!(verdict(&pair.server, "model", "blue").await["safe_to_close"], false);
        pair.blue.behave(|manner| manner.load = "0".to_owned());
        let asked = pair.blue.asked();
        let report = eventually("idle", || async {
            let report = verdict(&pair.server, "model", "blue").await;
            (report["safe_to_close"] == true).then_some(report)
        })
        .await;
        assert!(pair.blue.asked() >= asked + 3, "three readings in a row");
        assert_eq!((&report["state"], &report["verified"]), (&json!("drained"), &json!(true)), "{report}");
        assert!(pair.server.cli(&["drain", "model", "blue", "--verified"]).status.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_floor_the_reading_from_before_the_switch_sets_it() {
    let pair = read_for_load("json = \"/running\"").await;
    pair.blue.behave(|manner| manner.load = "4000".to_owned());
    eventually("a baseline", || async {
        verdict(&pair.server, "model", "blue").await["idle"]["floor"].as_f64().filter(|floor| *floor > 2.0)
    })
    .await;
    assert!(pair.answers(&pair.blue));
    pair.flip("green").await;
    pair.blue.behave(|manner| manner.load = "40".to_owned());
    eventually("promises are over", || async {
        (verdict(&pair.server, "model", "blue").await["state"] == "tail").then_some(())
    })
    .await;
    pair.blue.behave(|manner| manner.load = "2".to_owned());
    eventually("idle below 0.1 % of before", || async {
        (verdict(&pair.server, "model", "blue").await["verified"] == true).then_some(())
    })
    .await;
}
