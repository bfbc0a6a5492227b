//! SOA serials (§3.4): one counter per zone that never goes back.

use super::command::Rejection;
use super::definitions::ZoneDefinition;
use super::runtime::Desired;
use crate::dns::{Name, serial};
use crate::zone::Soa;

/// The next serial of a zone: the larger, by RFC 1982, of the file's and the last one + 1.
#[must_use]
pub fn advance(desired: &Desired, zone: &ZoneDefinition) -> u32 {
    if zone.is_copy() {
        return current(desired, zone);
    }
    match desired.serials.get(&zone.apex) {
        None => zone.file_serial,
        Some(last) => {
            let next = last.wrapping_add(1);
            if serial::is_newer(zone.file_serial, next) { zone.file_serial } else { next }
        }
    }
}

/// The newer of two serials of a zone.
#[must_use]
pub const fn newest(a: u32, b: u32) -> u32 {
    serial::newest(a, b)
}

/// The serial a zone is served with: of a copy, its own; 0 when there is none.
#[must_use]
pub fn current(desired: &Desired, zone: &ZoneDefinition) -> u32 {
    if zone.is_copy() {
        return desired.data_of(zone).soa().map_or(0, Soa::file_serial);
    }
    desired.serials.get(&zone.apex).copied().unwrap_or(zone.file_serial)
}

/// Far more steps than a counter of changes takes in a lifetime (34 years at one a second).
const COUNTED: u32 = 1 << 30;

/// [`check_jump`] at a start, where only the last serial served is known: a file that seems far ahead
/// of it stands just behind it when the counter has run over the end of the circle.
///
/// # Errors
/// [`Rejection::SerialJump`].
pub fn check_start(apex: &Name, last: u32, file: u32) -> Result<(), Rejection> {
    if last.wrapping_sub(file) <= COUNTED { Ok(()) } else { check_jump(apex, last, file) }
}

/// Refuses a file serial that jumps by more than 2^31 - 1: secondaries would take it for an older one.
///
/// # Errors
/// [`Rejection::SerialJump`].
pub fn check_jump(apex: &Name, from: u32, to: u32) -> Result<(), Rejection> {
    if to > from && to - from > i32::MAX.unsigned_abs() {
        return Err(Rejection::SerialJump { zone: apex.to_string(), from, to });
    }
    Ok(())
}
