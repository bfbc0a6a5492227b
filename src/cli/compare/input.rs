//! One side's measurements: a file of numbers, one a line, or a count such as `10/1000`.

use crate::cli::exit::Failure;
use crate::stats::Count;

/// What one side measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side {
    /// Numbers.
    Values(Vec<f64>),
    /// Hits of a total.
    Count(Count),
}

/// Beyond it sums lose their last digits.
const LARGEST: f64 = 1e15;

/// Reads the argument of `--stable` or `--canary`.
pub(super) fn read(side: &str, argument: &str) -> Result<Side, Failure> {
    if let Some((hits, total)) = as_count(argument) {
        let refuse = |why: String| Failure::usage(format!("--{side} {argument}: {why}"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| refuse(format!("{text} is too large a number")));
        let count = Count::new(number(hits)?, number(total)?).map_err(|why| refuse(why.to_string()))?;
        return Ok(Side::Count(count));
    }
    let text = std::fs::read_to_string(argument).map_err(|error| {
        Failure::usage(format!("--{side}: cannot read {argument}: {error}; give a file of numbers, or HITS/TOTAL"))
    })?;
    numbers(argument, &text).map(Side::Values).map_err(Failure::usage)
}

/// `10/1000`; a file of such a name is `./10/1000`.
fn as_count(argument: &str) -> Option<(&str, &str)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    argument.split_once('/').filter(|(hits, total)| digits(hits) && digits(total))
}

/// The numbers of a file; blank lines and what follows a `#` mean nothing.
fn numbers(file: &str, text: &str) -> Result<Vec<f64>, String> {
    let mut values = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let word = line.split_once('#').map_or(line, |(before, _)| before).trim();
        if word.is_empty() {
            continue;
        }
        match word.parse::<f64>() {
            Ok(value) if value.is_finite() && value.abs() <= LARGEST => values.push(value),
            Ok(_) => return Err(format!("{file}:{}: `{word}` is no finite number below 1e15", index + 1)),
            Err(_) => return Err(format!("{file}:{}: `{word}` is not a number; write one number a line", index + 1)),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_passed_over() {
        assert_eq!(numbers("f", "# latency\n1.5\n\n  -2e3 # slow\n"), Ok(vec![1.5, -2000.0]));
    }

    #[test]
    fn an_error_names_file_and_line() {
        for (text, at) in [("1\n\nfast\n", "f:3: `fast`"), ("NaN\n", "f:1: `NaN`"), ("1\n1e300", "f:2: `1e300`")] {
            let error = numbers("f", text).unwrap_err();
            assert!(error.starts_with(at), "{error}");
        }
    }

    #[test]
    fn a_count_is_digits_on_both_sides_of_a_stroke() {
        assert_eq!(as_count("10/1000"), Some(("10", "1000")));
        for path in ["./10/1000", "a/1", "10/", "/5", "10", "1/2/3"] {
            assert_eq!(as_count(path), None, "{path}");
        }
    }
}
