//! Serial number arithmetic (RFC 1982, SERIAL_BITS = 32).

/// Whether `a` comes after `b`: by 1 to 2^31 - 1 steps. A distance of exactly 2^31 is undefined by
/// the RFC and counts as not newer, so nothing ever moves by it.
#[must_use]
pub const fn is_newer(a: u32, b: u32) -> bool {
    let ahead = a.wrapping_sub(b);
    ahead != 0 && ahead < 1 << 31
}

/// The newer of the two.
#[must_use]
pub const fn newest(a: u32, b: u32) -> u32 {
    if is_newer(b, a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_wrap_around() {
        assert!(is_newer(1, 0));
        assert!(is_newer(0, u32::MAX));
        assert!(is_newer((1 << 31) - 1, 0));
        assert!(!is_newer(1 << 31, 0));
        assert!(!is_newer(0, 1 << 31));
        assert!(!is_newer(7, 7));
        assert_eq!(newest(3, u32::MAX), 3);
    }
}
