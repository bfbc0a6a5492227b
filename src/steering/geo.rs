//! Networks of countries and autonomous systems, from databases in MaxMind's format over loaded bytes.
//!
//! A database is verified once and then searched from end to end for the countries and systems that
//! rules name. The country is `country.iso_code`: where the network is used, not where it is
//! registered. The system is `autonomous_system_number`. 6to4 and Teredo addresses, which databases
//! alias to IPv4, belong to nobody. Never opens a file.

use super::CountryCode;
use super::definition::{Rule, RuleMatch, Switch};
use ipnet::IpNet;
use maxminddb::{PathElement, Reader, WithinOptions};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// What a database is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GeoKind {
    /// Countries.
    Country,
    /// Autonomous systems.
    Asn,
}

/// What is told about a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeoFacts {
    /// What it is about.
    pub kind: GeoKind,
    /// The file, as the operator named it.
    pub file: Arc<str>,
    /// What it says it is, such as `GeoLite2-Country`.
    pub content: Arc<str>,
    /// When it was built, seconds since 1970.
    pub built_unix_s: u64,
}

/// A database, verified.
#[derive(Debug)]
pub struct GeoDatabase {
    facts: GeoFacts,
    reader: Reader<Vec<u8>>,
}

/// The databases there are; none of a kind: rules of that kind are refused.
#[derive(Debug, Clone, Default)]
pub struct GeoDatabases {
    /// By country.
    pub country: Option<Arc<GeoDatabase>>,
    /// By autonomous system.
    pub asn: Option<Arc<GeoDatabase>>,
}

/// What the rules name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeoWanted {
    countries: BTreeSet<CountryCode>,
    asns: BTreeSet<u32>,
}

/// The networks of what the rules name, sorted, and where they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeoNetworks {
    /// The databases they come from.
    pub databases: Vec<GeoFacts>,
    countries: BTreeMap<CountryCode, Vec<IpNet>>,
    asns: BTreeMap<u32, Vec<IpNet>>,
}

/// What a look at the files brought: all of them, or why the last ones stay.
pub type GeoReport = Result<GeoDatabases, String>;

/// Why a file is no database to go by.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// It is not in the format, or damaged.
    #[error("{file} is no usable database by {kind}: {source}; put back the last good file, or download it again")]
    Damaged {
        /// The file.
        file: Arc<str>,
        /// What it should be about.
        kind: GeoKind,
        /// Why.
        source: maxminddb::MaxMindDbError,
    },
    /// It is about something else.
    #[error("{file} is a `{content}`, whose records have no `{}`: name a database by {kind}", kind.field().join("."))]
    About {
        /// The file.
        file: Arc<str>,
        /// What it should be about.
        kind: GeoKind,
        /// What it says it is.
        content: Arc<str>,
    },
    /// It has more networks than its search tree has room for.
    #[error("{file} leads in circles; put back the last good file, or download it again")]
    Circular {
        /// The file.
        file: Arc<str>,
    },
}

impl GeoKind {
    /// The field of a record that matters.
    const fn field(self) -> &'static [&'static str] {
        match self {
            Self::Country => &["country", "iso_code"],
            Self::Asn => &["autonomous_system_number"],
        }
    }
}

impl std::fmt::Display for GeoKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Country => "country",
            Self::Asn => "asn",
        })
    }
}

impl GeoDatabase {
    /// Verifies the bytes of a file.
    ///
    /// # Errors
    /// [`GeoError`], when it is damaged or about something else.
    pub fn read(kind: GeoKind, file: &str, bytes: Vec<u8>) -> Result<Self, GeoError> {
        let file: Arc<str> = file.into();
        let damaged = |source| GeoError::Damaged { file: file.clone(), kind, source };
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        reader.verify().map_err(damaged)?;
        let metadata = reader.metadata();
        let facts = GeoFacts {
            kind,
            file: file.clone(),
            content: metadata.database_type.as_str().into(),
            built_unix_s: metadata.build_epoch,
        };
        let database = Self { facts, reader };
        let mut found = false;
        database.each(|_, value| {
            found |= value.is_some();
            !found
        })?;
        if found { Ok(database) } else { Err(GeoError::About { file, kind, content: database.facts.content }) }
    }

    /// What is told about it.
    #[must_use]
    pub fn facts(&self) -> &GeoFacts {
        &self.facts
    }

    /// Shows every network with its value, in rising order, until told to stop.
    fn each(&self, mut show: impl FnMut(IpNet, Option<Value>) -> bool) -> Result<(), GeoError> {
        let GeoFacts { kind, file, .. } = &self.facts;
        let damaged = |source| GeoError::Damaged { file: file.clone(), kind: *kind, source };
        // Records are shared by the networks that have them.
        let mut known: HashMap<usize, Option<Value>> = HashMap::new();
        // A tree of n nodes has n + 1 ends.
        let limit = u64::from(self.reader.metadata().node_count) + 1;
        let found = self.reader.networks(WithinOptions::default()).map_err(damaged)?;
        for (number, found) in (0u64..).zip(found) {
            if number > limit {
                return Err(GeoError::Circular { file: file.clone() });
            }
            let found = found.map_err(damaged)?;
            let Some(offset) = found.offset() else { continue };
            let value = match known.get(&offset) {
                Some(value) => *value,
                None => *known.entry(offset).or_insert(Value::of(*kind, &found).map_err(damaged)?),
            };
            let network = found.network().map_err(damaged)?;
            let Ok(network) = IpNet::new(network.ip(), network.prefix()) else { continue };
            if !show(network, value) {
                break;
            }
            if let IpNet::V6(v6) = network
                && v6.prefix_len() <= 96
                && v6.network().is_unspecified()
                && !show(IpNet::new_assert(IpAddr::from([0; 4]), 0), value)
            {
                // It holds `::/96` as well, which is where databases keep IPv4.
                break;
            }
        }
        Ok(())
    }
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Country(CountryCode),
    Asn(u32),
    /// A country without a code of ours.
    Other,
}

impl Value {
    fn of(
        kind: GeoKind,
        found: &maxminddb::LookupResult<'_, Vec<u8>>,
    ) -> Result<Option<Self>, maxminddb::MaxMindDbError> {
        let path: Vec<PathElement<'_>> = kind.field().iter().map(|key| PathElement::Key(key)).collect();
        Ok(match kind {
            GeoKind::Country => found
                .decode_path::<&str>(&path)?
                .map(|text| CountryCode::parse(text).map_or(Self::Other, Self::Country)),
            GeoKind::Asn => found.decode_path::<u32>(&path)?.map(Self::Asn),
        })
    }
}

impl GeoDatabases {
    /// Whether rules of this kind can be honoured.
    #[must_use]
    pub fn has(&self, kind: GeoKind) -> bool {
        match kind {
            GeoKind::Country => self.country.is_some(),
            GeoKind::Asn => self.asn.is_some(),
        }
    }
}

impl GeoWanted {
    /// Adds what the rules of a switch name.
    pub fn add(&mut self, switch: &Switch) {
        for rule in &switch.rules {
            match &rule.matches {
                RuleMatch::Countries(list) => self.countries.extend(list),
                RuleMatch::Asns(list) => self.asns.extend(list),
                RuleMatch::Networks(_) | RuleMatch::Labels(_) | RuleMatch::LabelPrefixes(_) => {}
            }
        }
    }
}

impl GeoNetworks {
    /// Searches the databases for what is wanted.
    ///
    /// # Errors
    /// [`GeoError`], when a database turns out to be damaged after all.
    pub fn search(databases: &GeoDatabases, wanted: &GeoWanted) -> Result<Self, GeoError> {
        let mut networks = Self::default();
        for database in databases.country.iter().chain(&databases.asn) {
            networks.databases.push(database.facts.clone());
            let any = match database.facts.kind {
                GeoKind::Country => !wanted.countries.is_empty(),
                GeoKind::Asn => !wanted.asns.is_empty(),
            };
            if !any {
                continue;
            }
            database.each(|network, value| {
                match value {
                    Some(Value::Country(code)) if wanted.countries.contains(&code) => {
                        add(networks.countries.entry(code).or_default(), network);
                    }
                    Some(Value::Asn(asn)) if wanted.asns.contains(&asn) => {
                        add(networks.asns.entry(asn).or_default(), network);
                    }
                    _ => {}
                }
                true
            })?;
        }
        Ok(networks)
    }

    /// By the name of the rule, each country and system that a database should have and has not.
    pub fn absent_from<'r>(&self, rules: &'r [Rule]) -> impl Iterator<Item = (&'r str, String)> {
        rules.iter().flat_map(|rule| {
            let absent: Vec<String> = match &rule.matches {
                RuleMatch::Countries(codes) => {
                    codes.iter().filter(|code| self.of_country(**code).is_empty()).map(ToString::to_string).collect()
                }
                RuleMatch::Asns(asns) => {
                    asns.iter().filter(|asn| self.of_asn(**asn).is_empty()).map(|asn| format!("AS{asn}")).collect()
                }
                RuleMatch::Networks(_) | RuleMatch::Labels(_) | RuleMatch::LabelPrefixes(_) => Vec::new(),
            };
            absent.into_iter().map(|absent| (&*rule.name, absent))
        })
    }

    /// The networks of a country; none when no rule names it.
    #[must_use]
    pub fn of_country(&self, code: CountryCode) -> &[IpNet] {
        self.countries.get(&code).map_or(&[], Vec::as_slice)
    }

    /// The networks of an autonomous system; none when no rule names it.
    #[must_use]
    pub fn of_asn(&self, asn: u32) -> &[IpNet] {
        self.asns.get(&asn).map_or(&[], Vec::as_slice)
    }
}

/// Adds a network behind the others; two halves become one.
fn add(list: &mut Vec<IpNet>, mut network: IpNet) {
    while let (Some(last), Some(whole)) = (list.last(), network.supernet())
        && last.prefix_len() == network.prefix_len()
        && last.supernet() == Some(whole)
        && *last != network
    {
        list.pop();
        network = whole;
    }
    list.push(network);
}
