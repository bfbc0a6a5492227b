//! `primaries` of `[zone]`: a zone whose data are taken from other servers, so that nothing else may say them.

use super::findings::Scope;
use super::folder::ZoneFiles;
use super::server::peer;
use super::switch::Marked;
use super::v1::{Texts, ZoneForm};
use super::zone::soa_keys;
use crate::dns::tsig::KeyRing;
use crate::state::Peer;
use std::collections::HashSet;
use toml::Spanned;

/// Primaries of one zone, at most: each is asked before the next.
const MAX_PRIMARIES: usize = 16;

/// The primaries of a zone; what stands in the way of taking its data from them is refused.
pub(super) fn judge(
    texts: &Texts,
    form: &Spanned<ZoneForm>,
    files: &ZoneFiles,
    switches: &[Marked],
    keys: Option<&KeyRing>,
    scope: &mut Scope<'_>,
) -> Vec<Peer> {
    let at = texts.0.first().map_or_else(|| form.span(), Spanned::span);
    if texts.0.is_empty() || texts.0.len() > MAX_PRIMARIES {
        let message = format!("`primaries` names {} servers, and 1 to {MAX_PRIMARIES} may be", texts.0.len());
        scope.refuse(&at, message, "write `primaries = [\"192.0.2.53\"]`, or remove the key");
    }
    if let Some(master) = &files.master {
        let message = format!("the zone's data come from its primaries, and `{}` says them too", master.display());
        scope.refuse(&at, message, "remove that file, or `primaries`");
    }
    for (key, at) in soa_keys(form.get_ref()) {
        scope.refuse(&at, format!("`{key}` comes from the primaries"), "remove it here");
    }
    if let Some(number) = &form.get_ref().max_moving {
        scope.refuse(&number.span(), "no switch can move in a zone that is a copy", "remove it here");
    }
    for marked in switches {
        let message = format!("switch `{}` lies in a zone that is a copy of its primaries'", marked.switch.name);
        let remedy = "delegate a subdomain to this server, and write the switch into the file of that zone";
        scope.refuse(&marked.name, message, remedy);
    }
    let mut seen = HashSet::new();
    let mut primaries = Vec::new();
    for text in &texts.0 {
        let Some(primary) = peer(text, "a primary", keys, scope) else { continue };
        if !seen.insert(primary.address) {
            scope.refuse(&text.span(), format!("{} stands twice in `primaries`", primary.address), "remove one");
        }
        primaries.push(primary);
    }
    primaries
}
