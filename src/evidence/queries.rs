//! Metrics of running rollouts from Prometheus (§5.4): every query, for every pool, at each look.
//!
//! Each rollout is asked about by a task of its own, so a server that hangs delays no other one. No
//! number is ever made up: what can't be read is reported as an error, and `rollout` holds on it.

use super::prometheus::Server;
use super::template::Filling;
use crate::clock;
use crate::rollout::{EvidencePool, EvidenceReport, EvidenceTask, Metric, MetricSource, PrometheusSource, SampleValue};
use futures_util::{StreamExt, stream};
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Questions of one rollout at a time.
const AT_ONCE: usize = 16;
/// Questions at one server at a time, by all rollouts: each holds a socket.
const PER_SERVER: usize = 128;
/// No look is repeated sooner, milliseconds.
const SHORTEST_LOOK_MS: u64 = 100;

/// Asks for the tasks of the list until `shutdown`, or until either channel's other end is gone.
/// A rollout that stays on the list keeps its cadence, also when its pools change.
pub async fn run(
    mut tasks: watch::Receiver<Arc<[EvidenceTask]>>,
    reports: mpsc::Sender<EvidenceReport>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let mut running = JoinSet::new();
    let mut known: HashMap<(Arc<str>, u64), watch::Sender<EvidenceTask>> = HashMap::new();
    let mut turns: HashMap<String, Arc<Semaphore>> = HashMap::new();
    loop {
        let wanted = tasks.borrow_and_update().clone();
        // A task whose sender is gone ends by itself.
        known.retain(|key, _| wanted.iter().any(|task| key_of(task) == *key));
        for task in wanted.iter() {
            let Some(source) = &task.plan.prometheus else { continue };
            if let Some(told) = known.get(&key_of(task)) {
                told.send_if_modified(|old| {
                    let changed = old != task;
                    if changed {
                        old.clone_from(task);
                    }
                    changed
                });
                continue;
            }
            let turns = turns.entry(source.url.clone()).or_insert_with(|| Arc::new(Semaphore::new(PER_SERVER)));
            let (told, task_of) = watch::channel(task.clone());
            running.spawn(look_again(task_of, turns.clone(), reports.clone()));
            known.insert(key_of(task), told);
        }
        turns.retain(|_, turns| Arc::strong_count(turns) > 1);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = reports.closed() => return,
                changed = tasks.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                Some(_ended) = running.join_next() => {}
            }
        }
    }
}

/// What a task is known by.
fn key_of(task: &EvidenceTask) -> (Arc<str>, u64) {
    (task.switch.clone(), task.rollout)
}

/// Looks until nobody wants to know any more.
async fn look_again(
    mut task: watch::Receiver<EvidenceTask>,
    turns: Arc<Semaphore>,
    reports: mpsc::Sender<EvidenceReport>,
) {
    let mut due = Instant::now();
    loop {
        let now = task.borrow_and_update().clone();
        tokio::select! {
            () = look(&now, &turns, &reports) => {}
            () = left(&mut task) => return,
        }
        let interval = Duration::from_millis(now.plan.look_every_ms.max(SHORTEST_LOOK_MS));
        // A look that took longer than the interval is followed by the next at once, and none is made up for.
        due = (due + interval).max(Instant::now());
        tokio::select! {
            () = sleep_until(due) => {}
            () = left(&mut task) => return,
        }
    }
}

/// Completes when the rollout has left the list.
async fn left(task: &mut watch::Receiver<EvidenceTask>) {
    while task.changed().await.is_ok() {}
}

/// One look: every metric of every pool, each reported as soon as it is known.
async fn look(task: &EvidenceTask, turns: &Semaphore, reports: &mpsc::Sender<EvidenceReport>) {
    let Some(source) = &task.plan.prometheus else { return };
    let mut questions = Vec::new();
    for metric in task.plan.metrics() {
        if let MetricSource::Prometheus { query, total } = &metric.source {
            questions.extend(task.pools.iter().map(|pool| Question {
                task,
                source,
                metric,
                query,
                total: total.as_deref(),
                pool,
            }));
        }
    }
    let asked = stream::iter(0..questions.len()).map(|at| report(&questions, at, turns));
    let mut asked = pin!(asked.buffer_unordered(AT_ONCE));
    while let Some(report) = asked.next().await {
        if let Some(report) = report
            && reports.send(report).await.is_err()
        {
            return;
        }
    }
}

/// One metric of one pool.
struct Question<'a> {
    task: &'a EvidenceTask,
    source: &'a PrometheusSource,
    metric: &'a Metric,
    query: &'a str,
    total: Option<&'a str>,
    pool: &'a EvidencePool,
}

/// The answer to the question at `at`.
async fn report(questions: &[Question<'_>], at: usize, turns: &Semaphore) -> Option<EvidenceReport> {
    let question = questions.get(at)?;
    let outcome = question.measure(turns).await;
    let (switch, rollout) = key_of(question.task);
    let (metric, pool) = (question.metric.name.clone(), question.pool.pool.clone());
    Some(EvidenceReport { switch, rollout, metric, pool, outcome, at: clock::now() })
}

impl Question<'_> {
    async fn measure(&self, turns: &Semaphore) -> Result<SampleValue, String> {
        let Some(total) = self.total else { return self.ask(self.query, turns).await.map(SampleValue::Value) };
        match tokio::join!(self.ask(self.query, turns), self.ask(total, turns)) {
            (Ok(count), Ok(total)) => counts(count, total),
            (Err(problem), _) => Err(problem),
            (_, Err(problem)) => Err(format!("the total: {problem}")),
        }
    }

    /// The number a query gives, with its places filled in.
    async fn ask(&self, query: &str, turns: &Semaphore) -> Result<f64, String> {
        let filling = Filling {
            switch: &self.task.switch,
            pool: &self.pool.pool,
            version: self.pool.version.as_deref(),
            addresses: &self.pool.addresses,
        };
        let query = filling.fill(query)?;
        let server = Server {
            url: &self.source.url,
            bearer_file: self.source.bearer_file.as_deref(),
            ca_file: self.source.ca_file.as_deref(),
            limit: Duration::from_millis(self.source.timeout_ms),
        };
        let _turn = turns.acquire().await.expect("the semaphore is never closed");
        server.ask(&query).await
    }
}

/// A count within a total, if it can be one.
fn counts(count: f64, total: f64) -> Result<SampleValue, String> {
    if count < 0.0 || total < 0.0 || count > total {
        return Err(format!("counts {count} of {total}, which can't be: `query` must count within `total`"));
    }
    Ok(SampleValue::Count { count, total })
}

#[cfg(test)]
mod tests;
