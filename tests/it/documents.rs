//! What the documents tell people to write is what the program takes.

use crate::harness::{Folder, PROGRAM};
use std::process::Command;

/// The fences of a page with this tag, each with its line.
fn fences(page: &str, tag: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.strip_prefix("```") == Some(tag) {
            let body: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| !line.starts_with("```")).collect();
            found.push((number + 2, body.join("\n")));
        } else if line.starts_with("```") {
            let _ = lines.by_ref().find(|(_, line)| line.starts_with("```"));
        }
    }
    found
}

/// Whether `tidegate check` is content with a zone, without a warning; else what it says.
fn check(text: &str) -> Result<(), String> {
    let folder = Folder::new("documents");
    folder.write("example.test.toml", text);
    let output = Command::new(PROGRAM).arg("check").arg("--zones").arg(folder.path()).env_clear().output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn every_recipe_for_a_model_server_is_a_zone() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/model-servers.md")).unwrap();
    let recipes = fences(&page, "toml");
    assert!(recipes.len() >= 5, "{} recipes", recipes.len());
    for (line, text) in recipes {
        check(&text).unwrap_or_else(|said| panic!("deploy/model-servers.md:{line}: {said}"));
    }
}

#[test]
fn a_page_with_a_mistake_would_be_noticed() {
    assert_eq!(fences("```sh\nx\n```\n```toml\na\nb\n```\n", "toml"), [(5, "a\nb".to_owned())]);
    assert!(check("[zone]\nns = [\"ns1.example.test\"]\n[switch.a]\nowner = 1\n").is_err());
}
