//! `/v1/switches/{s}/rollout` and its verbs, and `/v1/rollouts` (§5.2).

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::incoming::{Incoming, Segments, Wish};
use super::problem::Problem;
use super::requests::{PlainBody, PromoteBody, RolloutBody};
use super::switches::Tagged;
use crate::clock;
use crate::control::Replied;
use crate::control::report::RolloutView;
use crate::state::{Command, Rejection, RolloutStart, RolloutVerb};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One switch's rollout, for a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListedRollout {
    /// The switch.
    pub switch: String,
    /// Its rollout.
    #[serde(flatten)]
    pub rollout: RolloutView,
}

/// The last rollout of every switch that has had one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutList {
    /// The state's revision.
    pub revision: u64,
    /// Sorted by switch.
    pub rollouts: Vec<ListedRollout>,
}

/// The rollouts the token may see.
pub(super) async fn list(
    State(context): State<AdminContext>,
    principal: Principal,
) -> Result<Tagged<RolloutList>, Problem> {
    principal.need(Role::Viewer)?;
    let status = context.handle().status().await.ok_or_else(Problem::shutting_down)?;
    let seen = status.switches.into_iter().filter(|switch| principal.sees(&switch.name));
    let rollouts = seen
        .filter_map(|switch| Some(ListedRollout { switch: switch.name.clone(), rollout: *switch.rollout? }))
        .collect();
    Ok(Tagged { revision: status.revision, body: RolloutList { revision: status.revision, rollouts } })
}

/// The rollout that runs, or the last one.
pub(super) async fn show(
    State(context): State<AdminContext>,
    principal: Principal,
    Segments(name): Segments<String>,
) -> Result<Tagged<RolloutView>, Problem> {
    principal.need_on(Role::Viewer, &name)?;
    let revision = context.handle().snapshot().revision;
    let view = context.handle().switch(&name).await.ok_or_else(Problem::shutting_down)??;
    let body = view.rollout.map(|rollout| *rollout).ok_or(Rejection::NoRollout { switch: name })?;
    Ok(Tagged { revision, body })
}

/// Begins a rollout.
pub(super) async fn start(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    incoming.may_change(&switch)?;
    let body: RolloutBody = incoming.json_or_default()?;
    if body.version.as_ref().is_some_and(|version| !super::changes::is_version(version)) {
        return Err(Problem::invalid_field(
            "version",
            "a version is a text of 1 to 256 bytes without control characters",
        ));
    }
    let start = RolloutStart {
        to: body.to,
        version: body.version,
        plan: body.plan,
        reshuffle: body.reshuffle.then(|| format!("{:016x}", clock::random_u64())),
    };
    let command = Command::Rollout { switch, verb: RolloutVerb::Start(Box::new(start)) };
    let wish = Wish { command, reason: body.reason, force: body.force, dry_run: body.dry_run };
    incoming.change(&context, wish).await.map(Json)
}

/// Stops where it is.
pub(super) async fn pause(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    plain(&context, &incoming, switch, RolloutVerb::Pause).await
}

/// Goes on.
pub(super) async fn resume(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    plain(&context, &incoming, switch, RolloutVerb::Resume).await
}

/// Back to the stable pool at once.
pub(super) async fn abort(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    plain(&context, &incoming, switch, RolloutVerb::Abort).await
}

/// The last one once more.
pub(super) async fn retry(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    plain(&context, &incoming, switch, RolloutVerb::Retry).await
}

/// Skips the rest of the step, or all steps.
pub(super) async fn promote(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    incoming.may_change(&switch)?;
    let body: PromoteBody = incoming.json_or_default()?;
    let command = Command::Rollout { switch, verb: RolloutVerb::Promote { full: body.full } };
    let wish = Wish { command, reason: body.reason, force: body.force, dry_run: body.dry_run };
    incoming.change(&context, wish).await.map(Json)
}

/// A verb whose body says nothing but why.
async fn plain(
    context: &AdminContext,
    incoming: &Incoming,
    switch: String,
    verb: RolloutVerb,
) -> Result<Json<Replied>, Problem> {
    incoming.may_change(&switch)?;
    let body: PlainBody = incoming.json_or_default()?;
    let wish = Wish {
        command: Command::Rollout { switch, verb },
        reason: body.reason,
        force: body.force,
        dry_run: body.dry_run,
    };
    incoming.change(context, wish).await.map(Json)
}
