//! What is said when no answer comes, or a refusal.

use super::Client;
use crate::cli::destination::Destination;
use crate::cli::exit::{Exit, Failure};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::error::Error;

impl Client {
    /// No answer came.
    pub(super) fn unanswered(&self, error: &reqwest::Error, method: &Method) -> Failure {
        let Destination { address, origin, .. } = &self.destination;
        if error.is_timeout() && !error.is_connect() {
            return Failure::new(
                Exit::TimedOut,
                format!(
                    "{address} did not answer in time; what was asked for may still happen: look at `tidegate status`"
                ),
            );
        }
        let why = causes(error);
        // What speaks no HTTP, or refuses the connection by an alert of TLS, has read no request.
        if !error.is_connect() && !why.contains("HTTP") && !why.contains("fatal alert") {
            // A look can be repeated; of a change nobody knows whether it was made.
            let (exit, then) = match *method {
                Method::GET => (Exit::Unreachable, "ask again"),
                _ => (Exit::TimedOut, "what was asked for may still happen: look at `tidegate status`"),
            };
            return Failure::new(exit, format!("{address} broke off before it had answered ({why}); {then}"));
        }
        let hint = hint(address, &why);
        Failure::new(
            Exit::Unreachable,
            format!(
                "cannot reach tidegate at {address} ({origin}): {why}{hint}. Is it running? Point elsewhere with --address, TIDEGATE_ADDRESS or `tidegate context use`"
            ),
        )
    }

    /// The server said no.
    pub(super) fn refused(&self, status: StatusCode, text: String) -> Failure {
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(detail) = problem.get("detail").and_then(Value::as_str) else {
            let address = &self.destination.address;
            return Failure::failed(format!(
                "{address} answered {status} in a form that is not tidegate's: is it the admin interface?"
            ));
        };
        let mut sentence = detail.to_owned();
        if let Some(problems) = problem.get("problems").and_then(Value::as_array) {
            // A problem that stands in the sentence is not said again.
            for line in problems.iter().filter_map(Value::as_str).filter(|line| !detail.contains(line)) {
                sentence.push_str(&format!("\n{line}"));
            }
        }
        if problem.get("forceable").and_then(Value::as_bool) == Some(true) {
            sentence.push_str("\nto do it all the same: --force --reason '...'");
        }
        if status == StatusCode::UNAUTHORIZED && self.destination.token.is_none() {
            sentence.push_str("\ngive one with --token-file, TIDEGATE_TOKEN or `tidegate context add`");
        } else if let (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(origin)) =
            (status, &self.destination.token_origin)
        {
            sentence.push_str(&format!("\nthe token that was sent comes from {origin}"));
        }
        Failure { body: Some(text), ..Failure::failed(sentence) }
    }
}

/// What to do about an error of TLS.
fn hint(address: &str, why: &str) -> &'static str {
    if why.contains("UnknownIssuer") {
        "; if it is the right server, name the authority that signed its certificate with --ca"
    } else if why.contains("CertificateRequired") {
        "; it wants a certificate of yours: --client-cert and --client-key"
    } else if address.starts_with("http://") && !why.contains("refused") {
        "; a server with TLS wants https://"
    } else {
        ""
    }
}

/// An error with what caused it, without repeating itself.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
