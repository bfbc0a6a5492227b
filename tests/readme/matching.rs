//! Compares what a command printed with what a page shows, where `...` stands for what varies.

/// Whether `printed` is what `expected` describes, spaces at line ends and empty lines at the end apart.
pub(crate) fn matches(expected: &str, printed: &str) -> bool {
    lines_match(&lines(expected), &lines(printed))
}

/// As [`matches`], with anything before and after.
pub(crate) fn occurs(expected: &str, printed: &str) -> bool {
    matches(&format!("...\n{expected}\n..."), printed)
}

fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

fn lines_match(expected: &[&str], printed: &[&str]) -> bool {
    let Some((first, rest)) = expected.split_first() else {
        return printed.is_empty();
    };
    if first.trim() == "..." {
        return (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]));
    }
    printed.split_first().is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others))
}

fn line_matches(expected: &str, printed: &str) -> bool {
    let Some((head, tail)) = expected.split_once("...") else {
        return expected == printed;
    };
    let Some(rest) = printed.strip_prefix(head) else {
        return false;
    };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| line_matches(tail, &rest[at..]))
}

#[test]
fn three_dots_stand_for_what_varies_and_nothing_else_does() {
    let cases = [
        ("a\nb", "a\nb\n", true),
        ("a", "a\nb", false),
        ("a\nb", "a", false),
        ("took ... ms, 3 left", "took 0.4 ms, 3 left  ", true),
        ("took ... ms, 3 left", "took 0.4 ms, 2 left", false),
        ("... x ... y", "1 x 2 x 3 y", true),
        ("é...", "é!", true),
        ("a\n...\nb", "a\nb", true),
        ("a\n...\nb", "a\n1\n2\nb", true),
        ("a\n...\nb", "a\n1\n2", false),
        ("...", "", true),
        ("", "something", false),
        ("", "\n", true),
    ];
    for (expected, printed, verdict) in cases {
        assert_eq!(matches(expected, printed), verdict, "{expected:?} {printed:?}");
    }
    assert!(occurs("b ...", "a\nb 1\nc") && !occurs("b ...", "a\nc"));
}
