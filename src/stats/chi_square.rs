//! The chi-square distribution, from the incomplete gamma function (DLMF 8.7.1 and 8.9.2).

/// Terms after which a sum or fraction stops.
const MOST_TERMS: u32 = 100_000;

/// The chance of a value above `x` with `df` degrees of freedom.
#[must_use]
pub fn above(x: f64, df: f64) -> f64 {
    let (a, x) = (df / 2.0, x / 2.0);
    if x <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let factor = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 { (1.0 - factor * series(a, x)).clamp(0.0, 1.0) } else { (factor * fraction(a, x)).min(1.0) }
}

fn series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    for n in 1..MOST_TERMS {
        term *= x / (a + f64::from(n));
        sum += term;
        if term <= sum * f64::EPSILON {
            break;
        }
    }
    sum
}

fn fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut value = d;
    for n in 1..MOST_TERMS {
        let n = f64::from(n);
        let numerator = -n * (n - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        let change = c * d;
        value *= change;
        if (change - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_degree_is_a_squared_normal_and_two_an_exponential() {
        for x in [0.01, 0.9, 1.5, 4.0, 44.444_444_444_444_44, 300.0] {
            let (normal, exponential) = (2.0 * super::super::normal::above(f64::sqrt(x)), (-x / 2.0).exp());
            assert!((above(x, 1.0) / normal - 1.0).abs() < 1e-12, "{x}");
            assert!((above(x, 2.0) / exponential - 1.0).abs() < 1e-12, "{x}");
        }
    }
}
