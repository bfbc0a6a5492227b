//! Garbage in: a problem or a zone comes out, never a panic, and every problem has a place.

use super::{TestFolder, switch};
use crate::config::load_zones;
use proptest::prelude::*;

/// Words that files consist of, so that random files come near to right ones.
const WORDS: &[&str] = &[
    "[zone]",
    "[switch.a]",
    "[switch.a.pool.b]",
    "[[switch.a.rule]]",
    "ns",
    "owners",
    "members",
    "weight",
    "monitor",
    "records",
    "=",
    "= [",
    "]",
    "{",
    "}",
    ",",
    "\"@\"",
    "\"a.example.test\"",
    "\"192.0.2.1\"",
    "\"::1 1.2.3.4\"",
    "5",
    "-1",
    "0.5",
    "true",
    "\n",
    "\n",
    "http",
    "\"http://{address}:8\"",
    "TXT",
    "CNAME",
    "\"*.example.test\"",
    "pool.b.",
    "labels",
    "1979-05-27",
    "\"\\u00e9\"",
    "é",
    "inf",
    "nan",
    "9223372036854775807",
    "'''",
    "#",
];

fn load_without_panic(toml: &[u8]) {
    let folder = TestFolder::with(&[]);
    std::fs::write(folder.path().join("example.test.toml"), toml).unwrap();
    if let Err(problems) = load_zones(folder.path()) {
        for problem in problems.0 {
            assert!(problem.to_string().contains("example.test.toml"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_octets_never_panic(toml in proptest::collection::vec(any::<u8>(), 0..200)) {
        load_without_panic(&toml);
    }

    #[test]
    fn random_words_never_panic(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..60)) {
        load_without_panic(words.join(" ").as_bytes());
    }

    #[test]
    fn a_right_file_with_a_hole_never_panics(at in 0usize..400, len in 0usize..20, fill in "[\\PC\"\\[\\]{}=,.\n]{0,6}") {
        let right = switch("policy = \"sticky\"\nrule = [{ networks = [\"::/0\"], weights = { blue = 1, green = 2 } }]\nidle = { url = \"http://{address}/\", json = \"/a\" }");
        let start = at.min(right.len());
        let end = (start + len).min(right.len());
        load_without_panic(format!("{}{fill}{}", &right[..start], &right[end..]).as_bytes());
    }
}
