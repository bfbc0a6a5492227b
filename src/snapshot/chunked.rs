//! A vector in two levels, so that a copy with few changes is cheap.
//!
//! A flip replaces one switch of perhaps a hundred thousand: the copy shares every chunk but the
//! changed one and costs one pointer per [`CHUNK`] elements.

use std::sync::Arc;

/// Elements per chunk: a power of two, so that a place is a shift and a mask.
const CHUNK: usize = 256;

/// An immutable vector whose changed copies share what did not change.
#[derive(Debug, Clone)]
pub struct Chunked<T> {
    /// All full but the last.
    chunks: Arc<[Arc<[T]>]>,
}

impl<T: Clone> Chunked<T> {
    /// Takes the elements in order.
    #[must_use]
    pub fn new(elements: &[T]) -> Self {
        Self { chunks: elements.chunks(CHUNK).map(Arc::from).collect() }
    }

    /// The element at `index`.
    #[must_use]
    #[inline]
    pub fn at(&self, index: u32) -> Option<&T> {
        let index = index as usize;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// How many elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Every element in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// A copy with some elements replaced; places beyond the end are ignored.
    #[must_use]
    pub fn with(&self, changes: &[(u32, T)]) -> Self {
        if changes.is_empty() {
            return self.clone();
        }
        let mut chunks: Vec<Arc<[T]>> = self.chunks.to_vec();
        for (index, value) in changes {
            let index = *index as usize;
            // Copied once: the spine above holds the other reference until the first change of a chunk.
            if let Some(place) = chunks.get_mut(index / CHUNK).and_then(|c| Arc::make_mut(c).get_mut(index % CHUNK)) {
                *place = value.clone();
            }
        }
        Self { chunks: chunks.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_copy_shares_the_chunks_it_did_not_touch() {
        let before = Chunked::new(&(0..1000u32).collect::<Vec<_>>());
        let after = before.with(&[(300, 7), (301, 8), (5000, 9)]);
        assert_eq!((before.at(300), before.at(301)), (Some(&300), Some(&301)));
        assert_eq!((after.at(300), after.at(301), after.at(302)), (Some(&7), Some(&8), Some(&302)));
        assert_eq!((after.len(), after.at(1000), after.at(u32::MAX)), (1000, None, None));
        let shared = before.chunks.iter().zip(after.chunks.iter()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, 3);
        assert!(after.iter().copied().enumerate().filter(|(i, v)| *i != *v as usize).count() == 2);
    }

    #[test]
    fn an_empty_vector_has_no_elements() {
        let none = Chunked::<u8>::new(&[]);
        assert!(none.is_empty() && none.at(0).is_none() && none.with(&[(0, 1)]).is_empty());
    }
}
