//! axe-core over every view, in light, dark and narrow, with pictures kept for people to look at.

use crate::driver::Browser;
use crate::world::World;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from)
}

/// What axe finds wrong with the page as it is.
async fn violations(browser: &Browser) -> Vec<String> {
    let path = target().join("axe/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: npm install --prefix target/axe --no-save axe-core", path.display())
    });
    browser.run(&axe, json!([])).await;
    let script = "const done = arguments[0]; axe.run(document).then((r) => done(r.violations), (e) => done([{ id: String(e), nodes: [] }]))";
    let found = browser.run_async(script).await;
    let line = |each: &Value| {
        let nodes: Vec<&str> =
            each["nodes"].as_array().into_iter().flatten().filter_map(|node| node["html"].as_str()).collect();
        format!("{}: {} {nodes:#?}", each["id"], each["help"])
    };
    found.as_array().expect("a list").iter().map(line).collect()
}

/// Looks at the page in every form, keeps a picture of each, and fails on what axe finds.
async fn inspect(browser: &Browser, name: &str) {
    let mut wrong = Vec::new();
    for (form, scheme, width) in
        [("light", "light", 1360), ("dark", "dark", 1360), ("narrow", "light", 360), ("narrow-dark", "dark", 360)]
    {
        browser.prefer(scheme).await;
        browser.resize(width, if width == 360 { 780 } else { 900 }).await;
        let wide = browser
            .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth", json!([]))
            .await;
        if wide.as_i64() > Some(0) {
            wrong.push(format!("{form}: the page is {wide} px wider than the window"));
        }
        let broken = "return [...document.querySelectorAll('.since')].filter((e) => e.getBoundingClientRect().height > 2 * parseFloat(getComputedStyle(e).fontSize)).map((e) => e.textContent)";
        let broken = browser.run(broken, json!([])).await;
        if broken != json!([]) {
            wrong.push(format!("{form}: a span of time takes two lines: {broken}"));
        }
        browser.picture(&target().join(format!("browser/{name}-{form}.png"))).await;
        wrong.extend(violations(browser).await.into_iter().map(|line| format!("{form}: {line}")));
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_passes_axe_in_light_dark_and_narrow() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.open(&format!("http://{}/", world.server.admin)).await;
    browser.until("the form is there", "document.querySelector('#token')").await;
    browser.run("document.body.append(document.createElement('img'))", json!([])).await;
    assert!(violations(browser).await.iter().any(|line| line.contains("image-alt")), "axe finds a fault that is there");
    browser.run("document.querySelector('body > img').remove()", json!([])).await;
    inspect(browser, "sign-in").await;
    world.post("/v1/switches/model/flip", json!({ "to": "green", "reason": "a first change" })).await;
    world.post("/v1/switches/model/undo", json!({ "reason": "and back" })).await;
    world.post("/v1/switches/model/rollout", json!({ "to": "green", "reason": "release v2" })).await;
    world
        .post(
            "/v1/switches/embeddings/overrides",
            json!({ "pool": "baseline", "hold": "force-down", "for": "1h", "reason": "disk swap" }),
        )
        .await;
    for n in 0..40 {
        world.server.short(&[&format!("+subnet=198.51.{n}.0/24"), "model.example.test"]);
    }
    world.sign_in(browser, "").await;
    browser.shows(".c-rollout", "paused").await;
    inspect(browser, "overview").await;
    browser.run("location.hash = '#/s/model'", json!([])).await;
    browser.shows(".phase", "paused").await;
    browser.until("charts are drawn", "document.querySelectorAll('.chart svg').length >= 1").await;
    browser.write("#explain-client", "203.0.113.7").await;
    browser.click("#explain-form button").await;
    browser.shows("#explain-answer", "gets").await;
    inspect(browser, "detail").await;
    for (act, name) in [
        ("flip", "dialog-flip"),
        ("weights", "dialog-weights"),
        ("override", "dialog-override"),
        ("abort", "dialog-abort"),
    ] {
        browser.resize(1360, 900).await;
        browser.click(&format!("[data-act={act}]")).await;
        browser
            .until(
                "the dry run has answered",
                "document.querySelector('dialog .dryrun, dialog .note, dialog #change-wrong')",
            )
            .await;
        inspect(browser, name).await;
        browser.click("dialog [data-close]").await;
        browser.until("the dialog closes", "!document.querySelector('dialog')").await;
    }
    world.browser.quit().await;
}
