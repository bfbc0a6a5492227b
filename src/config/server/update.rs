//! `[[update]]`: which key may change what by dynamic update.

use crate::config::findings::Scope;
use crate::config::v1::{Field, Texts};
use crate::dns::RecordType;
use crate::dns::tsig::KeyRing;
use crate::state::{UpdateNames, UpdateRule, UpdateRules};
use serde::Deserialize;
use toml::Spanned;

/// One `[[update]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UpdateForm {
    key: Field<String>,
    preset: Field<String>,
    name: Field<String>,
    suffix: Field<String>,
    types: Option<Texts>,
}

/// The rules, as far as they are in order.
pub(super) fn judge(forms: &[Spanned<UpdateForm>], ring: &KeyRing, scope: &mut Scope<'_>) -> UpdateRules {
    UpdateRules(forms.iter().filter_map(|form| rule(form, ring, scope)).collect())
}

fn rule(form: &Spanned<UpdateForm>, ring: &KeyRing, scope: &mut Scope<'_>) -> Option<UpdateRule> {
    let (form, span) = (form.get_ref(), form.span());
    let Some(key) = &form.key else {
        scope.refuse(&span, "this rule names no key", "add `key = \"name.\"`, one of `[tsig.keys]`");
        return None;
    };
    let key = scope.known_key(key, ring);
    if form.types.as_ref().is_some_and(|types| types.0.is_empty()) {
        let remedy = "name them, or remove `types`: then it is all but those that have to be named";
        scope.refuse(&span, "`types = []` names no type that the key may change", remedy);
        return None;
    }
    let types = form.types.iter().flat_map(|texts| &texts.0).filter_map(|text| rtype(text, scope)).collect();
    let suffix = form.suffix.as_ref().map(|text| scope.name(text));
    if suffix.as_ref().is_some_and(Option::is_none) {
        return None;
    }
    let suffix = suffix.flatten();
    let names = match (&form.preset, &form.name) {
        (Some(preset), _) if preset.get_ref() != "acme" => {
            scope.refuse(&preset.span(), format!("there is no preset `{}`", preset.get_ref()), "write \"acme\"");
            return None;
        }
        (Some(preset), None) if form.types.is_some() => {
            let message = "the preset `acme` is about TXT records only";
            scope.refuse(&preset.span(), message, "remove `types`, or `preset`");
            return None;
        }
        (Some(_), None) => {
            let names = UpdateNames::Challenges(suffix);
            return Some(UpdateRule { key: key?, names, types: vec![RecordType::TXT] });
        }
        (None, Some(name)) if suffix.is_none() => UpdateNames::Exact(scope.name(name)?),
        (_, Some(name)) => {
            let message = "`name` stands beside `suffix` or `preset`, and only one of them can be meant";
            scope.refuse(&name.span(), message, "keep one; another `[[update]]` says the other");
            return None;
        }
        (None, None) if suffix.is_some() => UpdateNames::Below(suffix),
        (None, None) => {
            let message = "this rule does not say what the key may change";
            let remedy = "add `suffix = \"example.net.\"`, `name = \"host.example.net.\"` or `preset = \"acme\"`; `suffix = \".\"` is everything";
            scope.refuse(&span, message, remedy);
            return None;
        }
    };
    Some(UpdateRule { key: key?, names, types })
}

/// A type that a zone can hold.
fn rtype(text: &Spanned<String>, scope: &mut Scope<'_>) -> Option<RecordType> {
    match text.get_ref().parse::<RecordType>() {
        Ok(rtype) if !rtype.is_meta() => Some(rtype),
        _ => {
            let message = format!("`{}` is no type of records", text.get_ref());
            scope.refuse(&text.span(), message, "write \"A\", \"AAAA\", \"TXT\", \"CNAME\", ...");
            None
        }
    }
}
