//! Pools: members and their addresses, other record sets, weights.

use super::findings::Scope;
use super::folder::Folder;
use super::v1::{Entries, Field, MemberForm, MemberTable, PoolForm, Scalar, SwitchForm, Texts, written_order};
use super::value::Addresses;
use crate::dns::rdata::parse_rdata_text;
use crate::dns::{Name, RecordType, Rrset};
use crate::steering::{Extras, Given, MAX_WEIGHT, Member, Pool};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::ops::Range;
use toml::Spanned;

/// The most members of one pool: what a table of them can name.
const MAX_MEMBERS: usize = 65_535;

/// The most pools of one switch: each is a name to serve and a row on a screen.
const MAX_POOLS: usize = 256;

/// Pools, the places of their names, and the places of their members.
type MarkedPools = (Vec<Pool>, Vec<Range<usize>>, Vec<Vec<Range<usize>>>);

/// Types that belong to the zone or its signatures and can't differ between pools.
const ZONE_TYPES: [RecordType; 12] = [
    RecordType::SOA,
    RecordType::NS,
    RecordType::DNAME,
    RecordType::DS,
    RecordType::RRSIG,
    RecordType::NSEC,
    RecordType::DNSKEY,
    RecordType::NSEC3,
    RecordType::NSEC3PARAM,
    RecordType::CDS,
    RecordType::CDNSKEY,
    RecordType::CSYNC,
];

impl Scope<'_> {
    /// The pools of a switch in the order of the file.
    pub(super) fn pools(
        &mut self,
        span: &Range<usize>,
        form: &SwitchForm,
        ttl_s: u32,
        apex: &Name,
        folder: &Folder,
    ) -> MarkedPools {
        let count = form.pool.len();
        let (mut pools, mut spans, mut members) =
            (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
        for (name, pool) in written_order(&form.pool) {
            self.label("pool", name);
            let (pool, places) = self.pool(name, pool, ttl_s, apex, folder);
            pools.push(pool);
            spans.push(name.span());
            members.push(places);
        }
        let sum: u32 = pools.iter().map(|pool: &Pool| u32::from(pool.weight)).sum();
        if pools.len() > MAX_POOLS {
            let message = format!("the switch has {} pools; {MAX_POOLS} are allowed", pools.len());
            self.refuse(span, message, "spread them over several switches");
        } else if pools.is_empty() {
            let remedy = "open one for each side: `[switch.<name>.pool.blue]`, `[switch.<name>.pool.green]`";
            self.refuse(span, "the switch has no pool", remedy);
        } else if sum == 0 {
            self.refuse(
                span,
                "the weights of the pools sum to 0: nobody would be answered",
                "give the active pool `weight = 10000`",
            );
        }
        (pools, spans, members)
    }

    /// One pool, and the places of its members.
    fn pool(
        &mut self,
        name: &Spanned<String>,
        form: &PoolForm,
        ttl_s: u32,
        apex: &Name,
        folder: &Folder,
    ) -> (Pool, Vec<Range<usize>>) {
        let (members, places) = self.members(form.members.list());
        let register = self.register(form.register.as_ref());
        let discover = self.discover(form.members.dns(), &name.span());
        let has_members = !form.members.list().is_empty() || form.members.dns().is_some() || register.is_some();
        let records = self.records(name, &form.records, ttl_s, apex, has_members);
        if !has_members && form.records.is_empty() {
            let remedy = "add `members = [\"192.0.2.10\"]`, or other records with `records = { TXT = [\"on\"] }`";
            self.refuse(&name.span(), format!("pool `{}` has nothing to answer", name.get_ref()), remedy);
        }
        if members.len() > MAX_MEMBERS {
            self.refuse(&name.span(), format!("pool `{}` has over {MAX_MEMBERS} members", name.get_ref()), "");
        }
        let extras = Extras {
            records,
            expect_version: form.expect_version.as_ref().map(|v| v.get_ref().clone()),
            monitors: self.monitors(form.monitor.as_ref(), form.monitors.as_ref(), folder),
            idle: self.idle(form.idle.as_ref(), folder),
            register,
            discover,
        };
        let pool = Pool::new(name.get_ref().as_str().into(), self.pool_weight(&form.weight), members, extras);
        (pool, places)
    }

    /// 0 to 10000.
    fn pool_weight(&mut self, field: &Field<Scalar>) -> u16 {
        let Some(field) = field else { return 0 };
        match field.get_ref() {
            Scalar::Integer(n) if (0..=i64::from(MAX_WEIGHT)).contains(n) => u16::try_from(*n).unwrap_or(0),
            other => {
                let message = format!("`weight` must be a whole number from 0 to {MAX_WEIGHT}; this is `{other}`");
                self.refuse(
                    &field.span(),
                    message,
                    "a pool's share is its weight over the sum: 9000 and 1000 are 90 % and 10 %",
                );
                1
            }
        }
    }

    /// Members in the order of the file.
    fn members(&mut self, forms: &[Spanned<MemberForm>]) -> (Vec<Member>, Vec<Range<usize>>) {
        let (mut members, mut places) = (Vec::with_capacity(forms.len()), Vec::with_capacity(forms.len()));
        let mut names: HashSet<String> = HashSet::new();
        let mut addresses: HashMap<IpAddr, usize> = HashMap::new();
        for form in forms {
            let span = form.span();
            let found = match form.get_ref() {
                MemberForm::Text(text) => self.member_of_text(&span, text),
                MemberForm::Table(table) => self.member_of_table(&span, table),
            };
            let Some(member) = found else { continue };
            for address in member.addresses() {
                if let Some(other) = addresses.insert(address, members.len()) {
                    let other = members.get(other).map_or_else(|| member.name(), Member::name);
                    let message = format!("{address} is already a member of this pool, as `{other}`");
                    self.refuse(&span, message, "remove one; for a larger share give the member a `weight`");
                }
            }
            let name = member.name();
            if !names.insert(name.to_string()) && name.parse::<IpAddr>().is_err() {
                self.refuse(&span, format!("two members of this pool are named `{name}`"), "give each its own name");
            }
            members.push(member);
            places.push(span);
        }
        (members, places)
    }

    /// `"192.0.2.10"`.
    fn member_of_text(&mut self, span: &Range<usize>, text: &str) -> Option<Member> {
        let mut found = Addresses::default();
        self.addresses(span, text, &mut found);
        let any = found != Addresses::default();
        any.then(|| Member::new(found.ipv4, found.ipv6, Given::default()))
    }

    /// `{ address = "192.0.2.10", ... }`.
    fn member_of_table(&mut self, span: &Range<usize>, table: &MemberTable) -> Option<Member> {
        let before = self.findings.problems.len();
        let mut found = Addresses::default();
        for text in table.address.iter().flat_map(|texts| &texts.0) {
            self.addresses(&text.span(), text.get_ref(), &mut found);
        }
        self.family("ipv4", &table.ipv4, &mut found.ipv4);
        self.family("ipv6", &table.ipv6, &mut found.ipv6);
        let weight = self.number("weight", &table.weight, 1, 1..=MAX_WEIGHT);
        if let Some(name) = &table.name {
            let good = !["", ".", ".."].contains(&name.get_ref().as_str())
                && name.get_ref().len() <= 63
                && name.get_ref().bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.:".contains(&c));
            if !good {
                let remedy = "use 1 to 63 of letters, digits, `-`, `_`, `.` and `:`";
                self.refuse(
                    &name.span(),
                    format!("`{}` can't name a member: it becomes part of URLs", name.get_ref()),
                    remedy,
                );
            }
        }
        if found == Addresses::default() {
            if self.findings.problems.len() == before {
                self.refuse(span, "the member has no address", "add `address = \"192.0.2.10\"`, or `ipv4` and `ipv6`");
            }
            return None;
        }
        let text = |field: &Field<String>| field.as_ref().map(|text| text.get_ref().as_str().into());
        let given = Given { name: text(&table.name), expect_version: text(&table.expect_version) };
        let mut member = Member::new(found.ipv4, found.ipv6, given);
        member.weight = weight;
        Some(member)
    }

    /// `records = { HTTPS = ["1 . alpn=h2"] }`: sets of other types, in presentation form.
    fn records(
        &mut self,
        pool: &Spanned<String>,
        entries: &Entries<Texts>,
        ttl: u32,
        apex: &Name,
        has_members: bool,
    ) -> Vec<Rrset> {
        let mut sets: Vec<Rrset> = Vec::new();
        for (key, texts) in written_order(entries) {
            let Some(rtype) = self.record_type(key) else { continue };
            if sets.iter().any(|set| set.rtype == rtype) {
                self.refuse(
                    &key.span(),
                    format!("pool `{}` has two sets of {rtype}", pool.get_ref()),
                    "put all records of a type into one list",
                );
                continue;
            }
            let rdatas = self.rdatas(key, rtype, texts, apex);
            if rtype == RecordType::CNAME && (texts.0.len() > 1 || entries.len() > 1 || has_members) {
                let remedy = "keep the one CNAME, or the members and other records";
                self.refuse(
                    &key.span(),
                    "a CNAME stands alone: no second one, no member and no other record in its pool (RFC 2181 §10.1)",
                    remedy,
                );
            }
            sets.push(Rrset { rtype, ttl, rdatas });
        }
        sets
    }

    /// The type a key of `records` names.
    fn record_type(&mut self, key: &Spanned<String>) -> Option<RecordType> {
        let rtype = match key.get_ref().parse::<RecordType>() {
            Ok(rtype) => rtype,
            Err(error) => {
                self.refuse(&key.span(), error.to_string(), "");
                return None;
            }
        };
        if matches!(rtype, RecordType::A | RecordType::AAAA) {
            self.refuse(
                &key.span(),
                format!("{rtype} records of a pool are made from its members"),
                "write the addresses into `members`",
            );
        } else if rtype.is_meta() || ZONE_TYPES.contains(&rtype) {
            let remedy = "pools carry HTTPS, SVCB, SRV, MX, TXT, CNAME and the like";
            self.refuse(&key.span(), format!("{rtype} can't differ between pools"), remedy);
        } else {
            return Some(rtype);
        }
        None
    }

    /// Presentation forms to wire.
    fn rdatas(&mut self, key: &Spanned<String>, rtype: RecordType, texts: &Texts, apex: &Name) -> Vec<Box<[u8]>> {
        let mut rdatas: Vec<Box<[u8]>> = Vec::with_capacity(texts.0.len());
        let mut seen = HashSet::new();
        if texts.0.is_empty() {
            self.refuse(&key.span(), format!("the set of {rtype} is empty"), "write its records, or remove it");
        }
        for text in &texts.0 {
            match parse_rdata_text(rtype, text.get_ref(), apex) {
                Ok(rdata) if seen.insert(rdata.clone()) => rdatas.push(rdata),
                Ok(_) => self.refuse(&text.span(), format!("the same {rtype} record stands twice"), "remove one"),
                Err(error) => {
                    let message = format!("no {rtype} record: {error}");
                    self.refuse(
                        &text.span(),
                        message,
                        "write it as behind the type in a master file; names without a final dot lie below the zone",
                    );
                }
            }
        }
        rdatas
    }
}

/// The types a pool answers.
pub(super) fn types_of(pool: &Pool) -> HashSet<RecordType> {
    let members = pool
        .members
        .iter()
        .flat_map(Member::addresses)
        .map(|a| if a.is_ipv4() { RecordType::A } else { RecordType::AAAA });
    members.chain(pool.records.iter().map(|set| set.rtype)).collect()
}
