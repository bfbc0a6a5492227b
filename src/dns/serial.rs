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

/// Octets of the numbers at the end of an SOA record: serial, refresh, retry, expire, minimum.
const SOA_NUMBERS: usize = 20;

/// The serial of an SOA record, given as its RDATA or whole, since it is found from the end.
#[must_use]
pub fn of_soa(record: &[u8]) -> Option<u32> {
    let numbers = record.last_chunk::<SOA_NUMBERS>()?;
    numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
}

/// Puts another serial into an SOA record, given as its RDATA or whole; `None` when it is too short to be one.
pub fn put_into_soa(record: &mut [u8], serial: u32) -> Option<()> {
    *record.last_chunk_mut::<SOA_NUMBERS>()?.first_chunk_mut()? = serial.to_be_bytes();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_stands_twenty_octets_before_the_end() {
        let mut rdata = [&[0, 0, 1, 2, 3, 4][..], &[0; 16]].concat();
        assert_eq!(of_soa(&rdata), Some(0x0102_0304));
        assert_eq!((put_into_soa(&mut rdata, 7), of_soa(&rdata)), (Some(()), Some(7)));
        assert_eq!(put_into_soa(&mut rdata[3..], 8), None);
        assert_eq!(of_soa(&rdata[3..]), None);
    }

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
