//! The API in machine-readable form: OpenAPI 3.1, made from the handlers' own types.
//!
//! [`table`] has one row per operation, [`problems`] every refusal; schemas are read off the types
//! by schemars. `deploy/openapi.json` is the same document, held equal by a test; write it anew with
//! `TIDEGATE_BLESS=1 cargo test --lib openapi`. The document needs no token: it holds no secret, and
//! tools that read it often cannot send one.

mod problems;
mod table;
#[cfg(test)]
mod tests;

use axum::Json;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;
use table::{Access, Operation};

/// Serves the document.
pub(super) async fn show() -> Json<&'static Value> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    Json(DOCUMENT.get_or_init(document))
}

/// The whole document.
fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for operation in table::OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = describe(operation, &mut schemas);
    }
    let mut definitions = schemas.take_definitions(true);
    definitions.insert("Problem".to_owned(), problems::schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT", "identifier": "MIT" },
            "description": "Admin API of Tidegate, an authoritative DNS server that moves traffic between blue and green servers. Every refusal is an application/problem+json document whose `type` is stable.",
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer", "bearerFormat": "tg_<id>_<secret>",
                "description": "Made with `tidegate token create`; the first one is in the file admin-token of the state folder.",
            } },
            "headers": headers(),
            "responses": problems::responses(),
            "schemas": definitions,
        },
    })
}

/// Headers of replies.
fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request's own X-Request-Id, or one made for it; stands in logs and problems.",
            "schema": { "type": "string", "maxLength": 128 },
        },
        "ETag": { "description": "The state's revision, for If-Match.", "schema": { "type": "string", "pattern": "^\"[0-9]+\"$" } },
        "Link": { "description": "The next page, rel=next; absent on the last.", "schema": { "type": "string" } },
        "Allow": { "description": "The methods the path takes.", "schema": { "type": "string" } },
        "Retry-After": { "description": "Seconds.", "schema": { "type": "integer", "minimum": 0 } },
        "WWW-Authenticate": { "description": "Bearer.", "schema": { "type": "string" } },
    })
}

/// One operation.
fn describe(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let mut parameters = path_parameters(operation.path);
    if let Some(query) = operation.query {
        parameters.extend(query_parameters(&query(schemas).to_value()));
    }
    if operation.guards {
        parameters.push(json!({
            "name": "If-Match", "in": "header",
            "description": "The revision that was seen (the ETag of a GET); 412 when it is no longer the current one.",
            "schema": { "type": "string", "pattern": "^(\"?[0-9]{1,15}\"?|\\*)$" }, "example": "\"12\"",
        }));
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "A key of the caller's own: a retry with it within 24 h gets the first reply again.",
            "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" }, "example": "deploy-2041",
        }));
    }
    let mut reply = json!({
        "description": operation.summary,
        "headers": { "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } },
        "content": { operation.media: { "schema": (operation.reply)(schemas).to_value() } },
    });
    for header in operation.reply_headers {
        reply["headers"][header] = json!({ "$ref": format!("#/components/headers/{header}") });
    }
    let mut responses = Map::new();
    responses.insert(operation.status.to_owned(), reply);
    for status in operation.refusals() {
        responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{status}") }));
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.access.words(),
        "tags": [operation.tag()],
        "parameters": parameters,
        "responses": responses,
    });
    if operation.access == Access::Anyone {
        described["security"] = json!([]);
    }
    if operation.access == Access::Scraper {
        described["security"] = json!([{}, { "token": [] }]);
    }
    if let Some(body) = operation.body {
        let mut content = json!({ "schema": body(schemas).to_value() });
        if let Ok(example) = serde_json::from_str::<Value>(operation.example) {
            content["example"] = example;
        }
        described["requestBody"] =
            json!({ "required": operation.body_required, "content": { "application/json": content } });
    }
    described
}

/// The names in braces.
fn path_parameters(path: &str) -> Vec<Value> {
    let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    named
        .map(|name| {
            let example = match name {
                "switch" => "model",
                "pool" => "green",
                _ => "deploy",
            };
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 }, "example": example })
        })
        .collect()
}

/// One parameter per property of the query's type.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| {
            let mut plain = property.clone();
            let description = plain.as_object_mut().and_then(|object| object.remove("description"));
            // In a query there is no null: a parameter is there or it is not.
            if let Some(kinds) = plain["type"].as_array_mut() {
                kinds.retain(|kind| kind != "null");
            }
            json!({
                "name": name, "in": "query", "required": required.iter().any(|needed| *needed == name),
                "description": description, "schema": plain,
            })
        })
        .collect()
}

/// Whether the document names this refusal.
#[cfg(test)]
pub(super) fn lists(status: u16, slug: &str) -> bool {
    problems::PROBLEMS.iter().any(|(known, _, slugs)| *known == status && slugs.contains(&slug))
}
