// SPDX-License-Identifier: GPL-2.0-only
//! How often an item was queued and has not come to its end yet.
//!
//! C's `cancel_work_sync` and `cancel_delayed_work_sync` wait for a run in the pool of workers that
//! the item was queued to last (`start_flush_work` in `kernel/workqueue.c`). On most queues there
//! is no other pool in which it can run: `__queue_work` puts an item that runs back into the pool
//! in which it runs. On an ordered queue it does not do so since 6.9, to keep the order: the item
//! goes to the newest pool, which is another one if root changed the CPUs of unbound queues after
//! the run had begun. The order holds, so that no two runs are at once, but a run in the older pool
//! is not waited for. In 6.1 ordered queues keep their one pool.
//!
//! So the items of queues that run one at a time are counted here. Only this crate queues them, and
//! C says of each call whether it queued, and whether it took the item off its queue.

use core::sync::atomic::{AtomicU32, Ordering};

/// The instances of an item: each stands for a call that queued it, until its run has ended or it
/// was taken off the queue.
pub(super) struct Instances {
    /// How many there are: one that runs, or is about to, one that is pending, and calls that are
    /// about to queue.
    open: AtomicU32,
    /// How many callers cancel the item.
    cancelling: AtomicU32,
}

/// How an item was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cancelled {
    pub(super) was_pending: bool,
    /// Whether there was an instance that C did not wait for.
    pub(super) missed: bool,
}

impl Instances {
    pub(super) const fn new() -> Self {
        Self {
            open: AtomicU32::new(0),
            cancelling: AtomicU32::new(0),
        }
    }

    /// Queues the item by `queue`, which says whether it did. An item that is being cancelled is
    /// not queued, as C has it.
    #[inline(always)]
    pub(super) fn queue(&self, queue: impl FnOnce() -> bool) -> bool {
        if self.is_cancelled() {
            return false;
        }
        // Before it is queued: its run may end before `queue` returns.
        self.open.fetch_add(1, Ordering::Relaxed);
        let queued = queue();
        if !queued {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        queued
    }

    /// Takes the item off its queue by `take`, which says whether it did, and queues it by `queue`.
    /// Returns whether it was pending.
    ///
    /// C's `mod_delayed_work` does both at once. It does not say whether it queued an item that was
    /// not pending: it does not if the item is being cancelled.
    pub(super) fn requeue(&self, take: impl Fn() -> bool, queue: impl Fn() -> bool) -> bool {
        let mut was_pending = false;
        loop {
            was_pending |= self.take(&take);
            // Where somebody else has queued it in between, that is undone: this call came later.
            if self.queue(&queue) || self.is_cancelled() {
                return was_pending;
            }
        }
    }

    /// Cancels the item by `cancel`, again after each `pause` until no instance is left. Not in a
    /// run of the item.
    ///
    /// Nobody queues the item meanwhile, but for those who were about to when this began.
    pub(super) fn cancel(&self, cancel: impl Fn() -> bool, pause: impl Fn()) -> Cancelled {
        self.cancelling.fetch_add(1, Ordering::Relaxed);
        let was_pending = self.take(&cancel);
        let mut missed = false;
        // With the count all that the runs did is seen: `end` releases it.
        while self.open.load(Ordering::Acquire) != 0 {
            missed = true;
            pause();
            self.take(&cancel);
        }
        self.cancelling.fetch_sub(1, Ordering::Relaxed);
        Cancelled { was_pending, missed }
    }

    /// Waits with whoever cancels the item, if there is somebody, until no instance is left. Returns
    /// whether it had to. Not in a run of the item.
    ///
    /// C's `flush_work` looks for a run where `cancel_work_sync` does, and misses it too when what
    /// was pending has been taken off the queue.
    pub(super) fn wait_for_cancelling(&self, pause: impl Fn()) -> bool {
        let mut waited = false;
        while self.is_cancelled() && self.open.load(Ordering::Acquire) != 0 {
            waited = true;
            pause();
        }
        waited
    }

    /// A run ends. It does not use the item after this, which may be freed.
    #[inline(always)]
    pub(super) fn end(&self) {
        self.open.fetch_sub(1, Ordering::Release);
    }

    fn take(&self, take: &impl Fn() -> bool) -> bool {
        let taken = take();
        if taken {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    fn is_cancelled(&self) -> bool {
        self.cancelling.load(Ordering::Relaxed) != 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// What is left to do at each pause.
    struct Pauses<'a>(Mutex<VecDeque<&'a dyn Fn()>>);

    impl<'a> Pauses<'a> {
        fn new(steps: impl IntoIterator<Item = &'a dyn Fn()>) -> Self {
            Self(Mutex::new(steps.into_iter().collect()))
        }

        fn next(&self) {
            let step = self.0.lock().unwrap().pop_front();
            step.expect("a pause when no instance was left")();
        }
    }

    #[test]
    fn one_that_runs_elsewhere_is_waited_for_while_another_one_is_pending() {
        let instances = Instances::new();
        // One that C has dequeued, whether its run has begun or not, and one that is pending.
        assert!(instances.queue(|| true));
        assert!(instances.queue(|| true));
        assert!(!instances.queue(|| false));
        let pending = AtomicBool::new(true);
        let refused = || assert!(!instances.queue(|| panic!("queued while it is cancelled")));
        let ends = || instances.end();
        let pauses = Pauses::new([&refused as &dyn Fn(), &ends]);
        let cancelled = instances.cancel(|| pending.swap(false, Ordering::Relaxed), || pauses.next());
        assert_eq!((cancelled.was_pending, cancelled.missed), (true, true));
        assert!(pauses.0.lock().unwrap().is_empty(), "did not wait for the run");
        // As it was at first.
        assert!(instances.queue(|| true));
        instances.end();
        let idle = instances.cancel(|| false, || panic!("waits for none"));
        assert_eq!((idle.was_pending, idle.missed), (false, false));
    }

    #[test]
    fn one_that_is_queued_as_cancelling_begins_is_taken_off_too() {
        let instances = Instances::new();
        let pending = AtomicBool::new(false);
        let cancel = || pending.swap(false, Ordering::Relaxed);
        let cancelled = instances.queue(|| {
            // Past the check; `cancel` begins, and does not see it pending yet.
            let arrives = || pending.store(true, Ordering::Relaxed);
            let pauses = Pauses::new([&arrives as &dyn Fn()]);
            assert!(instances.cancel(cancel, || pauses.next()).missed);
            true
        });
        assert!(cancelled);
        assert!(!instances.cancel(cancel, || panic!("counted twice")).missed);
    }

    #[test]
    fn one_that_is_put_off_is_one_instance() {
        let instances = Instances::new();
        assert!(!instances.requeue(|| false, || true));
        assert!(instances.requeue(|| true, || true));
        // Somebody else queues it in between, once.
        let between = AtomicBool::new(true);
        let queue = || {
            if between.swap(false, Ordering::Relaxed) {
                instances.queue(|| true);
                return false;
            }
            true
        };
        assert!(instances.requeue(|| true, queue));
        instances.end();
        assert!(!instances.cancel(|| false, || panic!("an instance too many")).missed);
        // It is being cancelled: `cancel` is in its first call.
        let inside = || instances.requeue(|| false, || panic!("queued while it is cancelled"));
        assert!(!instances.cancel(inside, || panic!("an instance too many")).missed);
    }

    #[test]
    fn whoever_flushes_one_that_is_being_cancelled_waits_for_its_run() {
        let instances = Instances::new();
        assert!(instances.queue(|| true));
        // Nobody cancels it: C's function finds the run.
        assert!(!instances.wait_for_cancelling(|| panic!("waits for one that is not cancelled")));
        let flush = || {
            assert!(instances.wait_for_cancelling(|| instances.end()), "did not wait");
            assert!(!instances.wait_for_cancelling(|| panic!("waits for none")));
        };
        let pauses = Pauses::new([&flush as &dyn Fn()]);
        assert!(instances.cancel(|| false, || pauses.next()).missed);
    }

    /// Threads that queue and put off, one that runs what is pending, one that cancels: the memory
    /// of a run is not used after its cancelling.
    #[test]
    fn no_run_is_left_when_it_is_cancelled() {
        let (instances, pending, at_work) = (Instances::new(), AtomicBool::new(false), AtomicU32::new(0));
        let over = AtomicBool::new(false);
        let queue = || !pending.swap(true, Ordering::SeqCst);
        let take = || pending.swap(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    if take() {
                        at_work.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        instances.queue(queue);
                        at_work.fetch_sub(1, Ordering::SeqCst);
                        instances.end();
                    }
                    std::thread::yield_now();
                }
            });
            for _ in 0..300 {
                let queueing = scope.spawn(|| {
                    instances.queue(queue);
                    instances.requeue(take, queue);
                });
                instances.cancel(take, std::thread::yield_now);
                queueing.join().unwrap();
                // Nobody else queues it any more.
                instances.cancel(take, std::thread::yield_now);
                assert_eq!(at_work.load(Ordering::SeqCst), 0, "a run is left");
                assert!(!pending.load(Ordering::SeqCst), "it is left pending");
                assert_eq!(instances.open.load(Ordering::SeqCst), 0);
            }
            over.store(true, Ordering::SeqCst);
        });
    }
}
