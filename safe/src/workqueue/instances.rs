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
//! C's `flush_work` has a gap of its own since 6.9. It links a barrier to an item that is pending.
//! An item behind others that use up the queue's limit of active items may be the only one in its
//! pool: nothing runs there. If the item is then taken off its queue, the barrier is left for the
//! pool's workers and none is woken (`try_to_grab_pending`). Unless something else is queued to
//! that pool, `flush_work` never returns, and neither does the destruction of the queue. An ordered
//! queue runs nothing any more once root has changed the CPUs of unbound queues again, because its
//! newer pools wait for the older one.
//!
//! So the items of owned queues are counted here, and flushed by the count: no barrier is linked to
//! a pending item. Only this crate queues them, and C says of each call whether it queued, and
//! whether it took the item off its queue. The kernel's own queues are flushed by C. Their limit is
//! 256 items or more.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One instance that is open, in [`Instances::state`].
const OPEN: u64 = 1;
/// One step forward, in [`Instances::state`].
const STEP: u64 = 1 << 32;

/// The instances of an item: each stands for a call that queued it, until its run has ended or it
/// was taken off the queue.
pub(super) struct Instances {
    /// The lower half counts the open instances: one that runs, or is about to, one that is
    /// pending, calls that are about to queue, and those whose taking off is not recorded yet. It
    /// is never less than what there really is.
    ///
    /// The upper half counts steps, and wraps around. The end of a run is a step. A change that
    /// leaves no instance open is two steps.
    state: AtomicU64,
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
            state: AtomicU64::new(0),
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
        // Before it is queued: its run may end before `queue` returns. It does not carry into the
        // upper half: there are fewer tasks than that.
        self.state.fetch_add(OPEN, Ordering::Relaxed);
        let queued = queue();
        if !queued {
            self.withdraw();
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

    /// Takes the item off its queue by `take`, and queues it by `queue`, as the same instance: who
    /// waits for it goes on waiting. Each says whether it did.
    pub(super) fn bring_forward(&self, take: impl FnOnce() -> bool, queue: impl FnOnce() -> bool) {
        // It is not queued if somebody else has done so in between, or cancels it.
        if take() && !queue() {
            self.withdraw();
        }
    }

    /// Cancels the item by `cancel`, again after each `pause` until no instance is left. Not in a
    /// run of the item.
    ///
    /// Nobody queues the item meanwhile, but for those who were about to when this began.
    pub(super) fn cancel(&self, cancel: impl Fn() -> bool, pause: impl Fn()) -> Cancelled {
        self.cancelling.fetch_add(1, Ordering::Relaxed);
        let mut was_pending = self.take(&cancel);
        let mut missed = false;
        // With the count all that the runs did is seen: `end` releases it.
        while open(self.state.load(Ordering::Acquire)) != 0 {
            missed = true;
            pause();
            was_pending |= self.take(&cancel);
        }
        self.cancelling.fetch_sub(1, Ordering::Relaxed);
        Cancelled {
            was_pending,
            missed,
        }
    }

    /// Waits until the instances that are there now have run or were taken off the queue, with a
    /// `pause` before each look. Returns whether there was one. Not in a run of the item.
    ///
    /// At most two instances are real: one that runs or that C is about to run, and one that is
    /// pending. The runs of an item never overlap, so that after two ends of runs both are over. A
    /// single one is over after the first end. Where no instance is open all are over. What is
    /// queued later is not waited for, or an item that queues itself would be waited for for ever.
    ///
    /// The count may be too high for as long as another call takes. The wait may then be for one
    /// run too many.
    pub(super) fn flush(&self, pause: impl Fn()) -> bool {
        // With the steps all that the runs did is seen: `end` releases them.
        let start = self.state.load(Ordering::Acquire);
        let needed = open(start).min(2);
        let waits = needed != 0;
        while steps(start, self.state.load(Ordering::Acquire)) < needed {
            pause();
        }
        waits
    }

    /// A run ends. It does not use the item after this, which may be freed.
    #[inline(always)]
    pub(super) fn end(&self) {
        self.close(STEP, Ordering::Release);
    }

    fn take(&self, take: &impl Fn() -> bool) -> bool {
        let taken = take();
        if taken {
            self.withdraw();
        }
        taken
    }

    /// An instance was not queued, or was taken off the queue.
    fn withdraw(&self) {
        self.close(0, Ordering::Relaxed);
    }

    /// Closes an instance, and goes `forward`, or by two steps if it was the last one.
    #[inline]
    fn close(&self, forward: u64, order: Ordering) {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let left = state.wrapping_sub(OPEN);
            let forward = if open(left) == 0 { 2 * STEP } else { forward };
            let new = left.wrapping_add(forward);
            match self
                .state
                .compare_exchange_weak(state, new, order, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(other) => state = other,
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelling.load(Ordering::Relaxed) != 0
    }
}

/// How many instances are open.
fn open(state: u64) -> u32 {
    state as u32
}

/// How many steps there are from one state to a later one.
fn steps(from: u64, to: u64) -> u32 {
    ((to >> 32) as u32).wrapping_sub((from >> 32) as u32)
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
        let cancelled =
            instances.cancel(|| pending.swap(false, Ordering::Relaxed), || pauses.next());
        assert_eq!((cancelled.was_pending, cancelled.missed), (true, true));
        assert!(
            pauses.0.lock().unwrap().is_empty(),
            "did not wait for the run"
        );
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
            let cancelled = instances.cancel(cancel, || pauses.next());
            assert_eq!((cancelled.was_pending, cancelled.missed), (true, true));
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
        assert!(
            !instances
                .cancel(|| false, || panic!("an instance too many"))
                .missed
        );
        // It is being cancelled: `cancel` is in its first call.
        let inside = || instances.requeue(|| false, || panic!("queued while it is cancelled"));
        assert!(
            !instances
                .cancel(inside, || panic!("an instance too many"))
                .missed
        );
    }

    /// Flushes, with these steps in its pauses: it needs all of them, and no other.
    fn flush<'a>(instances: &Instances, steps: impl IntoIterator<Item = &'a dyn Fn()>) -> bool {
        let pauses = Pauses::new(steps);
        let waited = instances.flush(|| pauses.next());
        assert!(pauses.0.lock().unwrap().is_empty(), "did not wait");
        waited
    }

    #[test]
    fn flushing_waits_for_what_was_there() {
        // The steps wrap around in between.
        for first in [0, u32::MAX - 1, u32::MAX] {
            let instances = Instances::new();
            instances
                .state
                .store(u64::from(first) << 32, Ordering::Relaxed);
            let (queue, ends) = (|| assert!(instances.queue(|| true)), || instances.end());
            let fails = || assert!(!instances.queue(|| false));
            let taken = || assert!(instances.take(&|| true));
            assert!(!flush(&instances, []));
            // One that queues itself in its run, for ever.
            queue();
            assert!(flush(&instances, [&queue as &dyn Fn(), &ends]));
            // One that ran, and one that is pending.
            queue();
            assert!(flush(&instances, [&ends as &dyn Fn(), &queue, &ends]));
            // A call that cannot queue it, because it is pending, is no run.
            assert!(flush(
                &instances,
                [&fails as &dyn Fn(), &fails, &fails, &ends]
            ));
            // What is queued during its run and taken off is not the run.
            queue();
            assert!(flush(
                &instances,
                [&queue as &dyn Fn(), &taken, &fails, &ends]
            ));
            // Taken off, and queued again before the next look.
            queue();
            let requeued = || {
                taken();
                queue();
            };
            assert!(flush(&instances, [&requeued as &dyn Fn()]));
            // Pending while it runs, and taken off: its run is waited for.
            queue();
            assert!(flush(&instances, [&taken as &dyn Fn(), &ends]));
            assert!(!flush(&instances, []));
        }
    }

    #[test]
    fn a_call_that_could_not_queue_is_not_waited_for() {
        let instances = Instances::new();
        let flushed = AtomicBool::new(false);
        assert!(instances.queue(|| true));
        assert!(!instances.queue(|| {
            // Both are counted when flushing begins; the run ends, and there is no other one.
            let ends = || instances.end();
            let gone = || instances.withdraw();
            flushed.store(
                flush(&instances, [&ends as &dyn Fn(), &gone]),
                Ordering::Relaxed,
            );
            // It is withdrawn once more when this returns.
            instances.state.fetch_add(OPEN, Ordering::Relaxed);
            false
        }));
        assert!(flushed.load(Ordering::Relaxed));
        assert!(!flush(&instances, []));
    }

    #[test]
    fn flushing_and_cancelling_end_together() {
        let instances = Instances::new();
        // One that runs, and one that is pending.
        assert!(instances.queue(|| true));
        assert!(instances.queue(|| true));
        let pending = AtomicBool::new(true);
        let ends = || instances.end();
        let cancel = || {
            let pauses = Pauses::new([&ends as &dyn Fn()]);
            let cancelled =
                instances.cancel(|| pending.swap(false, Ordering::Relaxed), || pauses.next());
            assert_eq!((cancelled.was_pending, cancelled.missed), (true, true));
        };
        assert!(flush(&instances, [&cancel as &dyn Fn()]));
        // While it is cancelled: its run is waited for, which C's function does not find.
        assert!(instances.queue(|| true));
        let flushes = || {
            assert!(flush(&instances, [&ends as &dyn Fn()]));
        };
        let pauses = Pauses::new([&flushes as &dyn Fn()]);
        assert!(instances.cancel(|| false, || pauses.next()).missed);
    }

    #[test]
    fn one_that_is_brought_forward_is_still_waited_for() {
        let instances = Instances::new();
        let ends = || instances.end();
        assert!(instances.queue(|| true));
        let forward = || instances.bring_forward(|| true, || true);
        let idle = || instances.bring_forward(|| false, || panic!("queued, and was not pending"));
        assert!(flush(
            &instances,
            [&forward as &dyn Fn(), &idle, &forward, &ends]
        ));
        // Somebody cancels it in between.
        assert!(instances.queue(|| true));
        let cancelled = || instances.bring_forward(|| true, || false);
        assert!(flush(&instances, [&cancelled as &dyn Fn()]));
        assert!(!flush(&instances, []));
    }

    /// What each run did is seen by whoever waited for it.
    #[test]
    fn flushing_sees_what_the_run_did() {
        let (instances, pending, done) =
            (Instances::new(), AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..300 {
                    while !pending.swap(false, Ordering::Relaxed) {
                        std::thread::yield_now();
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    instances.end();
                }
            });
            for runs in 1..=300 {
                assert!(instances.queue(|| !pending.swap(true, Ordering::Relaxed)));
                instances.flush(std::thread::yield_now);
                assert_eq!(done.load(Ordering::Relaxed), runs);
            }
        });
    }

    /// Threads that queue and put off, one that runs what is pending, one that cancels: the memory
    /// of a run is not used after its cancelling.
    #[test]
    fn no_run_is_left_when_it_is_cancelled() {
        let (instances, pending, at_work) =
            (Instances::new(), AtomicBool::new(false), AtomicU32::new(0));
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
                assert_eq!(open(instances.state.load(Ordering::SeqCst)), 0);
            }
            over.store(true, Ordering::SeqCst);
        });
    }
}
