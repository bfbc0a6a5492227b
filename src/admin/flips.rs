//! `POST /v1/switches/{s}/flip` and `POST /v1/flip`, with the choreography of `prepare` (§3.5).
//!
//! `prepare: true` first asks the guards by a dry run, so that it fails early; then lowers the TTLs,
//! waits until no longer-lived answer is left, and flips under the same guards. Whoever hangs up
//! while it waits has prepared and not flipped; the preparation lapses by itself.

use super::context::AdminContext;
use super::incoming::{Incoming, Segments, Wish};
use super::problem::Problem;
use super::requests::{FlipBody, FlipManyBody};
use crate::control::Replied;
use crate::state::{Command, FlipTarget};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::time::Duration;

/// The longest sleep between two looks at a preparation.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Moves all weight of one switch to one pool.
pub(super) async fn one(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Replied>, Problem> {
    incoming.may_change(&switch)?;
    let body: FlipBody = incoming.json()?;
    let targets = vec![FlipTarget { switch, to: body.to }];
    let wish = Wish { command: Command::Flip(targets), reason: body.reason, force: body.force, dry_run: body.dry_run };
    flip(&context, incoming, wish, body.prepare).await
}

/// Moves several switches at once, all or none.
pub(super) async fn several(State(context): State<AdminContext>, incoming: Incoming) -> Result<Json<Replied>, Problem> {
    let body: FlipManyBody = incoming.json()?;
    incoming.principal.need(super::auth::Role::Operator)?;
    for part in &body.switches {
        incoming.may_change(&part.switch)?;
    }
    let targets = body.switches.iter().map(FlipTarget::from).collect();
    let wish = Wish { command: Command::Flip(targets), reason: body.reason, force: body.force, dry_run: body.dry_run };
    flip(&context, incoming, wish, body.prepare).await
}

/// Flips, prepared or at once.
async fn flip(
    context: &AdminContext,
    mut incoming: Incoming,
    wish: Wish,
    prepare: bool,
) -> Result<Json<Replied>, Problem> {
    if prepare && !wish.dry_run {
        let trial = incoming.trial(context, wish.clone()).await?;
        if trial.changed && !trial.replayed {
            let key = incoming.idempotency.take();
            let lowered = lower_ttls(context, &mut incoming, &wish).await;
            incoming.idempotency = key;
            if let Err(problem) = lowered
                && !has_happened(context, &incoming, &wish).await
            {
                return Err(problem);
            }
        }
    }
    incoming.change(context, wish).await.map(Json)
}

/// Whether the same request, sent a second time, was carried out meanwhile: that ends the preparation too.
async fn has_happened(context: &AdminContext, incoming: &Incoming, wish: &Wish) -> bool {
    incoming.idempotency.is_some() && incoming.trial(context, wish.clone()).await.is_ok_and(|trial| trial.replayed)
}

/// Prepares each switch and waits until every longer-lived answer is gone. The caller's key is the flip's alone.
async fn lower_ttls(context: &AdminContext, incoming: &mut Incoming, wish: &Wish) -> Result<(), Problem> {
    let Command::Flip(targets) = &wish.command else { return Ok(()) };
    for target in targets {
        let command = Command::Prepare { switch: target.switch.clone() };
        let prepared = incoming.change(context, Wish { command, dry_run: false, ..wish.clone() }).await?;
        if incoming.if_match.is_some() {
            // What the caller saw is now one preparation older; anybody else's change still refuses.
            incoming.if_match = Some(prepared.revision);
        }
    }
    for target in targets {
        wait_until_short(context, &target.switch).await?;
    }
    Ok(())
}

/// Waits until the switch's preparation has outlived every longer answer.
async fn wait_until_short(context: &AdminContext, switch: &str) -> Result<(), Problem> {
    loop {
        let view = context.handle().switch(switch).await.ok_or_else(Problem::shutting_down)??;
        match view.prepared_in_ms {
            Some(0) => return Ok(()),
            Some(left_ms) => {
                let nap = Duration::from_millis(left_ms).min(LOOK_AGAIN);
                tokio::time::sleep(nap.max(Duration::from_millis(20))).await;
            }
            None => {
                let detail = format!(
                    "the preparation of switch `{switch}` was undone while the flip waited for it: nothing was flipped"
                );
                return Err(Problem::new(StatusCode::CONFLICT, "no-longer-prepared", detail)
                    .with("guard", "no-longer-prepared")
                    .with("forceable", false));
            }
        }
    }
}
