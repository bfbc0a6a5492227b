//! Response rate limiting of UDP: nobody is flooded with our answers in a forged name.
//!
//! Responses are counted per client network (IPv4 /24, IPv6 /56) and kind: answers by their name,
//! NXDOMAIN and referrals by zone, errors together, and all of them once more. Over the limit every
//! `slip`-th response leaves cut down with TC set, so that a real client comes back over TCP; the
//! rest are dropped. Each worker counts for itself in a table of fixed size; when it is full the
//! longest quiet entry is forgotten, which lets through rather than blocks. Whose responses were limited is
//! noted for [`summary`], which tells it once a minute. Reads no clock.

pub(super) mod summary;

use crate::answer::{Kind, Outcome};
use ipnet::IpNet;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::net::IpAddr;
use summary::{Noted, Notes};
use tokio::sync::mpsc;

/// How many responses a client network gets; 0 is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Equal answers per second, by name and type, whether there is such a type or not.
    pub answers_per_s: u32,
    /// NXDOMAIN of one zone per second.
    pub nxdomains_per_s: u32,
    /// Referrals of one zone per second.
    pub referrals_per_s: u32,
    /// Errors per second.
    pub errors_per_s: u32,
    /// Responses of all kinds per second.
    pub all_per_s: u32,
    /// Every how many-th limited response leaves with TC set; 0: none, 1: all.
    pub slip: u32,
    /// Client networks that are not limited.
    pub exempt: Vec<IpNet>,
    /// Count and tell what would be limited, and send it all the same.
    pub log_only: bool,
}

impl Default for RateLimit {
    /// 200 equal and 5,000 responses per second, every second one over it with TC; not on loopback.
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a literal network"));
        Self { exempt: loopback.to_vec(), ..Self::equal(200, 5_000) }
    }
}

impl RateLimit {
    /// The same for every kind, every second one over it with TC, nobody exempt.
    #[must_use]
    pub fn equal(per_s: u32, all_per_s: u32) -> Self {
        Self {
            answers_per_s: per_s,
            nxdomains_per_s: per_s,
            referrals_per_s: per_s,
            errors_per_s: per_s,
            all_per_s,
            slip: 2,
            exempt: Vec::new(),
            log_only: false,
        }
    }

    /// Equal responses of a kind per second.
    fn of(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Answer | Kind::NoData => self.answers_per_s,
            Kind::NxDomain => self.nxdomains_per_s,
            Kind::Referral => self.referrals_per_s,
            Kind::Error | Kind::Silence | Kind::Deferred => self.errors_per_s,
        }
    }
}

/// What becomes of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    /// Sent without its records, TC set.
    Slip,
    Drop,
    /// Sent as it is, though it is over the limit.
    Note,
}

const WAYS: usize = 4;
const SETS: usize = 1 << 14;

/// Tokens of one key; a thousandth of a token is a millisecond of rate 1.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// 0: empty.
    tag: u32,
    last_ms: u32,
    millitokens: u32,
}

/// Networks as mask and value, by family: one comparison each.
#[derive(Debug)]
struct Networks {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    fn new(list: &[IpNet]) -> Self {
        let v4 = list.iter().filter_map(|net| match net {
            IpNet::V4(v4) => Some((v4.netmask().to_bits(), v4.network().to_bits())),
            IpNet::V6(_) => None,
        });
        let v6 = list.iter().filter_map(|net| match net {
            IpNet::V4(_) => None,
            IpNet::V6(v6) => Some((v6.netmask().to_bits(), v6.network().to_bits())),
        });
        Self { v4: v4.collect(), v6: v6.collect() }
    }

    #[inline]
    fn contain(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.v4.iter().any(|(mask, network)| v4.to_bits() & mask == *network),
            IpAddr::V6(v6) => self.v6.iter().any(|(mask, network)| v6.to_bits() & mask == *network),
        }
    }
}

/// The buckets of one worker: 16,384 sets of 4, 768 KiB.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: RateLimit,
    exempt: Networks,
    keys: (u64, u64),
    buckets: Box<[[Bucket; WAYS]]>,
    limited: u32,
    notes: Notes,
}

impl Limiter {
    /// `keys` are secret random numbers, so that nobody can aim at a bucket.
    pub(super) fn new(limit: RateLimit, keys: (u64, u64)) -> Self {
        let exempt = Networks::new(&limit.exempt);
        Self {
            limit,
            exempt,
            keys,
            buckets: vec![[Bucket::default(); WAYS]; SETS].into_boxed_slice(),
            limited: 0,
            notes: Notes::default(),
        }
    }

    /// Judges the response in `message` to a query of `client` at `now_ms` (boot clock).
    #[inline]
    pub(super) fn judge(&mut self, client: IpAddr, outcome: &Outcome, message: &[u8], now_ms: u64) -> Verdict {
        if self.exempt.contain(client) { Verdict::Send } else { self.judge_limited(client, *outcome, message, now_ms) }
    }

    /// Takes a copy of the outcome: that of a client that is exempt need not be in memory.
    #[inline(never)]
    fn judge_limited(&mut self, client: IpAddr, outcome: Outcome, message: &[u8], now_ms: u64) -> Verdict {
        let network = network_of(client);
        let all = self.take(self.hash(network, 0, &[]), self.limit.all_per_s, now_ms);
        let equal = match outcome.kind {
            Kind::Answer | Kind::NoData => {
                let mut name = [0; 256];
                let len = question_name(message, &mut name);
                self.hash(network, 1 + u64::from(outcome.qtype.0), name.get(..len).unwrap_or(&[]))
            }
            kind => {
                self.hash(network, (1 << 20) + (kind as u64) + (u64::from(outcome.zone.unwrap_or(u32::MAX)) << 32), &[])
            }
        };
        if self.take(equal, self.limit.of(outcome.kind), now_ms) && all {
            return Verdict::Send;
        }
        self.limited = self.limited.wrapping_add(1);
        let slips = self.limit.slip > 0 && self.limited.is_multiple_of(self.limit.slip);
        let (verdict, noted) = match (self.limit.log_only, slips) {
            (true, _) => (Verdict::Note, Noted { passed: 1, ..Noted::default() }),
            (false, true) => (Verdict::Slip, Noted { slipped: 1, ..Noted::default() }),
            (false, false) => (Verdict::Drop, Noted { dropped: 1, ..Noted::default() }),
        };
        self.notes.add(network, noted);
        verdict
    }

    /// Hands over whose responses were limited since the last time. Never waits: when the other side is
    /// behind, the notes grow together here.
    pub(super) fn report(&mut self, to: &mpsc::Sender<Notes>) {
        if self.notes.is_empty() {
            return;
        }
        if let Ok(place) = to.try_reserve() {
            place.send(std::mem::take(&mut self.notes));
        }
    }

    fn hash(&self, network: u64, class: u64, name: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        hasher.write_u64(network);
        hasher.write_u64(class);
        hasher.write(name);
        hasher.finish()
    }

    /// Takes a token from the bucket of `hash`; false if there is none. A rate of 0 is no limit.
    fn take(&mut self, hash: u64, rate: u32, now_ms: u64) -> bool {
        if rate == 0 {
            return true;
        }
        let full = rate.saturating_mul(1000);
        let [_, _, _, _, t0, t1, t2, t3] = hash.to_be_bytes();
        let tag = u32::from_be_bytes([t0, t1, t2, t3]) | 1;
        // Times wrap after 49 days; a bucket that old counts as young and is full soon.
        let now = u32::try_from(now_ms & u64::from(u32::MAX)).unwrap_or(0);
        let Some(set) = usize::try_from(hash >> 50).ok().and_then(|index| self.buckets.get_mut(index)) else {
            return true;
        };
        let age = |bucket: &Bucket| now.wrapping_sub(bucket.last_ms);
        let found = set.iter().position(|bucket| bucket.tag == tag);
        let place = found.or_else(|| {
            (0..WAYS).max_by_key(|&way| {
                set.get(way).map_or(0, |bucket| if bucket.tag == 0 { u64::MAX } else { u64::from(age(bucket)) })
            })
        });
        let Some(bucket) = place.and_then(|place| set.get_mut(place)) else { return true };
        if found.is_none() {
            *bucket = Bucket { tag, last_ms: now, millitokens: full };
        }
        let earned = age(bucket).saturating_mul(rate);
        bucket.millitokens = bucket.millitokens.saturating_add(earned).min(full);
        bucket.last_ms = now;
        let Some(left) = bucket.millitokens.checked_sub(1000) else { return false };
        bucket.millitokens = left;
        true
    }
}

/// What counts as one client: IPv4 /24, IPv6 /56, told apart by the top bit.
fn network_of(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
        IpAddr::V6(v6) => (1 << 63) | u64::try_from(v6.to_bits() >> 72).unwrap_or(0),
    }
}

/// Copies the question's name in lower case, so that its spelling makes no difference.
fn question_name(message: &[u8], name: &mut [u8; 256]) -> usize {
    let mut len = 0;
    for (to, from) in name.iter_mut().zip(message.get(12..).unwrap_or(&[])) {
        *to = from.to_ascii_lowercase();
        len += 1;
        // Length octets of 65 to 90 do not exist (RFC 1035 §2.3.4), and 0 ends every name.
        if *from == 0 {
            break;
        }
    }
    len
}

const _: () = assert!(SETS == 1 << 14, "the set is chosen by the upper 14 bits of the hash");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::RecordType;

    fn limiter(slip: u32) -> Limiter {
        let loopback = RateLimit::default().exempt;
        Limiter::new(RateLimit { slip, exempt: loopback, ..RateLimit::equal(10, 50) }, (1, 2))
    }

    fn outcome(kind: Kind) -> Outcome {
        Outcome { len: 20, kind, zone: Some(0), qtype: RecordType::A, ..Outcome::SILENCE }
    }

    fn message(label: &str) -> Vec<u8> {
        let mut message = vec![0; 12];
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
        message.extend_from_slice(&[0, 0, 1, 0, 1]);
        message
    }

    fn sent(
        limiter: &mut Limiter,
        client: &str,
        kind: Kind,
        labels: impl Iterator<Item = String>,
        now_ms: u64,
    ) -> usize {
        let client = client.parse().unwrap();
        labels.filter(|label| limiter.judge(client, &outcome(kind), &message(label), now_ms) == Verdict::Send).count()
    }

    fn same(count: usize) -> impl Iterator<Item = String> {
        std::iter::repeat_n("name".to_owned(), count)
    }

    #[test]
    fn equal_answers_stop_at_the_rate_and_come_back_with_time() {
        let mut limiter = limiter(0);
        assert_eq!(sent(&mut limiter, "192.0.2.1", Kind::Answer, same(30), 1_000), 10);
        assert_eq!(
            sent(&mut limiter, "192.0.2.200", Kind::Answer, same(30), 1_500),
            5,
            "the same /24, half a second later"
        );
        assert_eq!(sent(&mut limiter, "198.51.100.1", Kind::Answer, same(5), 1_500), 5);
    }

    #[test]
    fn a_name_in_another_spelling_is_the_same_name() {
        let mut limiter = limiter(0);
        let spellings = (0..30).map(|n| if n % 2 == 0 { "NaMe".to_owned() } else { "name".to_owned() });
        assert_eq!(sent(&mut limiter, "192.0.2.1", Kind::Answer, spellings, 0), 10);
    }

    #[test]
    fn names_that_do_not_exist_count_by_zone() {
        let mut limiter = limiter(0);
        assert_eq!(sent(&mut limiter, "192.0.2.1", Kind::NxDomain, (0..30).map(|n| format!("random{n}")), 0), 10);
    }

    #[test]
    fn many_different_answers_stop_at_the_rate_of_all() {
        let mut limiter = limiter(0);
        assert_eq!(sent(&mut limiter, "2001:db8::1", Kind::Answer, (0..80).map(|n| format!("wild{n}")), 0), 50);
        assert_eq!(sent(&mut limiter, "2001:db8:0:ff::1", Kind::Answer, same(1), 0), 0, "the same /56");
        assert_eq!(sent(&mut limiter, "2001:db8:0:100::1", Kind::Answer, same(1), 0), 1, "another /56");
    }

    #[test]
    fn every_second_limited_response_slips() {
        let mut limiter = limiter(2);
        let client = "192.0.2.1".parse().unwrap();
        let verdicts: Vec<Verdict> =
            (0..14).map(|_| limiter.judge(client, &outcome(Kind::Answer), &message("a"), 0)).collect();
        assert_eq!(verdicts[10..], [Verdict::Drop, Verdict::Slip, Verdict::Drop, Verdict::Slip]);
    }

    #[test]
    fn each_kind_has_a_limit_of_its_own_and_0_is_none() {
        let limit = RateLimit { answers_per_s: 0, nxdomains_per_s: 3, errors_per_s: 2, ..RateLimit::equal(5, 0) };
        let mut limiter = Limiter::new(RateLimit { slip: 0, ..limit }, (1, 2));
        for (kind, passes) in
            [(Kind::Answer, 20), (Kind::NoData, 20), (Kind::NxDomain, 3), (Kind::Referral, 5), (Kind::Error, 2)]
        {
            assert_eq!(sent(&mut limiter, "192.0.2.1", kind, same(20), 0), passes, "{kind:?}");
        }
    }

    #[test]
    fn where_it_is_only_told_everything_is_sent() {
        let limit = RateLimit { log_only: true, ..RateLimit::equal(2, 50) };
        let mut limiter = Limiter::new(limit, (1, 2));
        let client = "192.0.2.1".parse().unwrap();
        let verdicts: Vec<Verdict> =
            (0..4).map(|_| limiter.judge(client, &outcome(Kind::Answer), &message("a"), 0)).collect();
        assert_eq!(verdicts, [Verdict::Send, Verdict::Send, Verdict::Note, Verdict::Note]);
        let (to, mut notes) = mpsc::channel(1);
        limiter.report(&to);
        limiter.report(&to);
        assert_eq!(notes.try_recv().unwrap().total(), 2);
        assert!(notes.try_recv().is_err(), "nothing to tell a second time");
    }

    #[test]
    fn exempt_networks_are_never_limited() {
        let mut limiter = limiter(0);
        assert_eq!(sent(&mut limiter, "127.0.0.1", Kind::Answer, same(1_000), 0), 1_000);
    }

    #[test]
    fn a_full_table_forgets_instead_of_blocking() {
        let mut limiter = limiter(0);
        for n in 0..200_000u32 {
            let client = IpAddr::from((0x0a00_0000 + n * 256).to_be_bytes());
            assert_eq!(limiter.judge(client, &outcome(Kind::Answer), &message("a"), u64::from(n)), Verdict::Send);
        }
    }
}
