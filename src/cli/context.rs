//! `tidegate context`: the servers a person works with.

use super::args::{Connection, ContextAddArgs, ContextVerb};
use super::contexts::{self, Context, Contexts};
use super::destination::{Surroundings, look, normal};
use super::exit::{Exit, Failure};
use super::print::{Cell, Page, Table, Tone};
use super::terminal;
use super::trust::Trust;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest token that is read from standard input.
const TOKEN_LIMIT: u64 = 4096;

/// Runs one verb.
pub(super) fn run(verb: ContextVerb) -> Result<Exit, Failure> {
    let around = Surroundings::of_process();
    let as_json = verb.json();
    let (body, page) = match verb {
        ContextVerb::Show { name, .. } => show(name, &around)?,
        other => {
            let path = around.contexts.clone().ok_or_else(|| {
                Failure::usage("there is no place for contexts: neither XDG_CONFIG_HOME nor HOME is set")
            })?;
            let changes = !matches!(other, ContextVerb::List { .. });
            let token = match &other {
                // Somebody may be typing, and nobody else has to wait for that.
                ContextVerb::Add(args) if args.token_stdin => Some(token_of_stdin()?),
                _ => None,
            };
            let _lock = if changes { Some(contexts::lock(&path)?) } else { None };
            let contexts = Contexts::read(&path)?;
            if let Some(warning) = contexts.warning(&path) {
                terminal::remark(&warning);
            }
            match other {
                ContextVerb::List { .. } | ContextVerb::Show { .. } => list(&contexts, &path),
                ContextVerb::Use { name, .. } => choose(contexts, &path, &name)?,
                ContextVerb::Add(args) => add(contexts, &path, &args, token)?,
                ContextVerb::Remove { name, .. } => remove(contexts, &path, &name)?,
            }
        }
    };
    terminal::print(&if as_json { format!("{body}\n") } else { page.finish() });
    Ok(Exit::Done)
}

/// All contexts.
fn list(contexts: &Contexts, path: &Path) -> (Value, Page) {
    let mut page = terminal::page();
    let rows: Vec<Value> = contexts.contexts.iter().map(|(name, context)| view(contexts, name, context)).collect();
    if contexts.contexts.is_empty() {
        page.paragraph(
            Tone::Plain,
            "",
            &format!("no contexts in {}: make one with `tidegate context add`", path.display()),
        );
    } else {
        let mut table = Table::new(0, &["", "NAME", "ADDRESS", "TOKEN"]);
        for (name, context) in &contexts.contexts {
            let current = contexts.current.as_ref() == Some(name);
            table.row(vec![
                Cell::toned(Tone::Good, if current { "*" } else { "" }),
                Cell::toned(Tone::Strong, name.as_str()),
                context.address.as_str().into(),
                token_place(context).into(),
            ]);
        }
        page.table(&table);
    }
    (json!({ "file": path, "current": contexts.current, "contexts": rows }), page)
}

/// A context without its token.
fn view(contexts: &Contexts, name: &str, context: &Context) -> Value {
    json!({
        "name": name,
        "address": context.address,
        "token": token_place(context),
        "current": contexts.current.as_deref() == Some(name),
    })
}

/// Where its token is.
fn token_place(context: &Context) -> String {
    match (&context.token, &context.token_file) {
        (Some(_), _) => "in contexts.toml".to_owned(),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => "none".to_owned(),
    }
}

/// Makes one the current one.
fn choose(mut contexts: Contexts, path: &Path, name: &str) -> Result<(Value, Page), Failure> {
    let address = contexts.named(name, path)?.address.clone();
    contexts.current = Some(name.to_owned());
    contexts.write(path)?;
    Ok(done(path, name, &format!("verbs go to context {name} ({address}) from here on")))
}

/// Adds one.
fn add(
    mut contexts: Contexts,
    path: &Path,
    args: &ContextAddArgs,
    token: Option<String>,
) -> Result<(Value, Page), Failure> {
    if args.name.is_empty() || args.name.chars().any(char::is_control) {
        return Err(Failure::usage("a context's name is a text without control characters, such as `prod`"));
    }
    if contexts.contexts.contains_key(&args.name) && !args.replace {
        return Err(Failure::failed(format!(
            "{} has a context `{}` already: give --replace, or another name",
            path.display(),
            args.name
        )));
    }
    let address = normal(&args.address)?;
    let token_file = args.token_file.as_deref().map(whole).transpose()?;
    let [ca_file, client_cert, client_key] = [&args.trust.ca, &args.trust.client_cert, &args.trust.client_key];
    let context = Context {
        address: address.clone(),
        token,
        token_file,
        ca_file: ca_file.as_deref().map(whole).transpose()?,
        client_cert: client_cert.as_deref().map(whole).transpose()?,
        client_key: client_key.as_deref().map(whole).transpose()?,
    };
    contexts.contexts.insert(args.name.clone(), context);
    if args.and_use || contexts.current.is_none() {
        contexts.current = Some(args.name.clone());
    }
    contexts.write(path)?;
    let current = if contexts.current.as_ref() == Some(&args.name) { ", the current one" } else { "" };
    Ok(done(path, &args.name, &format!("context {} is {address}{current}", args.name)))
}

/// A path that means the same in every folder.
fn whole(path: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    if !path.is_file() {
        return Err(Failure::usage(format!("there is no file {}", path.display())));
    }
    Ok(path)
}

/// The first line of standard input.
fn token_of_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(TOKEN_LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("cannot read a token from standard input: {error}")))?;
    match text.lines().next().map(str::trim) {
        Some(token) if !token.is_empty() => Ok(token.to_owned()),
        _ => Err(Failure::usage("standard input holds no token")),
    }
}

/// Forgets one.
fn remove(mut contexts: Contexts, path: &Path, name: &str) -> Result<(Value, Page), Failure> {
    contexts.named(name, path)?;
    contexts.contexts.remove(name);
    let mut words = format!("context {name} is forgotten");
    if contexts.current.as_deref() == Some(name) {
        contexts.current = None;
        words.push_str("; no context is the current one");
    }
    contexts.write(path)?;
    Ok(done(path, name, &words))
}

/// What was done.
fn done(path: &Path, name: &str, words: &str) -> (Value, Page) {
    let mut page = terminal::page();
    page.line(Tone::Good, words);
    (json!({ "file": path, "context": name, "done": words }), page)
}

/// Where a verb would go.
fn show(name: Option<String>, around: &Surroundings) -> Result<(Value, Page), Failure> {
    let (destination, no_token) = look(&Connection { context: name, ..Connection::default() }, around)?;
    if let Some(warning) = &destination.warning {
        terminal::remark(warning);
    }
    let mut page = terminal::page();
    page.line(Tone::Plain, &format!("address: {} ({})", destination.address, destination.origin));
    let token = match (&destination.token_origin, &no_token) {
        (_, Some(failure)) => failure.sentence.clone(),
        (Some(origin), None) => format!("from {origin}"),
        (None, None) => "none".to_owned(),
    };
    page.line(if no_token.is_some() { Tone::Bad } else { Tone::Plain }, &format!("token:   {token}"));
    let Trust { ca, client_cert, .. } = &destination.trust;
    for (words, path) in [("believes", ca), ("shows", client_cert)] {
        if let Some(path) = path {
            page.line(Tone::Plain, &format!("TLS:     {words} {}", path.display()));
        }
    }
    if let Some(path) = &around.contexts {
        page.line(Tone::Faint, &format!("file:    {}", path.display()));
    }
    let body = json!({
        "address": destination.address,
        "address_from": destination.origin,
        "token_from": destination.token_origin,
        "token_problem": no_token.map(|failure| failure.sentence),
        "ca_file": ca,
        "client_cert": client_cert,
        "file": around.contexts,
    });
    Ok((body, page))
}
