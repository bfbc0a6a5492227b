//! A transfer as its records come in: the whole zone (RFC 5936 §2.2), its changes (RFC 1995 §4), or nothing new.
//!
//! Knows order and limits. Whether what comes makes a zone is judged when it is complete.

use crate::dns::{Name, RecordType, serial};

/// Records of a transfer at most, deleted ones of changes included.
const MAX_RECORDS: usize = 4_000_000;

/// Octets of their owners and RDATA at most.
const MAX_OCTETS: usize = 256 << 20;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) owner: Name,
    pub(super) rtype: RecordType,
    /// Seconds.
    pub(super) ttl: u32,
    /// Uncompressed.
    pub(super) rdata: Box<[u8]>,
}

/// One step of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The SOA record before, and the records that go.
    pub(super) gone: Vec<Arrived>,
    /// The SOA record after, and the records that come.
    pub(super) come: Vec<Arrived>,
}

/// What a primary sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The serial that was asked from is the newest.
    Nothing,
    /// Every record.
    Whole(Vec<Arrived>),
    /// What leads from the serial that was asked from to the newest.
    Changes(Vec<Step>),
}

/// Why a transfer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Disorder {
    #[error("a transfer begins with the SOA record, and this one does not")]
    NoSoa,
    #[error("the transfer has a record at {0}, outside of the zone")]
    Outside(Name),
    #[error("the steps of the transfer do not follow from one another: {0} where {1} was to be")]
    Gap(u32, u32),
    #[error("the transfer ends with another SOA record than it began with")]
    OtherEnd,
    #[error("the transfer goes on behind its end")]
    BehindTheEnd,
    #[error("the transfer has more than {MAX_RECORDS} records or {} MiB", MAX_OCTETS >> 20)]
    TooLarge,
}

/// Where in a transfer it is.
#[derive(Debug)]
enum At {
    /// Nothing has come.
    Start,
    /// The first SOA record has come.
    Begun,
    /// Within a whole zone.
    Whole(Vec<Arrived>),
    /// Within the records that go.
    Gone(Vec<Step>),
    /// Within the records that come.
    Come(Vec<Step>),
    /// Complete.
    Done(Sent),
}

/// A transfer on its way in.
#[derive(Debug)]
pub(super) struct Incoming {
    apex: Name,
    /// The serial that changes were asked from; `None`: the whole zone was.
    held: Option<u32>,
    /// The first record.
    soa: Option<Arrived>,
    at: At,
    records: usize,
    octets: usize,
}

impl Arrived {
    /// The serial of an SOA record.
    pub(super) fn serial(&self) -> Option<u32> {
        serial::of_soa(&self.rdata)
    }

    fn is_soa_of(&self, apex: &Name) -> bool {
        self.rtype == RecordType::SOA && self.owner == *apex
    }
}

impl Incoming {
    /// A transfer that was asked for.
    pub(super) fn new(apex: Name, held: Option<u32>) -> Self {
        Self { apex, held, soa: None, at: At::Start, records: 0, octets: 0 }
    }

    /// Takes the next record.
    pub(super) fn take(&mut self, record: Arrived) -> Result<(), Disorder> {
        self.records += 1;
        self.octets += record.owner.wire().len() + record.rdata.len();
        if self.records > MAX_RECORDS || self.octets > MAX_OCTETS {
            return Err(Disorder::TooLarge);
        }
        if !record.owner.is_within(&self.apex) {
            return Err(Disorder::Outside(record.owner));
        }
        let is_soa = record.is_soa_of(&self.apex);
        let Some(first) = &self.soa else {
            if !is_soa {
                return Err(Disorder::NoSoa);
            }
            (self.soa, self.at) = (Some(record), At::Begun);
            return Ok(());
        };
        let newest = first.serial().unwrap_or_default();
        self.at = match (std::mem::replace(&mut self.at, At::Start), is_soa) {
            (At::Begun, true) if self.held.is_some() && record.serial() == self.held && self.held != Some(newest) => {
                At::Gone(vec![Step { gone: vec![record], come: Vec::new() }])
            }
            (At::Begun, true) => Self::ended(vec![first.clone()], first, &record)?,
            (At::Begun, false) => At::Whole(vec![first.clone(), record]),
            (At::Whole(all), true) => Self::ended(all, first, &record)?,
            (At::Whole(mut all), false) => {
                all.push(record);
                At::Whole(all)
            }
            (At::Gone(mut steps), soa) => {
                let step = steps.last_mut().expect("a step has begun");
                if soa {
                    step.come.push(record);
                    At::Come(steps)
                } else {
                    step.gone.push(record);
                    At::Gone(steps)
                }
            }
            (At::Come(mut steps), false) => {
                steps.last_mut().expect("a step has begun").come.push(record);
                At::Come(steps)
            }
            (At::Come(mut steps), true) => {
                let reached = steps.last().and_then(|step| step.come.first()?.serial()).unwrap_or_default();
                let serial = record.serial().unwrap_or_default();
                if serial != reached {
                    return Err(Disorder::Gap(serial, reached));
                }
                if reached == newest {
                    At::Done(Sent::Changes(steps))
                } else {
                    steps.push(Step { gone: vec![record], come: Vec::new() });
                    At::Gone(steps)
                }
            }
            (At::Start | At::Done(_), _) => return Err(Disorder::BehindTheEnd),
        };
        Ok(())
    }

    /// Takes note of the end of a message: one SOA record and nothing else says that there is nothing new.
    pub(super) fn message_ends(&mut self) {
        let (At::Begun, Some(held), Some(newest)) = (&self.at, self.held, self.soa.as_ref().and_then(Arrived::serial))
        else {
            return;
        };
        if !serial::is_newer(newest, held) {
            self.at = At::Done(Sent::Nothing);
        }
    }

    /// Whether nothing is to follow.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.at, At::Done(_))
    }

    /// What was sent, once it is done.
    pub(super) fn sent(self) -> Option<Sent> {
        match self.at {
            At::Done(sent) => Some(sent),
            _ => None,
        }
    }

    /// The end of a whole zone.
    fn ended(all: Vec<Arrived>, first: &Arrived, last: &Arrived) -> Result<At, Disorder> {
        if first.rdata == last.rdata { Ok(At::Done(Sent::Whole(all))) } else { Err(Disorder::OtherEnd) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apex() -> Name {
        "example.test.".parse().unwrap()
    }

    fn soa(serial: u32) -> Arrived {
        let mut rdata = vec![0, 0];
        rdata.extend_from_slice(&serial.to_be_bytes());
        rdata.extend_from_slice(&[0; 16]);
        Arrived { owner: apex(), rtype: RecordType::SOA, ttl: 60, rdata: rdata.into() }
    }

    fn a(label: &str) -> Arrived {
        let owner = format!("{label}.example.test.").parse().unwrap();
        Arrived { owner, rtype: RecordType::A, ttl: 60, rdata: [192, 0, 2, 1].into() }
    }

    /// What records say, all in one message.
    fn said(held: Option<u32>, records: Vec<Arrived>) -> Result<Option<Sent>, Disorder> {
        let mut incoming = Incoming::new(apex(), held);
        records.into_iter().try_for_each(|record| incoming.take(record))?;
        incoming.message_ends();
        Ok(incoming.sent())
    }

    #[test]
    fn a_whole_zone_stands_between_two_soa_records() {
        let whole = vec![soa(5), a("one"), a("two")];
        let sent = [whole.clone(), vec![soa(5)]].concat();
        assert_eq!(said(None, sent.clone()), Ok(Some(Sent::Whole(whole.clone()))));
        assert_eq!(said(Some(4), sent.clone()), Ok(Some(Sent::Whole(whole.clone()))), "instead of changes");
        assert_eq!(said(None, vec![soa(5), soa(5)]), Ok(Some(Sent::Whole(vec![soa(5)]))));
        assert_eq!(said(None, whole), Ok(None), "cut short");
        assert_eq!(said(None, [sent, vec![a("late")]].concat()), Err(Disorder::BehindTheEnd));
        assert_eq!(said(None, vec![soa(5), a("one"), soa(6)]), Err(Disorder::OtherEnd));
        assert_eq!(said(None, vec![a("one")]), Err(Disorder::NoSoa));
        let outside = Arrived { owner: "elsewhere.test.".parse().unwrap(), ..a("x") };
        assert_eq!(said(None, vec![soa(5), outside.clone()]), Err(Disorder::Outside(outside.owner)));
    }

    #[test]
    fn changes_lead_step_by_step_from_the_serial_held_to_the_newest() {
        let steps = vec![
            Step { gone: vec![soa(3), a("old")], come: vec![soa(4), a("mid")] },
            Step { gone: vec![soa(4), a("mid")], come: vec![soa(6)] },
        ];
        let sent = |steps: &[Step]| {
            let each = steps.iter().flat_map(|step| [step.gone.clone(), step.come.clone()].concat());
            std::iter::once(soa(6)).chain(each).chain(std::iter::once(soa(6))).collect::<Vec<_>>()
        };
        assert_eq!(said(Some(3), sent(&steps)), Ok(Some(Sent::Changes(steps.clone()))));
        assert_eq!(said(Some(3), sent(&[steps[0].clone(), steps[0].clone()])), Err(Disorder::Gap(3, 4)));
        assert_eq!(said(Some(3), vec![soa(6)]), Ok(None), "the newest alone: more is to come");
        assert_eq!(said(Some(6), vec![soa(6)]), Ok(Some(Sent::Nothing)));
        assert_eq!(said(Some(7), vec![soa(6)]), Ok(Some(Sent::Nothing)), "an older one is nothing new");
        assert_eq!(said(None, vec![soa(6)]), Ok(None));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_done_or_refused_and_never_panics(
            held in proptest::option::of(0u32..4),
            kinds in proptest::collection::vec((any::<bool>(), 0u32..4), 0..12),
        ) {
            let mut incoming = Incoming::new(apex(), held);
            for (is_soa, number) in kinds {
                let record = if is_soa { soa(number) } else { a(&number.to_string()) };
                if incoming.take(record).is_err() {
                    return Ok(());
                }
                incoming.message_ends();
            }
            if let Some(Sent::Changes(steps)) = incoming.sent() {
                prop_assert_eq!(steps[0].gone[0].serial(), held);
                for pair in steps.windows(2) {
                    prop_assert_eq!(pair[0].come[0].serial(), pair[1].gone[0].serial());
                }
            }
        }
    }
}
