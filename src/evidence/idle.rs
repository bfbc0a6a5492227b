//! Idle readings: how busy an old side still is (§4.2), read on schedule or on demand.
//!
//! A reading is a sum over the members, one number, or what a Prometheus server answers. Of counters the rate per second counts, from
//! two readings; a counter that fell has been restarted and counts from zero. One member that cannot
//! be read makes the whole reading an error: a sum with a hole would look idle.

use super::number::Finder;
use super::prometheus::Server;
use super::source;
use super::template::Filling;
use crate::clock;
use crate::health::{IdleReport, IdleSource, IdleTask};
use crate::roster;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// Members read at a time, per reading.
const MEMBERS_AT_ONCE: usize = 32;
/// Readings at a time.
const READINGS_AT_ONCE: usize = 16;
/// First readings are spread over at most this.
const FIRST_SPREAD_MS: u64 = 1_000;
/// No reading is repeated more often than this, milliseconds.
const SHORTEST_INTERVAL_MS: u64 = 250;
/// Time between the two readings of a counter that is read on demand, at most.
const COUNTER_PAUSE: Duration = Duration::from_secs(1);

/// Reads once; for a counter twice, up to a second apart.
///
/// # Errors
/// What went wrong, and on which member.
pub async fn read(task: &IdleTask) -> Result<f64, String> {
    let mut reader = Reader::new(task)?;
    loop {
        if let Some(value) = reader.read().await? {
            return Ok(value);
        }
        sleep(Duration::from_millis(task.reading.interval_ms).min(COUNTER_PAUSE)).await;
    }
}

/// Reads the tasks of the list until `shutdown`, or until either channel's other end is gone. Tasks
/// that stay on the list keep their cadence, and their counters' last readings.
pub async fn run(
    tasks: watch::Receiver<Arc<[IdleTask]>>,
    reports: mpsc::Sender<IdleReport>,
    shutdown: impl Future<Output = ()>,
) {
    let turns = Arc::new(Semaphore::new(READINGS_AT_ONCE));
    roster::follow(tasks, reports, shutdown, |task, reports| repeat(task, reports, turns.clone())).await;
}

/// One task's readings, one after another.
async fn repeat(task: IdleTask, reports: mpsc::Sender<IdleReport>, turns: Arc<Semaphore>) {
    let interval_ms = task.reading.interval_ms.max(SHORTEST_INTERVAL_MS);
    let mut reader = Reader::new(&task);
    sleep(Duration::from_millis(clock::random_u64() % interval_ms.min(FIRST_SPREAD_MS))).await;
    loop {
        let begun = Instant::now();
        let value = match &mut reader {
            Ok(reader) => {
                let _turn = turns.acquire().await.expect("the semaphore is never closed");
                reader.read().await
            }
            Err(problem) => Err(problem.clone()),
        };
        if let Some(value) = value.transpose() {
            let report = IdleReport { switch: task.switch.clone(), pool: task.pool.clone(), value, at: clock::now() };
            if reports.send(report).await.is_err() {
                return;
            }
        }
        sleep(Duration::from_millis(interval_ms).saturating_sub(begun.elapsed())).await;
    }
}

/// A reading, prepared.
enum Reader<'a> {
    /// Of pages.
    Pages(Pages<'a>),
    /// Of a Prometheus server.
    Prometheus { server: Server<'a>, query: String },
}

/// Pages that hold a number, and the counters seen last.
struct Pages<'a> {
    url: &'a str,
    limit: Duration,
    counter: bool,
    finder: Finder,
    /// What to read: each member, or `None` for one URL.
    places: Vec<Option<IpAddr>>,
    /// Counters by place, and when they were read.
    last: HashMap<Option<IpAddr>, (f64, Instant)>,
}

impl<'a> Reader<'a> {
    fn new(task: &'a IdleTask) -> Result<Self, String> {
        let limit = Duration::from_millis(task.reading.timeout_ms);
        match &task.reading.source {
            IdleSource::Url { url, number, counter } => {
                let per_member = url.contains("{address}");
                let places: Vec<_> =
                    if per_member { task.addresses.iter().copied().map(Some).collect() } else { vec![None] };
                if places.is_empty() {
                    return Err("the pool has no members to read".to_owned());
                }
                let finder = Finder::new(number)?;
                Ok(Self::Pages(Pages { url, limit, counter: *counter, finder, places, last: HashMap::new() }))
            }
            IdleSource::Prometheus { url, query, bearer_file, ca_file } => {
                let filling =
                    Filling { switch: &task.switch, pool: &task.pool, version: None, addresses: &task.addresses };
                let server = Server { url, bearer_file: bearer_file.as_deref(), ca_file: ca_file.as_deref(), limit };
                Ok(Self::Prometheus { server, query: filling.fill(query)? })
            }
        }
    }

    /// The number; `None` when a counter has not been read twice yet.
    async fn read(&mut self) -> Result<Option<f64>, String> {
        match self {
            Self::Pages(pages) => pages.read().await,
            Self::Prometheus { server, query } => match server.ask(query).await? {
                load if load >= 0.0 => Ok(Some(load)),
                load => Err(format!("reads {load}, which is no load")),
            },
        }
    }
}

impl Pages<'_> {
    /// The sum; `None` when a counter has not been read twice yet.
    async fn read(&mut self) -> Result<Option<f64>, String> {
        let pages = &*self;
        let numbers = stream::iter(self.places.iter().copied()).map(|place| pages.number_at(place));
        let numbers: Vec<_> = numbers.buffer_unordered(MEMBERS_AT_ONCE).try_collect().await?;
        let mut sum = Some(0.0);
        for (place, number, at) in numbers {
            let value = if self.counter { self.rate(place, number, at) } else { Some(number) };
            sum = sum.zip(value).map(|(sum, value)| sum + value);
        }
        Ok(sum)
    }

    /// A counter's rate per second since its last reading.
    fn rate(&mut self, place: Option<IpAddr>, number: f64, at: Instant) -> Option<f64> {
        let (before, then) = self.last.insert(place, (number, at))?;
        rate(before, number, at.saturating_duration_since(then))
    }

    /// Reads one place.
    async fn number_at(&self, place: Option<IpAddr>) -> Result<(Option<IpAddr>, f64, Instant), String> {
        let fetched = async {
            let body = source::fetch(source::url(self.url, place)?, self.limit).await?;
            self.finder.find(&body)
        };
        // The client keeps the limit itself; this one holds whatever it does before connecting, too.
        let number = timeout(self.limit, fetched).await.unwrap_or_else(|_| Err(source::timed_out(self.limit)));
        let number = number
            .map_err(|problem| place.map_or_else(|| problem.clone(), |address| format!("{address}: {problem}")))?;
        Ok((place, number, Instant::now()))
    }
}

/// Counts per second; a counter that fell began anew at zero.
fn rate(before: f64, number: f64, over: Duration) -> Option<f64> {
    let counted = if number < before { number } else { number - before };
    (!over.is_zero()).then(|| counted / over.as_secs_f64())
}

#[cfg(test)]
mod tests;
