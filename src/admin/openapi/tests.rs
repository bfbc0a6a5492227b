//! The document is whole, and the same as the one that is shipped.

use super::problems::PROBLEMS;
use super::{document, table};
use std::collections::BTreeSet;

/// Where the shipped document lies.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/openapi.json");

#[test]
fn the_shipped_document_is_the_one_that_is_served() {
    let made = format!("{:#}\n", document());
    if std::env::var_os("TIDEGATE_BLESS").is_some() {
        std::fs::write(SHIPPED, &made).unwrap();
    }
    let shipped = std::fs::read_to_string(SHIPPED).unwrap_or_default();
    assert!(shipped == made, "deploy/openapi.json is out of date: run TIDEGATE_BLESS=1 cargo test --lib openapi");
}

#[test]
fn every_route_has_its_row_and_every_row_its_route() {
    let source = include_str!("../mod.rs");
    let mut routes = BTreeSet::new();
    let mut nested = true;
    for line in source.lines().map(str::trim) {
        nested &= !line.starts_with("Router::new()");
        let Some(rest) = line.strip_prefix(".route(\"") else { continue };
        let (path, handlers) = rest.split_once('"').expect("a path");
        // Pages for people are no part of the API.
        if handlers.contains("dashboard::") {
            continue;
        }
        for method in ["get", "post", "put", "delete"] {
            if handlers.contains(&format!("{method}(")) {
                routes.insert(format!("{method} {}{path}", if nested { "/v1" } else { "" }));
            }
        }
    }
    let rows: BTreeSet<String> = table::OPERATIONS.iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    assert!(routes.len() > 30, "{routes:?}");
    assert_eq!(rows, routes);
    let ids: BTreeSet<&str> = table::OPERATIONS.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), table::OPERATIONS.len(), "an operation id is used twice");
}

#[test]
fn every_example_is_read_by_its_own_type_and_every_refusal_is_described() {
    for row in table::OPERATIONS {
        assert_eq!(row.body.is_some(), serde_json::from_str::<serde_json::Value>(row.example).is_ok(), "{}", row.id);
        for status in row.refusals() {
            assert!(PROBLEMS.iter().any(|(known, ..)| *known == status), "{} answers {status}", row.id);
        }
    }
}
