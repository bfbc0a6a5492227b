//! A guided rollout: users work, green is as good or bad as the scenario says, and the gates decide.

use super::Options;
use crate::control::report::RolloutView;
use crate::control::{Asked, Caller, Handle, Refused};
use crate::rollout::Phase;
use crate::state::{Command, Request, RolloutStart, RolloutVerb};
use std::time::Duration;
use tokio::time::Instant;

/// How good the new model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// As good as the old one: it is promoted.
    Good,
    /// Twice as slow: the gates send everybody back.
    Slow,
    /// Fails one prompt in ten: the gates send everybody back.
    Errors,
    /// Loads another model than the release says: it never gets a user.
    WrongModel,
}

/// Longest a scenario may take.
const LIMIT: Duration = Duration::from_secs(110);

/// How long a canary that never becomes eligible is waited for.
const PENDING_LIMIT: Duration = Duration::from_secs(20);

/// The plan: holds shortened, so that a release takes a minute.
pub(super) const PLAN: &str = r#"
[switch.model.rollout]
steps = ["20%", "50%", "100%"]
hold = "16s"
min_hold = "10s"
settle = "6s"
look_every = "2s"
deadline = "20s"
metrics = { errors = { rate = true }, latency_ms = {} }
gates = [
  { name = "errors", metric = "errors", max = "2%" },
  { name = "latency", metric = "latency_ms", statistic = "p95", margin = "20%" },
]
"#;

impl Scenario {
    /// Every scenario with its name.
    pub const ALL: [(&'static str, Self); 4] =
        [("good", Self::Good), ("slow", Self::Slow), ("errors", Self::Errors), ("wrong-model", Self::WrongModel)];

    /// The scenario of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, scenario)| scenario)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, scenario)| *scenario == self).map_or("", |(name, _)| name)
    }

    /// What is wrong with green, in words.
    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Good => "green is as good as blue",
            Self::Slow => "green is twice as slow as blue",
            Self::Errors => "green fails one prompt in ten",
            Self::WrongModel => "green loads model v9, and the release says v2",
        }
    }

    /// Whether its end is the one that is wanted.
    fn is_as_wanted(self, phase: Phase) -> bool {
        match self {
            Self::Good => phase == Phase::Promoted,
            Self::Slow | Self::Errors => phase == Phase::Failed,
            Self::WrongModel => phase == Phase::Aborted,
        }
    }
}

/// How a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Whether it ended as it should.
    pub as_wanted: bool,
    /// In words.
    pub words: String,
}

/// Plays one release to its end.
pub(super) async fn play(scenario: Scenario, options: &Options, handle: &Handle) -> Ending {
    let begun = Instant::now();
    if let Err(refused) = act(handle, begin()).await {
        return Ending { as_wanted: false, words: format!("the rollout does not begin: {refused}") };
    }
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Some(Ok(view)) = handle.switch("model").await else { continue };
        let Some(rollout) = view.rollout else { continue };
        if !rollout.phase.is_running() {
            return ending(scenario, options, &rollout, begun);
        }
        let stuck = rollout.phase == Phase::Pending && begun.elapsed() > PENDING_LIMIT + options.load;
        if (stuck || begun.elapsed() > LIMIT)
            && let Err(refused) = act(handle, RolloutVerb::Abort).await
        {
            return Ending { as_wanted: false, words: format!("the rollout cannot be aborted: {refused}") };
        }
    }
}

/// What came of it.
fn ending(scenario: Scenario, options: &Options, rollout: &RolloutView, begun: Instant) -> Ending {
    let why = rollout.timeline.last().map(|entry| entry.what.as_str()).unwrap_or_default();
    let where_to = if rollout.phase == Phase::Promoted { "green has everybody" } else { "blue has everybody" };
    let words = format!(
        "\nscenario {}: {}\nthe rollout is {} after {} s: {where_to}\n  {why}\nplay another: {} demo --scenario {}",
        scenario.name(),
        scenario.about(),
        rollout.phase.word(),
        begun.elapsed().as_secs(),
        options.program,
        Scenario::ALL.map(|(name, _)| name).join("|"),
    );
    Ending { as_wanted: scenario.is_as_wanted(rollout.phase), words }
}

/// The release.
fn begin() -> RolloutVerb {
    RolloutVerb::Start(Box::new(RolloutStart {
        to: Some("green".to_owned()),
        version: Some("v2".to_owned()),
        ..RolloutStart::default()
    }))
}

/// A verb on the demo's switch.
async fn act(handle: &Handle, verb: RolloutVerb) -> Result<(), Refused> {
    let giving_up = verb == RolloutVerb::Abort;
    let request = Request {
        command: Command::Rollout { switch: "model".to_owned(), verb },
        reason: giving_up.then(|| "green never became eligible".to_owned()),
        force: false,
        if_match: None,
        by: "demo".to_owned(),
    };
    let caller = Caller { name: "demo".to_owned(), ..Caller::default() };
    handle.change(Asked { request, dry_run: false, caller, idempotency: None }).await.map(drop)
}
