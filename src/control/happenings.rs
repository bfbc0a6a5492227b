//! What happened lately, for whoever listens, and for those who come back.
//!
//! Numbers grow without gaps while the process lives. They begin at the wall clock's milliseconds, so
//! that a number of an earlier process is below the first of this one and is seen to be missed.

use super::report::{Happening, What};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// Happenings kept, for slow listeners and for those who come back: some 300 bytes each.
const KEPT: usize = 1024;

/// The feed; cheap to clone.
#[derive(Debug, Clone)]
pub struct Happenings {
    sender: broadcast::Sender<Arc<Happening>>,
    kept: Arc<Mutex<Kept>>,
}

/// The last ones.
#[derive(Debug)]
struct Kept {
    ring: VecDeque<Arc<Happening>>,
    /// The number of the next one.
    next: u64,
}

/// Where a listener goes on.
#[derive(Debug)]
pub struct Resumed {
    /// Those after the last it saw.
    pub past: VecDeque<Arc<Happening>>,
    /// Whether others were between.
    pub missed: bool,
    /// What comes.
    pub future: broadcast::Receiver<Arc<Happening>>,
}

impl Happenings {
    /// A feed that numbers from here on.
    #[must_use]
    pub fn starting_at(next: u64) -> Self {
        Self::keeping(KEPT, next)
    }

    /// The same with room for fewer.
    fn keeping(room: usize, next: u64) -> Self {
        let (sender, _) = broadcast::channel(room);
        Self { sender, kept: Arc::new(Mutex::new(Kept { ring: VecDeque::with_capacity(room), next })) }
    }

    /// Numbers it, keeps it and tells everybody who listens.
    pub fn tell(&self, at: String, what: What) -> Arc<Happening> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let happening = Arc::new(Happening { id: kept.next, at, what });
        kept.next += 1;
        if kept.ring.len() == kept.ring.capacity() {
            kept.ring.pop_front();
        }
        kept.ring.push_back(happening.clone());
        // Nobody listening is no error.
        let _ = self.sender.send(happening.clone());
        happening
    }

    /// Those after `last_seen`, and what comes, without a gap between; without a number only what comes.
    #[must_use]
    pub fn listen(&self, last_seen: Option<u64>) -> Resumed {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let future = self.sender.subscribe();
        let Some(last_seen) = last_seen else { return Resumed { past: VecDeque::new(), missed: false, future } };
        let oldest = kept.ring.front().map_or(kept.next, |happening| happening.id);
        let missed = last_seen >= kept.next || last_seen.saturating_add(1) < oldest;
        let after = |happening: &&Arc<Happening>| happening.id > last_seen || last_seen >= kept.next;
        Resumed { past: kept.ring.iter().filter(after).cloned().collect(), missed, future }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(feed: &Happenings) -> u64 {
        feed.tell(String::new(), What::Fallback { switch: "model".into(), in_use: true }).id
    }

    fn ids(resumed: &Resumed) -> Vec<u64> {
        resumed.past.iter().map(|happening| happening.id).collect()
    }

    #[test]
    fn who_comes_back_gets_what_it_missed_and_is_told_when_that_is_not_all() {
        let feed = Happenings::keeping(3, 10);
        assert!(!feed.listen(Some(9)).missed && !feed.listen(None).missed);
        for id in 10..15 {
            assert_eq!(told(&feed), id);
        }
        assert_eq!((ids(&feed.listen(None)), feed.listen(None).missed), (vec![], false));
        assert_eq!((ids(&feed.listen(Some(14))), feed.listen(Some(14)).missed), (vec![], false));
        assert_eq!((ids(&feed.listen(Some(11))), feed.listen(Some(11)).missed), (vec![12, 13, 14], false));
        assert_eq!((ids(&feed.listen(Some(10))), feed.listen(Some(10)).missed), (vec![12, 13, 14], true));
        assert_eq!((ids(&feed.listen(Some(99))), feed.listen(Some(99)).missed), (vec![12, 13, 14], true));
        let mut listening = feed.listen(Some(14));
        told(&feed);
        assert_eq!(listening.future.try_recv().unwrap().id, 15);
    }
}
