//! What the operator's files say, checked: the static half of the desired state.

use super::catalogue::steered_names;
use super::guests::{Guest, seated};
use super::transfers::{Peer, TransferOverride};
use crate::dns::Name;
use crate::rollout::Plan;
use crate::steering::{GeoDatabases, GeoError, GeoNetworks, GeoWanted, NetworkRules, RuleMatch, Switch};
use crate::zone::{Closed, SteerId, Zone, ZoneText};
use ipnet::IpNet;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// All zones, as one reload brings them: all valid, or it never gets here.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    /// Sorted by apex.
    pub zones: Vec<Arc<ZoneDefinition>>,
    /// Networks of the countries and systems that rules name.
    pub geo: Arc<GeoNetworks>,
    /// Whom the rules of a switch concern, where they go by network.
    networks: HashMap<Arc<str>, Arc<NetworkRules>>,
    /// Where each switch stands, sorted by name: index of its zone, and of itself in there.
    places: Box<[(u32, u32)]>,
    /// Switches that stand in `zones` with their guests, as the files have them.
    written: HashMap<Arc<str>, Arc<Switch>>,
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
    /// Who may take the zone and who is told, as far as its files say it.
    pub transfer: TransferOverride,
    /// Who has the zone's data, when this server keeps a copy of it; else nobody.
    pub primaries: Arc<[Peer]>,
    /// Whether it is made here, of the others (the catalog): nobody updates it.
    pub generated: bool,
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

impl PartialEq for Definitions {
    /// What follows from the rest is not looked at.
    fn eq(&self, other: &Self) -> bool {
        self.zones == other.zones && self.geo == other.geo
    }
}

impl Definitions {
    /// Gathers zones, sorted by apex, whose rules name no country or system.
    #[must_use]
    pub fn new(zones: Vec<Arc<ZoneDefinition>>) -> Self {
        Self::with_networks(zones, Arc::default())
    }

    /// The same zones, with what other databases have of what their rules name.
    ///
    /// # Errors
    /// A database turns out to be damaged.
    pub fn with_databases(&self, databases: &GeoDatabases) -> Result<Self, GeoError> {
        let mut wanted = GeoWanted::default();
        self.zones.iter().flat_map(|zone| &zone.switches).for_each(|switch| wanted.add(switch));
        let networks = Arc::new(GeoNetworks::search(databases, &wanted)?);
        Ok(Self { written: self.written.clone(), ..Self::with_networks(self.zones.clone(), networks) })
    }

    /// Gathers zones, sorted by apex, with the networks that were found for their rules.
    #[must_use]
    pub fn with_networks(zones: Vec<Arc<ZoneDefinition>>, geo: Arc<GeoNetworks>) -> Self {
        let of_zone = |(at, zone): (u32, &Arc<ZoneDefinition>)| {
            (0..).zip(&zone.switches).map(move |(index, _)| (at, index)).collect::<Vec<_>>()
        };
        let mut places: Box<[(u32, u32)]> = (0..).zip(&zones).flat_map(of_zone).collect();
        places.sort_by_key(|(zone, index)| zones[*zone as usize].switches[*index as usize].name.clone());
        let networks = network_rules(&zones, &geo);
        Self { zones, geo, networks, places, written: HashMap::new() }
    }

    /// Whom the rules of this switch concern, if any goes by network.
    #[must_use]
    pub fn networks(&self, switch: &str) -> Option<&Arc<NetworkRules>> {
        self.networks.get(switch)
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

    /// The switch of this name as the files have it, without guests.
    #[must_use]
    pub fn written(&self, name: &str) -> Option<&Arc<Switch>> {
        self.written.get(name).or_else(|| self.switch(name).map(|(_, switch)| switch))
    }

    /// Everything as the files have it.
    #[must_use]
    pub fn as_written(&self) -> Cow<'_, Self> {
        if self.written.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut plain = self.clone();
        for name in self.written.keys() {
            plain.seat(name, &[]);
        }
        Cow::Owned(plain)
    }

    /// Puts a switch with these guests where it stands; without any, as the files have it.
    pub(super) fn seat(&mut self, name: &str, guests: &[Guest]) {
        let Some(written) = self.written(name).cloned() else { return };
        let found = |place: &(u32, u32)| self.at(*place).map(|(_, switch)| &*switch.name);
        let Ok(at) = self.places.binary_search_by(|place| found(place).cmp(&Some(name))) else { return };
        let (zone, index) = self.places[at];
        let zone = Arc::make_mut(&mut self.zones[zone as usize]);
        zone.switches[index as usize] = seated(&written, guests);
        if guests.is_empty() {
            self.written.remove(name);
        } else {
            self.written.insert(written.name.clone(), written);
        }
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
        let data = Arc::new(build(&apex, text, &switches));
        Self {
            apex,
            data,
            file_serial,
            switches,
            max_moving,
            plans: BTreeMap::new(),
            transfer: TransferOverride::default(),
            primaries: Arc::default(),
            generated: false,
        }
    }

    /// A zone whose data come from these primaries.
    #[must_use]
    pub fn copy_of(apex: Name, primaries: Vec<Peer>) -> Self {
        let mut definition = Self::compile(apex, &ZoneText::default(), 0, Vec::new(), None);
        definition.data = Arc::new(Zone::closed(&definition.apex, Closed::NotLoaded));
        definition.primaries = primaries.into();
        definition
    }

    /// Whether its data come from elsewhere.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        !self.primaries.is_empty()
    }

    /// Compiles other static records under the same switches.
    #[must_use]
    pub fn build(&self, text: &ZoneText) -> Zone {
        build(&self.apex, text, &self.switches)
    }

    /// The first switch of which some name is as asked.
    pub(super) fn switch_at(&self, is_asked: impl Fn(&Name) -> bool) -> Option<String> {
        let mut names = Vec::new();
        let found = self.switches.iter().find(|switch| {
            names.clear();
            steered_names(switch, 0, &mut names);
            names.iter().any(|(name, _)| is_asked(name))
        });
        found.map(|switch| switch.name.to_string())
    }
}

/// Compiles static records with the steered names of switches.
fn build(apex: &Name, text: &ZoneText, switches: &[Arc<Switch>]) -> Zone {
    let mut owners = Vec::new();
    switches.iter().for_each(|switch| steered_names(switch, 0, &mut owners));
    let steered: Vec<(Name, SteerId)> =
        owners.into_iter().zip((0..).map(SteerId)).map(|((name, _), id)| (name, id)).collect();
    Zone::build(apex, text, &steered)
}

/// The rules of switches that have some by network; switches with the same rules share what is cut.
fn network_rules(zones: &[Arc<ZoneDefinition>], geo: &GeoNetworks) -> HashMap<Arc<str>, Arc<NetworkRules>> {
    let mut known: HashMap<Vec<&RuleMatch>, Arc<NetworkRules>> = HashMap::new();
    let mut networks = HashMap::new();
    for switch in zones.iter().flat_map(|zone| &zone.switches) {
        if switch.rules.iter().any(|rule| rule.matches.goes_by_network()) {
            let matches = switch.rules.iter().map(|rule| &rule.matches).collect();
            let rules = known.entry(matches).or_insert_with(|| Arc::new(NetworkRules::new(&switch.rules, geo)));
            networks.insert(switch.name.clone(), Arc::clone(rules));
        }
    }
    networks
}
