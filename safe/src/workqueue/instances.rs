// SPDX-License-Identifier: GPL-2.0-only
//! Counts how often an item was queued and has not ended yet.
//!
//! C's `cancel_work_sync` and `cancel_delayed_work_sync` wait for a run in the worker pool to which
//! the item was last queued (`start_flush_work` in `kernel/workqueue.c`). On most queues the item
//! cannot run in another pool: `__queue_work` puts a running item back into the pool in which it
//! runs.
//!
//! Since 6.9 that is not so for ordered queues, to keep their order. There the item goes to the
//! newest pool. That is another pool if root changed the CPUs of unbound queues after the run
//! began. The order still holds, so two runs never overlap. But C does not wait for the run in the
//! older pool. In 6.1, ordered queues keep their only pool.
//!
//! C's `flush_work` has another problem since 6.9. It links a barrier to a pending item. If other
//! items use up the queue's limit of active items, the pending item may be the only one in its
//! pool, where nothing runs. If the item is then taken off its queue, the barrier is left to the
//! workers of the pool, and none of them is woken (`try_to_grab_pending`). Unless something else is
//! queued to that pool, `flush_work` never returns, and destroying the queue never returns either.
//! An ordered queue then runs nothing any more after root changes the CPUs again, because its newer
//! pools wait for the older one.
//!
//! Therefore the items of owned queues are counted here, and flushing waits for the count. No
//! barrier is linked to a pending item. This works because only this crate queues these items, and
//! because C's functions return whether they queued an item and whether they took it off its queue.
//! The kernel's own queues are flushed by C: their limit is 256 items or more.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One open instance, in [`Instances::state`].
const OPEN: u64 = 1;
/// One step, in [`Instances::state`].
const STEP: u64 = 1 << 32;

/// The instances of an item. An instance begins with a call that queues the item. It ends when its
/// run has ended, or when the item was taken off the queue.
pub(super) struct Instances {
    /// The lower half counts the open instances. These are: one that runs or is about to run, one
    /// that is pending, calls that are about to queue, and instances that were taken off but are
    /// still counted. The count is never lower than the real number.
    ///
    /// The upper half counts steps, and wraps around. The end of a run is one step. A change that
    /// leaves no instance open is two steps.
    state: AtomicU64,
    /// The number of callers that are cancelling the item.
    cancelling: AtomicU32,
}

/// The result of cancelling an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cancelled {
    pub(super) was_pending: bool,
    /// True if there was an instance for which C did not wait.
    pub(super) missed: bool,
}

impl Instances {
    pub(super) const fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            cancelling: AtomicU32::new(0),
        }
    }

    /// Queues the item with `queue`. Both return true if the item was queued. As in C, an item that
    /// is being cancelled is not queued.
    #[inline(always)]
    pub(super) fn queue(&self, queue: impl FnOnce() -> bool) -> bool {
        if self.is_cancelled() {
            return false;
        }
        // The count comes before the call, because the run may end before `queue` returns. It does
        // not carry into the upper half: there are fewer tasks than that.
        self.state.fetch_add(OPEN, Ordering::Relaxed);
        let queued = queue();
        if !queued {
            self.withdraw();
        }
        queued
    }

    /// Takes the item off its queue with `take`, and queues it with `queue`. Both return true if
    /// they did so. Returns true if the item was pending.
    ///
    /// C's `mod_delayed_work` does both at once. But if the item was not pending, it does not
    /// return whether it queued the item: it does not queue an item that is being cancelled.
    pub(super) fn requeue(&self, take: impl Fn() -> bool, queue: impl Fn() -> bool) -> bool {
        let mut was_pending = false;
        loop {
            was_pending |= self.take(&take);
            // If another task has queued the item in between, that is undone, because this call
            // came later.
            if self.queue(&queue) || self.is_cancelled() {
                return was_pending;
            }
        }
    }

    /// Takes the item off its queue with `take`, and queues it with `queue`, as the same instance:
    /// tasks that wait for the instance continue to wait. Both return true if they did so.
    pub(super) fn bring_forward(&self, take: impl FnOnce() -> bool, queue: impl FnOnce() -> bool) {
        // `queue` fails if another task has queued the item in between, or is cancelling it.
        if take() && !queue() {
            self.withdraw();
        }
    }

    /// Cancels the item with `cancel`, and again after each `pause`, until no instance is left.
    /// Must not be called in a run of the item.
    ///
    /// Meanwhile no task queues the item, except those that were about to when this began.
    pub(super) fn cancel(&self, cancel: impl Fn() -> bool, pause: impl Fn()) -> Cancelled {
        self.cancelling.fetch_add(1, Ordering::Relaxed);
        let mut was_pending = self.take(&cancel);
        let mut missed = false;
        // `Acquire` makes visible what the runs did: `end` releases it.
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

    /// Waits until the instances that exist now have run or were taken off the queue. Calls `pause`
    /// before each check. Returns true if there was one. Must not be called in a run of the item.
    ///
    /// At most two instances are real: one that runs or that C is about to run, and one that is
    /// pending. The runs of an item never overlap. So after two ends of runs both instances are
    /// over. A single instance is over after the first end. If no instance is open, all are over.
    /// Instances that are queued later are not waited for, because an item that queues itself would
    /// then be waited for for ever.
    ///
    /// While another call is running, the count may be too high. Then this may wait for one run too
    /// many.
    pub(super) fn flush(&self, pause: impl Fn()) -> bool {
        // `Acquire` makes visible what the runs did: `end` releases it.
        let start = self.state.load(Ordering::Acquire);
        let needed = open(start).min(2);
        let waits = needed != 0;
        while steps(start, self.state.load(Ordering::Acquire)) < needed {
            pause();
        }
        waits
    }

    /// Records the end of a run. This does not use the item afterwards, because it may be freed.
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

    /// Records that an instance was not queued, or was taken off the queue.
    fn withdraw(&self) {
        self.close(0, Ordering::Relaxed);
    }

    /// Closes an instance, and adds `forward`, or two steps if it was the last open one.
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

/// Returns the number of open instances.
fn open(state: u64) -> u32 {
    state as u32
}

/// Returns the number of steps from one state to a later one.
fn steps(from: u64, to: u64) -> u32 {
    ((to >> 32) as u32).wrapping_sub((from >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// The steps of a test: one for each pause.
    struct Pauses<'a>(Mutex<VecDeque<&'a dyn Fn()>>);

    impl<'a> Pauses<'a> {
        fn new(steps: impl IntoIterator<Item = &'a dyn Fn()>) -> Self {
            Self(Mutex::new(steps.into_iter().collect()))
        }

        fn next(&self) {
            let step = self.0.lock().unwrap().pop_front();
            step.expect("paused, but no instance was left")();
        }
    }

    #[test]
    fn cancelling_waits_for_a_run_in_another_pool() {
        let instances = Instances::new();
        // One instance that C has dequeued, whether its run has begun or not, and one that is
        // pending.
        assert!(instances.queue(|| true));
        assert!(instances.queue(|| true));
        assert!(!instances.queue(|| false));
        let pending = AtomicBool::new(true);
        let refused =
            || assert!(!instances.queue(|| panic!("queued while it was being cancelled")));
        let ends = || instances.end();
        let pauses = Pauses::new([&refused as &dyn Fn(), &ends]);
        let cancelled =
            instances.cancel(|| pending.swap(false, Ordering::Relaxed), || pauses.next());
        assert_eq!((cancelled.was_pending, cancelled.missed), (true, true));
        assert!(
            pauses.0.lock().unwrap().is_empty(),
            "did not wait for the run"
        );
        // The state is the initial one again.
        assert!(instances.queue(|| true));
        instances.end();
        let idle = instances.cancel(|| false, || panic!("waited, but no instance was open"));
        assert_eq!((idle.was_pending, idle.missed), (false, false));
    }

    #[test]
    fn an_item_queued_as_cancelling_begins_is_taken_off_too() {
        let instances = Instances::new();
        let pending = AtomicBool::new(false);
        let cancel = || pending.swap(false, Ordering::Relaxed);
        let cancelled = instances.queue(|| {
            // The check has passed. Now `cancel` begins, and does not see the item as pending yet.
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
    fn an_item_that_is_put_off_is_one_instance() {
        let instances = Instances::new();
        assert!(!instances.requeue(|| false, || true));
        assert!(instances.requeue(|| true, || true));
        // Another task queues the item in between, once.
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
        // The item is being cancelled: this runs in the first call of `cancel`.
        let inside =
            || instances.requeue(|| false, || panic!("queued while it was being cancelled"));
        assert!(
            !instances
                .cancel(inside, || panic!("an instance too many"))
                .missed
        );
    }

    /// Flushes with these steps in its pauses. It must need all of them, and no more.
    fn flush<'a>(instances: &Instances, steps: impl IntoIterator<Item = &'a dyn Fn()>) -> bool {
        let pauses = Pauses::new(steps);
        let waited = instances.flush(|| pauses.next());
        assert!(pauses.0.lock().unwrap().is_empty(), "did not wait");
        waited
    }

    #[test]
    fn flushing_waits_for_the_instances_at_its_start() {
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
            // An item that always queues itself in its run.
            queue();
            assert!(flush(&instances, [&queue as &dyn Fn(), &ends]));
            // One instance that has run, and one that is pending.
            queue();
            assert!(flush(&instances, [&ends as &dyn Fn(), &queue, &ends]));
            // A call that cannot queue the item, because it is pending, does not count as a run.
            assert!(flush(
                &instances,
                [&fails as &dyn Fn(), &fails, &fails, &ends]
            ));
            // An instance that is queued during the run and taken off is not the run.
            queue();
            assert!(flush(
                &instances,
                [&queue as &dyn Fn(), &taken, &fails, &ends]
            ));
            // The item is taken off, and queued again before the next check.
            queue();
            let requeued = || {
                taken();
                queue();
            };
            assert!(flush(&instances, [&requeued as &dyn Fn()]));
            // The item is pending while it runs, and is taken off: its run is waited for.
            queue();
            assert!(flush(&instances, [&taken as &dyn Fn(), &ends]));
            assert!(!flush(&instances, []));
        }
    }

    #[test]
    fn flushing_does_not_wait_for_a_call_that_could_not_queue() {
        let instances = Instances::new();
        let flushed = AtomicBool::new(false);
        assert!(instances.queue(|| true));
        assert!(!instances.queue(|| {
            // Both are counted when flushing begins. The run ends, and there is no other one.
            let ends = || instances.end();
            let gone = || instances.withdraw();
            flushed.store(
                flush(&instances, [&ends as &dyn Fn(), &gone]),
                Ordering::Relaxed,
            );
            // The instance is withdrawn once more when this returns.
            instances.state.fetch_add(OPEN, Ordering::Relaxed);
            false
        }));
        assert!(flushed.load(Ordering::Relaxed));
        assert!(!flush(&instances, []));
    }

    #[test]
    fn flushing_and_cancelling_end_together() {
        let instances = Instances::new();
        // One instance that runs, and one that is pending.
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
        // While the item is cancelled, flushing waits for its run, which C's function does not
        // find.
        assert!(instances.queue(|| true));
        let flushes = || {
            assert!(flush(&instances, [&ends as &dyn Fn()]));
        };
        let pauses = Pauses::new([&flushes as &dyn Fn()]);
        assert!(instances.cancel(|| false, || pauses.next()).missed);
    }

    #[test]
    fn flushing_waits_for_an_item_that_is_brought_forward() {
        let instances = Instances::new();
        let ends = || instances.end();
        assert!(instances.queue(|| true));
        let forward = || instances.bring_forward(|| true, || true);
        let idle = || instances.bring_forward(|| false, || panic!("queued, but was not pending"));
        assert!(flush(
            &instances,
            [&forward as &dyn Fn(), &idle, &forward, &ends]
        ));
        // Another task cancels the item in between.
        assert!(instances.queue(|| true));
        let cancelled = || instances.bring_forward(|| true, || false);
        assert!(flush(&instances, [&cancelled as &dyn Fn()]));
        assert!(!flush(&instances, []));
    }

    /// A waiting task sees what each run did.
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

    /// Threads queue the item and put it off, one thread runs pending items, and one cancels. The
    /// memory of a run must not be used after the item is cancelled.
    #[test]
    fn no_run_is_left_after_cancelling() {
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
                // No other thread queues the item any more.
                instances.cancel(take, std::thread::yield_now);
                assert_eq!(at_work.load(Ordering::SeqCst), 0, "a run is left");
                assert!(!pending.load(Ordering::SeqCst), "the item is still pending");
                assert_eq!(open(instances.state.load(Ordering::SeqCst)), 0);
            }
            over.store(true, Ordering::SeqCst);
        });
    }
}
