//! Queries with places to fill in: `{pool}`, `{switch}`, `{version}`, `{addresses}`. Pure.

use std::net::IpAddr;

/// What is filled in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'a> {
    /// The switch.
    pub(super) switch: &'a str,
    /// Its pool.
    pub(super) pool: &'a str,
    /// The version the pool's members show.
    pub(super) version: Option<&'a str>,
    /// The addresses of its members.
    pub(super) addresses: &'a [IpAddr],
}

impl Filling<'_> {
    /// The query with everything filled in, once: what is filled in is never searched again.
    ///
    /// # Errors
    /// The query asks for what the pool does not have.
    pub(super) fn fill(&self, template: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            filled += before;
            let place = ["{pool}", "{switch}", "{version}", "{addresses}"].into_iter().find(|p| from.starts_with(p));
            let Some(place) = place else {
                // PromQL's own braces stay.
                filled.push('{');
                rest = from.strip_prefix('{').unwrap_or("");
                continue;
            };
            filled += &escaped(&self.value(place)?);
            rest = from.strip_prefix(place).unwrap_or("");
        }
        Ok(filled + rest)
    }

    fn value(&self, place: &str) -> Result<String, String> {
        let pool = self.pool;
        match place {
            "{pool}" => Ok(pool.to_owned()),
            "{switch}" => Ok(self.switch.to_owned()),
            "{version}" => self
                .version
                .map(str::to_owned)
                .ok_or_else(|| format!("the query needs {{version}}, and pool {pool} expects none")),
            _ if self.addresses.is_empty() => {
                Err(format!("the query needs {{addresses}}, and pool {pool} has no members"))
            }
            _ => Ok(self.addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join("|")),
        }
    }
}

/// A value inside a PromQL string of either quotes: what could end the string or begin an escape is
/// written by its code, since `\"` is a fault between single quotes and `\'` between double ones.
fn escaped(value: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | '"' | '\'' | '`') || c.is_ascii_control() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{:02x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filling<'a>(version: Option<&'a str>, addresses: &'a [IpAddr]) -> Filling<'a> {
        Filling { switch: "model", pool: "green", version, addresses }
    }

    #[test]
    fn places_are_filled_and_other_braces_stay() {
        let addresses = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let query = r#"sum by (x) (m{pool="{pool}",s="{switch}",v='{version}',i=~"({addresses}):80"}) / {pool"#;
        assert_eq!(
            filling(Some("v2"), &addresses).fill(query).unwrap(),
            r#"sum by (x) (m{pool="green",s="model",v='v2',i=~"(192.0.2.1|2001:db8::1):80"}) / {pool"#
        );
    }

    #[test]
    fn what_is_filled_in_is_not_searched_again() {
        assert_eq!(filling(Some("{pool}"), &[]).fill("{version}{").unwrap(), "{pool}{");
    }

    #[test]
    fn what_the_pool_does_not_have_is_said() {
        let bare = filling(None, &[]);
        assert!(bare.fill("m{v=\"{version}\"}").unwrap_err().contains("pool green expects none"));
        assert!(bare.fill("m{i=~\"{addresses}\"}").unwrap_err().contains("pool green has no members"));
    }

    proptest! {
        #[test]
        fn a_value_never_ends_the_string_it_stands_in(version in "\\PC*|[\\\\'\"`\n\t]*") {
            let text = filling(Some(&version), &[]).fill("{version}").unwrap();
            prop_assert!(!text.contains(['"', '\'', '`', '\n']));
            // Each backslash begins a code of two digits, which gives the value back.
            let mut back = String::new();
            let mut rest = text.as_str();
            while let Some(c) = rest.chars().next() {
                rest = &rest[c.len_utf8()..];
                if c == '\\' {
                    prop_assert!(rest.starts_with('x'));
                    back.push(char::from(u8::from_str_radix(&rest[1..3], 16).unwrap()));
                    rest = &rest[3..];
                } else {
                    back.push(c);
                }
            }
            prop_assert_eq!(back, version);
        }
    }
}
