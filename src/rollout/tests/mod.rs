//! The machine and the written form of plans.

mod detect;
mod machine;
mod plans;
mod share;
mod simulate;
mod walk;

use super::*;

pub(super) const T0: Moment = Moment { boot_ms: 1_000_000, unix_ms: 1_760_000_000_000 };

/// The default canary from `blue` to `green`.
pub(super) fn begin(plan: Plan) -> Rollout {
    let before = BTreeMap::from([("blue".into(), WHOLE), ("green".into(), 0)]);
    let beginning = Beginning {
        id: 7,
        plan: Arc::new(plan),
        canary: "green".into(),
        version: Some("v2".into()),
        before,
        members: Vec::new(),
        person: Person { name: "ann".into(), reason: None },
    };
    start(beginning, T0).expect("one pool has everything")
}

/// Both sides well, nothing judged.
pub(super) fn well() -> Signals {
    Signals { stable: Ok(()), canary: Ok(()), ttl_s: 10, judgement: Judgement::NotYet, members: Vec::new() }
}

/// A look with one verdict.
pub(super) fn looked(at: Moment, verdict: Verdict) -> Judgement {
    let verdicts = vec![GateVerdict {
        gate: "errors".into(),
        verdict,
        canary: None,
        stable: None,
        effect: None,
        interval: None,
        samples: (0, 0),
        line: format!("errors: {verdict:?}"),
    }];
    Judgement::Looked { at, verdicts }
}
