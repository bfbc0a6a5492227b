//! `GET /v1/me`: whose token this is, so that a client offers only what it may do.

use super::auth::{Principal, Role};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The token that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Me {
    /// The token's name, as it stands in the audit.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The switches it is limited to; all when empty.
    pub switches: Vec<String>,
}

/// Any good token may ask.
pub(super) async fn show(principal: Principal) -> Json<Me> {
    Json(Me { name: principal.name, role: principal.role, switches: principal.switches })
}
