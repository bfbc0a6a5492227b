//! The names of a zone's switches, for many questions about what lies above them.

use super::catalogue::steered_names;
use super::definitions::ZoneDefinition;
use crate::dns::{Name, RecordType};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Which names have a name of a switch at or below them. Gathered once, when that is first asked.
pub(super) struct SwitchNames<'a> {
    definition: &'a ZoneDefinition,
    /// By wire form.
    above: OnceCell<HashMap<Box<[u8]>, Arc<str>>>,
}

impl<'a> SwitchNames<'a> {
    /// Those of a zone.
    pub(super) fn of(definition: &'a ZoneDefinition) -> Self {
        Self { definition, above: OnceCell::new() }
    }

    /// The switch whose names a delegation or redirection at this name would take away.
    pub(super) fn hidden_by(&self, owner: &Name, rtype: RecordType) -> Option<&str> {
        let cuts = rtype == RecordType::DNAME || rtype == RecordType::NS && *owner != self.definition.apex;
        let above = || self.above.get_or_init(|| above(self.definition));
        cuts.then(|| above().get(owner.wire())).flatten().map(|switch| &**switch)
    }
}

/// Every name from those of switches up to the apex.
fn above(definition: &ZoneDefinition) -> HashMap<Box<[u8]>, Arc<str>> {
    let mut above: HashMap<Box<[u8]>, Arc<str>> = HashMap::new();
    let mut names = Vec::new();
    for switch in &definition.switches {
        names.clear();
        steered_names(switch, 0, &mut names);
        for (name, _) in &names {
            let mut rest = name.wire();
            // Above a name that is known everything is known.
            while rest.len() >= definition.apex.wire().len() && !above.contains_key(rest) {
                above.insert(rest.into(), Arc::clone(&switch.name));
                let label = rest.first().map_or(0, |len| usize::from(*len));
                rest = rest.get(1 + label..).unwrap_or_default();
            }
        }
    }
    above
}
