//! Extended errors (RFC 8914): why, beside the RCODE.

/// A reason beside the RCODE (RFC 8914 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendedError {
    /// Nobody is eligible, and the fallback names whom it would otherwise not.
    Fallback,
    /// The pool that was asked for by name is not eligible.
    NotReady,
    /// This client may not ask this.
    Prohibited,
    /// The name lies in none of our zones.
    NotAuthoritative,
    /// An update without a signature.
    UpdateUnsigned,
    /// An update of what its key may not change.
    UpdateNotAllowed,
    /// An update of a name whose answers a switch decides.
    UpdateSteered,
    /// An update that would make a set or a zone too large.
    UpdateTooLarge,
    /// An update that may be a copy of one from before the start.
    UpdateStale,
    /// An update that cannot be kept at present.
    UpdateNotKept,
    /// An update of which it is not known whether it was kept.
    UpdateUnknown,
    /// An update too many of its key.
    UpdateThrottled,
    /// An update of a zone whose data are its primaries'.
    UpdateCopied,
    /// A notification from nobody we take the zone from.
    NotAPrimary,
    /// A zone of which no primary has given a copy yet.
    ZoneNotLoaded,
    /// A zone whose copy is too old.
    ZoneExpired,
}

impl ExtendedError {
    /// INFO-CODE (RFC 8914 §5.2): Other, Not Ready, Prohibited, Not Authoritative, Invalid Data.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Fallback
            | Self::UpdateTooLarge
            | Self::UpdateStale
            | Self::UpdateNotKept
            | Self::UpdateUnknown
            | Self::UpdateThrottled => 0,
            Self::NotReady | Self::ZoneNotLoaded => 14,
            Self::Prohibited
            | Self::UpdateUnsigned
            | Self::UpdateNotAllowed
            | Self::UpdateSteered
            | Self::UpdateCopied
            | Self::NotAPrimary => 18,
            Self::NotAuthoritative => 20,
            Self::ZoneExpired => 24,
        }
    }

    /// EXTRA-TEXT: for people, and short, since it makes the reply larger (RFC 8914 §2).
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Fallback => "no pool is eligible: the fallback answers",
            Self::NotReady => "this pool is not eligible",
            Self::Prohibited => "not for this network",
            // The code says it all, and who asks for names of others gets no more octets than need be.
            Self::NotAuthoritative => "",
            Self::UpdateUnsigned => "updates have to be signed (TSIG)",
            Self::UpdateNotAllowed => "this key may not change this name or type",
            Self::UpdateSteered => "a switch decides this name: flip it, or set its weights",
            Self::UpdateTooLarge => "the set or the zone would be too large",
            Self::UpdateStale => "signed before this server started: sign it again",
            Self::UpdateUnknown => "not known whether it was kept: send it again",
            Self::UpdateThrottled => "too many updates of this key: send it again in a second",
            Self::UpdateNotKept => "updates cannot be kept at present: nothing was changed",
            Self::UpdateCopied => "this server holds a copy: update the zone at its primary",
            Self::NotAPrimary => "not a primary of this zone, or not signed with its key",
            Self::ZoneNotLoaded => "no primary has given this server the zone yet",
            Self::ZoneExpired => "the copy of the zone is too old: its primaries do not answer",
        }
    }
}
