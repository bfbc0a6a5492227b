//! What the documents tell people to write is what the program takes.

use crate::harness::{Folder, PROGRAM};
use std::process::Command;

/// The fences of a page with this tag, each with its line.
fn fences(page: &str, tag: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim_start();
        if line.strip_prefix("```") == Some(tag) {
            let inside = lines.by_ref().map(|(_, line)| line.get(indent..).unwrap_or_default());
            let body: Vec<&str> = inside.take_while(|line| !line.starts_with("```")).collect();
            found.push((number + 2, body.join("\n")));
        } else if line.starts_with("```") {
            let _ = lines.by_ref().find(|(_, line)| line.trim_start().starts_with("```"));
        }
    }
    found
}

/// Whether `tidegate check` is content with a zone, without a warning; else what it says.
fn check(text: &str) -> Result<(), String> {
    let folder = Folder::new("documents");
    let apex = if text.contains("ai.example.com") { "ai.example.com" } else { "example.test" };
    folder.write(&format!("{apex}.toml"), text);
    let output = Command::new(PROGRAM).arg("check").arg("--zones").arg(folder.path()).env_clear().output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Every TOML block of a page, which has at least so many, is a zone file that check is content with.
fn blocks_are_zones(page: &str, at_least: usize) {
    let text = std::fs::read_to_string(format!("{}/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let blocks = fences(&text, "toml");
    assert!(blocks.len() >= at_least, "{page} has {} TOML blocks", blocks.len());
    for (line, text) in blocks {
        check(&text).unwrap_or_else(|said| panic!("{page}:{line}: {said}"));
    }
}

#[test]
fn every_recipe_for_a_model_server_is_a_zone() {
    blocks_are_zones("deploy/model-servers.md", 5);
}

#[test]
fn the_zone_of_the_delegation_walk_through_is_one() {
    blocks_are_zones("deploy/README.md", 1);
}

#[test]
fn what_the_pages_on_rollouts_and_webhooks_add_to_the_zone_of_the_readme_fits_it() {
    let read = |page: &str| std::fs::read_to_string(format!("{}/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let zones = fences(&read("README.md"), "toml");
    assert_eq!(zones.len(), 1);
    let zone = &zones[0].1;
    check(zone).unwrap_or_else(|said| panic!("README.md: {said}"));
    for page in ["deploy/rollouts.md", "deploy/hooks.md"] {
        let blocks = fences(&read(page), "toml");
        assert!(!blocks.is_empty(), "{page} has no TOML block");
        for (line, text) in blocks {
            check(&format!("{zone}\n{text}")).unwrap_or_else(|said| panic!("{page}:{line}: {said}"));
        }
    }
}

/// Links of a page to other files of the repository.
fn links(page: &str) -> Vec<String> {
    let inside = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = inside.filter(|link| !link.contains("://") && !link.starts_with('#'));
    files.map(|link| link.split('#').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_link_between_the_pages_leads_to_a_file() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut followed = 0;
    for page in ["README.md", "deploy/README.md", "deploy/rollouts.md", "deploy/hooks.md", "deploy/experiments.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        for link in links(&text) {
            let target = root.join(page).parent().unwrap().join(&link);
            assert!(target.exists(), "{page} links to {link}, which is not there");
            followed += 1;
        }
    }
    assert!(followed >= 15, "{followed} links were followed");
}

#[test]
fn a_page_with_a_mistake_would_be_noticed() {
    assert_eq!(fences("```sh\nx\n```\n```toml\na\nb\n```\n", "toml"), [(5, "a\nb".to_owned())]);
    assert!(check("[zone]\nns = [\"ns1.example.test\"]\n[switch.a]\nowner = 1\n").is_err());
}
