//! Plays the steps of a scenario and holds each outcome against what is expected.

use crate::commands::{self, millis};
use crate::form::{Expect, Restart, Scenario, Step};
use crate::wire::{self, Reply};
use crate::world::World;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use tidegate::state::{Command, Request};

/// A played scenario's memory: the server, and what each question of many clients was answered last.
struct Play {
    world: World,
    answered: HashMap<String, Vec<String>>,
}

/// Plays one scenario; the first step that fails, as text.
pub(crate) fn scenario(scenario: &Scenario) -> Result<(), String> {
    let world = World::start(&scenario.files).map_err(|why| format!("{}\n  start: {why}", scenario.title))?;
    let mut play = Play { world, answered: HashMap::new() };
    for (at, step) in scenario.step.iter().enumerate() {
        let say = step.say.as_deref().unwrap_or("(nothing said)");
        play.step(step)
            .map_err(|why| format!("{}\n  step {} ({}): {say}\n  {why}", scenario.title, at + 1, step.verb_text()))?;
    }
    Ok(())
}

/// Fails with both sides unless they are equal.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, got: &T) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("{what}: expected {expected:?}, got {got:?}")) }
}

/// Fails unless some line holds the part.
fn some_line(what: &str, part: &str, lines: &[String]) -> Result<(), String> {
    if lines.iter().any(|line| line.contains(part)) {
        Ok(())
    } else {
        Err(format!("{what}: nothing holds {part:?} among {lines:?}"))
    }
}

impl Step {
    /// The verb with its argument.
    fn verb_text(&self) -> String {
        self.verbs().join(" and ")
    }

    fn verbs(&self) -> Vec<String> {
        let said =
            |verb: &str, argument: &Option<String>| argument.as_ref().map(|argument| format!("{verb} {argument}"));
        let mut verbs: Vec<String> = [
            said("ask", &self.ask),
            said("ask_many", &self.ask_many),
            said("do", &self.command),
            said("probe", &self.probe),
            said("wait", &self.wait),
            said("drain", &self.drain),
        ]
        .into_iter()
        .flatten()
        .collect();
        verbs.extend(self.reload.as_ref().map(|_| "reload".to_owned()));
        verbs.extend(self.restart.as_ref().map(|_| "restart".to_owned()));
        verbs
    }

    /// Holds the form: one verb, and expectations that belong to it.
    fn check(&self) -> Result<(), String> {
        let verbs = self.verbs();
        let [verb] = verbs.as_slice() else { return Err(format!("a step has one verb, this one has {}", verbs.len())) };
        let verb = verb.split(' ').next().unwrap_or_default();
        let meant = if verb == "reload" { "do" } else { verb };
        let expected = self.expect.as_ref().map_or_else(Vec::new, Expect::verbs);
        if let Some(foreign) = expected.iter().find(|there| **there != meant) {
            return Err(format!("`{verb}` has an expectation that belongs to `{foreign}`"));
        }
        let must = matches!(verb, "ask" | "ask_many" | "drain");
        if must && expected.is_empty() && self.expect.as_ref().is_none_or(|e| e.moved.is_none()) {
            return Err(format!("`{verb}` expects nothing"));
        }
        Ok(())
    }
}

impl Play {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        // `ask_many` without expectations sets the mark that `moved` compares with.
        if step.ask_many.is_none() || step.expect.is_some() {
            step.check()?;
        }
        let expect = step.expect.as_ref();
        let empty = Expect::default();
        if let Some(question) = &step.ask {
            let reply = self.ask_as(step, question)?;
            return check_reply(expect.unwrap_or(&empty), &reply);
        }
        if let Some(question) = &step.ask_many {
            return self.ask_many(question, step.clients.unwrap_or(200), expect.unwrap_or(&empty));
        }
        if let Some(text) = &step.command {
            return self.change(commands::parse(text)?, step);
        }
        if let Some(files) = &step.reload {
            return match self.world.reread(files) {
                Ok(definitions) => self.change(Command::Reload(definitions), step),
                Err(why) => check_refusal(expect, "files", &why),
            };
        }
        if let Some(whom) = &step.probe {
            return self.probe(whom, step);
        }
        if let Some(time) = &step.wait {
            self.world.wait(millis(time)?);
            return Ok(());
        }
        if let Some(Restart { crash, reboot, down }) = &step.restart {
            let down_ms = down.as_deref().map_or(Ok(1_000), millis)?;
            return self.world.restart(*crash, *reboot, down_ms);
        }
        match &step.drain {
            Some(whom) => self.drain(whom, expect.unwrap_or(&empty)),
            None => Err("a step without a verb".to_owned()),
        }
    }

    /// One query with the step's resolver and subnet.
    fn ask_as(&mut self, step: &Step, question: &str) -> Result<Reply, String> {
        let from: IpAddr =
            step.from.as_deref().unwrap_or("192.0.2.99").parse().map_err(|error| format!("from: {error}"))?;
        let subnet: Option<ipnet::IpNet> =
            step.subnet.as_deref().map(str::parse).transpose().map_err(|error| format!("subnet: {error}"))?;
        self.ask(question, from, subnet.map(|net| (net.network(), net.prefix_len())))
    }

    fn ask(&mut self, question: &str, from: IpAddr, subnet: Option<(IpAddr, u8)>) -> Result<Reply, String> {
        let (name, rtype) = question.split_once(' ').ok_or_else(|| format!("`{question}` is not `name type`"))?;
        let query = wire::query(name, wire::type_number(rtype)?, subnet);
        wire::read(&self.world.answer(from, &query))
    }

    /// A query per client: the shares of the answers, and who moved since last time.
    fn ask_many(&mut self, question: &str, clients: u32, expect: &Expect) -> Result<(), String> {
        let mut answers = Vec::new();
        for n in 0..clients {
            let [_, _, high, low] = n.to_be_bytes();
            let from = IpAddr::from([10, high, low, 53]);
            let reply = self.ask(&question.replace("{n}", &n.to_string()), from, None)?;
            let mut data: Vec<String> = reply.answer.into_iter().map(|line| line.data).collect();
            data.sort();
            answers.push(if data.is_empty() { "nodata".to_owned() } else { data.join(" ") });
        }
        let before = self.answered.insert(question.to_owned(), answers.clone());
        if let Some(shares) = &expect.shares {
            check_shares(shares, &answers)?;
        }
        if let Some(moved) = &expect.moved {
            let before = before.ok_or_else(|| "`moved` needs the same question before".to_owned())?;
            check_moved(moved, &before, &answers)?;
        }
        Ok(())
    }

    /// A command, plain or forced, with what must come of it.
    fn change(&mut self, command: Command, step: &Step) -> Result<(), String> {
        let switch = match &command {
            Command::Flip(targets) => targets.first().map(|t| t.switch.clone()),
            Command::SetWeights { switch, .. } | Command::Undo { switch } | Command::Reset { switch } => {
                Some(switch.clone())
            }
            _ => None,
        };
        let reason = Some(step.reason.clone().unwrap_or_else(|| "test".to_owned()));
        let request =
            Request { command, reason, force: step.force, if_match: step.if_match, by: "scenario".to_owned() };
        let before = self.world.desired.revision;
        let change = match self.world.ask(&request) {
            Ok(change) => change,
            Err(rejection) => return check_refusal(step.expect.as_ref(), rejection.slug(), &rejection.to_string()),
        };
        let Some(expect) = &step.expect else { return Ok(()) };
        if let Some(refused) = &expect.refused {
            return Err(format!("refused: expected {refused}, and it was done"));
        }
        if let Some(changes) = expect.changes {
            same("changes", &changes, &(change.revision != before))?;
        }
        if let Some(part) = &expect.saying {
            some_line("notes", part, &change.notes)?;
        }
        if let Some(weights) = &expect.weights {
            let name = switch.ok_or_else(|| "this command has no switch whose weights could be expected".to_owned())?;
            let (_, switch) =
                self.world.desired.definitions.switch(&name).ok_or_else(|| format!("no switch {name}"))?;
            let split = self.world.desired.split(switch);
            let got =
                switch.pools.iter().map(|p| format!("{} {}", p.name, split[&p.name])).collect::<Vec<_>>().join(" ");
            same("weights", weights, &got)?;
        }
        Ok(())
    }

    fn probe(&mut self, whom: &str, step: &Step) -> Result<(), String> {
        let words: Vec<&str> = whom.split_whitespace().collect();
        let (switch, pool, member) = match words.as_slice() {
            [switch, pool] => (*switch, *pool, None),
            [switch, pool, member] => (*switch, *pool, Some(*member)),
            _ => return Err("a probe is of `switch pool` or `switch pool member`".to_owned()),
        };
        let result = step.result.as_deref().ok_or_else(|| "a probe needs its result".to_owned())?;
        for _ in 0..step.times.unwrap_or(1) {
            self.world.probe(switch, pool, member, (result != "ok").then_some(result))?;
        }
        Ok(())
    }

    fn drain(&mut self, whom: &str, expect: &Expect) -> Result<(), String> {
        let words: Vec<&str> = whom.split_whitespace().collect();
        let report = match words.as_slice() {
            [switch, pool] => self.world.drain(switch, pool)?,
            [address] => self.world.drain_address(address.parse().map_err(|error| format!("{address}: {error}"))?)?,
            _ => return Err("a drain is of `switch pool` or of an address".to_owned()),
        };
        if let Some(state) = &expect.state {
            let got = serde_json::to_value(report.state).map_err(|error| error.to_string())?;
            same("state", &serde_json::Value::from(state.clone()), &got)?;
        }
        if let Some(safe) = expect.safe {
            same("safe", &safe, &report.safe_to_close)?;
        }
        if let Some(part) = &expect.because {
            some_line("because", part, &report.reasons)?;
        }
        if let Some(remaining) = &expect.remaining {
            same("remaining", &Some(millis(remaining)?), &report.remaining_ms)?;
        }
        Ok(())
    }
}

/// Holds a refusal against what is expected.
fn check_refusal(expect: Option<&Expect>, slug: &str, sentence: &str) -> Result<(), String> {
    let Some(expected) = expect.and_then(|e| e.refused.as_ref()) else {
        return Err(format!("refused ({slug}): {sentence}"));
    };
    if expected != slug {
        return Err(format!("refused: expected {expected}, got {slug}: {sentence}"));
    }
    match expect.and_then(|e| e.saying.as_ref()) {
        Some(part) => some_line("saying", part, &[sentence.to_owned()]),
        None => Ok(()),
    }
}

/// Holds a reply against what is expected.
fn check_reply(expect: &Expect, reply: &Reply) -> Result<(), String> {
    same("rcode", expect.rcode.as_ref().unwrap_or(&"NOERROR".to_owned()), &reply.rcode)?;
    let mut data: Vec<String> = reply.answer.iter().map(|line| line.data.clone()).collect();
    data.sort();
    if let Some(answer) = &expect.answer {
        let mut answer = answer.clone();
        answer.sort();
        same("answer", &answer, &data)?;
    }
    if let Some(among) = &expect.among
        && let Some(other) = data.iter().find(|datum| !among.contains(datum))
    {
        return Err(format!("among: {other:?} is none of {among:?}"));
    }
    if let Some(count) = expect.count {
        same("count", &count, &data.len())?;
    }
    if let Some(ttl) = expect.ttl {
        let got = reply.answer.first().or(reply.authority.first()).map(|line| line.ttl);
        same("ttl", &Some(ttl), &got)?;
    }
    if expect.scope.is_some() {
        same("scope", &expect.scope, &reply.scope)?;
    }
    if expect.error.is_some() {
        same("error", &expect.error, &reply.error)?;
    }
    if let Some(part) = &expect.text {
        some_line("text", part, &data)?;
    }
    if let Some(serial) = expect.serial {
        let soa = reply.answer.iter().chain(&reply.authority).find(|line| line.rtype == "SOA");
        let got = soa.and_then(|line| line.data.split(' ').nth(2)?.parse::<u32>().ok());
        same("serial", &Some(serial), &got)?;
    }
    Ok(())
}

/// Holds the shares of the answers against ranges of percent.
fn check_shares(shares: &BTreeMap<String, String>, answers: &[String]) -> Result<(), String> {
    for (answer, range) in shares {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let bound = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("`{range}` is no range of percent"));
        let count = u32::try_from(answers.iter().filter(|got| *got == answer).count()).unwrap_or(u32::MAX);
        let all = u32::try_from(answers.len()).unwrap_or(u32::MAX);
        let percent = f64::from(count) * 100.0 / f64::from(all);
        if percent < bound(low)? || percent > bound(high)? {
            return Err(format!("shares: {answer} has {percent:.1} %, expected {range} %"));
        }
    }
    match answers.iter().find(|answer| !shares.contains_key(*answer)) {
        Some(other) => Err(format!("shares: nobody expected {other:?}")),
        None => Ok(()),
    }
}

/// Holds the clients whose answer changed against who may have moved.
fn check_moved(expected: &str, before: &[String], after: &[String]) -> Result<(), String> {
    let movers: Vec<(&String, &String)> = before.iter().zip(after).filter(|(a, b)| a != b).collect();
    let wrong = match expected {
        "none" => movers.first().copied(),
        into if into.starts_with("into ") => movers.iter().copied().find(|(_, to)| *to != &into["into ".len()..]),
        out if out.starts_with("out of ") => movers.iter().copied().find(|(from, _)| *from != &out["out of ".len()..]),
        _ => return Err(format!("`{expected}` is not `none`, `into A` or `out of A`")),
    };
    match wrong {
        Some((from, to)) => Err(format!("moved: expected {expected}, and one moved from {from} to {to}")),
        None if movers.is_empty() && expected != "none" => Err(format!("moved: expected {expected}, and nobody moved")),
        None => Ok(()),
    }
}
