// SPDX-License-Identifier: GPL-2.0-only
//! Work items in every state in which unbinding can find them.
#![no_std]
#![forbid(unsafe_code)]

mod elsewhere;

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::completion::Completion;
use linux_driver::device;
use linux_driver::jiffies::Jiffies;
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;
use linux_driver::sync::Arc;
use linux_driver::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use linux_driver::sysfs::{DeviceGroups, device_groups};
use linux_driver::workqueue::{
    self, DelayedWork, DelayedWorkItem, OwnedQueue, QueueFlags, Work, WorkItem,
};
use linux_driver::{new_delayed_work, new_work};

/// An item that counts its runs.
#[derive(Default)]
struct Counter(AtomicU32);

impl WorkItem for Counter {
    fn run(work: &Work<Self>, _dev: &device::Device<Bound>) {
        work.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An item that keeps its queue busy for a second.
#[pin_data]
struct Busy {
    #[pin]
    never: Completion,
}

impl WorkItem for Busy {
    fn run(work: &Work<Self>, _dev: &device::Device<Bound>) {
        let _ = work
            .never
            .wait_for_completion_timeout(Jiffies::from_msecs(1000));
    }
}

/// An item that queues itself until it has run five times.
#[derive(Default)]
struct Again(AtomicU32);

impl WorkItem for Again {
    fn run(work: &Work<Self>, dev: &device::Device<Bound>) {
        match work.0.fetch_add(1, Ordering::Relaxed) {
            4 => dev_info!(
                dev,
                "ran again by itself: {} times",
                work.0.load(Ordering::Relaxed)
            ),
            _ => {
                work.queue();
            }
        }
    }
}

/// An item that is queued with a delay of an hour, and then brought forward.
struct Delayed;

impl DelayedWorkItem for Delayed {
    fn run(_work: &DelayedWork<Self>, dev: &device::Device<Bound>) {
        dev_info!(dev, "ran after a while");
    }
}

/// An item that is queued with a delay of an hour, so that it never runs.
#[derive(Default)]
struct InAnHour(AtomicU32);

impl DelayedWorkItem for InAnHour {
    fn run(work: &DelayedWork<Self>, dev: &device::Device<Bound>) {
        work.0.fetch_add(1, Ordering::Relaxed);
        dev_err!(dev, "an hour is over");
    }
}

impl Drop for InAnHour {
    fn drop(&mut self) {
        pr_info!(
            "in an hour: dropped, ran {} times",
            self.0.load(Ordering::Relaxed)
        );
    }
}

/// An item that queues itself again in each run.
#[derive(Default)]
struct ForEver(AtomicU32);

impl DelayedWorkItem for ForEver {
    fn run(work: &DelayedWork<Self>, _dev: &device::Device<Bound>) {
        work.0.fetch_add(1, Ordering::Relaxed);
        work.queue(Jiffies::new(1));
    }
}

impl Drop for ForEver {
    fn drop(&mut self) {
        pr_info!(
            "for ever: dropped, ran at least once: {}",
            self.0.load(Ordering::Relaxed) > 0
        );
    }
}

/// An item that runs while the device is being unbound.
#[pin_data(PinnedDrop)]
struct Holding {
    #[pin]
    unbinding: Completion,
    #[pin]
    never: Completion,
    ended: AtomicBool,
}

impl WorkItem for Holding {
    fn run(work: &Work<Self>, dev: &device::Device<Bound>) {
        dev_info!(dev, "holding: begun");
        let _ = work
            .unbinding
            .wait_for_completion_timeout(Jiffies::from_msecs(60_000));
        // The items that are dropped before this one need less time.
        let _ = work
            .never
            .wait_for_completion_timeout(Jiffies::from_msecs(1500));
        work.ended.store(true, Ordering::Relaxed);
        dev_info!(dev, "holding: ended");
    }
}

#[pinned_drop]
impl PinnedDrop for Holding {
    fn drop(self: Pin<&mut Self>) {
        pr_info!(
            "holding: dropped, ended: {}",
            self.ended.load(Ordering::Relaxed)
        );
    }
}

#[pin_data]
struct Driver {
    /// Dropped first: its runs end soon after `remove`.
    #[pin]
    elsewhere: elsewhere::Elsewhere,
    /// Dropped before the items that are queued to it. They keep the queue itself alive.
    queue: Arc<OwnedQueue>,
    #[pin]
    busy: Work<Busy>,
    #[pin]
    counter: Work<Counter>,
    #[pin]
    again: Work<Again>,
    #[pin]
    delayed: DelayedWork<Delayed>,
    #[pin]
    in_an_hour: DelayedWork<InAnHour>,
    #[pin]
    for_ever: DelayedWork<ForEver>,
    #[pin]
    holding: Work<Holding>,
}

/// Tries to create an item outside the driver's data. A function of its own keeps the item's size
/// out of the stack frame of `probe`.
#[inline(never)]
fn try_outside(dev: &device::Device<Bound>) {
    if let Err(error) = KBox::pin_init(new_work!(dev, Counter::default()), GFP_KERNEL) {
        dev_info!(dev, "an item outside of the data: {}", error);
    }
}

/// Tests every operation of an item.
#[inline(never)]
fn try_counter(
    dev: &device::Device<Bound>,
    queue: &OwnedQueue,
    busy: &Work<Busy>,
    work: &Work<Counter>,
) -> Result {
    // The queue runs one item at a time: while the first one runs, the second one is pending.
    busy.queue();
    let (first, again) = (work.queue(), work.queue());
    let cancelled = work.cancel_sync()?;
    dev_info!(
        dev,
        "queued: {}, again: {}, cancelled: {}",
        first,
        again,
        cancelled
    );
    work.queue();
    work.flush()?;
    queue.flush()?;
    dev_info!(
        dev,
        "flushed: the item ran {} times on its own queue",
        work.0.load(Ordering::Relaxed)
    );
    Ok(())
}

#[vtable]
impl pci::Driver for Driver {
    type IdInfo = ();
    const NAME: &'static CStr = c"work";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];
    const DEV_GROUPS: DeviceGroups<Self, pci::Bus> = device_groups![elsewhere::Attribute];

    fn probe(pdev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let dev: &device::Device<Bound> = pdev.as_ref();
            try_outside(dev);
            let hour = Jiffies::from_msecs(3_600_000);
            let queue = OwnedQueue::new_ordered(
                c"work-test",
                QueueFlags::HIGHPRI | QueueFlags::MEM_RECLAIM,
            )?;
            let queue = Arc::new(queue, GFP_KERNEL)?;
            let busy =
                new_work!(dev, try_pin_init!(Busy { never <- Completion::new() }), on: &*queue);
            let counter = new_work!(dev, Counter::default(), on: &*queue, "work: counter");
            let again = new_work!(dev, Again::default()).pin_chain(|work| {
                work.queue();
                Ok(())
            });
            let delayed = new_delayed_work!(dev, Delayed).pin_chain(move |work| {
                let (first, again) = (work.queue(hour), work.queue(Jiffies::new(0)));
                let forward = work.modify(Jiffies::from_msecs(40));
                dev_info!(
                    dev,
                    "delayed, queued: {}, again: {}, brought forward: {}",
                    first,
                    again,
                    forward
                );
                Ok(())
            });
            let in_an_hour =
                new_delayed_work!(dev, InAnHour::default(), on: &*queue).pin_chain(move |work| {
                    work.queue(hour);
                    Ok(())
                });
            let for_ever =
                new_delayed_work!(dev, ForEver::default(), on: workqueue::system_unbound())
                    .pin_chain(|work| {
                        work.queue(Jiffies::new(0));
                        Ok(())
                    });
            let holding = try_pin_init!(Holding {
                unbinding <- Completion::new(),
                never <- Completion::new(),
                ended: AtomicBool::new(false),
            });
            let holding =
                new_work!(dev, holding, on: workqueue::system_unbound()).pin_chain(|work| {
                    work.queue();
                    Ok(())
                });
            let driver = try_pin_init!(Self {
                queue: queue,
                busy <- busy,
                counter <- counter,
                again <- again,
                delayed <- delayed,
                in_an_hour <- in_an_hour,
                for_ever <- for_ever,
                holding <- holding,
                elsewhere <- elsewhere::Elsewhere::new(dev),
            });
            Ok(driver.pin_chain(move |driver| {
                try_counter(dev, &driver.queue, &driver.busy, &driver.counter)
            }))
        })
    }

    fn remove(_dev: &pci::Device<Core>, this: Pin<&Self>) {
        this.holding.unbinding.complete();
        this.elsewhere.queue_and_go_on();
    }
}

linux_driver::module_pci_driver! {
    type: Driver,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Queues work",
}
