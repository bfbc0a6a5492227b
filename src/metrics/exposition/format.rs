//! The two texts a scraper may ask for.

/// Which text a scraper gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text version 0.0.4.
    Plain,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format an `Accept` header value asks for: OpenMetrics if it is named with a quality that
    /// is not zero and not below that of plain text.
    #[must_use]
    pub fn of_accept(accept: &str) -> Self {
        let quality = |wanted: &str| {
            accept
                .split(',')
                .filter(|range| range.split(';').next().is_some_and(|kind| kind.trim() == wanted))
                .map(quality_of)
                .fold(0.0, f64::max)
        };
        let (open, plain) = (quality("application/openmetrics-text"), quality("text/plain"));
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Plain }
    }

    /// The `Content-Type` of a response in this format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The `q` of one media range (RFC 9110 §12.4.2); 1 if it has none.
fn quality_of(range: &str) -> f64 {
    range
        .split(';')
        .skip(1)
        .find_map(|parameter| parameter.trim().strip_prefix("q="))
        .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_chooses_the_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::of_accept(prometheus), Format::OpenMetrics);
        for plain in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.2,text/plain",
        ] {
            assert_eq!(Format::of_accept(plain), Format::Plain, "{plain}");
        }
    }
}
