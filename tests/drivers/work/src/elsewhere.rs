// SPDX-License-Identifier: GPL-2.0-only
//! Items of ordered queues that run while root changes the CPUs of unbound queues, and that are
//! then queued again.
//!
//! Since 6.9, such an item is pending in a new worker pool while it still runs in the old one.
//! `cancel_work_sync` of C then does not find the running item. If C's `flush_work` waits for an
//! item that is the only one pending there, and this item is cancelled, the queue stops running
//! items.

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::completion::Completion;
use linux_driver::device::Device;
use linux_driver::error::code::EINVAL;
use linux_driver::jiffies::Jiffies;
use linux_driver::pci;
use linux_driver::prelude::*;
use linux_driver::sync::Arc;
use linux_driver::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use linux_driver::sysfs::DeviceAttribute;
use linux_driver::workqueue::{
    DelayedWork, DelayedWorkItem, OwnedQueue, QueueFlags, Work, WorkItem,
};
use linux_driver::{new_delayed_work, new_work};

use crate::Driver;

fn hour() -> Jiffies {
    Jiffies::from_msecs(3_600_000)
}

/// Returns a timeout that only a failure exceeds.
fn long() -> Jiffies {
    Jiffies::from_msecs(50_000)
}

/// A run that waits until it is released, and then for some more time.
#[pin_data]
struct Run {
    #[pin]
    begun: Completion,
    #[pin]
    go_on: Completion,
    #[pin]
    never: Completion,
    /// Completed when the item behind this one has run.
    #[pin]
    behind_ran: Completion,
    still_runs: AtomicBool,
    /// The number of milliseconds that it runs after its release.
    longer: AtomicU32,
    /// Set if the item must queue itself at the end of its run.
    again: AtomicBool,
}

impl Run {
    // Keeps its local variables out of the stack frame of `probe`.
    #[inline(never)]
    fn new() -> Result<Arc<Self>> {
        let init = try_pin_init!(Self {
            begun <- Completion::new(),
            go_on <- Completion::new(),
            never <- Completion::new(),
            behind_ran <- Completion::new(),
            still_runs: AtomicBool::new(false),
            longer: AtomicU32::new(0),
            again: AtomicBool::new(false),
        });
        Arc::pin_init(init, GFP_KERNEL)
    }

    fn hold(&self, name: &str, queue: impl FnOnce() -> bool) {
        self.still_runs.store(true, Ordering::Relaxed);
        self.begun.complete();
        let _ = self.go_on.wait_for_completion_timeout(long());
        // By then, another task waits in the call that cancels the item.
        let longer = Jiffies::from_msecs(self.longer.load(Ordering::Relaxed));
        let _ = self.never.wait_for_completion_timeout(longer);
        if self.again.load(Ordering::Relaxed) {
            pr_info!("{}: queued itself: {}", name, queue());
        }
        self.still_runs.store(false, Ordering::Relaxed);
    }

    /// Lets the run end, `longer` milliseconds from now.
    fn go_on(&self, longer: u32) {
        self.longer.store(longer, Ordering::Relaxed);
        self.go_on.complete();
    }

    /// Waits until the run has begun.
    fn begins(&self) -> Result {
        self.begun.wait_for_completion_timeout(long()).map(drop)
    }

    fn still_runs(&self) -> bool {
        self.still_runs.load(Ordering::Relaxed)
    }
}

/// An item without a delay. When it is dropped, it releases the delayed item's run.
struct Item(Arc<Run>, Arc<Run>);

impl WorkItem for Item {
    fn run(work: &Work<Self>, _dev: &Device<Bound>) {
        work.0.hold("elsewhere", || work.queue());
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        pr_info!("elsewhere: dropped, still runs: {}", self.0.still_runs());
        self.1.go_on(200);
    }
}

/// An item with a timer.
struct Delayed(Arc<Run>);

impl DelayedWorkItem for Delayed {
    fn run(work: &DelayedWork<Self>, _dev: &Device<Bound>) {
        work.0
            .hold("elsewhere, delayed", || work.queue(Jiffies::new(0)));
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        pr_info!(
            "elsewhere, delayed: dropped, still runs: {}",
            self.0.still_runs()
        );
    }
}

/// An item that waits behind another one.
struct Behind(Arc<Run>);

impl WorkItem for Behind {
    fn run(work: &Work<Self>, _dev: &Device<Bound>) {
        work.0.behind_ran.complete();
    }
}

#[pin_data]
pub(crate) struct Elsewhere {
    // Dropped first.
    #[pin]
    item: Work<Item>,
    #[pin]
    delayed: DelayedWork<Delayed>,
    #[pin]
    behind: Work<Behind>,
}

impl Elsewhere {
    pub(crate) fn new(dev: &Device<Bound>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let (item, delayed) = (Run::new()?, Run::new()?);
            let first = OwnedQueue::new_ordered(c"elsewhere", QueueFlags::NONE)?;
            let second = OwnedQueue::new_ordered(c"elsewhere-delayed", QueueFlags::NONE)?;
            Ok(try_pin_init!(Self {
                behind <- new_work!(dev, Behind(item.clone()), on: &first),
                item <- new_work!(dev, Item(item, delayed.clone()), on: &first),
                delayed <- new_delayed_work!(dev, Delayed(delayed), on: &second),
            }))
        })
    }

    /// Starts both items. They run when this returns.
    fn run(&self) -> Result {
        self.item.queue();
        self.delayed.queue(Jiffies::new(0));
        for run in [&self.item.0, &self.delayed.0] {
            run.begins()?;
        }
        pr_info!("elsewhere: both run");
        Ok(())
    }

    /// Queues both items again while they run, and cancels them.
    fn cancel(&self) -> Result {
        let again = self.item.queue();
        self.item.0.go_on(500);
        let pending = self.item.cancel_sync()?;
        let still_runs = self.item.0.still_runs();
        pr_info!(
            "elsewhere: queued again: {}, pending: {}, still runs: {}",
            again,
            pending,
            still_runs
        );
        // Pending in the new pool first, and then waiting for its timer.
        let again = self.delayed.queue(Jiffies::new(0));
        let put_off = self.delayed.modify(hour());
        self.delayed.0.go_on(500);
        let pending = self.delayed.cancel_sync()?;
        let still_runs = self.delayed.0.still_runs();
        pr_info!(
            "elsewhere, delayed: queued again: {}, put off: {}, pending: {}, still runs: {}",
            again,
            put_off,
            pending,
            still_runs
        );
        self.can_be_queued()
    }

    /// Checks that an item can be queued again after it was cancelled.
    fn can_be_queued(&self) -> Result {
        let queued = self.behind.queue();
        self.behind
            .0
            .behind_ran
            .wait_for_completion_timeout(long())?;
        pr_info!("elsewhere, behind: queued again: {}, ran", queued);
        let queued = (self.item.queue(), self.delayed.queue(Jiffies::new(0)));
        pr_info!(
            "elsewhere: they can be queued again: {}, {}",
            queued.0,
            queued.1
        );
        for run in [&self.item.0, &self.delayed.0] {
            run.begins()?;
            run.go_on(0);
        }
        self.item.flush()?;
        self.delayed.flush()?;
        // Flushing does not wait for the item's timer, and the run itself does not wait.
        self.delayed.0.go_on(0);
        self.delayed.queue(hour());
        let flushed = self.delayed.flush()?;
        let still_runs = self.delayed.0.still_runs();
        self.delayed.0.begins()?;
        pr_info!(
            "elsewhere, delayed: flushed an hour before its time: {}, still runs: {}",
            flushed,
            still_runs
        );
        Ok(())
    }

    /// Queues another item behind the first one, and flushes it.
    fn flush_behind(&self) -> Result {
        pr_info!("elsewhere, behind: queued: {}", self.behind.queue());
        let flushed = self.behind.flush()?;
        pr_info!("elsewhere, behind: flushed: {}", flushed);
        Ok(())
    }

    /// Cancels the item behind while another task flushes it.
    fn cancel_behind(&self) -> Result {
        let pending = self.behind.cancel_sync()?;
        pr_info!("elsewhere, behind: cancelled: {}", pending);
        Ok(())
    }

    /// Queues both items once more while the device is being unbound, and releases the first one.
    /// They also try to queue themselves at the end of their runs.
    pub(crate) fn queue_and_go_on(&self) {
        if !self.item.0.still_runs() {
            return;
        }
        for run in [&self.item.0, &self.delayed.0] {
            run.again.store(true, Ordering::Relaxed);
        }
        self.item.queue();
        self.delayed.queue(Jiffies::new(0));
        self.item.0.go_on(200);
    }
}

/// `elsewhere`: runs the step whose name is written.
pub(crate) struct Attribute;

#[vtable]
impl DeviceAttribute for Attribute {
    type Data = Driver;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"elsewhere";

    fn store(_dev: &pci::Device<Bound>, this: Pin<&Driver>, text: &[u8]) -> Result {
        match text {
            b"run" => this.elsewhere.run(),
            b"cancel" => this.elsewhere.cancel(),
            b"flush behind" => this.elsewhere.flush_behind(),
            b"cancel behind" => this.elsewhere.cancel_behind(),
            _ => Err(EINVAL),
        }
    }
}
