//! What changed from one serial to the next (RFC 1995), in memory and within bounds.

use super::image::{Image, Set, records};
use crate::dns::serial;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Steps that are remembered of a zone.
const STEPS: usize = 256;

/// Octets of records that are remembered of a zone.
const OCTETS: usize = 1 << 20;

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

/// A zone at its serial, and the way there.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// As it is transferred.
    pub(super) image: Arc<Image>,
    steps: VecDeque<Arc<Step>>,
    octets: usize,
}

impl History {
    /// Begins with an image.
    pub(super) fn new(image: Arc<Image>) -> Self {
        Self { image, steps: VecDeque::new(), octets: 0 }
    }

    /// Goes on to the next image.
    pub(super) fn advance(&mut self, next: Arc<Image>) {
        let step = Step::between(&self.image, &next).filter(|step| step.octets() <= OCTETS);
        match step {
            Some(step) => {
                self.octets += step.octets();
                self.steps.push_back(Arc::new(step));
            }
            None => {
                self.steps.clear();
                self.octets = 0;
            }
        }
        while self.steps.len() > STEPS || self.octets > OCTETS {
            let Some(oldest) = self.steps.pop_front() else { break };
            self.octets -= oldest.octets();
        }
        self.image = next;
    }

    /// What takes a secondary from its serial to this one, condensed (RFC 1995 §5); `None`: no longer known.
    pub(super) fn since(&self, held: u32) -> Option<Difference> {
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
        Image::of_static_data(1, Zone::build(&apex, &text, &steered))
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
