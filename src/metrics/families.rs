//! Metric families as plain rows, and their text in both forms.
//!
//! prometheus-client writes OpenMetrics; version 0.0.4 of the text format differs in the names of
//! counters' HELP and TYPE lines, has no UNIT lines and no end mark, which [`to_plain`] adapts.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use std::fmt;

/// Labels of one row.
pub(super) type Labels = Vec<(&'static str, String)>;

/// A metric name with its rows.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the `_total` of counters.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) rows: Rows,
}

/// The rows of a family, by kind.
#[derive(Debug)]
pub(super) enum Rows {
    Counter(Vec<(Labels, u64)>),
    /// A counter of time.
    Seconds(Vec<(Labels, f64)>),
    Gauge(Vec<(Labels, f64)>),
    Histogram(Vec<(Labels, Histogram)>),
}

/// One row of a histogram.
#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) sum_s: f64,
    /// Upper bounds with the count of each bucket, the last unbounded.
    pub(super) buckets: Vec<(f64, u64)>,
}

/// All families of one scrape.
#[derive(Debug)]
pub(super) struct Families(pub(super) Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, help, rows } in &self.0 {
            let kind = match rows {
                Rows::Counter(_) | Rows::Seconds(_) => MetricType::Counter,
                Rows::Gauge(_) => MetricType::Gauge,
                Rows::Histogram(_) => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            match rows {
                Rows::Counter(rows) => {
                    for (labels, value) in rows {
                        row(&mut family, labels, |row| row.encode_counter(value, None::<&Exemplar<NoLabelSet, u64>>))?;
                    }
                }
                Rows::Seconds(rows) => {
                    for (labels, value) in rows {
                        row(&mut family, labels, |row| row.encode_counter(value, None::<&Exemplar<NoLabelSet, f64>>))?;
                    }
                }
                Rows::Gauge(rows) => {
                    for (labels, value) in rows {
                        row(&mut family, labels, |row| row.encode_gauge(value))?;
                    }
                }
                Rows::Histogram(rows) => {
                    for (labels, Histogram { sum_s, buckets }) in rows {
                        let count = buckets.iter().map(|(_, count)| count).sum();
                        row(&mut family, labels, |row| {
                            row.encode_histogram::<NoLabelSet>(*sum_s, count, buckets, None)
                        })?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes one row; without labels there are no braces.
fn row(
    family: &mut MetricEncoder<'_>,
    labels: &Labels,
    write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() { write(family) } else { write(&mut family.encode_family(labels)?) }
}

/// OpenMetrics text as text version 0.0.4.
pub(super) fn to_plain(open_metrics: &str) -> String {
    let mut plain = String::with_capacity(open_metrics.len() + 1024);
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, text)) = help.take() {
                plain.push_str(&format!("# HELP {name}{suffix} {text}\n"));
            }
            plain.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            plain.push_str(line);
            plain.push('\n');
        }
    }
    plain
}
