//! Label rules of wildcard owners: an exact label, else the longest prefix of one (§1.7).
//!
//! Sorted lists and binary search; prefixes are tried by their distinct lengths, longest first.

use super::partition::Outcome;
use std::sync::Arc;

/// Labels and label prefixes with what is done for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LabelRules {
    /// Sorted by label.
    exact: Vec<(Arc<str>, Outcome)>,
    /// Sorted by prefix.
    prefixes: Vec<(Arc<str>, Outcome)>,
    /// Distinct lengths of the prefixes, falling.
    lengths: Vec<usize>,
}

impl LabelRules {
    /// Sorts the rules; among equal texts the first given wins.
    pub(super) fn new(mut exact: Vec<(Arc<str>, Outcome)>, mut prefixes: Vec<(Arc<str>, Outcome)>) -> Self {
        for list in [&mut exact, &mut prefixes] {
            list.sort_by(|a, b| a.0.cmp(&b.0));
            list.dedup_by(|b, a| a.0 == b.0);
        }
        let mut lengths: Vec<usize> = prefixes.iter().map(|(text, _)| text.len()).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        Self { exact, prefixes, lengths }
    }

    /// What is done for this label (lower case), if a rule names it.
    pub(super) fn find(&self, label: &[u8]) -> Option<Outcome> {
        search(&self.exact, label)
            .or_else(|| self.lengths.iter().find_map(|len| search(&self.prefixes, label.get(..*len)?)))
    }

    /// Whether there is no rule at all.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }
}

fn search(list: &[(Arc<str>, Outcome)], text: &[u8]) -> Option<Outcome> {
    let at = list.binary_search_by(|(entry, _)| entry.as_bytes().cmp(text)).ok()?;
    list.get(at).map(|(_, outcome)| *outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_label_beats_prefixes_and_the_longest_prefix_the_others() {
        let rules = LabelRules::new(
            vec![("beta-7".into(), 1), ("beta-7".into(), 9)],
            vec![("b".into(), 2), ("beta-".into(), 3), ("beta-7".into(), 4)],
        );
        let find = |label: &str| rules.find(label.as_bytes());
        assert_eq!(find("beta-7"), Some(1));
        assert_eq!(find("beta-77"), Some(4));
        assert_eq!(find("beta-8"), Some(3));
        assert_eq!(find("bet"), Some(2));
        assert_eq!(find("alpha"), None);
        assert_eq!(find(""), None);
    }
}
