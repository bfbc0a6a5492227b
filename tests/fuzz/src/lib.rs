//! What must hold for any input: one function per fuzz target, also run over the corpus by `tests/it`.
//!
//! Each panics when a rule is broken and returns otherwise, whatever the input says.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tidegate::answer::{Asker, Transport, respond as answer};
use tidegate::config::{Overrides, ServerConfig, load_zones};
use tidegate::dns::rdata::{display_rdata, is_well_formed, parse_rdata_text};
use tidegate::dns::{Name, RecordType, hickory};
use tidegate::moment::Moment;
use tidegate::snapshot::{Chunked, Settings, Snapshot};
use tidegate::state::{Catalogue, Definitions, Desired, Observed, TtlCause, compile_switch};
use tidegate::steering::PoolSlot;
use tidegate::zone::{Zone, master};

/// The largest datagram (RFC 6891 §6.2.5; the flag day size).
const DATAGRAM: usize = 1232;

/// A packet is met with silence, or with a reply that keeps the rules.
pub fn respond(packet: &[u8]) {
    let client: IpAddr = "127.250.0.1".parse().expect("an address");
    for transport in [Transport::Udp, Transport::Tcp, Transport::Https] {
        let mut message = packet.get(..packet.len().min(65_535)).unwrap_or_default().to_vec();
        let len = message.len();
        message.resize(65_535, 0xaa);
        let draw = packet.iter().fold(len as u64, |sum, octet| sum.wrapping_mul(31).wrapping_add(u64::from(*octet)));
        let outcome = answer(world(), &Asker { client, transport, draw }, &mut message, len);
        let query = &packet[..len];
        if outcome.len == 0 {
            assert!(len < 12 || query[2] & 0x80 != 0, "only stumps and responses are met with silence: {query:02x?}");
            continue;
        }
        let limit = if transport == Transport::Udp { DATAGRAM } else { 65_535 };
        assert!(outcome.len <= limit, "{} octets for {query:02x?}", outcome.len);
        judge_reply(query, &message[..outcome.len], transport == Transport::Udp);
    }
}

/// Holds a reply against the query it belongs to.
pub fn judge_reply(query: &[u8], reply: &[u8], may_truncate: bool) {
    assert!(query.len() >= 12 && query[2] & 0x80 == 0, "nothing should have been said to {query:02x?}: {reply:02x?}");
    assert!(reply.len() >= 12 && reply[..2] == query[..2], "another id: {reply:02x?}");
    assert_eq!(reply[2] & 0xf9, (query[2] & 0x79) | 0x80, "QR, opcode and RD of {query:02x?}");
    assert_eq!(reply[3] & 0xf0, 0, "RA, Z, AD and CD are clear: {reply:02x?}");
    assert_ne!(reply[3] & 0x0f, 2, "SERVFAIL to {query:02x?}");
    assert!(may_truncate || reply[2] & 0x02 == 0, "TC on a stream: {query:02x?}");
    let questions = u16::from_be_bytes([reply[4], reply[5]]);
    assert!(questions <= 1, "{questions} questions");
    let beyond_hickory = walk(reply).unwrap_or_else(|| panic!("malformed: {reply:02x?} to {query:02x?}"));
    if let Err(error) = hickory::read_reply(reply) {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(beyond_hickory, "{cause}: {reply:02x?} to {query:02x?}");
    }
}

/// Steps through a reply to its last octet; `None`: it is malformed. Whether it holds what is sound but
/// beyond hickory-proto: a record without RDATA, or a subnet of family 0.
fn walk(reply: &[u8]) -> Option<bool> {
    let count = |at: usize| Some(usize::from(u16::from_be_bytes(*reply.get(at..)?.first_chunk()?)));
    let mut at = 12;
    let mut beyond_hickory = false;
    for _ in 0..count(4)? {
        at = skip_name(reply, at)? + 4;
    }
    for _ in 0..count(6)? + count(8)? + count(10)? {
        at = skip_name(reply, at)?;
        let (rtype, len) = (count(at)?, count(at + 8)?);
        let rdata = reply.get(at + 10..at + 10 + len)?;
        at += 10 + len;
        beyond_hickory |= if rtype == 41 {
            rdata.windows(6).any(|octets| octets[..2] == [0, 8] && octets[4..] == [0, 0])
        } else {
            len == 0
        };
    }
    (at == reply.len()).then_some(beyond_hickory)
}

/// Where a name ends; pointers lead back only (RFC 1035 §4.1.4).
fn skip_name(reply: &[u8], mut at: usize) -> Option<usize> {
    let (mut end, mut before) = (None, at);
    loop {
        let len = *reply.get(at)?;
        match len {
            0 => return Some(end.unwrap_or(at + 1)),
            1..=63 => at += 1 + usize::from(len),
            192.. => {
                end = end.or(Some(at + 2));
                at = usize::from(u16::from_be_bytes([len & 0x3f, *reply.get(at + 1)?]));
                if at >= before {
                    return None;
                }
                before = at;
            }
            _ => return None,
        }
    }
}

/// A text is a master file, or has problems that can be shown.
pub fn master_file(text: &[u8]) {
    let apex: Name = "fuzz.test".parse().expect("a name");
    let mut include = |_: &str, _: &str| Err("there is nothing to include".to_owned());
    match master::parse("fuzz.test.zone", text, &apex, &mut include) {
        Ok(zone) => {
            let zone = Zone::build(&apex, &zone, &[]);
            assert!(zone.apex() == &apex);
        }
        Err(errors) => {
            assert!(!errors.is_empty() && errors.len() <= master::MAX_ERRORS);
            assert!(errors.iter().all(|error| !error.render().is_empty()));
        }
    }
}

/// A text is RDATA of the type its first two octets name, and reads back from how it is printed.
pub fn rdata_text(input: &[u8]) {
    let Some(([high, low], text)) = input.split_first_chunk::<2>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let rtype = RecordType(u16::from_be_bytes([*high, *low]));
    let origin: Name = "fuzz.test".parse().expect("a name");
    let Ok(wire) = parse_rdata_text(rtype, text, &origin) else { return };
    assert!(is_well_formed(rtype, &wire), "{rtype}: {text:?} became {wire:02x?}");
    let shown = display_rdata(rtype, &wire);
    let again = parse_rdata_text(rtype, &shown, &Name::root());
    assert!(
        again.as_ref().is_ok_and(|again| *again == wire),
        "{rtype}: {text:?} is shown as {shown:?}, which reads as {again:02x?}"
    );
}

/// A text is a zone's TOML, and the server's, or has problems that can be shown.
pub fn toml_config(text: &[u8]) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| std::env::temp_dir().join(format!("tidegate-fuzz-{}", std::process::id())));
    let zones = folder.join("zones");
    std::fs::create_dir_all(&zones).expect("a folder");
    std::fs::write(zones.join("fuzz.test.toml"), text).expect("a file");
    std::fs::write(folder.join("tidegate.toml"), text).expect("a file");
    match load_zones(&zones) {
        Ok(loaded) => {
            snapshot_of(loaded.definitions);
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
    if let Err(problems) = ServerConfig::from_parts(Some(&folder.join("tidegate.toml")), Overrides::default()) {
        assert!(!problems.to_string().is_empty());
    }
    std::fs::remove_dir_all(folder).expect("a folder to remove");
}

/// The zones of the black-box tests, as queries read them while no member was probed.
pub fn world() -> &'static Snapshot {
    static WORLD: OnceLock<Snapshot> = OnceLock::new();
    WORLD.get_or_init(|| {
        let zones = [env!("CARGO_MANIFEST_DIR"), "/../it/zones"].concat();
        let here = [env!("CARGO_MANIFEST_DIR"), "/tests/it/zones"].concat();
        let folder =
            [here, zones].into_iter().find(|folder| Path::new(folder).is_dir()).expect("the zones of tests/it");
        let loaded = load_zones(Path::new(&folder)).unwrap_or_else(|problems| panic!("{problems}"));
        snapshot_of(loaded.definitions)
    })
}

/// Definitions as queries read them.
fn snapshot_of(definitions: Definitions) -> Snapshot {
    let serials: Vec<u32> = definitions.zones.iter().map(|zone| zone.file_serial).collect();
    let desired = Desired { definitions: Arc::new(definitions), ..Desired::default() };
    let catalogue = Catalogue::build(&desired);
    let mut next_slot = 0;
    let mut switches = Vec::new();
    for placed in &catalogue.switches {
        let first = next_slot;
        next_slot += u32::try_from(placed.switch.pools.len()).expect("few pools");
        let pools: Vec<&str> = placed.switch.pools.iter().map(|pool| &*pool.name).collect();
        let slot = |name: &str| {
            let at = pools.iter().position(|pool| *pool == name).unwrap_or_default();
            PoolSlot(first + u32::try_from(at).expect("few pools"))
        };
        let compiled = compile_switch(
            &desired,
            &Observed::default(),
            &catalogue,
            &placed.switch,
            &slot,
            TtlCause::Steady,
            Moment::default(),
        );
        switches.push(compiled.switch);
    }
    Snapshot {
        number: 1,
        revision: 0,
        zones: catalogue.zones.clone(),
        serials: Chunked::new(&serials),
        owners: catalogue.owners.clone(),
        switches: Chunked::new(&switches),
        settings: Arc::new(Settings::new(Some("tidegate"), Some("fuzz"), Vec::new())),
    }
}
