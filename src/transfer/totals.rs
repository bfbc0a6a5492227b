//! What this room counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What may happen to what is handed over, and to what this room sends of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Happened {
    /// A whole zone was sent.
    Axfr,
    /// Changes of a zone were sent.
    Ixfr,
    /// Changes were asked for and the whole zone was sent: they are no longer known, or are larger.
    IxfrAsAxfr,
    /// A secondary that asked for changes had them all.
    UpToDate,
    /// Changes did not fit a datagram.
    IxfrOverTcp,
    /// A transfer ended before its end: the client left, or did not read.
    TransferCut,
    /// A client that may not, or one transfer too many.
    Refused,
    /// A signed query was answered.
    SignedQuery,
    /// A message that cannot be read.
    Malformed,
    /// A key that is not known, or not with that algorithm.
    BadKey,
    /// A signature that is wrong.
    BadSignature,
    /// A signature of another time.
    BadTime,
    /// A signature that was cut.
    BadTruncation,
    /// An operation that is not offered.
    NotOffered,
    /// An update changed a zone.
    Updated,
    /// An update asked for what was so already.
    UpdateUnchanged,
    /// A prerequisite of an update was not met.
    UpdateUnmet,
    /// An update of what its sender may not change, or without a signature.
    UpdateRefused,
    /// A copy of an update that was seen before.
    UpdateRepeated,
    /// An update that was signed before the start, and may be a copy.
    UpdateStale,
    /// An update too many of its key.
    UpdateThrottled,
    /// An update could not be kept.
    UpdateFailed,
    /// A secondary took a notification.
    Notified,
    /// A secondary did not take a notification, after all attempts.
    NotifyFailed,
    /// A primary told of a change.
    NotifyTaken,
    /// A notification from somebody else, or of a zone that is no copy.
    NotifyRefused,
    /// A whole zone was taken from a primary.
    CopyWhole,
    /// Changes of a zone were taken from a primary.
    CopyChanged,
    /// A primary has the serial that is served.
    CopyConfirmed,
    /// No primary of a zone gave it, or what they gave was not taken.
    CopyFailed,
}

impl Happened {
    /// All of them, with the label each is shown under.
    pub const ALL: [(Self, &'static str); 30] = [
        (Self::Axfr, "axfr"),
        (Self::Ixfr, "ixfr"),
        (Self::IxfrAsAxfr, "ixfr_as_axfr"),
        (Self::UpToDate, "up_to_date"),
        (Self::IxfrOverTcp, "ixfr_over_tcp"),
        (Self::TransferCut, "transfer_cut"),
        (Self::Refused, "refused"),
        (Self::SignedQuery, "signed_query"),
        (Self::Malformed, "malformed"),
        (Self::BadKey, "bad_key"),
        (Self::BadSignature, "bad_signature"),
        (Self::BadTime, "bad_time"),
        (Self::BadTruncation, "bad_truncation"),
        (Self::NotOffered, "not_offered"),
        (Self::Updated, "updated"),
        (Self::UpdateUnchanged, "update_unchanged"),
        (Self::UpdateUnmet, "update_unmet"),
        (Self::UpdateRefused, "update_refused"),
        (Self::UpdateRepeated, "update_repeated"),
        (Self::UpdateStale, "update_stale"),
        (Self::UpdateThrottled, "update_throttled"),
        (Self::UpdateFailed, "update_failed"),
        (Self::Notified, "notified"),
        (Self::NotifyFailed, "notify_failed"),
        (Self::NotifyTaken, "notify_taken"),
        (Self::NotifyRefused, "notify_refused"),
        (Self::CopyWhole, "copy_whole"),
        (Self::CopyChanged, "copy_changed"),
        (Self::CopyConfirmed, "copy_confirmed"),
        (Self::CopyFailed, "copy_failed"),
    ];
}

impl Happened {
    /// The label it is shown under.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, word)| word)
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct TransferTotals([AtomicU64; Happened::ALL.len()]);

impl TransferTotals {
    /// Counts one.
    pub(super) fn count(&self, happened: Happened) {
        self.0[happened as usize].fetch_add(1, Relaxed);
    }

    /// Every count with its label.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        Happened::ALL.iter().zip(&self.0).map(|((_, label), count)| (*label, count.load(Relaxed))).collect()
    }
}
