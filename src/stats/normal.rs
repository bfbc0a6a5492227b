//! The standard normal distribution: tails by `libm::erfc`, quantiles by inverting them.
//!
//! Quantiles start from a rational approximation (P. J. Acklam, relative error 1.15e-9) and take two steps
//! of Halley's method, which leaves a few units in the last place.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// 1 / sqrt(2 pi).
const DENSITY_AT_ZERO: f64 = 0.398_942_280_401_432_7;

/// The density at `z`.
#[must_use]
pub fn density(z: f64) -> f64 {
    DENSITY_AT_ZERO * (-0.5 * z * z).exp()
}

/// The chance of a value below `z`.
#[must_use]
pub fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The chance of a value above `z`, exact far out too.
#[must_use]
pub fn above(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// The `z` that a share `p` lies above; infinite at 0 and 1, NaN outside.
#[must_use]
pub fn upper_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    match p {
        0.0 => f64::INFINITY,
        1.0 => f64::NEG_INFINITY,
        p if p > 0.5 => -upper_half(1.0 - p),
        p => upper_half(p),
    }
}

/// The two-sided critical value of a level: 1.96 for 0.05.
#[must_use]
pub fn critical(alpha: f64) -> f64 {
    upper_quantile(alpha / 2.0)
}

/// The quantile for `0 < p <= 1/2`.
fn upper_half(p: f64) -> f64 {
    let mut z = first_guess(p);
    for _ in 0..2 {
        let error = (above(z) - p) / density(z).max(f64::MIN_POSITIVE);
        z += error / (1.0 - 0.5 * z * error);
    }
    z
}

fn first_guess(p: f64) -> f64 {
    const CENTRE: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.383_577_518_672_69e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const CENTRE_BELOW: [f64; 6] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
        1.0,
    ];
    const TAIL: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const TAIL_BELOW: [f64; 5] =
        [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1.0];
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    if p < 0.02425 {
        let q = SQRT_2 * (-p.ln()).sqrt();
        -polynomial(&TAIL, q) / polynomial(&TAIL_BELOW, q)
    } else {
        let q = 0.5 - p;
        q * polynomial(&CENTRE, q * q) / polynomial(&CENTRE_BELOW, q * q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_invert_the_tails_from_the_centre_to_the_smallest_numbers() {
        for exponent in 0..300 {
            for p in [0.5, 0.3, 0.11].map(|p| p * 10f64.powi(-exponent)) {
                let back = above(upper_quantile(p));
                assert!((back - p).abs() <= 1e-12 * p, "{p:e} came back as {back:e}");
            }
        }
        assert!((critical(0.05) - 1.959_963_984_540_054).abs() < 1e-14);
        assert_eq!(upper_quantile(0.0), f64::INFINITY);
        assert!(upper_quantile(f64::NAN).is_nan());
    }
}
