//! What changed from one serial to the next (RFC 1995), in memory and within bounds.
//!
//! An image is taken in at once; what changed since the one before is worked out later, elsewhere: of a large
//! zone that takes its time.

use super::image::{Image, Set, records};
use crate::dns::serial;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, OnceLock};

/// Steps that are remembered of a zone.
const STEPS: usize = 256;

/// Octets of records that are remembered of a zone.
const OCTETS: usize = 1 << 20;

/// Steps of a zone that wait to be worked out. Each holds the image before; of more, the last ones become one.
const PENDING: usize = 4;

/// A record: its owner relative to the apex, and itself owned by a pointer.
pub(super) type Record = (Box<[u8]>, Box<[u8]>);

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    from: u32,
    /// The SOA record of `from`.
    soa_before: Vec<u8>,
    gone: Vec<Record>,
    come: Vec<Record>,
}

/// What takes one serial to another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The SOA record before.
    pub(super) soa_before: Vec<u8>,
    /// Records that are no more.
    pub(super) gone: Vec<Record>,
    /// Records that are new.
    pub(super) come: Vec<Record>,
}

/// A step that is worked out once, by who comes first.
#[derive(Debug)]
struct Pending {
    before: Arc<Image>,
    after: Arc<Image>,
    /// `None` within: too large to be remembered.
    step: OnceLock<Option<Arc<Step>>>,
}

/// A zone at its serial, and the way there.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// As it is transferred.
    pub(super) image: Arc<Image>,
    steps: VecDeque<Arc<Step>>,
    octets: usize,
    /// What follows the steps, up to the image.
    pending: VecDeque<Arc<Pending>>,
}

impl History {
    /// Begins with an image.
    pub(super) fn new(image: Arc<Image>) -> Self {
        Self { image, steps: VecDeque::new(), octets: 0, pending: VecDeque::new() }
    }

    /// Goes on to the next image; what changed is still to be worked out.
    pub(super) fn advance(&mut self, next: Arc<Image>) {
        let last = if self.pending.len() < PENDING { None } else { self.pending.pop_back() };
        let before = last.map_or_else(|| Arc::clone(&self.image), |last| Arc::clone(&last.before));
        self.pending.push_back(Arc::new(Pending { before, after: Arc::clone(&next), step: OnceLock::new() }));
        self.image = next;
    }

    /// Whether all steps are worked out.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Works out all steps: long work where the zone is large. Waits for who does so already.
    pub(super) fn settle(&mut self) {
        self.pending.iter().for_each(|pending| drop(pending.worked_out()));
        self.collect();
    }

    /// Takes in what was worked out.
    pub(super) fn collect(&mut self) {
        while let Some(step) = self.pending.front().and_then(|pending| pending.step.get().cloned()) {
            self.pending.pop_front();
            match step {
                Some(step) => {
                    self.octets += step.octets();
                    self.steps.push_back(step);
                }
                None => {
                    self.steps.clear();
                    self.octets = 0;
                }
            }
        }
        while self.steps.len() > STEPS || self.octets > OCTETS {
            let Some(oldest) = self.steps.pop_front() else { break };
            self.octets -= oldest.octets();
        }
    }

    /// What takes a secondary from its serial to this one, condensed (RFC 1995 §5); `None`: no longer known, or
    /// not yet.
    pub(super) fn since(&self, held: u32) -> Option<Difference> {
        if !self.is_settled() {
            return None;
        }
        let first = self.steps.iter().position(|step| step.from == held)?;
        let mut steps = self.steps.iter().skip(first);
        // Each record gained or lost once more than the other way is what is left of it.
        let mut balance: HashMap<&Record, i32> = HashMap::new();
        for step in steps.clone() {
            step.gone.iter().for_each(|record| *balance.entry(record).or_default() -= 1);
            step.come.iter().for_each(|record| *balance.entry(record).or_default() += 1);
        }
        let soa_before = steps.next()?.soa_before.clone();
        let of = |wanted: fn(i32) -> bool| {
            let mut of: Vec<Record> =
                balance.iter().filter(|(_, count)| wanted(**count)).map(|(record, _)| (*record).clone()).collect();
            of.sort_unstable();
            of
        };
        Some(Difference { soa_before, gone: of(|count| count < 0), come: of(|count| count > 0) })
    }

    /// Whether a secondary that holds this serial has nothing to fetch.
    pub(super) fn is_held_at(&self, held: u32) -> bool {
        !serial::is_newer(self.image.serial, held)
    }
}

impl Pending {
    fn worked_out(&self) -> Option<Arc<Step>> {
        let work_out = || Step::between(&self.before, &self.after).filter(|step| step.octets() <= OCTETS).map(Arc::new);
        self.step.get_or_init(work_out).clone()
    }
}

impl Step {
    /// What changed between two images of a zone; `None` when one of them has no SOA record.
    fn between(before: &Image, after: &Image) -> Option<Self> {
        let (gone, come) = if before.shares_data(after) {
            let places: Vec<usize> = before.places_that_differ(after).collect();
            differing(&at(before, &places), &at(after, &places))
        } else {
            differing(&all(before.sets_unlike(after)).collect(), &all(after.sets_unlike(before)).collect())
        };
        Some(Self { from: before.serial, soa_before: before.soa()?, gone, come })
    }

    fn octets(&self) -> usize {
        let of =
            |records: &[Record]| records.iter().map(|(owner, record)| owner.len() + record.len() + 32).sum::<usize>();
        of(&self.gone) + of(&self.come) + self.soa_before.len()
    }
}

/// The records at some steered names.
fn at<'i>(image: &'i Image, places: &[usize]) -> HashSet<Set<'i>> {
    places.iter().flat_map(|place| all(image.steered_sets(*place))).collect()
}

/// The records of sets, each with its owner.
fn all<'i>(sets: impl Iterator<Item = Set<'i>>) -> impl Iterator<Item = Set<'i>> {
    sets.flat_map(|(relative, wire)| records(wire).map(move |record| (relative, record)))
}

/// The records that only one side has.
fn differing(before: &HashSet<Set<'_>>, after: &HashSet<Set<'_>>) -> (Vec<Record>, Vec<Record>) {
    let own = |(relative, record): &Set<'_>| (Box::from(*relative), Box::from(*record));
    (before.difference(after).map(own).collect(), after.difference(before).map(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Name, RecordType};
    use crate::zone::{LineRef, SteerId, Zone, ZoneText};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn image(sets: &[(usize, usize, u8)], steered: Option<usize>) -> Image {
        numbered(1, sets, steered)
    }

    fn numbered(serial: u32, sets: &[(usize, usize, u8)], steered: Option<usize>) -> Image {
        let apex: Name = "example.test".parse().unwrap();
        let name = |label: usize| apex.child(&[b'a' + u8::try_from(label).unwrap()]).unwrap();
        let mut text = ZoneText::default();
        let file = text.add_file("test.zone".into());
        text.push(&apex, RecordType::SOA, 60, &[0; 22], LineRef { file, line: 1 });
        for (label, rtype, rdata) in sets {
            let rtype = [RecordType::A, RecordType::TXT][*rtype];
            text.push(&name(*label), rtype, 60, &[1, *rdata], LineRef { file, line: 1 });
        }
        let steered: Vec<_> = steered.map(|label| (name(label), SteerId(0))).into_iter().collect();
        Image::of_static_data(serial, Zone::build(&apex, &text, &steered))
    }

    /// A zone with one record, whose data is its serial.
    fn at_serial(serial: u8) -> Arc<Image> {
        Arc::new(numbered(serial.into(), &[(0, 0, serial)], None))
    }

    fn data(records: &[Record]) -> Vec<u8> {
        records.iter().filter_map(|(_, record)| record.last().copied()).collect()
    }

    #[test]
    fn what_is_not_worked_out_yet_is_not_sent_and_what_was_taken_out_is_complete_by_itself() {
        let mut history = History::new(at_serial(1));
        history.advance(at_serial(2));
        assert_eq!((history.image.serial, history.since(1)), (2, None));
        let mut taken = history.clone();
        // Serial 3 comes while somebody is at the step before.
        history.advance(at_serial(3));
        taken.settle();
        let changes = taken.since(1).unwrap();
        assert_eq!((taken.image.serial, data(&changes.gone), data(&changes.come)), (2, vec![1], vec![2]));
        history.collect();
        assert!(!history.is_settled() && history.since(1).is_none() && history.since(2).is_none());
        history.settle();
        let [one, two] = [1, 2].map(|held| history.since(held).unwrap());
        assert_eq!((data(&one.gone), data(&one.come)), (vec![1], vec![3]));
        assert_eq!((data(&two.gone), data(&two.come)), (vec![2], vec![3]));
    }

    #[test]
    fn steps_that_wait_are_few_and_lead_to_the_last_image_all_the_same() {
        let mut history = History::new(at_serial(1));
        (2..=50).for_each(|serial| history.advance(at_serial(serial)));
        assert_eq!((history.pending.len(), history.image.serial), (PENDING, 50));
        history.settle();
        for held in [1, 2, 3, 4] {
            let changes = history.since(held.into()).unwrap();
            assert_eq!((data(&changes.gone), data(&changes.come)), (vec![held], vec![50]), "{held}");
        }
        // Of a serial that became part of another step nothing is known: it gets the whole zone.
        assert_eq!(history.since(20), None);
    }

    proptest! {
        #[test]
        fn looking_at_what_may_differ_finds_all_that_does(
            before in vec((0usize..5, 0usize..2, 0u8..3), 0..8),
            after in vec((0usize..5, 0usize..2, 0u8..3), 0..8),
            steered in (prop::option::of(0usize..5), prop::option::of(0usize..5)),
        ) {
            let (before, after) = (image(&before, steered.0), image(&after, steered.1));
            let step = Step::between(&before, &after).unwrap();
            let (gone, come) = differing(&all(before.sets()).collect(), &all(after.sets()).collect());
            let sorted = |mut records: Vec<Record>| { records.sort_unstable(); records };
            prop_assert_eq!(sorted(step.gone), sorted(gone));
            prop_assert_eq!(sorted(step.come), sorted(come));
        }
    }
}
