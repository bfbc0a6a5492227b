//! The other actions of a switch: prepare, overrides, the weights' slider, and the verbs of a rollout.

use crate::harness::eventually;
use crate::world::World;
use serde_json::json;

/// Moves a slider as a hand does: the value, then the event.
async fn slide(world: &World, name: &str, percent: &str) {
    let script = "const field = document.querySelector('dialog form').elements[arguments[0]]; \
                  field.value = arguments[1]; field.dispatchEvent(new Event('input', { bubbles: true }));";
    world.browser.run(script, json!([name, percent])).await;
}

/// Picks one entry of a list.
async fn pick(world: &World, css: &str, word: &str) {
    world.browser.click(&format!("{css} option[value='{word}']")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepare_lowers_the_ttl() {
    let world = World::start().await;
    world.sign_in(&world.browser, "#/s/model").await;
    world.browser.click("[data-act=prepare]").await;
    world.browser.shows("dialog", "Lowers the TTL").await;
    world.confirm("a release at noon").await;
    world.browser.shows(".history", "a release at noon").await;
    assert_eq!(world.newest().await["verb"], json!("prepare"));
    let (_, view) = world.server.api("GET", "/v1/switches/model", None).await;
    assert_eq!(view["ttl_s"], json!(10), "{view}");
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_is_set_with_its_end_and_cleared() {
    let world = World::start().await;
    let browser = &world.browser;
    world.sign_in(browser, "#/s/model").await;
    browser.click("[data-act=override]").await;
    pick(&world, "#field-whom", "1").await;
    // Nothing was written yet: that is said, and is no mistake.
    browser.shows("dialog #change-wrong.muted", "needs a reason").await;
    pick(&world, "#field-hold", "force-down").await;
    pick(&world, "#field-lasts", "4h").await;
    browser.until("it waits for a reason", "document.querySelector('#change-reason').required").await;
    world.confirm("a disk is replaced").await;
    browser.shows(".why", "force-down").await;
    browser.shows(".why", "a disk is replaced").await;
    let (_, view) = world.server.api("GET", "/v1/switches/model", None).await;
    let hold = &view["pools"][1]["hold"];
    let row = world.newest().await;
    let lasts_ms =
        hold["expires_unix_ms"].as_u64().unwrap() - row["at_unix_ms"].as_u64().unwrap_or_else(|| panic!("{row}"));
    assert!((14_000_000..=14_460_000).contains(&lasts_ms), "four hours: {hold}");
    assert_eq!(view["pools"][1]["eligible"], json!(false), "{view}");

    browser.click("[data-act=override]").await;
    pick(&world, "#field-whom", "1").await;
    pick(&world, "#field-hold", "none").await;
    world.confirm("it is back").await;
    eventually("green is eligible again", || async {
        let (_, view) = world.server.api("GET", "/v1/switches/model", None).await;
        (view["pools"][1]["eligible"] == json!(true) && view["pools"][1]["hold"].is_null()).then_some(())
    })
    .await;
    browser.until("its flag is gone", "!document.querySelector('main').textContent.includes('force-down until')").await;
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_are_set_by_the_slider_and_both_sides_follow() {
    let world = World::start().await;
    let browser = &world.browser;
    world.sign_in(browser, "#/s/model").await;
    browser.click("[data-act=weights]").await;
    browser.until("the form is there", "document.querySelector('dialog form #weight-1')").await;
    slide(&world, "slide-1", "30").await;
    browser.until("the number follows", "document.querySelector('#weight-1').value === '30'").await;
    browser.until("the other side gives way", "document.querySelector('#weight-0').value === '70'").await;
    browser.shows("dialog .dryrun", "green 30 %").await;
    world.confirm("a third").await;
    browser.shows(".head .legend li", "green 30 %").await;
    let (_, view) = world.server.api("GET", "/v1/switches/model", None).await;
    assert_eq!((&view["pools"][0]["weight"], &view["pools"][1]["weight"]), (&json!(7000), &json!(3000)), "{view}");
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_is_paused_resumed_and_promoted_by_clicking() {
    let world = World::start().await;
    let browser = &world.browser;
    let plan = json!({ "steps": [{ "weight": "10%", "hold": "10m" }, "100%"], "gates": [] });
    world.post("/v1/switches/model/rollout", json!({ "to": "green", "plan": plan, "reason": "v2" })).await;
    world.sign_in(browser, "#/s/model").await;
    browser.shows(".phase", "progressing").await;
    browser.click("[data-act=pause]").await;
    world.confirm("lunch").await;
    browser.shows(".phase", "paused").await;
    browser.until("no hold runs on", "!document.querySelector('.hold')").await;
    browser.click("[data-act=resume]").await;
    world.confirm("back").await;
    browser.shows(".phase", "progressing").await;
    browser.shows(".hold", "holds for another").await;
    browser.click("[data-act=promote]").await;
    browser.click("dialog [name=full]").await;
    world.confirm("seen enough").await;
    browser.shows(".phase", "promoted").await;
    browser.shows(".head .legend li", "green 100 %").await;
    let (_, page) = world.server.api("GET", "/v1/history?switch=model&limit=20", None).await;
    for reason in ["lunch", "back", "seen enough"] {
        assert!(page["rows"].to_string().contains(reason), "{reason} is missing in {page}");
    }
    world.browser.quit().await;
}
