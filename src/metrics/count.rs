//! What is counted besides answers of pools, and the label each count is shown under.

/// What a worker counts besides answers of pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Queries that arrived, whatever became of them.
    Received,
    /// Queries that got silence: too short, QR set, source port 0.
    Dropped,
    /// Queries longer than the receive buffer.
    Oversize,
    /// Replies with TC set.
    Truncated,
    /// Replies not sent because of the rate limit.
    RateLimited,
    /// Replies cut down to TC because of the rate limit.
    Slipped,
    /// Replies over the rate limit that were sent, since it is only told.
    RateNoted,
    /// Replies that the kernel would not take.
    SendFailed,
    /// Receive calls that failed, other than by time-out.
    ReceiveFailed,
    /// Batches lost to a panic: a bug to report.
    Panicked,
    /// Receive calls that returned something: received / batches is the mean fill.
    Batches,
    /// Replies that left as part of a grouped (GSO) message.
    Grouped,
    /// Connections accepted.
    Accepted,
    /// Connections closed at once: their client had too many.
    ClientLimit,
    /// Connections closed at once: all seats were taken, or the server was stopping.
    Refused,
    /// Idle connections closed to make room for new ones.
    Evicted,
    /// Connections closed because a query did not complete in time.
    SlowSender,
    /// Connections closed because a reply was not taken in time.
    SlowReader,
    /// Connections closed because of a length that cannot be a query.
    Malformed,
    /// Connections closed because all of them together held too much unfinished data.
    MemoryLimit,
    /// TLS handshakes that failed or took too long.
    HandshakeFailed,
    /// Messages handed over to those who do transfers and updates.
    Deferred,
    /// Such messages answered SERVFAIL: more of them than can be taken on.
    DeferralsFull,
    /// Connections closed because such a message got no reply, or one that was cut short.
    Unanswered,
}

impl Count {
    /// All of them, with the label each is shown under.
    pub const ALL: [(Self, &'static str); 24] = [
        (Self::Received, "received"),
        (Self::Dropped, "dropped"),
        (Self::Oversize, "oversize"),
        (Self::Truncated, "truncated"),
        (Self::RateLimited, "rate_limited"),
        (Self::Slipped, "slipped"),
        (Self::RateNoted, "rate_noted"),
        (Self::SendFailed, "send_failed"),
        (Self::ReceiveFailed, "receive_failed"),
        (Self::Panicked, "panicked"),
        (Self::Batches, "batches"),
        (Self::Grouped, "grouped"),
        (Self::Accepted, "accepted"),
        (Self::ClientLimit, "client_limit"),
        (Self::Refused, "refused"),
        (Self::Evicted, "evicted"),
        (Self::SlowSender, "slow_sender"),
        (Self::SlowReader, "slow_reader"),
        (Self::Malformed, "malformed"),
        (Self::MemoryLimit, "memory_limit"),
        (Self::HandshakeFailed, "handshake_failed"),
        (Self::Deferred, "deferred"),
        (Self::DeferralsFull, "deferrals_full"),
        (Self::Unanswered, "unanswered"),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_place_in_the_list() {
        for (place, (count, _)) in Count::ALL.iter().enumerate() {
            assert_eq!(*count as usize, place);
        }
    }
}
