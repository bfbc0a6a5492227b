//! What scripts rely on (§6.4): `--json` of every verb, exit codes of every verb, contexts, colour.

use crate::harness::{Folder, PROGRAM, Server, own_address};
use crate::printed::{code, err, json, out};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

/// Switches without monitors, and one that a rollout may not move.
const ZONE: &str = r#"
[zone]
ns = ["ns1.example.test"]
glue = { "ns1.example.test" = ["192.0.2.53"] }

[switch.model]
owners = ["model.example.test"]
min_interval = "0s"
ttl = 5
fast_ttl = 5
pool.blue = { members = ["192.0.2.10"], weight = 10000 }
pool.green = { members = ["192.0.2.20"], weight = 0 }

[switch.other]
owners = ["other.example.test"]
min_interval = "0s"
ttl = 300
pool.blue = { members = ["192.0.2.30"], weight = 10000 }
pool.green = { members = ["192.0.2.40"], weight = 0 }
"#;

const FORCE: [&str; 3] = ["--force", "--reason", "no monitors here"];

/// Verbs that print no answer: they run until they are stopped, or write files or pages for other programs.
const NO_ANSWER: [&str; 3] = ["serve", "demo", "help"];

/// The program with a home of its own.
fn at_home(home: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().env("HOME", home.path()).stdin(Stdio::null()).current_dir(home.path());
    command
}

fn run(home: &Folder, arguments: &[&str]) -> Output {
    at_home(home, arguments).output().expect("the program runs")
}

/// The verbs that `--help` names below a heading.
fn verbs(arguments: &[&str]) -> BTreeSet<String> {
    let help = Command::new(PROGRAM).args(arguments).arg("--help").env_clear().output().expect("the program runs");
    let text = out(&help);
    let list = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    list.filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(|word| word.replace('~', " ")).collect()
}

/// Every verb once: its words (`~` is a space), and the exit code.
fn walk(folder: &Folder) -> Vec<(String, i32)> {
    let path = folder.path().display();
    let force = "--force --reason none~here";
    [
        (format!("check --zones {path}/zones"), 0),
        ("compare --stable 10/1000 --canary 90/1000".into(), 1),
        ("compare --stable 10/1000 --canary 10/1000".into(), 0),
        ("plan model".into(), 0),
        ("simulate --repetitions 2 --resolvers 20".into(), 0),
        ("status".into(), 0),
        ("status model".into(), 0),
        ("status nobody".into(), 1),
        (format!("flip model green {force}"), 0),
        ("flip model blue".into(), 1),
        (format!("set-weights model blue=50% green=50% {force}"), 0),
        ("undo model".into(), 0),
        ("undo nobody".into(), 1),
        ("prepare other".into(), 0),
        ("prepare nobody".into(), 1),
        ("override model blue force-down --for 2h --reason none".into(), 0),
        ("override model nobody clear".into(), 1),
        ("expect-version model green v3 --force --reason none".into(), 0),
        ("expect-version model nobody v3".into(), 1),
        ("drain model green".into(), 1),
        ("explain model.example.test 192.0.2.1".into(), 0),
        ("explain nobody.example.test 192.0.2.1".into(), 1),
        ("history".into(), 0),
        ("history model".into(), 0),
        ("history nobody".into(), 1),
        ("updates".into(), 0),
        ("report model".into(), 1),
        ("report nobody".into(), 1),
        ("top".into(), 2),
        ("reload".into(), 0),
        ("reset model --force --reason none".into(), 0),
        ("reset nobody".into(), 1),
        ("rollout start other --to green --dry-run --force --reason none".into(), 0),
        ("rollout start other --to nobody".into(), 1),
        ("rollout status other".into(), 1),
        ("rollout pause other".into(), 1),
        ("rollout resume other".into(), 1),
        ("rollout promote other".into(), 1),
        ("rollout abort other".into(), 1),
        ("rollout retry other".into(), 1),
        ("rollout undo nobody".into(), 1),
        ("rollout list".into(), 0),
        ("rollout history".into(), 0),
        ("token create walk --role viewer".into(), 0),
        ("token list".into(), 0),
        ("token revoke walk".into(), 0),
        ("token revoke walk".into(), 1),
        ("member list model".into(), 0),
        ("member list nobody".into(), 1),
        ("member register model blue extra --ip 192.0.2.99".into(), 1),
        ("member remove model blue extra".into(), 1),
        ("context list".into(), 0),
        ("context add lab --address 127.0.0.1:1".into(), 0),
        ("context add lab --address 127.0.0.1:1".into(), 1),
        ("context use lab".into(), 0),
        ("context use nobody".into(), 2),
        ("context show".into(), 0),
        ("context remove lab".into(), 0),
        ("context remove lab".into(), 2),
        (format!("import route53 {path}/nothing.json"), 1),
        ("tsig-key transfer.example.test".into(), 0),
        (format!("backup {path}/copy.db"), 0),
        (format!("backup {path}/copy.db"), 1),
        (format!("restore {path}/copy.db --state {path}/restored"), 0),
        (format!("restore {path}/nothing.db --state {path}/restored"), 1),
    ]
    .into()
}

#[tokio::test]
async fn every_verb_answers_programs_in_json_and_ends_with_its_exit_code() {
    let server = Server::start(&[("example.test.toml", ZONE)]).await;
    let home = Folder::new("walk");
    let mut walked = BTreeSet::new();
    for (line, expected) in walk(&server.folder) {
        let words = words(&line);
        let mut command = at_home(&home, &["--color", "never"]);
        command.args(&words).arg("--json").env("TIDEGATE_TOKEN", server.token());
        let output = command.env("TIDEGATE_ADDRESS", format!("http://{}", server.admin)).output().unwrap();
        assert_eq!(code(&output), expected, "{line}: {} {}", out(&output), err(&output));
        let body = json(&output);
        assert!(body.is_object() || body.is_array(), "{line}: {body}");
        if expected == 2 {
            assert!(body["detail"].is_string(), "{line}: {body}");
        }
        let nested = matches!(words[0].as_str(), "rollout" | "token" | "context" | "import" | "member");
        walked.insert(words[..1 + usize::from(nested)].join(" "));
    }
    let mut all: BTreeSet<String> = verbs(&[]).into_iter().filter(|verb| !NO_ANSWER.contains(&verb.as_str())).collect();
    for group in ["rollout", "token", "context", "import", "member"] {
        assert!(all.remove(group), "{group} is a verb");
        all.extend(verbs(&[group]).iter().filter(|verb| *verb != "help").map(|verb| format!("{group} {verb}")));
    }
    assert_eq!(walked, all, "the walk names every verb that `--help` names");
}

#[test]
fn every_verb_of_a_server_exits_4_when_nobody_is_there_and_2_when_it_makes_no_sense() {
    let home = Folder::new("nobody");
    let address = std::net::TcpListener::bind((own_address(), 0)).unwrap().local_addr().unwrap().to_string();
    let path = home.path().display().to_string();
    for line in [
        "status",
        "flip m p",
        "flip m p --prepare --wait",
        "set-weights m p=5%",
        "undo m",
        "prepare m --wait",
        "override m p clear",
        "expect-version m p v",
        "drain m p",
        "explain o.test",
        "history",
        "updates",
        "reload",
        "reset m",
        "rollout start m",
        "rollout status m",
        "rollout pause m",
        "rollout resume m",
        "rollout promote m",
        "rollout abort m",
        "rollout retry m",
        "rollout undo m",
        "rollout list",
        "rollout history",
        "token create n --role viewer",
        "token list",
        "token revoke n",
        "member list m",
        "member register m p i --ip 192.0.2.1",
        "member remove m p i",
        "restore --accept-copy",
        &format!("backup {path}/x.db"),
    ] {
        let mut words = words(line);
        words.extend(["--address", &address, "--json"].map(str::to_owned));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = run(&home, &words);
        assert_eq!(code(&output), 4, "{line}: {}", err(&output));
        assert_eq!(json(&output)["type"], "urn:tidegate:problem:unreachable", "{line}");
        let output = run(&home, &[&words[..], &["--no-such-flag"]].concat());
        assert_eq!(code(&output), 2, "{line}: {}", err(&output));
        assert_eq!(json(&output)["type"], "urn:tidegate:problem:usage", "{line}");
    }
}

#[tokio::test]
async fn waiting_for_caches_ends_with_0_when_they_are_empty_and_with_3_when_the_time_is_up() {
    let server = Server::start(&[("example.test.toml", ZONE)]).await;
    let forced = |words: &[&str]| server.cli(&words.iter().copied().chain(FORCE).collect::<Vec<_>>());
    assert_eq!(server.short(&["model.example.test"]), ["192.0.2.10"]);
    let waited = forced(&["flip", "model", "green", "--wait"]);
    assert_eq!(code(&waited), 0, "{}", err(&waited));
    assert!(out(&waited).ends_with("model: no cache that honours TTLs holds an older answer\n"), "{}", out(&waited));
    assert!(err(&waited).contains("model: answers naming blue may still be cached"), "{}", err(&waited));
    let drain = json(&server.cli(&["drain", "model", "blue", "--json"]));
    assert_ne!(drain["state"], "draining", "{drain}");
    assert_eq!(server.short(&["other.example.test"]), ["192.0.2.30"]);
    let late = server.cli(&["prepare", "other", "--wait", "--timeout", "1s"]);
    assert!(code(&late) == 3 && err(&late).contains("it stays prepared"), "{} {}", code(&late), err(&late));
    let late = forced(&["flip", "other", "green", "--wait", "--timeout", "1s"]);
    assert!(code(&late) == 3 && err(&late).contains("the change itself is done"), "{} {}", code(&late), err(&late));
    assert_eq!(server.short(&["other.example.test"]), ["192.0.2.40"], "it is done");
    let late = server.cli(&["undo", "other", "--wait", "--timeout", "1s", "--json"]);
    assert_eq!((code(&late), json(&late)["changed"].as_bool()), (3, Some(true)), "one document: {}", out(&late));
    let nothing = server.cli(&["prepare", "model", "--dry-run", "--wait"]);
    assert_eq!(code(&nothing), 0, "{}", err(&nothing));
}

#[tokio::test]
async fn contexts_lead_to_servers_and_keep_their_tokens_to_themselves() {
    let server = Server::start(&[("example.test.toml", ZONE)]).await;
    let home = Folder::new("contexts");
    let (address, token) = (format!("http://{}", server.admin), server.token());
    home.write("token", &token);
    let added = run(&home, &["context", "add", "lab", "--address", &address, "--token-file", "token"]);
    assert!(code(&added) == 0 && out(&added).contains("the current one"), "{}", err(&added));
    let file = home.path().join(".config/tidegate/contexts.toml");
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    assert_eq!(json(&run(&home, &["status", "--json"]))["revision"], 0);

    let mut wrong = at_home(&home, &["context", "add", "wrong", "--address", &address, "--token-stdin", "--use"]);
    home.write("other-token", "tg_nobody_nothing\n");
    let stdin = std::fs::File::open(home.path().join("other-token")).unwrap();
    assert_eq!(code(&wrong.stdin(stdin).output().unwrap()), 0);
    let refused = run(&home, &["status"]);
    assert!(code(&refused) == 1 && err(&refused).contains("context `wrong`"), "it says where from: {}", err(&refused));
    assert!(std::fs::read_to_string(&file).unwrap().contains("tg_nobody_nothing"));
    for verb in
        [&["context", "list"][..], &["context", "list", "--json"], &["context", "show"], &["context", "show", "lab"]]
    {
        let shown = run(&home, verb);
        assert_eq!(code(&shown), 0, "{}", err(&shown));
        assert!(!out(&shown).contains("tg_") && !err(&shown).contains("tg_"), "{verb:?} shows a token");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let warned = run(&home, &["status"]);
    assert!(err(&warned).contains("mode 644: chmod 600"), "{}", err(&warned));
    assert_eq!(code(&run(&home, &["context", "use", "lab"])), 0);
    assert_eq!(mode(), 0o600, "writing it again closes it");
    assert_eq!(code(&run(&home, &["status"])), 0);

    let elsewhere = at_home(&home, &["status"]).env("TIDEGATE_ADDRESS", "http://127.0.0.1:1").output().unwrap();
    assert!(code(&elsewhere) == 4 && err(&elsewhere).contains("(TIDEGATE_ADDRESS)"), "{}", err(&elsewhere));
    let named = at_home(&home, &["status", "--context", "lab"]).env("TIDEGATE_ADDRESS", "http://127.0.0.1:1").output();
    assert_eq!(code(&named.unwrap()), 0, "--context goes before the environment");
    assert_eq!(code(&run(&home, &["context", "remove", "lab"])), 0);
    let gone = run(&home, &["status", "--context", "lab"]);
    assert!(
        code(&gone) == 2 && err(&gone).contains("contexts.toml has no context `lab` (it has: wrong)"),
        "{}",
        err(&gone)
    );
    std::fs::write(&file, "current = 5\n").unwrap();
    let broken = run(&home, &["status"]);
    assert!(code(&broken) == 2 && err(&broken).contains("contexts.toml is not valid"), "{}", err(&broken));
    assert!(err(&broken).contains("line 1"), "{}", err(&broken));
}

#[tokio::test]
async fn colour_is_for_terminals_unless_it_is_asked_for() {
    let server = Server::start(&[("example.test.toml", ZONE)]).await;
    let coloured = |words: &[&str]| out(&server.cli(words)).contains('\u{1b}');
    assert!(!coloured(&["status"]) && !coloured(&["status", "--color", "never"]) && !coloured(&["--help"]));
    assert!(coloured(&["status", "--color", "always"]) && coloured(&["--color=always", "status"]));
    assert!(coloured(&["--color=always", "--help"]));
    assert_eq!(code(&server.cli(&["status", "--color", "sometimes"])), 2);
}

#[test]
fn a_misspelt_flag_or_verb_is_met_with_the_right_one() {
    let home = Folder::new("misspelt");
    for (wrong, right) in [
        (&["rollout", "statsu", "m"][..], "'status'"),
        (&["flip", "m", "p", "--prepaer"], "'--prepare'"),
        (&["contxt", "list"], "'context'"),
    ] {
        let output = run(&home, wrong);
        assert!(code(&output) == 2 && err(&output).contains(right), "{wrong:?}: {}", err(&output));
    }
}

#[tokio::test]
async fn a_misspelt_switch_or_pool_is_met_with_the_right_one() {
    let server = Server::start(&[("example.test.toml", ZONE)]).await;
    for (wrong, right) in [
        (&["status", "modle"][..], "`model`"),
        (&["flip", "modle", "green"], "`model`"),
        (&["flip", "model", "gren"], "`green`"),
        (&["set-weights", "model", "gren=5%"], "`green`"),
        (&["drain", "model", "bleu"], "`blue`"),
        (&["rollout", "start", "modle"], "`model`"),
        (&["rollout", "start", "model", "--to", "gren"], "`green`"),
    ] {
        let output = server.cli(wrong);
        assert!(code(&output) == 1 && err(&output).contains(right), "{wrong:?}: {}", err(&output));
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_a_problem_object_for_programs() {
    let home = Folder::new("usage");
    for line in ["flip model --json", "status --josn --json", "set-wieghts model --json", "rollout --json", "--json"] {
        let output = run(&home, &line.split(' ').collect::<Vec<_>>());
        let body = json(&output);
        assert_eq!((code(&output), body["type"].as_str()), (2, Some("urn:tidegate:problem:usage")), "{line}: {body}");
        let detail = body["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty() && !detail.contains("Usage:") && !detail.starts_with("error"), "{line}: {detail}");
        assert!(err(&output).contains("Usage:"), "{line}: {}", err(&output));
    }
    let plain = run(&home, &["flip", "model"]);
    assert!(code(&plain) == 2 && out(&plain).is_empty(), "{}", out(&plain));
    let behind = run(&home, &["status", "--", "--json", "more"]);
    assert!(code(&behind) == 2 && out(&behind).is_empty(), "{}", out(&behind));
}

#[test]
fn contexts_that_are_added_at_once_are_all_kept_and_a_link_stays_one() {
    let home = Folder::new("contexts");
    home.write("dotfiles/real.toml", "");
    home.write(".config/tidegate/x", "");
    let link = home.path().join(".config/tidegate/contexts.toml");
    std::os::unix::fs::symlink("../../dotfiles/real.toml", &link).unwrap();
    let add = |number: usize| {
        let name = format!("c{number}");
        at_home(&home, &["context", "add", &name, "--address", "127.0.0.1:1"]).stdout(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..12).map(add).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let listed = json(&run(&home, &["context", "list", "--json"]));
    assert_eq!(listed["contexts"].as_array().unwrap().len(), 12, "{listed}");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink(), "the link was replaced");
    let real = std::fs::read_to_string(home.path().join("dotfiles/real.toml")).unwrap();
    assert!(real.contains("[context.c11]"), "{real}");
}

#[test]
fn what_is_wrong_with_a_context_is_shown_and_manual_pages_need_their_parent() {
    let home = Folder::new("shown");
    home.write(
        ".config/tidegate/contexts.toml",
        "current = \"a\"\n[context.a]\naddress = \"https://a.test\"\ntoken_file = \"/no-such/token\"\n",
    );
    let shown = run(&home, &["context", "show"]);
    assert!(code(&shown) == 0 && out(&shown).contains("cannot read the token file /no-such/token"), "{}", out(&shown));
    let body = json(&run(&home, &["context", "show", "--json"]));
    assert!(body["token_problem"].is_string() && body["address"] == "https://a.test", "{body}");

    let deep = run(&home, &["man", "no-such/pages"]);
    assert!(code(&deep) == 1 && err(&deep).contains("there is no folder no-such"), "{}", err(&deep));
    assert!(!home.path().join("no-such").exists());
    assert_eq!(code(&run(&home, &["man", "pages"])), 0);
    assert_eq!(code(&run(&home, &["man", "pages"])), 0, "a folder that is there serves as well");
}
