//! The form of a scenario file.

use serde::Deserialize;
use std::collections::BTreeMap;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows, in a sentence.
    pub(crate) title: String,
    /// Zone files by name, as they stand at the start.
    pub(crate) files: BTreeMap<String, String>,
    /// What happens, in order.
    pub(crate) step: Vec<Step>,
}

/// One step: exactly one verb, with what belongs to it.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    /// Shown when the step fails; say why the outcome is right.
    pub(crate) say: Option<String>,

    /// Verb: one query, `name type`.
    pub(crate) ask: Option<String>,
    /// Verb: a query per client, `name type`; `{n}` in the name is the client's number. Without it
    /// each client is a resolver in a /24 of its own.
    pub(crate) ask_many: Option<String>,
    /// How many clients `ask_many` has.
    pub(crate) clients: Option<u32>,
    /// The resolver's address.
    pub(crate) from: Option<String>,
    /// The client subnet the resolver sends.
    pub(crate) subnet: Option<String>,

    /// Verb: a command as the command line spells it: `flip app green`.
    #[serde(rename = "do")]
    pub(crate) command: Option<String>,
    /// Overrides the guards that may be overridden.
    pub(crate) force: bool,
    /// The reason; `test` when not given.
    pub(crate) reason: Option<String>,
    /// The revision the caller saw.
    pub(crate) if_match: Option<u64>,

    /// Verb: outcomes of probes of `switch pool` or of one member, `switch pool member`.
    pub(crate) probe: Option<String>,
    /// What the probes found: `ok`, or the failure.
    pub(crate) result: Option<String>,
    /// How many outcomes in a row.
    pub(crate) times: Option<u32>,

    /// Verb: time passes.
    pub(crate) wait: Option<String>,

    /// Verb: the files change and are read again; an empty text removes a file.
    pub(crate) reload: Option<BTreeMap<String, String>>,

    /// Verb: the process ends and another one starts.
    pub(crate) restart: Option<Restart>,

    /// Verb: the drain's verdict on `switch pool` or on a member, `switch pool member`.
    pub(crate) drain: Option<String>,

    /// What must come of it.
    pub(crate) expect: Option<Expect>,
}

/// How a process ends, and what is different when the next one starts.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Restart {
    /// It was killed: the last second was not saved.
    pub(crate) crash: bool,
    /// The machine started anew: its boot clock begins again.
    pub(crate) reboot: bool,
    /// How long nobody answered.
    pub(crate) down: Option<String>,
}

/// What must come of a step; what is not named does not matter.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// `ask`: the data of the answer section, in any order.
    pub(crate) answer: Option<Vec<String>>,
    /// `ask`: every datum of the answer is one of these.
    pub(crate) among: Option<Vec<String>>,
    /// `ask`: how many records the answer section has.
    pub(crate) count: Option<usize>,
    /// `ask`: the TTL of the answer, or of the SOA of a negative one.
    pub(crate) ttl: Option<u32>,
    /// `ask`: the response code.
    pub(crate) rcode: Option<String>,
    /// `ask`: the scope of the client subnet.
    pub(crate) scope: Option<u8>,
    /// `ask`: the code of the Extended DNS Error.
    pub(crate) error: Option<u16>,
    /// `ask`: some line of the answer holds this text.
    pub(crate) text: Option<String>,
    /// `ask`: the serial of the SOA in the answer.
    pub(crate) serial: Option<u32>,

    /// `ask_many`: share of clients by answer, in percent: `"88-92"` or `"0"`.
    pub(crate) shares: Option<BTreeMap<String, String>>,
    /// `ask_many`: clients whose answer changed since the same question before: `none`, `into A`,
    /// `out of A`.
    pub(crate) moved: Option<String>,

    /// `do`, `reload`: the slug of the rejection.
    pub(crate) refused: Option<String>,
    /// `do`, `reload`: a part of the rejection's sentence, or of a note of the change.
    pub(crate) saying: Option<String>,
    /// `do`, `reload`: whether a new revision is made.
    pub(crate) changes: Option<bool>,
    /// `do`: the weights of the switch afterwards: `blue 0 green 10000`.
    pub(crate) weights: Option<String>,

    /// `drain`: where it stands.
    pub(crate) state: Option<String>,
    /// `drain`: whether it may be closed.
    pub(crate) safe: Option<bool>,
    /// `drain`: a part of one of its reasons.
    pub(crate) because: Option<String>,
    /// `drain`: least time until it may be closed.
    pub(crate) remaining: Option<String>,
}

impl Expect {
    /// Which expectations are there, by verb.
    pub(crate) fn verbs(&self) -> Vec<&'static str> {
        let ask = self.answer.is_some()
            || self.among.is_some()
            || self.count.is_some()
            || self.ttl.is_some()
            || self.rcode.is_some()
            || self.scope.is_some()
            || self.error.is_some()
            || self.text.is_some()
            || self.serial.is_some();
        let many = self.shares.is_some() || self.moved.is_some();
        let change =
            self.refused.is_some() || self.saying.is_some() || self.changes.is_some() || self.weights.is_some();
        let drain = self.state.is_some() || self.safe.is_some() || self.because.is_some() || self.remaining.is_some();
        let all = [(ask, "ask"), (many, "ask_many"), (change, "do"), (drain, "drain")];
        all.iter().filter(|(there, _)| *there).map(|(_, verb)| *verb).collect()
    }
}
