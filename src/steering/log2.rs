//! Binary logarithm in integers: the part of a sticky score that must be the same on every build.
//!
//! `-log2(u)` of a 64-bit fraction `u`, from a table of 1024 segments with linear interpolation,
//! scaled by 2^31. Absolute error: at most 1.8e-7 from the chord (h^2/8 * log2(e), h = 1/1024) plus
//! 2^-31 of rounding. What it does to a share: the winner of a small weight is decided near u = 1, in
//! the last segments, where the chord is off by at most 1 part in 4000; so is that weight's share.
//! No floating point, no platform's libm: two builds never send the same client to different pools.

/// Fraction bits of a result.
pub(super) const SCALE_BITS: u32 = 31;

/// Segments per octave, as a power of two.
const SEGMENT_BITS: u32 = 10;

/// Segments per octave.
const SEGMENTS: usize = 1 << SEGMENT_BITS;

/// `1 - log2(1 + i/1024)` at each end of a segment, scaled.
static COMPLEMENT: [u32; SEGMENTS + 1] = complement_table();

/// `-log2(u / 2^64)`, scaled by `2^SCALE_BITS`; 0 counts as 1. Below 2^38.
#[inline]
pub(super) fn negative_log2(u: u64) -> u64 {
    let u = u | u64::from(u == 0);
    let shift = u.leading_zeros();
    let mantissa = u << shift;
    let segment = (mantissa >> (63 - SEGMENT_BITS)) as usize & (SEGMENTS - 1);
    let within = (mantissa >> (31 - SEGMENT_BITS)) & 0xffff_ffff;
    let (from, to) = (u64::from(COMPLEMENT[segment]), u64::from(COMPLEMENT[segment + 1]));
    (u64::from(shift) << SCALE_BITS) + from - (((from - to) * within) >> 32)
}

/// Computes the table while compiling.
const fn complement_table() -> [u32; SEGMENTS + 1] {
    let mut table = [0u32; SEGMENTS + 1];
    let mut at = 0;
    while at < SEGMENTS {
        let mantissa = (1u64 << 63) + ((at as u64) << (63 - SEGMENT_BITS));
        let log = log2_of_mantissa(mantissa);
        // 40 fraction bits rounded to SCALE_BITS of them; the result is at most 2^31.
        let complement = (1u64 << 40) - log;
        #[allow(clippy::cast_possible_truncation)] // at most 2^31, as said
        let scaled = ((complement + (1 << (39 - SCALE_BITS))) >> (40 - SCALE_BITS)) as u32;
        table[at] = scaled;
        at += 1;
    }
    table
}

/// `log2(m / 2^63)` for `m >= 2^63`, in 40 fraction bits, by repeated squaring.
const fn log2_of_mantissa(m: u64) -> u64 {
    let mut m = m;
    let mut log = 0u64;
    let mut bit = 0;
    while bit < 40 {
        let square = (m as u128) * (m as u128);
        log <<= 1;
        #[allow(clippy::cast_possible_truncation)] // the shifts leave 64 bits
        if square >> 127 == 1 {
            log |= 1;
            m = (square >> 64) as u64;
        } else {
            m = (square >> 63) as u64;
        }
        bit += 1;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(u: u64) -> f64 {
        // For u near 2^64 the complement is exact where u itself would round.
        if u >= 1 << 63 {
            -(-((u64::MAX - u) as f64 + 1.0) / 18_446_744_073_709_551_616.0).ln_1p() / std::f64::consts::LN_2
        } else {
            64.0 - (u as f64).log2()
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_real_logarithm_within_its_stated_error(u in 1u64.., shift in 0u32..64) {
            let u = (u >> shift).max(1);
            let ours = negative_log2(u) as f64 / f64::from(1u32 << 31);
            prop_assert!((ours - reference(u)).abs() < 1.9e-7, "{u}: {ours} against {}", reference(u));
        }

        #[test]
        fn near_one_where_weights_of_1_in_10000_decide_the_relative_error_stays_below_one_in_four_thousand(distance in (1u64 << 50)..(1 << 62)) {
            let u = u64::MAX - distance;
            let ours = negative_log2(u) as f64 / f64::from(1u32 << 31);
            prop_assert!((ours / reference(u) - 1.0).abs() < 2.5e-4, "{u}: {ours} against {}", reference(u));
        }

        #[test]
        fn it_never_rises_with_its_argument(a in any::<u64>(), b in any::<u64>()) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(negative_log2(low) >= negative_log2(high));
        }
    }

    #[test]
    fn powers_of_two_are_exact() {
        for shift in 0u32..64 {
            assert_eq!(negative_log2(1 << shift), u64::from(64 - shift) << SCALE_BITS);
        }
        assert_eq!(negative_log2(0), 64 << SCALE_BITS);
        assert_eq!(negative_log2(u64::MAX), 1);
    }

    #[test]
    fn the_table_is_the_same_on_every_build() {
        // Values from an independent computation with 60 decimal digits.
        for (at, value) in [
            (0, 2_147_483_648),
            (1, 2_144_459_574),
            (333, 1_275_165_041),
            (512, 891_286_243),
            (1023, 1_513_145),
            (1024, 0),
        ] {
            assert_eq!(COMPLEMENT[at], value, "segment {at}");
        }
    }
}
