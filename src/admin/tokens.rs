//! `/v1/tokens`, and the first token of a new server (§7.1).
//!
//! A secret is shown once, when it is made; only its hash is kept, and no log ever holds one.

use super::auth::{Role, hash_of, hex};
use super::context::AdminContext;
use super::incoming::{Incoming, Segments};
use super::overrides::duration_ms;
use super::problem::Problem;
use super::requests::TokenBody;
use crate::clock;
use crate::store::TokenRow;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// The file in the state folder that the first token is written to.
pub const FIRST_TOKEN_FILE: &str = "admin-token";

/// A token as it is shown: all but the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    /// Public id.
    pub id: String,
    /// The operator's name for it.
    pub name: String,
    /// `viewer`, `operator`, `admin` or `member`.
    pub role: String,
    /// The switches it is limited to; empty: all.
    pub switches: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; `None`: never.
    pub expires_at: Option<String>,
    /// Whether it has expired.
    pub expired: bool,
}

/// All tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenList {
    /// In the store's order.
    pub tokens: Vec<TokenView>,
}

/// A new token, with the only sight of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenCreated {
    /// What to send as `Authorization: Bearer ...`.
    pub token: String,
    /// The rest.
    #[serde(flatten)]
    pub view: TokenView,
}

/// What was revoked.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Revoked {
    /// The public id.
    revoked: String,
    /// The name.
    name: String,
}

/// A fresh token: the row to keep and the text to hand out.
#[must_use]
pub fn mint(name: &str, role: Role, switches: Vec<String>, lasts_ms: Option<u64>) -> (TokenRow, String) {
    let (mut id, mut secret) = ([0; 5], [0; 24]);
    clock::random_bytes(&mut id);
    clock::random_bytes(&mut secret);
    let (id, secret) = (hex(&id), hex(&secret));
    let now = clock::now().unix_ms;
    let row = TokenRow {
        hash: hex(&hash_of(&secret)),
        name: name.to_owned(),
        role: role.word().to_owned(),
        switches,
        created_unix_ms: now,
        expires_unix_ms: lasts_ms.map(|ms| now.saturating_add(ms)),
        id: id.clone(),
    };
    (row, format!("tg_{id}_{secret}"))
}

/// Why the first token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The file is there, the token in it unknown.
    #[error(
        "{0} exists, but this server has no token yet: move that file away, so that a new first token can be written there"
    )]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write the first token to {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store did not take it.
    #[error("cannot keep the first token: {0}")]
    Store(#[from] crate::store::StoreError),
    /// The control task is gone.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// Whether a token lets somebody administer the whole server at this time.
fn administers(row: &TokenRow, now_unix_ms: u64) -> bool {
    row.role == Role::Admin.word() && row.switches.is_empty() && !is_expired(row, now_unix_ms)
}

fn is_expired(row: &TokenRow, now_unix_ms: u64) -> bool {
    row.expires_unix_ms.is_some_and(|end| end <= now_unix_ms)
}

/// Makes token `first` when the server has no admin token for all switches that is good still; says where it was
/// written.
///
/// # Errors
/// [`BootstrapError`]; the file is removed again when the store does not take the token.
pub async fn bootstrap(
    handle: &crate::control::Handle,
    state: &std::path::Path,
) -> Result<Option<PathBuf>, BootstrapError> {
    let rows = handle.tokens().await.ok_or(BootstrapError::ShuttingDown)?;
    let now = clock::unix_ms();
    if rows.iter().any(|row| administers(row, now)) {
        return Ok(None);
    }
    let path = state.join(FIRST_TOKEN_FILE);
    if !rows.is_empty() && path.exists() {
        // A token in it was revoked or has expired: a server that ran on it must start all the same.
        std::fs::remove_file(&path).map_err(|source| BootstrapError::Write { path: path.clone(), source })?;
    }
    let names = (1..).map(|n| if n == 1 { "first".to_owned() } else { format!("first-{n}") });
    let name = names.into_iter().find(|name| rows.iter().all(|row| row.name != *name)).unwrap_or_default();
    let (row, token) = mint(&name, Role::Admin, Vec::new(), None);
    write_secret(&path, &token)?;
    let kept =
        handle.put_token(row).await.ok_or(BootstrapError::ShuttingDown).and_then(|kept| kept.map_err(Into::into));
    if let Err(error) = kept {
        if let Err(source) = std::fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %source, "cannot remove the token that was not kept");
        }
        return Err(error);
    }
    Ok(Some(path))
}

/// Writes a token to a new file that only its owner reads.
fn write_secret(path: &std::path::Path, token: &str) -> Result<(), BootstrapError> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(format!("{token}\n").as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => BootstrapError::Exists(path.to_owned()),
        _ => BootstrapError::Write { path: path.to_owned(), source },
    })
}

/// All tokens, without secrets.
pub(super) async fn list(
    State(context): State<AdminContext>,
    principal: super::auth::Principal,
) -> Result<Json<TokenList>, Problem> {
    principal.need_everywhere(Role::Admin)?;
    let rows = context.handle().tokens().await.ok_or_else(Problem::shutting_down)?;
    let now = clock::now().unix_ms;
    Ok(Json(TokenList { tokens: rows.iter().map(|row| view(row, now)).collect() }))
}

/// A row as it is shown.
fn view(row: &TokenRow, now_unix_ms: u64) -> TokenView {
    TokenView {
        id: row.id.clone(),
        name: row.name.clone(),
        role: row.role.clone(),
        switches: row.switches.clone(),
        created_at: rfc3339(row.created_unix_ms),
        expires_at: row.expires_unix_ms.map(rfc3339),
        expired: is_expired(row, now_unix_ms),
    }
}

/// A wall-clock time as text.
fn rfc3339(unix_ms: u64) -> String {
    // Year 9999 is the last that RFC 3339 can say.
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(unix_ms.min(253_402_300_799_000));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// Makes a token.
pub(super) async fn create(
    State(context): State<AdminContext>,
    incoming: Incoming,
) -> Result<(StatusCode, Json<TokenCreated>), Problem> {
    incoming.principal.need_everywhere(Role::Admin)?;
    incoming.no_guards_for("tokens")?;
    let body: TokenBody = incoming.json()?;
    let name = body.name.trim();
    if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        return Err(Problem::invalid_field(
            "name",
            "a token needs a name of 1 to 64 bytes, without control characters: it stands in the audit",
        ));
    }
    let lasts_ms = body
        .expires_in
        .as_deref()
        .map(duration_ms)
        .transpose()
        .map_err(|why| Problem::invalid_field("expires_in", why))?;
    if lasts_ms == Some(0) {
        let detail = "a token that has expired at once lets nobody in: give it a time such as 90d, or leave it out";
        return Err(Problem::invalid_field("expires_in", detail));
    }
    let rows = context.handle().tokens().await.ok_or_else(Problem::shutting_down)?;
    if rows.iter().any(|row| row.name == name) {
        let detail = format!("there is a token named {name} already: names are how the audit tells people apart");
        return Err(Problem::new(StatusCode::CONFLICT, "name-taken", detail)
            .with("guard", "name-taken")
            .with("forceable", false));
    }
    if let Some(status) = context.handle().status().await
        && let Some(unknown) =
            body.switches.iter().find(|name| !status.switches.iter().any(|switch| switch.name == **name))
    {
        return Err(Problem::invalid_field("switches", format!("there is no switch `{unknown}`")));
    }
    let (row, token) = mint(name, body.role, body.switches, lasts_ms);
    let view = view(&row, row.created_unix_ms);
    context.handle().put_token(row).await.ok_or_else(Problem::shutting_down)??;
    context.refresh_tokens().await?;
    tracing::info!(who = incoming.principal.name, id = view.id, name = view.name, role = view.role, "token created");
    Ok((StatusCode::CREATED, Json(TokenCreated { token, view })))
}

/// Removes a token, by id or by name.
pub(super) async fn revoke(
    State(context): State<AdminContext>,
    Segments(wanted): Segments<String>,
    incoming: Incoming,
) -> Result<Json<Revoked>, Problem> {
    incoming.principal.need_everywhere(Role::Admin)?;
    incoming.no_guards_for("tokens")?;
    let rows = context.handle().tokens().await.ok_or_else(Problem::shutting_down)?;
    let unknown = || {
        Problem::new(StatusCode::NOT_FOUND, "unknown-token", format!("there is no token `{wanted}` (by id or name)"))
    };
    let row = rows
        .iter()
        .find(|row| row.id == wanted)
        .or_else(|| rows.iter().find(|row| row.name == wanted))
        .ok_or_else(unknown)?;
    let now = clock::unix_ms();
    let is_another = |other: &TokenRow| other.id != row.id && administers(other, now);
    if administers(row, now) && !rows.iter().any(is_another) {
        let detail = "this is the last admin token: create another one first, or nobody could administer the server";
        return Err(Problem::new(StatusCode::CONFLICT, "last-admin", detail)
            .with("guard", "last-admin")
            .with("forceable", false));
    }
    let removed = context.handle().remove_token(&row.id).await.ok_or_else(Problem::shutting_down)??;
    context.refresh_tokens().await?;
    if !removed {
        return Err(unknown());
    }
    tracing::info!(who = incoming.principal.name, id = row.id, name = row.name, "token revoked");
    Ok(Json(Revoked { revoked: row.id.clone(), name: row.name.clone() }))
}
