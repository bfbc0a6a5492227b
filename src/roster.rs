//! One running task for each entry of a list that changes: readings, look-ups.
//!
//! An entry that stays on the list keeps its task, and so its cadence; one that leaves is ended at once.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Runs `work` for every entry of the list until `shutdown`, or until either channel's other end is gone.
pub async fn follow<T, R, W>(
    mut list: watch::Receiver<Arc<[T]>>,
    reports: mpsc::Sender<R>,
    shutdown: impl Future<Output = ()>,
    work: impl Fn(T, mpsc::Sender<R>) -> W,
) where
    T: Clone + PartialEq,
    W: Future<Output = ()> + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let mut running = JoinSet::new();
    let mut known: Vec<(T, AbortHandle)> = Vec::new();
    loop {
        let wanted = list.borrow_and_update().clone();
        known.retain(|(entry, handle)| {
            let stays = wanted.contains(entry) && !handle.is_finished();
            if !stays {
                handle.abort();
            }
            stays
        });
        for entry in wanted.iter() {
            if !known.iter().any(|(one, _)| one == entry) {
                let handle = running.spawn(work(entry.clone(), reports.clone()));
                known.push((entry.clone(), handle));
            }
        }
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = reports.closed() => return,
                changed = list.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                Some(_ended) = running.join_next() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::time::Duration;
    use tokio::time::timeout;

    const LIMIT: Duration = Duration::from_secs(30);

    /// Says on its channel when it is dropped.
    struct Ends(char, mpsc::Sender<(char, bool)>);

    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.1.try_send((self.0, false));
        }
    }

    async fn next(reports: &mut mpsc::Receiver<(char, bool)>) -> Option<(char, bool)> {
        timeout(LIMIT, reports.recv()).await.expect("in time")
    }

    #[tokio::test]
    async fn who_stays_on_the_list_runs_on_who_leaves_ends_and_all_end_with_the_list() {
        let (list, wanted) = watch::channel::<Arc<[char]>>(['a'].into());
        let (reports, mut seen) = mpsc::channel(16);
        let followed = tokio::spawn(follow(wanted, reports, pending(), |entry, reports| async move {
            let _ends = Ends(entry, reports.clone());
            reports.send((entry, true)).await.expect("the test listens");
            pending::<()>().await;
        }));
        assert_eq!(next(&mut seen).await, Some(('a', true)));
        list.send_replace(['a', 'b'].into());
        assert_eq!(next(&mut seen).await, Some(('b', true)), "a is not begun a second time");
        list.send_replace(['b'].into());
        assert_eq!(next(&mut seen).await, Some(('a', false)));
        drop(list);
        assert_eq!(next(&mut seen).await, Some(('b', false)));
        timeout(LIMIT, followed).await.expect("in time").expect("no panic");
        assert_eq!(next(&mut seen).await, None);
    }

    #[tokio::test]
    async fn it_ends_when_told_to_and_when_nobody_reads_its_reports() {
        let (_list, wanted) = watch::channel::<Arc<[char]>>(['a'].into());
        let idle = |_: char, reports: mpsc::Sender<()>| async move { reports.closed().await };
        let (reports, _seen) = mpsc::channel(1);
        timeout(LIMIT, follow(wanted.clone(), reports, async {}, idle)).await.expect("it was told to end");
        let (reports, seen) = mpsc::channel(1);
        drop(seen);
        timeout(LIMIT, follow(wanted, reports, pending(), idle)).await.expect("nobody reads");
    }
}
