//! What the operator's files say, checked: the static half of the desired state.

use super::catalogue::steered_names;
use crate::dns::Name;
use crate::rollout::Plan;
use crate::steering::Switch;
use crate::zone::{SteerId, Zone, ZoneText};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All zones, as one reload brings them: all valid, or it never gets here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definitions {
    /// Sorted by apex.
    pub zones: Vec<Arc<ZoneDefinition>>,
    /// Where each switch stands, sorted by name: index of its zone, and of itself in there.
    places: Box<[(u32, u32)]>,
}

/// One zone: `zones/<name>.zone` and `zones/<name>.toml` together.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneDefinition {
    /// The top of the zone.
    pub apex: Name,
    /// Static records, SOA and NS included (made from `[zone]` when there is no master file), compiled
    /// with the steered names of `switches`: a name's [`SteerId`] counts from the zone's first one.
    pub data: Arc<Zone>,
    /// The serial the SOA record of the files carries.
    pub file_serial: u32,
    /// The switches whose owners lie in this zone.
    pub switches: Vec<Arc<Switch>>,
    /// How many switches of this zone may be moving at once (§3.2); `None`: any number.
    pub max_moving: Option<u32>,
    /// How switches are released, for those whose files say it.
    pub plans: BTreeMap<Arc<str>, Arc<Plan>>,
}

/// Server-wide answers that do not come from zones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerSettings {
    /// CH TXT `version.bind`; refused when absent.
    pub version: Option<String>,
    /// CH TXT `id.server`; refused when absent.
    pub id_server: Option<String>,
    /// Resolvers whose ECS option is believed; empty: all.
    pub ecs_from: Vec<IpNet>,
}

impl Definitions {
    /// Gathers zones, sorted by apex.
    #[must_use]
    pub fn new(zones: Vec<Arc<ZoneDefinition>>) -> Self {
        let of_zone = |(at, zone): (u32, &Arc<ZoneDefinition>)| {
            (0..).zip(&zone.switches).map(move |(index, _)| (at, index)).collect::<Vec<_>>()
        };
        let mut places: Box<[(u32, u32)]> = (0..).zip(&zones).flat_map(of_zone).collect();
        places.sort_by_key(|(zone, index)| zones[*zone as usize].switches[*index as usize].name.clone());
        Self { zones, places }
    }

    /// The switch of this name, with its zone.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<(&Arc<ZoneDefinition>, &Arc<Switch>)> {
        let found = |place: &(u32, u32)| self.at(*place).map(|(_, switch)| &*switch.name);
        let at = self.places.binary_search_by(|place| found(place).cmp(&Some(name))).ok()?;
        self.at(*self.places.get(at)?)
    }

    fn at(&self, (zone, index): (u32, u32)) -> Option<(&Arc<ZoneDefinition>, &Arc<Switch>)> {
        let zone = self.zones.get(zone as usize)?;
        Some((zone, zone.switches.get(index as usize)?))
    }

    /// The plan the files give a switch.
    #[must_use]
    pub fn plan(&self, switch: &str) -> Option<&Arc<Plan>> {
        self.switch(switch)?.0.plans.get(switch)
    }
}

impl ZoneDefinition {
    /// Compiles a zone. The text is not kept: it takes more memory than what is made of it.
    #[must_use]
    pub fn compile(
        apex: Name,
        text: &ZoneText,
        file_serial: u32,
        switches: Vec<Arc<Switch>>,
        max_moving: Option<u32>,
    ) -> Self {
        let mut owners = Vec::new();
        switches.iter().for_each(|switch| steered_names(switch, 0, &mut owners));
        let steered: Vec<(Name, SteerId)> =
            owners.into_iter().zip((0..).map(SteerId)).map(|((name, _), id)| (name, id)).collect();
        let data = Arc::new(Zone::build(&apex, text, &steered));
        Self { apex, data, file_serial, switches, max_moving, plans: BTreeMap::new() }
    }
}
