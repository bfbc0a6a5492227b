//! Runs the README's walk-through as a newcomer would, against the real demo on its real ports.
//!
//! A fence tagged `sh` that is directly followed by a fence tagged `text` is commands and what they
//! print. They run in order in one shell at the repository's root. The block with
//! `cargo run --release -- demo` is started in the background, before the others. Each block must
//! succeed. In what is expected, `...` stands for anything on that line, and a line of only `...`
//! for any number of lines. `cargo test` leaves this out, since the ports must be free and a release
//! build takes its time; `tests/run` runs it, and so does `cargo test --test readme`.

// The walk-through measures how long it waits.
#![allow(clippy::disallowed_methods, clippy::print_stdout, missing_docs)]

mod matching;
mod shell;

use shell::{Demo, Shell};

/// The command that starts the demo.
const DEMO: &str = "cargo run --release -- demo";

/// Commands, and what they print when the README says so.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    line: usize,
    commands: String,
    expected: Option<String>,
}

/// The fences of a page that are to be run: `sh` followed by `text`, and the demo.
fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut directly_after = false;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(tag) = line.trim_start().strip_prefix("```") else {
            directly_after &= line.trim().is_empty();
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line.get(indent..).unwrap_or_default())
            .take_while(|line| !line.starts_with("```"))
            .collect();
        let body = body.join("\n");
        match (tag.trim(), found.last_mut()) {
            ("text", Some(last)) if directly_after => last.expected = Some(body),
            ("sh", _) => found.push(Block { line: number + 1, commands: body, expected: None }),
            _ => {}
        }
        directly_after = tag.trim() == "sh";
    }
    found.retain(|block| block.expected.is_some() || block.commands.contains(DEMO));
    found
}

#[test]
fn the_readme_does_what_it_says() {
    let root = env!("CARGO_MANIFEST_DIR");
    let page = std::fs::read_to_string(format!("{root}/README.md")).expect("README.md at the repository's root");
    let (demo, steps): (Vec<Block>, Vec<Block>) =
        blocks(&page).into_iter().partition(|block| block.commands.contains(DEMO));
    assert_eq!(demo.len(), 1, "README.md starts the demo once, with `{DEMO}` in a fence tagged `sh`");
    assert!(steps.len() >= 3, "README.md has {} fences tagged `sh` with a fence tagged `text` after them", steps.len());
    let home = std::env::temp_dir().join(format!("tidegate-readme-{}", std::process::id()));
    let _home = shell::Removed::new(&home);
    let mut demo = Demo::start(root, &home, &demo[0]);
    let mut shell = Shell::start(root, &home);
    for step in &steps {
        println!("README.md:{}\n{}", step.line, step.commands);
        let (status, printed) = shell
            .run(&step.commands)
            .unwrap_or_else(|why| panic!("README.md:{}: {why}\nthe demo:\n{}", step.line, demo.printed()));
        let expected = step.expected.as_deref().unwrap_or_default();
        assert!(
            status == 0 && matching::matches(expected, &printed),
            "README.md:{}: exit code {status}\n$ {}\n--- expected\n{expected}\n--- printed\n{printed}\n--- the demo\n{}",
            step.line,
            step.commands,
            demo.printed()
        );
    }
    demo.interrupt();
}

#[test]
fn commands_are_paired_with_the_output_directly_after_them() {
    let page = "```sh\nskipped\n```\nwords\n```text\nno\n```\n```sh\na\nb\n```\n\n```text\nx\n...\n```\n```toml\n```\n\n```sh\ncargo run --release -- demo\n```\n";
    let expected = vec![
        Block { line: 8, commands: "a\nb".into(), expected: Some("x\n...".into()) },
        Block { line: 20, commands: DEMO.into(), expected: None },
    ];
    assert_eq!(blocks(page), expected);
}

#[test]
fn commands_share_a_shell_and_keep_their_exit_code() {
    let mut shell = Shell::start("/", &std::env::temp_dir());
    assert_eq!(shell.run("x=1\necho no newline | tr -d '\\n'"), Ok((0, "no newline\n".to_owned())));
    assert_eq!(shell.run("echo $x; echo oops >&2; (exit 3)"), Ok((3, "1\noops\n".to_owned())));
    assert_eq!(shell.run("cat; pwd"), Ok((0, "/\n".to_owned())));
}
