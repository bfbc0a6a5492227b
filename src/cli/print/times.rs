//! Times as people read them: how long ago, and when exactly.

use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds since 1970 of an RFC 3339 time.
pub(in crate::cli) fn unix_ms(rfc3339: &str) -> Option<u64> {
    let at = humantime::parse_rfc3339_weak(rfc3339).ok()?;
    u64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// `2026-11-20T15:33:12Z`.
pub(in crate::cli) fn absolute(unix_ms: u64) -> String {
    // Year 9999 is the last that RFC 3339 can say.
    let at = UNIX_EPOCH + Duration::from_millis(unix_ms.min(253_402_300_799_000));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// `25 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(in crate::cli) fn span(ms: u64) -> String {
    let s = ms / 1000;
    let pair = |whole: u64, unit: &str, rest: u64, small: &str| {
        if rest == 0 { format!("{whole} {unit}") } else { format!("{whole} {unit} {rest} {small}") }
    };
    match s {
        0..60 => format!("{s} s"),
        60..3600 => pair(s / 60, "min", s % 60, "s"),
        3600..86_400 => pair(s / 3600, "h", s % 3600 / 60, "min"),
        _ => pair(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// `25s`, `12m`, `5h`, `30d`: for narrow columns, in the largest unit with at least two of it.
pub(in crate::cli) fn brief(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..120 => format!("{s}s"),
        120..7200 => format!("{}m", s / 60),
        7200..172_800 => format!("{}h", s / 3600),
        _ => format!("{}d", s / 86_400),
    }
}

/// `in 25 s` or `3 min ago`.
pub(in crate::cli) fn relative(unix_ms: u64, now_unix_ms: u64) -> String {
    if unix_ms > now_unix_ms {
        // Rounded up, so that nobody is sent away too early.
        format!("in {}", span((unix_ms - now_unix_ms).div_ceil(1000) * 1000))
    } else {
        format!("{} ago", span(now_unix_ms - unix_ms))
    }
}

/// `in 25 s (2026-11-20T15:33:12Z)`.
pub(in crate::cli) fn both(unix_ms: u64, now_unix_ms: u64) -> String {
    format!("{} ({})", relative(unix_ms, now_unix_ms), absolute(unix_ms))
}

/// [`both`] for a time as text, which stays as it is when it is none.
pub(in crate::cli) fn both_of(rfc3339: &str, now_unix_ms: u64) -> String {
    unix_ms(rfc3339).map_or_else(|| rfc3339.to_owned(), |at| both(at, now_unix_ms))
}

/// [`relative`] for a time as text, which stays as it is when it is none.
pub(in crate::cli) fn relative_of(rfc3339: &str, now_unix_ms: u64) -> String {
    unix_ms(rfc3339).map_or_else(|| rfc3339.to_owned(), |at| relative(at, now_unix_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_at_most_two_units() {
        let cases = [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (200_000, "3 min 20 s"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn brief_spans_have_one_unit() {
        for (ms, text) in
            [(119_999, "119s"), (120_000, "2m"), (7_199_000, "119m"), (7_200_000, "2h"), (172_800_000, "2d")]
        {
            assert_eq!(brief(ms), text);
        }
    }

    #[test]
    fn times_are_relative_and_absolute() {
        assert_eq!(both(25_500, 1_000), "in 25 s (1970-01-01T00:00:25Z)");
        assert_eq!(relative(1_000, 181_000), "3 min ago");
        assert_eq!(both_of("1970-01-01T00:00:25.5Z", 1_000), "in 25 s (1970-01-01T00:00:25Z)");
        assert_eq!(both_of("soon", 0), "soon");
    }
}
