//! `GET /v1/history`: the audit, newest first (§3.6).

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::incoming::Asking;
use super::problem::Problem;
use crate::store::{AuditRow, HistoryQuery};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows in a page unless asked otherwise.
pub(super) const PAGE: u32 = 50;

/// Rows in the largest page.
pub(super) const LARGEST_PAGE: u32 = 500;

/// The query of the resource.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    switch: Option<String>,
    #[schemars(range(min = 1, max = LARGEST_PAGE))]
    limit: Option<u32>,
    before: Option<u64>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPage {
    /// Newest first.
    pub rows: Vec<AuditRow>,
    /// What `before` must be for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_before: Option<u64>,
}

/// One page of audit rows; a scoped token sees its switches' only.
pub(super) async fn list(
    State(context): State<AdminContext>,
    principal: Principal,
    Asking(paging): Asking<Paging>,
) -> Result<(HeaderMap, Json<HistoryPage>), Problem> {
    match &paging.switch {
        Some(switch) => principal.need_on(Role::Viewer, switch)?,
        None => principal.need(Role::Viewer)?,
    }
    let limit = paging.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Problem::invalid_field("limit", format!("limit must be 1 to {LARGEST_PAGE}")));
    }
    let switch = paging.switch;
    let query = HistoryQuery { switch: switch.clone(), before_revision: paging.before, limit };
    let mut rows = context.handle().history(query).await.ok_or_else(Problem::shutting_down)??;
    if let (Some(name), None, true) = (&switch, paging.before, rows.is_empty()) {
        // A switch that is gone has rows; one that has none must be there.
        context.handle().switch(name).await.ok_or_else(Problem::shutting_down)??;
    }
    let full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
    let next_before = rows.last().filter(|_| full).map(|row| row.revision);
    rows.retain(|row| {
        principal.switches.is_empty() || row.switch.as_deref().is_some_and(|switch| principal.sees(switch))
    });
    let mut headers = HeaderMap::new();
    if let Some(before) = next_before {
        let switch = switch.map_or_else(String::new, |name| format!("&switch={}", escaped(&name)));
        let link = format!("</v1/history?before={before}&limit={limit}{switch}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    Ok((headers, Json(HistoryPage { rows, next_before })))
}

/// A text as part of a query (RFC 3986 §2.1).
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
