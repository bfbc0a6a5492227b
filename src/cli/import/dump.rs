//! The dump of a hosted zone as `aws route53 list-resource-record-sets` writes it.
//!
//! Names and values carry octal escapes (`\052` is `*`); master files know decimal ones. Every name in
//! a value is absolute there, with or without its final dot.

use crate::dns::rdata::{display_rdata, parse_rdata_text};
use crate::dns::{Name, RecordType};
use serde::Deserialize;

/// The whole dump.
#[derive(Debug, Deserialize)]
pub(super) struct Dump {
    /// Every record set.
    #[serde(rename = "ResourceRecordSets")]
    pub sets: Vec<SetForm>,
    /// There is more than this file has.
    #[serde(rename = "NextToken")]
    pub next_token: Option<serde_json::Value>,
    /// The same, as the API itself says it.
    #[serde(rename = "IsTruncated", default)]
    pub is_truncated: bool,
}

/// One record set, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetForm {
    name: String,
    r#type: String,
    set_identifier: Option<String>,
    weight: Option<u64>,
    region: Option<String>,
    geo_location: Option<serde_json::Value>,
    geo_proximity_location: Option<serde_json::Value>,
    cidr_routing_config: Option<serde_json::Value>,
    failover: Option<String>,
    multi_value_answer: Option<bool>,
    #[serde(rename = "TTL")]
    ttl: Option<u64>,
    #[serde(default)]
    resource_records: Vec<ValueForm>,
    alias_target: Option<AliasForm>,
    health_check_id: Option<String>,
    traffic_policy_instance_id: Option<String>,
}

/// One value.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ValueForm {
    value: String,
}

/// Where an alias points.
#[derive(Debug, Clone, Deserialize)]
struct AliasForm {
    #[serde(rename = "DNSName")]
    dns_name: String,
}

/// How Route 53 chooses among sets of one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Routing {
    /// There is one set only.
    Simple,
    /// By weight.
    Weighted(u16),
    /// The primary one while it is healthy; `true`: this is it.
    Failover(bool),
    /// All healthy ones, up to eight.
    MultiValue,
    /// What no switch does: in words.
    Other(String),
}

/// A record set that was understood.
#[derive(Debug, Clone)]
pub(super) struct Set {
    /// Its name.
    pub owner: Name,
    /// Its type.
    pub rtype: RecordType,
    /// `SetIdentifier`.
    pub id: Option<String>,
    /// How it is chosen.
    pub routing: Routing,
    /// Its TTL; an alias has none.
    pub ttl_s: u32,
    /// The values, in the form of master files.
    pub values: Vec<String>,
    /// The name it stands in for.
    pub alias: Option<Name>,
    /// The health check it goes by.
    pub health_check: Option<String>,
}

impl Set {
    /// The record in messages: `app.example.test A \`blue\``.
    pub(super) fn title(&self) -> String {
        title(&bare(&self.owner), &self.rtype.to_string(), self.id.as_deref())
    }
}

impl SetForm {
    /// The same before anything is understood.
    pub(super) fn title(&self) -> String {
        let owner = self.owner().map_or_else(|_| self.name.clone(), |name| bare(&name));
        title(&owner, &self.r#type, self.set_identifier.as_deref())
    }

    /// The name it belongs to.
    pub(super) fn owner(&self) -> Result<Name, String> {
        name(&self.name)
    }

    /// Its name and type, where Route 53 chooses among several sets of them.
    pub(super) fn chosen_among(&self) -> Option<(Name, RecordType)> {
        self.set_identifier.as_ref()?;
        Some((self.owner().ok()?, RecordType::from_text(self.r#type.as_bytes())?))
    }

    /// What it says; or why that cannot be said here, and what to do.
    pub(super) fn read(&self) -> Result<Set, (String, String)> {
        let owner =
            self.owner().map_err(|why| (format!("`{}` is no name: {why}", self.name), "correct the dump".into()))?;
        let rtype = RecordType::from_text(self.r#type.as_bytes()).ok_or_else(|| {
            (format!("the type {} is not known", self.r#type), "write it as TYPEnnn (RFC 3597)".to_owned())
        })?;
        if let Some(policy) = &self.traffic_policy_instance_id {
            return Err((
                format!("it is made by the traffic policy instance {policy}"),
                "write a switch with the pools and weights of the policy".into(),
            ));
        }
        let mut values = Vec::with_capacity(self.resource_records.len());
        for record in &self.resource_records {
            let text = decimal_escapes(&record.value);
            let wire = parse_rdata_text(rtype, &text, &Name::root()).map_err(|error| {
                (format!("its value `{}` is not valid: {error}", record.value), "correct the value".into())
            })?;
            values.push(display_rdata(rtype, &wire));
        }
        let alias = match &self.alias_target {
            Some(alias) => Some(name(&alias.dns_name).map_err(|why| {
                (format!("its target `{}` is no name: {why}", alias.dns_name), "correct the dump".into())
            })?),
            None => None,
        };
        if values.is_empty() && alias.is_none() {
            return Err(("it has no values".into(), "write the records that are meant".into()));
        }
        Ok(Set {
            owner,
            rtype,
            id: self.set_identifier.clone(),
            routing: self.routing()?,
            ttl_s: u32::try_from(self.ttl.unwrap_or(60)).unwrap_or(u32::MAX).min(0x7fff_ffff),
            values,
            alias,
            health_check: self.health_check_id.clone(),
        })
    }

    fn routing(&self) -> Result<Routing, (String, String)> {
        let other = |what: String| Ok(Routing::Other(what));
        if let Some(region) = &self.region {
            return other(format!("latency routing (region {region})"));
        }
        if let Some(place) = &self.geo_location {
            return other(format!("geolocation routing ({})", compact(place)));
        }
        if let Some(place) = &self.geo_proximity_location {
            return other(format!("geoproximity routing ({})", compact(place)));
        }
        if let Some(cidr) = &self.cidr_routing_config {
            return other(format!("IP-based routing ({})", compact(cidr)));
        }
        match (self.weight, self.failover.as_deref(), self.multi_value_answer) {
            (Some(weight), ..) => match u16::try_from(weight).ok().filter(|weight| *weight <= 10_000) {
                Some(weight) => Ok(Routing::Weighted(weight)),
                None => Err((format!("its weight {weight} is beyond 10000"), "write weights of the same ratio".into())),
            },
            (None, Some("PRIMARY"), _) => Ok(Routing::Failover(true)),
            (None, Some("SECONDARY"), _) => Ok(Routing::Failover(false)),
            (None, Some(word), _) => other(format!("failover routing ({word})")),
            (None, None, Some(true)) => Ok(Routing::MultiValue),
            (None, None, _) => Ok(Routing::Simple),
        }
    }
}

/// `owner TYPE \`id\``.
fn title(owner: &str, rtype: &str, id: Option<&str>) -> String {
    id.map_or_else(|| format!("{owner} {rtype}"), |id| format!("{owner} {rtype} `{id}`"))
}

/// A name without its final dot.
pub(super) fn bare(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.').filter(|bare| !bare.is_empty()).unwrap_or(&text).to_owned()
}

/// The values of a JSON object, one after the other.
fn compact(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key} {}", compact(value))).collect::<Vec<_>>().join(", ")
        }
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A name with octal escapes.
pub(super) fn name(text: &str) -> Result<Name, String> {
    Name::parse(&decimal_escapes(&text.to_lowercase()), Some(&Name::root())).map_err(|error| error.to_string())
}

/// Octal escapes (`\052`) as master files have them (`\042`); `*` as itself, so that a wildcard is one.
fn decimal_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let behind = rest.get(at + 1..).unwrap_or_default();
        let digits = behind.get(..3).filter(|digits| digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit)));
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(b'*') => {
                out.push('*');
                rest = behind.get(3..).unwrap_or_default();
            }
            Some(octet) => {
                out.push_str(&format!("\\{octet:03}"));
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                // What is escaped otherwise stands for itself, a second backslash too.
                let next = behind.chars().next();
                out.push('\\');
                out.extend(next);
                rest = behind.get(next.map_or(0, char::len_utf8)..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Set, (String, String)> {
        serde_json::from_str::<SetForm>(json).unwrap().read()
    }

    #[test]
    fn octal_escapes_become_what_they_stand_for() {
        assert_eq!(name(r"\052.App.example.test.").unwrap().to_string(), "*.app.example.test.");
        assert_eq!(name(r"a\056b\041.test").unwrap().to_string(), r"a\.b!.test.");
        assert_eq!(decimal_escapes(r#""a\"b \\052 \303\244 \777""#), r#""a\"b \\052 \195\164 \777""#);
    }

    #[test]
    fn names_in_values_are_absolute_and_texts_keep_their_strings() {
        let mx = read(r#"{"Name":"a.test.","Type":"MX","TTL":5,"ResourceRecords":[{"Value":"10 mail.a.test"}]}"#);
        assert_eq!(mx.unwrap().values, ["10 mail.a.test."]);
        let txt = read(
            r#"{"Name":"a.test.","Type":"TXT","TTL":5,"ResourceRecords":[{"Value":"\"v=x1; p=\" \"ab\\303\\244\""}]}"#,
        );
        assert_eq!(txt.unwrap().values, [r#""v=x1; p=" "ab\195\164""#]);
    }

    #[test]
    fn what_is_not_understood_says_why_and_what_to_do() {
        for (json, why) in [
            (r#"{"Name":"a.test.","Type":"A","TTL":5,"ResourceRecords":[{"Value":"1.2.3"}]}"#, "not valid"),
            (r#"{"Name":"a.test.","Type":"NEWTYPE","TTL":5,"ResourceRecords":[{"Value":"x"}]}"#, "not known"),
            (r#"{"Name":"a.test.","Type":"A"}"#, "no values"),
            (r#"{"Name":"a.test.","Type":"A","Weight":70000,"ResourceRecords":[{"Value":"192.0.2.1"}]}"#, "beyond"),
        ] {
            let (said, remedy) = read(json).unwrap_err();
            assert!(said.contains(why) && !remedy.is_empty(), "{said}");
        }
    }
}
