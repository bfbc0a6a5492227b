//! Finding a number in a reply. Pure.

use crate::health::Number;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

/// Bounds the automaton of an expression, bytes.
const REGEX_LIMIT: usize = 4 * 1024 * 1024;

/// How the number is found, prepared.
#[derive(Debug)]
pub(super) enum Finder {
    /// First capture group.
    Regex(Regex),
    /// RFC 6901 pointer.
    Json(String),
}

impl Finder {
    /// Prepares `number`.
    pub(super) fn new(number: &Number) -> Result<Self, String> {
        let text = match number {
            Number::Json(pointer) => return Ok(Self::Json(pointer.clone())),
            Number::Regex(text) => text,
        };
        let built = RegexBuilder::new(text).size_limit(REGEX_LIMIT).build();
        let regex = built.map_err(|problem| format!("the expression of the idle reading is not usable: {problem}"))?;
        if regex.captures_len() < 2 {
            return Err(format!("the expression {text} has no group ( ) around the number"));
        }
        Ok(Self::Regex(regex))
    }

    /// The number in `body`: finite and not negative, or why there is none.
    pub(super) fn find(&self, body: &[u8]) -> Result<f64, String> {
        let text = match self {
            Self::Regex(regex) => {
                let group = regex.captures(body).and_then(|captures| captures.get(1));
                let group = group.ok_or_else(|| format!("nothing in the reply matches {regex}"))?;
                String::from_utf8_lossy(group.as_bytes()).into_owned()
            }
            Self::Json(pointer) => {
                let value: Value =
                    serde_json::from_slice(body).map_err(|problem| format!("the reply is not JSON: {problem}"))?;
                match value.pointer(pointer) {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => return Err(format!("JSON pointer {pointer} is not in the reply")),
                }
            }
        };
        let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            Ok(_) => Err(format!("reads {shown}, which is no load")),
            Err(_) => Err(format!("reads \"{shown}\", which is no number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(number: &Number, body: &str) -> Result<f64, String> {
        Finder::new(number)?.find(body.as_bytes())
    }

    fn regex(text: &str) -> Number {
        Number::Regex(text.to_owned())
    }

    fn json(pointer: &str) -> Number {
        Number::Json(pointer.to_owned())
    }

    #[test]
    fn a_number_is_found_in_a_metrics_page() {
        let page = "# HELP x\nrequests_total{code=\"200\"} 1.5e3\nin_flight 7\n";
        assert_eq!(find(&regex(r"(?m)^in_flight (\S+)"), page), Ok(7.0));
        assert_eq!(find(&regex(r#"requests_total\{code="200"\} (\S+)"#), page), Ok(1500.0));
        assert_eq!(find(&regex("absent (.)"), page), Err("nothing in the reply matches absent (.)".into()));
    }

    #[test]
    fn a_number_is_found_in_json_as_number_or_text() {
        let prometheus = r#"{"data":{"result":[{"value":[1700000000.1,"0.25"]}]},"n":3}"#;
        assert_eq!(find(&json("/data/result/0/value/1"), prometheus), Ok(0.25));
        assert_eq!(find(&json("/n"), prometheus), Ok(3.0));
        assert_eq!(
            find(&json("/data/result/1"), prometheus),
            Err("JSON pointer /data/result/1 is not in the reply".into())
        );
        assert_eq!(find(&json("/data"), r#"{"data":null}"#), Err("reads \"null\", which is no number".into()));
    }

    #[test]
    fn what_is_no_load_is_an_error() {
        for bad in ["NaN", "-1", "inf", "+Inf", "-0.001", "1e999"] {
            assert!(find(&regex("x (.*)"), &format!("x {bad}")).unwrap_err().contains("no load"), "{bad}");
        }
    }

    #[test]
    fn an_expression_needs_a_group() {
        assert!(find(&regex("in_flight .*"), "").unwrap_err().contains("no group"));
        assert!(find(&regex("("), "").unwrap_err().contains("not usable"));
    }
}
