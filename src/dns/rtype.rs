//! Record types by number, with their text forms (RFC 3597 `TYPEnnn` included).

use std::fmt;
use std::str::FromStr;

/// A record type (or query type) as its 16-bit number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

/// Declares the types that have a mnemonic.
macro_rules! record_types {
    ($($name:ident = $number:literal),* $(,)?) => {
        impl RecordType {
            $(#[doc = concat!("The type ", stringify!($name), ".")] pub const $name: Self = Self($number);)*
            /// The mnemonic, if this type has one here.
            #[must_use]
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self.0 { $($number => Some(stringify!($name)),)* _ => None }
            }
            /// Finds a type by its upper-case mnemonic.
            fn by_mnemonic(text: &str) -> Option<Self> {
                match text { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }
        }
    };
}

record_types! {
    A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, HINFO = 13, MX = 15, TXT = 16, RP = 17, AFSDB = 18, AAAA = 28,
    LOC = 29, SRV = 33, NAPTR = 35, KX = 36, CERT = 37, DNAME = 39, OPT = 41, APL = 42, DS = 43, SSHFP = 44,
    IPSECKEY = 45, RRSIG = 46, NSEC = 47, DNSKEY = 48, DHCID = 49, NSEC3 = 50, NSEC3PARAM = 51, TLSA = 52,
    SMIMEA = 53, HIP = 55, CDS = 59, CDNSKEY = 60, OPENPGPKEY = 61, CSYNC = 62, ZONEMD = 63, SVCB = 64, HTTPS =
    65, SPF = 99, EUI48 = 108, EUI64 = 109, TSIG = 250, IXFR = 251, AXFR = 252, ANY = 255, URI = 256, CAA = 257,
    RESINFO = 261,
}

impl RecordType {
    /// Meta and query types (RFC 6895 §3.1: 128 to 255, and OPT): never stored in a zone.
    #[must_use]
    pub const fn is_meta(self) -> bool {
        self.0 == 0 || self.0 == 41 || (self.0 >= 128 && self.0 <= 255)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(text) => f.write_str(text),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text names no record type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a record type; write a mnemonic such as A, or TYPE followed by its number")]
pub struct UnknownType(pub String);

impl RecordType {
    /// Reads a mnemonic or `TYPEnnn` from text that need not be UTF-8.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let mut upper = [0; 16];
        let upper = upper.get_mut(..text.len())?;
        upper.copy_from_slice(text);
        upper.make_ascii_uppercase();
        let upper = std::str::from_utf8(upper).ok()?;
        Self::by_mnemonic(upper).or_else(|| {
            let digits = upper.strip_prefix("TYPE").filter(|d| d.bytes().all(|o| o.is_ascii_digit()))?;
            digits.parse().ok().map(Self)
        })
    }
}

impl FromStr for RecordType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_text(text.as_bytes()).ok_or_else(|| UnknownType(text.to_owned()))
    }
}
