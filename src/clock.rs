//! The only reader of time and randomness.
//!
//! Everything else receives a [`Moment`] or a draw as an argument. Clippy's `disallowed_methods`
//! keeps `SystemTime::now`, `Instant::now` and random sources out of the other rooms.

use crate::moment::Moment;

/// Reads both clocks.
#[must_use]
pub fn now() -> Moment {
    Moment { boot_ms: boot_ms(), unix_ms: unix_ms() }
}

/// Milliseconds since boot, suspended time included (CLOCK_BOOTTIME).
#[must_use]
pub fn boot_ms() -> u64 {
    boot_ns() / 1_000_000
}

/// Nanoseconds on the same clock, for durations of single answers.
#[must_use]
#[allow(unsafe_code)]
pub fn boot_ns() -> u64 {
    let mut spec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `spec` is a valid, writable timespec for the whole call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut spec) };
    assert_eq!(status, 0, "CLOCK_BOOTTIME exists on every Linux this builds for");
    u64::try_from(spec.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(spec.tv_nsec).unwrap_or(0)
}

/// Milliseconds of the wall clock since 1970 (UTC).
#[must_use]
pub fn unix_ms() -> u64 {
    #[allow(clippy::disallowed_methods)] // this is the room that may
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Nanoseconds of the wall clock since 1970 (UTC).
#[must_use]
pub fn unix_ns() -> u64 {
    #[allow(clippy::disallowed_methods)] // this is the room that may
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

/// The identity of this boot (`/proc/sys/kernel/random/boot_id`): boot-clock readings of different
/// boots cannot be compared.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |s| s.trim().to_owned())
}

/// Fills `bytes` from the operating system's random source.
pub fn random_bytes(bytes: &mut [u8]) {
    #[allow(clippy::disallowed_methods)] // this is the room that may
    getrandom::fill(bytes).expect("the operating system's random source answers");
}

/// One random number.
#[must_use]
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    random_bytes(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// A fast stream of draws for one worker (xoshiro-class quality is enough: it picks pools, not keys).
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    /// A stream seeded from the operating system.
    #[must_use]
    pub fn seeded() -> Self {
        Self(random_u64())
    }

    /// The next draw (splitmix64: every 64-bit value once per period).
    #[inline]
    pub fn next_draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
