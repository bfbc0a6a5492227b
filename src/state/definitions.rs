//! What the operator's files say, checked: the static half of the desired state.

use crate::dns::Name;
use crate::steering::Switch;
use crate::zone::ZoneText;
use ipnet::IpNet;
use std::sync::Arc;

/// All zones, as one reload brings them: all valid, or it never gets here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definitions {
    /// Sorted by apex.
    pub zones: Vec<Arc<ZoneDefinition>>,
}

/// One zone: `zones/<name>.zone` and `zones/<name>.toml` together.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneDefinition {
    /// The top of the zone.
    pub apex: Name,
    /// Static records, SOA and NS included (made from `[zone]` when there is no master file).
    pub text: Arc<ZoneText>,
    /// The serial the SOA record of the files carries.
    pub file_serial: u32,
    /// The switches whose owners lie in this zone.
    pub switches: Vec<Arc<Switch>>,
    /// How many switches of this zone may be moving at once (§3.2); `None`: any number.
    pub max_moving: Option<u32>,
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
    /// The switch of this name, with its zone.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<(&Arc<ZoneDefinition>, &Arc<Switch>)> {
        self.zones.iter().find_map(|zone| zone.switches.iter().find(|s| &*s.name == name).map(|s| (zone, s)))
    }
}
