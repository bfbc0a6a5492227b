//! `POST /v1/switches/{s}/samples`: evidence for the rollout that runs (§5.4).

use super::auth::Role;
use super::context::AdminContext;
use super::incoming::{Incoming, Segments};
use super::problem::Problem;
use super::requests::{SampleForm, SamplesBody};
use crate::control::report::SamplesTaken;
use crate::rollout::{Sample, SampleValue};
use axum::Json;
use axum::extract::State;

/// Samples of one call; with short names a batch of this size fits the limit of a body.
const MAX_SAMPLES: usize = 1_000;

/// The longest name of a metric, a pool or an id.
const MAX_NAME: usize = 128;

/// Takes a batch in. What is late, double, dated ahead or absurd is counted and not taken.
pub(super) async fn push(
    State(context): State<AdminContext>,
    Segments(switch): Segments<String>,
    incoming: Incoming,
) -> Result<Json<SamplesTaken>, Problem> {
    if incoming.principal.need_on(Role::Member, &switch).is_err() {
        incoming.principal.need_on(Role::Operator, &switch)?;
    }
    incoming.no_guards_for("a batch of samples")?;
    let body: SamplesBody = incoming.json()?;
    if body.samples.is_empty() || body.samples.len() > MAX_SAMPLES {
        return Err(Problem::invalid_field("samples", format!("a batch has 1 to {MAX_SAMPLES} samples")));
    }
    let samples: Result<Vec<Sample>, Problem> =
        body.samples.into_iter().enumerate().map(|(at, form)| sample(at, form)).collect();
    Ok(Json(context.handle().samples(&switch, samples?).await?))
}

/// One sample, or what is wrong with it.
fn sample(at: usize, form: SampleForm) -> Result<Sample, Problem> {
    let fault = |key: &str, why: &str| {
        let place = serde_json::json!([{ "pointer": format!("/samples/{at}/{key}"), "detail": why }]);
        Problem::invalid_field("samples", format!("samples[{at}].{key}: {why}")).with("errors", place)
    };
    for (key, text) in [("metric", &form.metric), ("pool", &form.pool)] {
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(fault(key, "a name has 1 to 128 bytes"));
        }
    }
    if form.id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_NAME) {
        return Err(fault("id", "an id has 1 to 128 bytes"));
    }
    let value = match (form.value, form.count, form.total) {
        (Some(value), None, None) => SampleValue::Value(value),
        (None, Some(count), Some(total)) => SampleValue::Count { count, total },
        _ => return Err(fault("value", "give `value`, or `count` with `total`")),
    };
    let at_unix_ms = match &form.at {
        None => None,
        Some(text) => {
            let time = humantime::parse_rfc3339_weak(text).map_err(|_| fault("at", "a time is RFC 3339, in UTC"))?;
            let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Some(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        }
    };
    Ok(Sample { metric: form.metric.into(), pool: form.pool.into(), at_unix_ms, id: form.id, value })
}
