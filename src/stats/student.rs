//! Student's t distribution, from the incomplete beta function.

use super::beta::{halve, tails};

/// The chance of a value above `t`.
#[must_use]
pub fn above(t: f64, df: f64) -> f64 {
    let half = outside(t.abs(), df) / 2.0;
    if t >= 0.0 { half } else { 1.0 - half }
}

/// The chance of a value further from zero than `t`: I_x(df/2, 1/2) at x = df/(df + t^2).
#[must_use]
pub fn outside(t: f64, df: f64) -> f64 {
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    let whole = df + square;
    tails(df / 2.0, 0.5, df / whole, square / whole).below
}

/// The value that a share `p < 1/2` lies above.
#[must_use]
pub fn upper_quantile(p: f64, df: f64) -> f64 {
    let mut high = 1.0;
    while above(high, df) > p && high < 1e300 {
        high *= 2.0;
    }
    halve(0.0, high, |t| above(t, df) > p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_degrees_of_freedom_are_the_normal_distribution() {
        for z in [0.5, 1.96, 6.0] {
            let (student, normal) = (above(z, 1e12), super::super::normal::above(z));
            assert!((student / normal - 1.0).abs() < 1e-9, "{z}: {student:e} {normal:e}");
        }
    }
}
