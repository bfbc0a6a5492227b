//! One zone: its master file, its `[zone]` table, its switches.

use super::copy;
use super::findings::{Findings, Scope};
use super::folder::{Folder, ZoneFiles, read_limited};
use super::master;
use super::parts;
use super::problem::{Problem, Source};
use super::switch::{Marked, bare};
use super::v1::{self, ZoneForm, written_order};
use super::value::Addresses;
use crate::dns::{Name, RecordType, serial};
use crate::state::{Peer, TransferOverride};
use crate::zone::{LineRef, ZoneText};
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// The longest time of an SOA, seconds: about a year.
const MAX_SOA_TIME_S: u32 = 31_536_000;

/// A zone as its files have it, with where things stand.
#[derive(Debug)]
pub(super) struct ReadZone {
    /// The top of the zone.
    pub(super) apex: Name,
    /// The file that stands for the zone in messages.
    pub(super) file: String,
    /// Static records.
    pub(super) text: ZoneText,
    /// The serial of the SOA.
    pub(super) serial: u32,
    /// The TOML, when there is one.
    pub(super) settings: Option<Source>,
    /// Its switches.
    pub(super) switches: Vec<Marked>,
    /// How many may be moving at once.
    pub(super) max_moving: Option<u32>,
    /// Who may take it, and who is told.
    pub(super) transfer: TransferOverride,
    /// Whom its data are taken from, if they are.
    pub(super) primaries: Vec<Peer>,
}

/// Reads one zone and judges it by itself. What it returns is whole only when nothing was found.
pub(super) fn read_zone(files: &ZoneFiles, folder: &Folder) -> (Option<ReadZone>, Findings) {
    let mut findings = Findings::default();
    let settings = files.settings.as_deref().and_then(|path| read_settings(path, &mut findings));
    let mut zone = ReadZone {
        apex: files.apex.clone(),
        file: files.display(),
        text: ZoneText::default(),
        serial: 0,
        settings,
        switches: Vec::new(),
        max_moving: None,
        transfer: TransferOverride::default(),
        primaries: Vec::new(),
    };
    if let Some(path) = &files.master
        && let Some(text) = master::read(path, &files.apex, folder, &mut findings)
    {
        master::check(&zone.apex, &text, &mut findings);
        zone.text = text;
    }
    if files.settings.is_some() && zone.settings.is_none() {
        return (None, findings);
    }
    let found_before = findings.problems.len();
    let mut zone_form = None;
    if let Some(source) = zone.settings.clone() {
        zone_form = parts::read_switches(&source, v1::PART, &zone.apex, folder, &mut zone.switches, &mut findings);
        if let Some((source, form)) = &zone_form {
            let mut scope = Scope { source, findings: &mut findings };
            if let Some(texts) = &form.get_ref().primaries {
                zone.primaries = copy::judge(texts, form, files, &zone.switches, folder.keys.as_ref(), &mut scope);
            } else {
                zone.max_moving = judge_zone_form(&mut scope, form, files, &mut zone.text);
            }
            if let Some(transfer) = &form.get_ref().transfer {
                zone.transfer = transfer.judge_of_zone(folder.keys.as_ref(), &mut scope);
            }
        }
    }
    if files.master.is_none() && zone_form.is_none() && findings.problems.len() == found_before {
        let remedy = format!("add `[zone]` with `ns = [\"ns1.{0}\"]`, or write `{0}.zone`", bare(&files.apex));
        findings.problems.push(Problem::of_file(
            &zone.file,
            "the zone has neither a master file nor `[zone]`, so no SOA and no NS",
            Some(remedy),
        ));
    }
    if findings.problems.is_empty() {
        master::warn_large_sets(&zone.text, &mut findings);
        if files.master.is_some() {
            master::warn_lost_servers(&zone.apex, &zone.text, &zone.switches, &mut findings);
        }
    }
    zone.serial = serial_of(&zone).unwrap_or_default();
    (Some(zone), findings)
}

/// The TOML of a zone.
fn read_settings(path: &Path, findings: &mut Findings) -> Option<Source> {
    let shown = path.display().to_string();
    let text = match read_limited(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
            let problem =
                Source::new(&shown, &valid).problem(&(valid.len()..valid.len()), "not UTF-8 from here on", None);
            findings.problems.push(problem);
            return None;
        }
        Err(error) => {
            findings.problems.push(Problem::of_file(&shown, format!("can't read the file: {error}"), None));
            return None;
        }
    };
    Some(Source::new(&shown, &text))
}

/// `[zone]`: makes SOA, NS and glue unless there is a master file, and returns `max_moving`.
fn judge_zone_form(
    scope: &mut Scope<'_>,
    form: &Spanned<ZoneForm>,
    files: &ZoneFiles,
    text: &mut ZoneText,
) -> Option<u32> {
    let (span, form) = (form.span(), form.get_ref());
    if let Some(master) = &files.master {
        for (key, at) in soa_keys(form) {
            let message = format!("`{key}` is decided by `{}`", master.display());
            scope.refuse(&at, message, "remove it here, or remove SOA and NS by removing the master file");
        }
    } else {
        make_records(scope, &span, form, &files.apex, text);
    }
    form.max_moving.as_ref().map(|_| scope.number("max_moving", &form.max_moving, 1, 1..=u32::MAX))
}

/// The keys that make records, where they are given.
pub(super) fn soa_keys(form: &ZoneForm) -> Vec<(&'static str, Range<usize>)> {
    let keys = [
        ("ns", form.ns.as_ref().and_then(|ns| ns.0.first()).map(Spanned::span)),
        ("hostmaster", form.hostmaster.as_ref().map(Spanned::span)),
        ("ttl", form.ttl.as_ref().map(Spanned::span)),
        ("serial", form.serial.as_ref().map(Spanned::span)),
        ("refresh", form.refresh.as_ref().map(Spanned::span)),
        ("retry", form.retry.as_ref().map(Spanned::span)),
        ("expire", form.expire.as_ref().map(Spanned::span)),
        ("minimum", form.minimum.as_ref().map(Spanned::span)),
        ("glue", form.glue.as_ref().and_then(|glue| glue.keys().next()).map(Spanned::span)),
    ];
    keys.into_iter().filter_map(|(key, span)| span.map(|s| (key, s))).collect()
}

/// SOA, NS and glue of a zone without a master file.
fn make_records(scope: &mut Scope<'_>, span: &Range<usize>, form: &ZoneForm, apex: &Name, text: &mut ZoneText) {
    let file = text.add_file(scope.source.file.clone());
    let line = |scope: &Scope<'_>, at: &Range<usize>| LineRef { file, line: scope.source.place(at).line };
    let ttl = scope.seconds("ttl", &form.ttl, 3_600, 1..=MAX_SOA_TIME_S);
    let servers = nameservers(scope, span, form);
    let Some((primary, _)) = servers.first() else { return };
    let mut soa = primary.wire().to_vec();
    soa.extend_from_slice(mailbox(scope, form, apex).wire());
    let serial = scope.number("serial", &form.serial, 1, 0..=u32::MAX);
    let refresh = scope.seconds("refresh", &form.refresh, 3_600, 1..=MAX_SOA_TIME_S);
    let retry = scope.seconds("retry", &form.retry, 600, 1..=MAX_SOA_TIME_S);
    let expire = scope.seconds("expire", &form.expire, 1_209_600, 1..=MAX_SOA_TIME_S);
    let minimum = scope.seconds("minimum", &form.minimum, 300, 0..=MAX_SOA_TIME_S);
    for number in [serial, refresh, retry, expire, minimum] {
        soa.extend_from_slice(&number.to_be_bytes());
    }
    text.push(apex, RecordType::SOA, ttl, &soa, line(scope, span));
    for (server, at) in &servers {
        text.push(apex, RecordType::NS, ttl, server.wire(), line(scope, at));
    }
    let mut with_glue = HashSet::new();
    for (name, texts) in form.glue.iter().flat_map(written_order) {
        let Some(owner) = glue_owner(scope, name, &servers, apex) else { continue };
        for address in &texts.0 {
            let mut found = Addresses::default();
            scope.addresses(&address.span(), address.get_ref(), &mut found);
            let at = line(scope, &address.span());
            found.ipv4.inspect(|ipv4| text.push(&owner, RecordType::A, ttl, &ipv4.octets(), at));
            found.ipv6.inspect(|ipv6| text.push(&owner, RecordType::AAAA, ttl, &ipv6.octets(), at));
        }
        with_glue.insert(owner);
    }
    for (server, at) in servers.iter().filter(|(server, _)| server.is_within(apex) && !with_glue.contains(server)) {
        let message = format!("the nameserver `{}` lies in the zone and has no address here", bare(server));
        scope.warn(
            at,
            message,
            format!("add `glue = {{ \"{}\" = [\"192.0.2.1\"] }}` with its real address", bare(server)),
        );
    }
}

/// `ns`: at least one name.
fn nameservers(scope: &mut Scope<'_>, span: &Range<usize>, form: &ZoneForm) -> Vec<(Name, Range<usize>)> {
    let mut servers: Vec<(Name, Range<usize>)> = Vec::new();
    for text in form.ns.iter().flat_map(|texts| &texts.0) {
        match text.get_ref().parse::<Name>() {
            Ok(name) if name.is_wildcard() || name == Name::root() => {
                scope.refuse(
                    &text.span(),
                    format!("`{}` can't be a nameserver", text.get_ref()),
                    "write the name of a host",
                );
            }
            Ok(name) if servers.iter().any(|(other, _)| *other == name) => {
                scope.refuse(&text.span(), format!("`{}` stands twice in `ns`", text.get_ref()), "remove one");
            }
            Ok(name) => servers.push((name, text.span())),
            Err(error) => scope.refuse(&text.span(), format!("`{}` is no name: {error}", text.get_ref()), ""),
        }
    }
    if form.ns.as_ref().is_none_or(|texts| texts.0.is_empty()) {
        scope.refuse(
            span,
            "`[zone]` has no `ns`, and there is no master file to say it",
            "add `ns = [\"ns1.example.test\"]`",
        );
    }
    servers
}

/// `hostmaster`, or the usual name.
fn mailbox(scope: &mut Scope<'_>, form: &ZoneForm, apex: &Name) -> Name {
    let Some(field) = &form.hostmaster else {
        return apex.child(b"hostmaster").unwrap_or_else(|_| apex.clone());
    };
    let text = match field.get_ref().split_once('@') {
        Some((local, domain)) => format!("{}.{domain}", local.replace('\\', "\\\\").replace('.', "\\.")),
        None => field.get_ref().clone(),
    };
    text.parse().unwrap_or_else(|error| {
        scope.refuse(
            &field.span(),
            format!("`{}` is no mailbox: {error}", field.get_ref()),
            "write it as \"hostmaster@example.test\"",
        );
        apex.clone()
    })
}

/// The nameserver a key of `glue` means.
fn glue_owner(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    servers: &[(Name, Range<usize>)],
    apex: &Name,
) -> Option<Name> {
    let owner = name.get_ref().parse::<Name>().ok().filter(|owner| servers.iter().any(|(server, _)| server == owner));
    let Some(owner) = owner else {
        scope.refuse(
            &name.span(),
            format!("`{}` has glue but is none of `ns`", name.get_ref()),
            "add it to `ns`, or remove the glue",
        );
        return None;
    };
    if !owner.is_within(apex) {
        let message = format!(
            "`{}` lies outside the zone `{}`, whose server must not give its address",
            name.get_ref(),
            bare(apex)
        );
        scope.refuse(&name.span(), message, "remove the glue");
        return None;
    }
    Some(owner)
}

/// The serial of the SOA at the apex.
fn serial_of(zone: &ReadZone) -> Option<u32> {
    let soa = zone.text.records().find(|r| r.rtype == RecordType::SOA && r.owner == zone.apex.wire())?;
    serial::of_soa(soa.rdata)
}
