//! Changing things: flips, guards and rollouts by mouse and by keyboard.

use crate::driver::{Browser, ENTER, ESCAPE};
use crate::harness::eventually;
use crate::world::{World, token};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flip_by_clicking_is_seen_in_another_browser_without_reload() {
    let world = World::start().await;
    let other = Browser::start().await;
    world.sign_in(&other, "").await;
    other.shows(".c-weights .legend li", "blue 100 %").await;
    other.run("window.before = true", json!([])).await;

    world.sign_in(&world.browser, "#/s/model").await;
    world.browser.click("[data-act=flip]").await;
    world.browser.shows("dialog .dryrun", "before").await;
    assert_eq!(world.answer(), [world.blue.address.to_string()], "asking what would change changes nothing");
    world.confirm("v2 is good").await;
    world.browser.shows(".toast", "revision 1").await;
    world.browser.shows(".history", "v2 is good").await;
    assert_eq!(world.answer(), [world.green.address.to_string()]);
    let row = world.newest().await;
    assert_eq!((&row["verb"], &row["reason"], &row["forced"]), (&json!("flip"), &json!("v2 is good"), &json!(false)));

    other.shows("tr .legend li", "green 100 %").await;
    other.shows(".c-drain", "draining").await;
    assert_eq!(other.run("return window.before", json!([])).await, json!(true), "the page was not loaded again");
    assert_eq!(other.complaints().await, Vec::<String>::new());
    assert_eq!(world.browser.complaints().await, Vec::<String>::new());
    other.quit().await;
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_is_started_and_aborted_by_clicking() {
    let world = World::start().await;
    let browser = &world.browser;
    world.sign_in(browser, "#/s/model").await;
    browser.click("[data-act=start]").await;
    world.confirm("release v2").await;
    browser.shows(".phase", "paused").await;
    browser.shows(".head .legend li", "green 10 %").await;
    browser.shows(".timeline", "release v2").await;
    browser.click("[data-act=abort]").await;
    browser.shows("dialog .dryrun", "after").await;
    world.confirm("enough seen").await;
    browser.shows(".phase", "aborted").await;
    browser.shows(".head .legend li", "blue 100 %").await;
    eventually("everybody gets blue", || async { (world.answer() == [world.blue.address.to_string()]).then_some(()) })
        .await;
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_says_why_it_refuses_and_is_forced_with_a_reason_only() {
    let world = World::start().await;
    let browser = &world.browser;
    world
        .post(
            "/v1/switches/model/overrides",
            json!({ "pool": "green", "hold": "force-down", "for": "1h", "reason": "test" }),
        )
        .await;
    world.sign_in(browser, "#/s/model").await;
    browser.click("[data-act=flip]").await;
    browser.shows("dialog .note", "not eligible").await;
    browser.until("it cannot be confirmed", "document.querySelector('#change-confirm').disabled").await;
    browser.click("[name=force]").await;
    browser.shows("dialog #change-wrong.muted", "needs a reason").await;
    // What was written and taken away again is a mistake; what was not written yet is none.
    browser.write("#change-reason", "x").await;
    browser.write("#change-reason", "\u{e003}").await;
    browser.shows("dialog #change-wrong.error", "needs a reason").await;
    world.confirm("no other way").await;
    assert_eq!(world.newest().await["forced"], json!(true));
    browser.shows(".history", "forced").await;
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_to_be_forced_for_one_target_is_not_forced_for_another() {
    let world = World::start().await;
    let browser = &world.browser;
    for pool in ["blue", "green"] {
        let down = json!({ "pool": pool, "hold": "force-down", "for": "1h", "force": true, "reason": "test" });
        world.post("/v1/switches/model/overrides", down).await;
    }
    world.sign_in(browser, "#/s/model").await;
    browser.click("[data-act=weights]").await;
    browser.until("the form is there", "document.querySelector('dialog form #weight-1')").await;
    let weigh = "const field = document.querySelector('#weight-1'); field.value = arguments[0]; \
                 field.dispatchEvent(new Event('input', { bubbles: true }));";
    browser.run(weigh, json!(["100"])).await;
    browser.click("[name=force]").await;
    browser
        .until("it would be forced", "document.querySelector('#change-confirm').textContent.startsWith('Force')")
        .await;
    browser.run(weigh, json!(["50"])).await;
    browser.shows("dialog .note", "Refused by a guard").await;
    browser.until("it is asked for anew", "document.querySelector('[name=force]')?.checked === false").await;
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_no_answer() {
    let world = World::start().await;
    let browser = &world.browser;
    world.sign_in(browser, "#/s/model").await;
    browser.click("[data-act=prepare]").await;
    browser.shows("dialog .dryrun", "What would change").await;
    let cut = "const whole = window.fetch; window.fetch = async (...asked) => { const reply = await whole(...asked); \
               return asked[1]?.method === 'POST' ? new Response((await reply.text()).slice(0, 20), reply) : reply; };";
    browser.run(cut, json!([])).await;
    browser.click("#change-confirm").await;
    browser.shows("dialog .note", "No answer").await;
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_equal_pools_sum_to_all_there_is() {
    let world = World::start().await;
    let browser = &world.browser;
    let thirds = json!({ "stable-europe-west-1": 1, "candidate": 1, "baseline": 1 });
    let asked = json!({ "weights": thirds, "force": true, "reason": "thirds" });
    world.post("/v1/switches/embeddings/set-weights", asked).await;
    world.sign_in(browser, "#/s/embeddings").await;
    browser.click("[data-act=weights]").await;
    // The shares are taken; the server says what it does about pools that nobody watches.
    browser.until("the server is asked", "document.querySelector('dialog .dryrun, dialog .note')").await;
    let sum =
        "return [0, 1, 2].reduce((sum, at) => sum + Number(document.querySelector(`#weight-${at}`).value) * 100, 0)";
    assert_eq!(browser.run(sum, json!([])).await.as_f64().map(f64::round), Some(10_000.0));
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_are_set_by_number_and_undone() {
    let world = World::start().await;
    let browser = &world.browser;
    world.sign_in(browser, "#/s/model").await;
    browser.click("[data-act=weights]").await;
    browser.run("document.querySelector('#weight-1').value = ''", json!([])).await;
    browser.write("#weight-1", "12.5").await;
    browser.shows("dialog .dryrun", "green 12.5 %").await;
    world.confirm("a taste").await;
    browser.shows(".head .legend li", "green 12.5 %").await;
    browser.shows(".head .legend li", "blue 87.5 %").await;
    browser.click("[data-act=undo]").await;
    world.confirm("enough").await;
    browser.shows(".head .legend li", "blue 100 %").await;
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_somebody_else_meanwhile_is_shown_before_anything_is_done() {
    let world = World::start().await;
    let browser = &world.browser;
    world.sign_in(browser, "#/s/model").await;
    browser.click("[data-act=flip]").await;
    browser.shows("dialog .dryrun", "before").await;
    browser.write("#change-reason", "mine").await;
    browser.until("it can be confirmed", "!document.querySelector('#change-confirm').disabled").await;
    world.post("/v1/switches/model/set-weights", json!({ "weights": { "green": "30%" }, "reason": "theirs" })).await;
    browser.click("#change-confirm").await;
    browser.shows("dialog .note", "nothing was done").await;
    browser.shows("dialog .dryrun", "green 30 %").await;
    assert_eq!(world.newest().await["reason"], json!("theirs"));
    browser.click("#change-confirm").await;
    browser.until("the dialog closes", "!document.querySelector('dialog')").await;
    assert_eq!(world.newest().await["reason"], json!("mine"));
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_of_a_flip_can_be_done_with_the_keyboard_alone() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.open(&format!("http://{}/", world.server.admin)).await;
    browser.until("the form has the focus", "document.activeElement?.id === 'token'").await;
    browser.press(&format!("{}{ENTER}", world.server.token())).await;
    browser.shows("#live", "live").await;
    browser.shows(".c-name a", "model").await;
    browser.tab_to(".c-name a[href='#/s/model']").await;
    browser.press(ENTER).await;
    browser.until("the switch is shown", "document.querySelector('[data-act=flip]')").await;
    browser.tab_to("[data-act=flip]").await;
    browser.press(ENTER).await;
    browser.shows("dialog .dryrun", "before").await;
    browser.press(ESCAPE).await;
    browser
        .until(
            "Escape closes it and the focus is back",
            "!document.querySelector('dialog') && document.activeElement.dataset.act === 'flip'",
        )
        .await;
    browser.press(ENTER).await;
    browser.shows("dialog .dryrun", "before").await;
    browser.until("a choice has the focus", "document.activeElement.name === 'to'").await;
    browser.tab_to("#change-reason").await;
    browser.press("by hand").await;
    browser
        .until(
            "it can be confirmed",
            "!document.querySelector('#change-confirm').disabled && document.querySelector('dialog .dryrun')",
        )
        .await;
    browser.tab_to("#change-confirm").await;
    browser.press(ENTER).await;
    browser.until("the dialog closes", "!document.querySelector('dialog')").await;
    assert_eq!(world.newest().await["reason"], json!("by hand"));
    assert_eq!(world.answer(), [world.green.address.to_string()]);
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_offered_nothing_and_told_why() {
    let world = World::start().await;
    let viewer = token(&world, "a viewer", "viewer").await;
    world.sign_in_with(&world.browser, "#/s/model", &viewer).await;
    world.browser.shows("#no-actions", "viewer").await;
    assert_eq!(world.browser.run("return document.querySelectorAll('[data-act]').length", json!([])).await, json!(0));
    world.browser.quit().await;
}
