//! Verbs that change something: from arguments to the API's bodies.

use super::{Session, guarded, waiting};
use crate::admin::Replied;
use crate::admin::report::SwitchView;
use crate::admin::requests::{
    BackupBody, ExpectVersionBody, FlipBody, FlipManyBody, FlipPart, HoldWord, OverrideBody, PlainBody, SetWeightsBody,
    Wait,
};
use crate::admin::share::{Share, weight_change};
use crate::cli::args::{
    BackupArgs, ExpectVersionArgs, FlipArgs, Guards, HoldArg, OneSwitchArgs, OverrideArgs, ReloadArgs, SetWeightsArgs,
    SettlingArgs,
};
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::{Tone, change, times};
use crate::cli::terminal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest a prepared flip waits for old answers to expire: the largest TTL people use is a day.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(25 * 3600);

/// Sends a change and prints what came of it.
async fn send(session: &Session, call: Call, done: &str) -> Result<Exit, Failure> {
    session.show::<Replied>(call, |page, replied| change::show(page, done, replied)).await
}

/// Moves all weight of one switch or several.
pub(super) async fn flip(session: &Session, args: FlipArgs) -> Result<Exit, Failure> {
    let parts = pairs(&args.pairs)?;
    let (reason, force, dry_run, prepare) =
        (args.guards.reason.clone(), args.guards.force, args.guards.dry_run, args.prepare);
    let done = format!(
        "flipped: {}",
        parts.iter().map(|part| format!("{} to {}", part.switch, part.to)).collect::<Vec<_>>().join(", ")
    );
    if prepare && !dry_run {
        announce_wait(session, &parts).await?;
    }
    let names: Vec<String> = parts.iter().map(|part| part.switch.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let call = match parts.as_slice() {
        [FlipPart { switch, to }] => Call::post(
            &["switches", switch, "flip"],
            &FlipBody { to: to.clone(), reason, force, dry_run, prepare, wait: Wait::default() },
        )?,
        _ => Call::post(&["flip"], &FlipManyBody { switches: parts, reason, force, dry_run, prepare })?,
    };
    let call = guarded(if prepare { call.within(PREPARE_TIMEOUT) } else { call }, &args.guards);
    let flip = session.client.send(call);
    let answer = if prepare && !dry_run { waiting::beside(session, &names, flip).await? } else { flip.await? };
    session.print::<Replied>(&answer, |page, replied| change::show(page, &done, replied))?;
    if args.settle.wait && !dry_run {
        waiting::left_behind(session, &names, &args.settle).await
    } else {
        Ok(Exit::Done)
    }
}

/// Switch and pool, two by two.
fn pairs(words: &[String]) -> Result<Vec<FlipPart>, Failure> {
    let (pairs, rest) = words.as_chunks::<2>();
    if let [switch] = rest {
        return Err(Failure::usage(format!(
            "`{switch}` has no pool: give SWITCH POOL, two by two, as in `tidegate flip model green`"
        )));
    }
    Ok(pairs.iter().map(|[switch, to]| FlipPart { switch: switch.clone(), to: to.clone() }).collect())
}

/// Says how long a preparation may take.
async fn announce_wait(session: &Session, parts: &[FlipPart]) -> Result<(), Failure> {
    for part in parts {
        let view: SwitchView = session.client.send(Call::get(&["switches", &part.switch])).await?.read()?;
        let left = view.prepared_in_ms.unwrap_or(u64::from(view.ttl_s) * 1000);
        if left > 0 {
            terminal::remark(&format!(
                "{}: lowering the TTL, then waiting up to {} for older answers to expire; Ctrl-C leaves it prepared and not flipped",
                part.switch,
                times::span(left)
            ));
        }
    }
    Ok(())
}

/// Sets a split.
pub(super) async fn set_weights(session: &Session, args: SetWeightsArgs) -> Result<Exit, Failure> {
    let weights = shares(&args.shares)?;
    let Guards { reason, force, dry_run, .. } = args.guards.clone();
    let body = SetWeightsBody { weights, reason, force, dry_run };
    let call = Call::post(&["switches", &args.switch, "set-weights"], &body)?;
    send(session, guarded(call, &args.guards), &format!("{} split", args.switch)).await
}

/// `green=10%` or `blue=9000 green=1000`.
fn shares(words: &[String]) -> Result<BTreeMap<String, Share>, Failure> {
    let mut weights = BTreeMap::new();
    for word in words {
        let (pool, share) = word
            .split_once('=')
            .filter(|(pool, _)| !pool.is_empty())
            .ok_or_else(|| Failure::usage(format!("`{word}` is not POOL=SHARE, such as green=10% or green=1000")))?;
        let share = Share::parse(share).map_err(Failure::usage)?;
        if weights.insert(pool.to_owned(), share).is_some() {
            return Err(Failure::usage(format!("pool `{pool}` is named twice")));
        }
    }
    weight_change(&weights).map_err(Failure::usage)?;
    Ok(weights)
}

/// `undo`.
pub(super) async fn undo(session: &Session, args: SettlingArgs) -> Result<Exit, Failure> {
    let SettlingArgs { switch, settle, guards, connection } = args;
    let (name, waits) = (switch.clone(), settle.wait && !guards.dry_run);
    plain(session, &["undo"], "returned", OneSwitchArgs { switch, guards, connection }).await?;
    if waits { waiting::left_behind(session, &[&name], &settle).await } else { Ok(Exit::Done) }
}

/// `prepare`.
pub(super) async fn prepare(session: &Session, args: SettlingArgs) -> Result<Exit, Failure> {
    let SettlingArgs { switch, settle, guards, connection } = args;
    let (name, waits) = (switch.clone(), settle.wait && !guards.dry_run);
    plain(session, &["prepare"], "prepared", OneSwitchArgs { switch, guards, connection }).await?;
    if waits { waiting::prepared(session, &name, &settle).await } else { Ok(Exit::Done) }
}

/// `reset` and the plain verbs of `rollout`.
pub(super) async fn plain(session: &Session, verb: &[&str], done: &str, args: OneSwitchArgs) -> Result<Exit, Failure> {
    let Guards { reason, force, dry_run, .. } = args.guards.clone();
    let path = [&["switches", args.switch.as_str()], verb].concat();
    let call = Call::post(&path, &PlainBody { reason, force, dry_run })?;
    send(session, guarded(call, &args.guards), &format!("{} {done}", args.switch)).await
}

/// Sets or clears an override.
pub(super) async fn hold(session: &Session, args: OverrideArgs) -> Result<Exit, Failure> {
    let (hold, done) = match args.hold {
        HoldArg::ForceUp => (HoldWord::ForceUp, "held up"),
        HoldArg::ForceDown => (HoldWord::ForceDown, "held down"),
        HoldArg::Clear => (HoldWord::None, "left to its probes"),
    };
    if hold != HoldWord::None && (args.lasts.is_none() || args.guards.reason.is_none()) {
        return Err(Failure::usage(
            "an override needs --for (1 minute to 72 hours) and --reason: the next person on call must know",
        ));
    }
    let (pool, member) = match args.pool.split_once('/') {
        Some((pool, member)) => (pool.to_owned(), Some(member.to_owned())),
        None => (args.pool.clone(), None),
    };
    let Guards { reason, force, dry_run, .. } = args.guards.clone();
    let body = OverrideBody { pool, member, hold, lasts: args.lasts, reason, force, dry_run };
    let call = Call::post(&["switches", &args.switch, "overrides"], &body)?;
    send(session, guarded(call, &args.guards), &format!("{} {} {done}", args.switch, args.pool)).await
}

/// Sets the version a pool's members must show.
pub(super) async fn expect_version(session: &Session, args: ExpectVersionArgs) -> Result<Exit, Failure> {
    let Guards { reason, force, dry_run, .. } = args.guards.clone();
    let done = match &args.version {
        Some(version) => format!("{} {} must show {version}", args.switch, args.pool),
        None => format!("{} {} must show the version of the files", args.switch, args.pool),
    };
    let body = ExpectVersionBody { pool: args.pool, version: args.version, reason, force, dry_run };
    let call = Call::post(&["switches", &args.switch, "expect-version"], &body)?;
    send(session, guarded(call, &args.guards), &done).await
}

/// Reads the files again.
pub(super) async fn reload(session: &Session, args: ReloadArgs) -> Result<Exit, Failure> {
    let body = PlainBody { reason: args.reason, force: args.force, dry_run: args.dry_run };
    send(session, Call::post(&["reload"], &body)?, "files reloaded").await
}

/// Writes a backup on the server.
pub(super) async fn backup(session: &Session, args: BackupArgs) -> Result<Exit, Failure> {
    let to = std::path::absolute(&args.file)
        .map_err(|error| Failure::usage(format!("{} is no path: {error}", args.file.display())))?;
    let call = Call::post(&["backup"], &BackupBody { to })?.within(Duration::from_secs(600));
    session
        .show::<Value>(call, |page, body| {
            page.line(Tone::Good, &format!("backup written on the server: {}", text(body, "written")));
        })
        .await
}

/// Lets the server go on from its checked copy.
pub(super) async fn accept_copy(session: &Session) -> Result<Exit, Failure> {
    let call = Call::post(&["accept-copy"], &serde_json::json!({}))?;
    session
        .show::<Value>(call, |page, _| {
            page.line(Tone::Good, "the checked copy is the state from here on; changes are taken again");
        })
        .await
}

/// A text in a JSON body.
fn text<'v>(body: &'v Value, key: &str) -> &'v str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn switches_and_pools_come_two_by_two() {
        let parts = pairs(&words(&["model", "green", "web", "blue"])).unwrap();
        assert_eq!(
            parts,
            [
                FlipPart { switch: "model".into(), to: "green".into() },
                FlipPart { switch: "web".into(), to: "blue".into() }
            ]
        );
        let failure = pairs(&words(&["model", "green", "web"])).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.sentence.contains("`web` has no pool"));
    }

    #[test]
    fn shares_are_read_and_mistakes_are_usage_errors() {
        assert_eq!(shares(&words(&["green=10%"])).unwrap()["green"], Share::Percent(1000));
        assert_eq!(shares(&words(&["blue=9000", "green=1000"])).unwrap()["blue"], Share::Weight(9000));
        for wrong in [&["green"][..], &["=5"], &["green=ten"], &["green=1", "green=2"], &["blue=5%", "green=1"]] {
            assert_eq!(shares(&words(wrong)).unwrap_err().exit, Exit::Usage, "{wrong:?}");
        }
    }
}
