//! `token create`, `list`, `revoke`.

use super::Session;
use crate::admin::auth::Role;
use crate::admin::requests::TokenBody;
use crate::admin::tokens::{TokenCreated, TokenList};
use crate::cli::args::TokenVerb;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::{Tone, times, tokens};
use reqwest::Method;
use serde_json::Value;

/// Runs one of them.
pub(super) async fn run(session: &Session, verb: TokenVerb) -> Result<Exit, Failure> {
    match verb {
        TokenVerb::Create { name, role, switches, expires, .. } => {
            let role = Role::named(&role).ok_or_else(|| Failure::usage(format!("there is no role `{role}`")))?;
            let call = Call::post(&["tokens"], &TokenBody { name, role, switches, expires_in: expires })?;
            session
                .show::<TokenCreated>(call, |page, made| {
                    page.line(Tone::Plain, &made.token);
                    let expires = made
                        .view
                        .expires_at
                        .as_ref()
                        .map(|at| format!(", expires {}", times::both_of(at, page.now_unix_ms())));
                    page.paragraph(
                        Tone::Faint,
                        "",
                        &format!(
                            "token {} ({}){}; keep it now, it is not shown again",
                            made.view.name,
                            made.view.role,
                            expires.unwrap_or_default()
                        ),
                    );
                })
                .await
        }
        TokenVerb::List { .. } => session.show::<TokenList>(Call::get(&["tokens"]), tokens::show).await,
        TokenVerb::Revoke { token, .. } => {
            let call = Call::new(Method::DELETE, &["tokens", &token]);
            session.show::<Value>(call, |page, _| page.line(Tone::Good, &format!("token {token} revoked"))).await
        }
    }
}
