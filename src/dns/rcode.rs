//! Response codes, those above 15 included (RFC 6895 §2.3).

/// A response code of up to twelve bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rcode(pub u16);

impl Rcode {
    /// No error.
    pub const NOERROR: Self = Self(0);
    /// The query could not be read.
    pub const FORMERR: Self = Self(1);
    /// A failure of ours.
    pub const SERVFAIL: Self = Self(2);
    /// The name does not exist.
    pub const NXDOMAIN: Self = Self(3);
    /// An operation we do not offer.
    pub const NOTIMP: Self = Self(4);
    /// Not answered to this client, or not our name.
    pub const REFUSED: Self = Self(5);
    /// A name exists that should not (RFC 2136 §2.2), or would become too long by redirection (RFC 6672 §2.2).
    pub const YXDOMAIN: Self = Self(6);
    /// A set exists that should not (RFC 2136 §2.2).
    pub const YXRRSET: Self = Self(7);
    /// A set that should exist does not (RFC 2136 §2.2).
    pub const NXRRSET: Self = Self(8);
    /// Not the authority for the zone (RFC 2136 §2.2), or not authorized (RFC 8945 §5.2).
    pub const NOTAUTH: Self = Self(9);
    /// A name outside the zone (RFC 2136 §2.2).
    pub const NOTZONE: Self = Self(10);
    /// An EDNS version we do not speak (RFC 6891 §9).
    pub const BADVERS: Self = Self(16);
    /// A server cookie is missing or not ours (RFC 7873 §5.2.3).
    pub const BADCOOKIE: Self = Self(23);

    /// The four bits of the header.
    #[must_use]
    pub const fn low(self) -> u8 {
        self.0.to_be_bytes()[1] & 0x0f
    }

    /// The bits above, carried by OPT (RFC 6891 §6.1.3).
    #[must_use]
    pub const fn high(self) -> u8 {
        (self.0 >> 4).to_be_bytes()[1]
    }
}
