//! API tokens as a table: never a secret.

use super::{Cell, Page, Table, Tone, times};
use crate::admin::tokens::TokenList;

/// Tokens as a table.
pub(in crate::cli) fn show(page: &mut Page, list: &TokenList) {
    let mut table = Table::new(0, &["ID", "NAME", "ROLE", "SWITCHES", "CREATED", "EXPIRES"]);
    for token in &list.tokens {
        let switches = if token.switches.is_empty() { "all".to_owned() } else { token.switches.join(",") };
        let expires = match &token.expires_at {
            None => Cell::from("never"),
            Some(_) if token.expired => Cell::toned(Tone::Bad, "expired"),
            Some(at) => Cell::from(times::relative_of(at, page.now_unix_ms())),
        };
        let created = times::relative_of(&token.created_at, page.now_unix_ms());
        table.row(vec![
            token.id.as_str().into(),
            token.name.as_str().into(),
            token.role.as_str().into(),
            switches.into(),
            created.into(),
            expires,
        ]);
    }
    page.table(&table);
}
