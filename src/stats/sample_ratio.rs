//! Sample-ratio test: did the arms get the shares they were meant to get? (Pearson's chi-square, 1900.)

use super::{Undecided, chi_square, finite};

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRatio {
    /// Sum of (seen - expected)^2 / expected.
    pub chi_square: f64,
    /// Arms less one.
    pub df: u32,
    /// Small: the split is not what was asked for.
    pub p: f64,
}

/// Compares counts with the shares they should have; shares need not sum to 1, each must be above 0.
pub fn sample_ratio(counts: &[u64], shares: &[f64]) -> Result<SampleRatio, Undecided> {
    if counts.len() != shares.len() || counts.len() < 2 {
        return Err(Undecided::Setting { name: "shares", wanted: "one for each of two or more counts" });
    }
    if shares.iter().any(|share| !(*share > 0.0 && share.is_finite())) {
        return Err(Undecided::Setting { name: "shares", wanted: "above 0" });
    }
    let total: f64 = counts.iter().map(|count| *count as f64).sum();
    if total == 0.0 {
        return Err(Undecided::TooFew { needed: 1, got: 0 });
    }
    let whole = finite(shares.iter().sum())?;
    let chi_square: f64 = counts
        .iter()
        .zip(shares)
        .map(|(count, share)| {
            let expected = total * (share / whole);
            (*count as f64 - expected).powi(2) / expected
        })
        .sum();
    let df = u32::try_from(counts.len() - 1).unwrap_or(u32::MAX);
    Ok(SampleRatio { chi_square: finite(chi_square)?, df, p: chi_square::above(chi_square, f64::from(df)) })
}
