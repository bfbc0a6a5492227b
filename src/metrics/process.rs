//! What the operating system says of this process, by the names that every Prometheus exporter uses.

use procfs::process::{LimitValue, Process};

/// Figures of this process at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessFigures {
    /// Processor time used, user and system, seconds.
    pub cpu_s: f64,
    /// Memory in RAM, bytes.
    pub resident_bytes: u64,
    /// Address space, bytes.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// How many may be open; `None` without a limit.
    pub max_fds: Option<u64>,
}

impl ProcessFigures {
    /// Reads `/proc/self`; nothing where it may not be read.
    #[must_use]
    pub fn read() -> Option<Self> {
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let limit = process.limits().ok()?.max_open_files.soft_limit;
        Some(Self {
            cpu_s: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
            resident_bytes: stat.rss * procfs::page_size(),
            virtual_bytes: stat.vsize,
            open_fds: process.fd_count().ok()? as u64,
            max_fds: match limit {
                LimitValue::Value(most) => Some(most),
                LimitValue::Unlimited => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_itself() {
        let figures = ProcessFigures::read().unwrap();
        assert!(figures.resident_bytes > 0 && figures.virtual_bytes >= figures.resident_bytes, "{figures:?}");
        assert!(figures.open_fds > 0 && figures.max_fds.is_none_or(|most| most >= figures.open_fds), "{figures:?}");
    }
}
