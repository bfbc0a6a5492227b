//! `GET /v1/updates`: the sets that dynamic updates (RFC 2136) put in the place of the files'.

pub use crate::control::updates::{UpdatedSet, UpdatesPage};

use super::auth::{Principal, Role};
use super::context::AdminContext;
use super::history::{LARGEST_PAGE, PAGE, escaped};
use super::incoming::Asking;
use super::problem::Problem;
use crate::control::updates::{UpdatesQuery, place_of};
use crate::dns::Name;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;

/// The query of the resource.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// Of this zone only.
    zone: Option<String>,
    /// Of this name only.
    name: Option<String>,
    #[schemars(range(min = 1, max = LARGEST_PAGE))]
    limit: Option<u32>,
    /// `next_after` of the page before.
    after: Option<String>,
}

/// One page. They belong to no switch, so a scoped token is refused.
pub(super) async fn list(
    State(context): State<AdminContext>,
    principal: Principal,
    Asking(paging): Asking<Paging>,
) -> Result<(HeaderMap, Json<UpdatesPage>), Problem> {
    principal.need_everywhere(Role::Viewer)?;
    let limit = paging.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Problem::invalid_field("limit", format!("limit must be 1 to {LARGEST_PAGE}")));
    }
    let zone = paging.zone.as_deref().map(|text| name_of("zone", text)).transpose()?;
    let name = paging.name.as_deref().map(|text| name_of("name", text)).transpose()?;
    let after = match paging.after.as_deref() {
        None => None,
        Some(text) => Some(place_of(text).ok_or_else(|| {
            Problem::invalid_field("after", "after must be the next_after of a page: a zone, a name and a type")
        })?),
    };
    let query = UpdatesQuery { zone, name, after, limit: limit as usize };
    let page = context.handle().updates(query).await.ok_or_else(Problem::shutting_down)?;
    let mut headers = HeaderMap::new();
    if let Some(after) = &page.next_after {
        let only = |key: &str, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |value| format!("&{key}={}", escaped(value)))
        };
        let (zone, name) = (only("zone", &paging.zone), only("name", &paging.name));
        let link = format!("</v1/updates?after={}&limit={limit}{zone}{name}>; rel=\"next\"", escaped(after));
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    Ok((headers, Json(page)))
}

/// A domain name of the query.
fn name_of(field: &str, text: &str) -> Result<Name, Problem> {
    text.parse().map_err(|error| Problem::invalid_field(field, format!("`{text}` is no domain name: {error}")))
}
