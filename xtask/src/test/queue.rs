// SPDX-License-Identifier: GPL-2.0-only
//! The queue of trials that wait for a machine.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linux_driver_vm::Readiness;

/// The interval between checks of a thread whose trials all wait for a boot.
const LOOK: Duration = Duration::from_millis(100);

/// A queue from which each thread takes the most useful trial.
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

struct Waiting<T> {
    /// The trials, each with a rough measure of how long it takes.
    trials: Vec<(u64, T)>,
    /// `true` if no more trials will come.
    closed: bool,
}

/// Closes a queue when it is dropped, so that the threads end.
pub(super) struct Closing<'a, T>(pub(super) &'a Queue<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                trials: Vec::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, seconds: u64, trial: T) {
        self.lock().trials.push((seconds, trial));
        self.changed.notify_one();
    }

    /// Takes the longest of the trials that can start at once. If there are none, takes one that
    /// boots a machine for other trials too. Returns `None` if there are no more trials.
    pub(super) fn next(&self, readiness: impl Fn(&T) -> Readiness) -> Option<T> {
        let mut waiting = self.lock();
        loop {
            let of = |wanted: Readiness| {
                let trials = waiting.trials.iter().enumerate();
                let those = trials.filter(|(_, (_, trial))| readiness(trial) == wanted);
                // Of several trials with the same length, this takes the first.
                those
                    .min_by_key(|(_, (seconds, _))| std::cmp::Reverse(*seconds))
                    .map(|(number, _)| number)
            };
            if let Some(number) = of(Readiness::Ready).or_else(|| of(Readiness::Boots)) {
                return Some(waiting.trials.remove(number).1);
            }
            if waiting.closed && waiting.trials.is_empty() {
                return None;
            }
            let woken = self.changed.wait_timeout(waiting, LOOK);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until `start` returns `true`. Returns `false` if there are no more trials before that.
    pub(super) fn wait_for(&self, start: impl Fn() -> bool) -> bool {
        let mut waiting = self.lock();
        loop {
            if start() {
                return true;
            }
            if waiting.closed && waiting.trials.is_empty() {
                return false;
            }
            let woken = self.changed.wait_timeout(waiting, LOOK);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_thread_waits_for_its_start_or_for_the_end() {
        let queue = Queue::new();
        queue.push(1, "trial");
        let looks = Cell::new(0);
        let start = || {
            looks.set(looks.get() + 1);
            looks.get() == 3
        };
        assert!(queue.wait_for(start));
        assert_eq!(looks.get(), 3);
        drop(Closing(&queue));
        assert!(queue.wait_for(|| true));
        assert!(queue.next(|_| Readiness::Ready).is_some());
        assert!(!queue.wait_for(|| false));
    }

    #[test]
    fn the_longest_that_can_start_comes_first() {
        let queue = Queue::new();
        let closing = Closing(&queue);
        for (seconds, trial) in [
            (9, Readiness::Waits),
            (1, Readiness::Ready),
            (8, Readiness::Boots),
            (5, Readiness::Ready),
        ] {
            queue.push(seconds, (seconds, trial));
        }
        let mut order = Vec::new();
        for _ in 0..3 {
            order.extend(queue.next(|(_, readiness)| *readiness).map(|(s, _)| s));
        }
        assert_eq!(order, [5, 1, 8]);
        drop(closing);
        // The queue still returns a waiting trial after it is closed.
        assert!(queue.next(|_| Readiness::Ready).is_some());
        assert!(queue.next(|_| Readiness::Ready).is_none());
    }
}
