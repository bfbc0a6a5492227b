//! The form of a test on disk.

use super::{Summary, Trial};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A test.
#[derive(Debug, Serialize, Deserialize)]
struct TrialForm {
    since_unix_ms: u64,
    split: BTreeMap<Arc<str>, u16>,
    answers: BTreeMap<Arc<str>, u64>,
    series: BTreeMap<Arc<str>, BTreeMap<Arc<str>, SummaryForm>>,
}

/// One series.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SummaryForm {
    Values { n: u64, mean: f64, m2: f64 },
    Counts { count: f64, total: f64 },
}

/// The text of a test.
#[must_use]
pub fn to_text(trial: &Trial) -> String {
    let form = |summary: &Summary| match *summary {
        Summary::Values { n, mean, m2 } => SummaryForm::Values { n, mean, m2 },
        Summary::Counts { count, total } => SummaryForm::Counts { count, total },
    };
    let series = trial.series.iter().map(|(metric, pools)| {
        (metric.clone(), pools.iter().map(|(pool, summary)| (pool.clone(), form(summary))).collect())
    });
    let form = TrialForm {
        since_unix_ms: trial.since_unix_ms,
        split: trial.split.clone(),
        answers: trial.answers.clone(),
        series: series.collect(),
    };
    serde_json::to_string(&form).expect("numbers and names have a JSON form")
}

/// The test of a text.
///
/// # Errors
/// What is wrong with it.
pub fn of_text(text: &str) -> Result<Trial, String> {
    let form: TrialForm = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let summary = |form: SummaryForm| match form {
        SummaryForm::Values { n, mean, m2 } => Summary::Values { n, mean, m2 },
        SummaryForm::Counts { count, total } => Summary::Counts { count, total },
    };
    let series = form
        .series
        .into_iter()
        .map(|(metric, pools)| (metric, pools.into_iter().map(|(pool, form)| (pool, summary(form))).collect()));
    Ok(Trial { since_unix_ms: form.since_unix_ms, split: form.split, answers: form.answers, series: series.collect() })
}
