//! Looking: signing in, text from outside, a server that goes away, many switches.

use crate::world::{World, token};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_told_and_a_good_one_lasts_for_the_session() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.open(&format!("http://{}/", world.server.admin)).await;
    browser.write("#token", "tg_aaaaaaaaaa_wrong").await;
    browser.click(".signin button").await;
    browser.shows("#token-error", "not accepted").await;
    browser.run("document.querySelector('#token').value = ''", json!([])).await;
    browser.write("#token", &world.server.token()).await;
    browser.click(".signin button").await;
    browser.shows(".c-name a", "model").await;
    browser.run("location.reload()", json!([])).await;
    browser.shows("#live", "live").await;
    assert_eq!(browser.run("return localStorage.length", json!([])).await, json!(0), "kept for the session only");
    browser.click("[data-do=sign-out]").await;
    browser.until("the form is back", "document.querySelector('#token')").await;
    assert_eq!(browser.run("return sessionStorage.length", json!([])).await, json!(0));
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_said_and_its_return_is_noticed() {
    let mut world = World::start().await;
    world.sign_in(&world.browser, "").await;
    world.browser.shows(".c-name a", "model").await;
    world.server.kill9();
    world.browser.shows("#disconnected", "Disconnected").await;
    world.browser.shows("#disconnected", " old").await;
    world.browser.shows("#live", "disconnected").await;
    world.server.restart().await;
    world.post("/v1/switches/model/flip", json!({ "to": "green", "force": true, "reason": "while nobody saw" })).await;
    world.browser.until("it is connected again", "!document.querySelector('#disconnected')").await;
    world.browser.shows("#live", "live").await;
    world.browser.shows("tr .legend li", "green 100 %").await;
    world.browser.quit().await;
}

/// Markup that would run if it were ever taken for markup.
const HOSTILE: &str = r#"<img src=x onerror="window.owned=1"><b>"'&</b>"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_reasons_from_outside_are_shown_as_text() {
    let world = World::start().await;
    let operator = token(&world, "<script>window.owned=1</script>", "admin").await;
    world.sign_in_with(&world.browser, "#/s/model", &operator).await;
    let browser = &world.browser;
    world.post("/v1/switches/model/flip", json!({ "to": "green", "reason": HOSTILE })).await;
    world.green.behave(|manner| manner.version = r"<img src=x onerror=window.owned=1>".to_owned());
    browser.shows(".history .reason", HOSTILE).await;
    browser.shows(".members", "<img src=x").await;
    browser.shows(".who", "<script>").await;
    browser.write("#explain-client", "<b>x</b>").await;
    browser.click("#explain-form button").await;
    browser.shows("#explain-answer", "<b>x</b>").await;
    let found = "return [window.owned ?? null, document.querySelectorAll('main b b, main img, main script, .who script').length]";
    assert_eq!(browser.run(found, json!([])).await, json!([null, 0]));
    world.browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_switches_are_paged_and_filtered() {
    let world = World::start().await;
    let many: String = (0..1200)
        .map(|n| format!("[switch.s{n:04}]\nowners = [\"s{n:04}.many.test\"]\n[switch.s{n:04}.pool.blue]\nmembers = [\"192.0.2.1\"]\nweight = 1\n[switch.s{n:04}.pool.green]\nmembers = [\"192.0.2.2\"]\n"))
        .collect();
    world.server.folder.write("zones/many.test.toml", &format!("[zone]\nns = [\"ns1.many.test\"]\n{many}"));
    world.post("/v1/reload", json!({})).await;
    let browser = &world.browser;
    world.sign_in(browser, "").await;
    browser.shows(".pager", "1–50 of 1,203").await;
    browser.until("one page of rows", "document.querySelectorAll('.switches tbody tr').length === 50").await;
    browser.write("#filter", "s0777").await;
    browser.until("one row is left", "document.querySelectorAll('.switches tbody tr').length === 1").await;
    browser.click(".c-name a").await;
    browser.shows("h1", "s0777").await;
    world.browser.quit().await;
}
