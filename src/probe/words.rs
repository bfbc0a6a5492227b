//! What went wrong, in words an operator can act on.

use super::attempt::Failure;
use rustls::CertificateError;
use std::io;
use std::time::Duration;

/// The longest piece of a reply that is quoted, characters.
const QUOTED: usize = 80;

/// A duration as short as it goes: `1 s`, `1.5 s`, `250 ms`.
pub(super) fn duration(length: Duration) -> String {
    let ms = length.as_millis();
    if ms < 1000 { format!("{ms} ms") } else { format!("{} s", length.as_secs_f64()) }
}

/// A piece of a reply, safe to print: control characters escaped, cut to a readable length.
pub(super) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED).is_some() {
        quoted.push_str("...");
    }
    quoted
}

/// An I/O error while `doing` something ("connecting to port 80").
pub(super) fn io_failure(problem: &io::Error, doing: &str) -> Failure {
    const OURS: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    if problem.raw_os_error().is_some_and(|code| OURS.contains(&code)) {
        return Failure::Ours(format!("{problem}; raise the limit of open files or memory"));
    }
    if let Some(tls) = problem.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Failure::Theirs(tls_words(tls));
    }
    Failure::Theirs(match problem.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection refused {doing}"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => format!("connection reset {doing}"),
        io::ErrorKind::UnexpectedEof => format!("connection closed {doing}"),
        io::ErrorKind::HostUnreachable => format!("no route to the host {doing}"),
        io::ErrorKind::NetworkUnreachable => format!("network unreachable {doing}"),
        io::ErrorKind::AddrNotAvailable => format!("no local address or port to connect from {doing}"),
        io::ErrorKind::TimedOut => format!("timed out {doing}"),
        _ => format!("{problem} {doing}"),
    })
}

/// A TLS error.
pub(super) fn tls_words(problem: &rustls::Error) -> String {
    match problem {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired".to_owned(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "certificate is not valid yet".to_owned()
            }
            CertificateError::NotValidForName => "certificate is for another name".to_owned(),
            CertificateError::NotValidForNameContext { expected, presented } => {
                format!("certificate is for {}, wanted {}", quote(&presented.join(", ")), expected.to_str())
            }
            CertificateError::UnknownIssuer => "certificate is signed by an unknown CA: give it as ca".to_owned(),
            CertificateError::Revoked => "certificate is revoked".to_owned(),
            other => format!("certificate is not accepted: {other}"),
        },
        rustls::Error::NoApplicationProtocol
        | rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => {
            "the server does not offer the HTTP version asked for".to_owned()
        }
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on this port".to_owned(),
        other => format!("TLS failed: {other}"),
    }
}

/// An HTTP error while `doing` something.
pub(super) fn http_failure(problem: &hyper::Error, doing: &str) -> Failure {
    use std::error::Error;
    let mut source = problem.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return io_failure(io, doing);
        }
        source = cause.source();
    }
    Failure::Theirs(if problem.is_parse_too_large() {
        "the reply's headers are too large".to_owned()
    } else if problem.is_parse_version_h2() {
        "the server speaks HTTP/2 only: set http2".to_owned()
    } else if problem.is_parse() {
        format!("the reply is not HTTP: {problem}")
    } else if problem.is_incomplete_message() || problem.is_closed() || problem.is_canceled() {
        format!("connection closed {doing}")
    } else {
        let cause = problem.source().map_or_else(|| problem.to_string(), ToString::to_string);
        format!("HTTP failed {doing}: {}", quote(&cause))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        assert_eq!(duration(Duration::from_millis(250)), "250 ms");
        assert_eq!(duration(Duration::from_millis(1000)), "1 s");
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
    }

    #[test]
    fn quotes_of_replies_are_short_and_hold_no_control_characters() {
        assert_eq!(quote("ok\u{1b}[31m\n"), "ok\\u{1b}[31m\\n");
        assert_eq!(quote(&"x".repeat(5000)).len(), QUOTED + 3);
    }

    #[test]
    fn running_out_of_descriptors_is_our_trouble_and_never_the_members() {
        let problem = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(matches!(io_failure(&problem, "connecting"), Failure::Ours(_)));
        let problem = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(io_failure(&problem, "connecting"), Failure::Theirs("connection refused connecting".into()));
    }
}
