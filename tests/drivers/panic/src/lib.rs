// SPDX-License-Identifier: GPL-2.0-only
//! The condition of a wait overflows an integer when it is evaluated for the second time. The test
//! shows that overflow checks are on, that a panic ends in `BUG()`, and that its message and
//! location are in the log. Nothing of the killed task may be left in the wait queue. The task's
//! mutex stays locked, but others can still try to lock it.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::device;
use linux_driver::jiffies::Jiffies;
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;
use linux_driver::sync::atomic::{AtomicU32, Ordering};
use linux_driver::sync::{Arc, Mutex};
use linux_driver::wait::WaitQueue;
use linux_driver::workqueue::{self, DelayedWork, DelayedWorkItem, Work, WorkItem};
use linux_driver::{new_delayed_work, new_mutex, new_wait_queue, new_work};

#[pin_data]
struct Shared {
    #[pin]
    queue: WaitQueue,
    #[pin]
    looked: Mutex<u32>,
}

impl Shared {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            queue <- new_wait_queue!(),
            looked <- new_mutex!(u32::MAX - 1),
        })
    }
}

/// A work item that waits until it panics.
struct Waits(Arc<Shared>);

impl WorkItem for Waits {
    fn run(work: &Work<Self>, _dev: &device::Device<Bound>) {
        let shared = &*work.0;
        shared.queue.wait_event(|| {
            *shared.looked.lock() += 1;
            false
        });
    }
}

/// A work item that wakes the queue repeatedly, as an interrupt handler would.
struct Wakes(Arc<Shared>, AtomicU32);

impl DelayedWorkItem for Wakes {
    fn run(work: &DelayedWork<Self>, dev: &device::Device<Bound>) {
        work.0.queue.wake_up();
        let times = work.1.fetch_add(1, Ordering::Relaxed) + 1;
        match times {
            8 => dev_info!(dev, "woken {} times", times),
            _ => {
                work.queue(Jiffies::from_msecs(100));
            }
        }
    }
}

/// A work item that waits forever for the mutex of the killed task.
struct Wants(Arc<Shared>);

impl DelayedWorkItem for Wants {
    fn run(work: &DelayedWork<Self>, dev: &device::Device<Bound>) {
        dev_info!(dev, "held: {}", work.0.looked.try_lock().is_none());
        let looked = *work.0.looked.lock();
        dev_err!(dev, "not held: {}", looked);
    }
}

#[pin_data]
struct Panics {
    #[pin]
    waits: Work<Waits>,
    #[pin]
    wakes: DelayedWork<Wakes>,
    #[pin]
    wants: DelayedWork<Wants>,
}

#[vtable]
impl pci::Driver for Panics {
    type IdInfo = ();
    const NAME: &'static CStr = c"panic";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let shared = Arc::pin_init(Shared::new(), GFP_KERNEL)?;
            let dev: &device::Device<Bound> = dev.as_ref();
            let waits = new_work!(dev, Waits(shared.clone()), on: workqueue::system_unbound());
            let wakes = new_delayed_work!(dev, Wakes(shared.clone(), AtomicU32::new(0)));
            let wants = new_delayed_work!(dev, Wants(shared), on: workqueue::system_unbound());
            let driver = try_pin_init!(Self { waits <- waits, wakes <- wakes, wants <- wants });
            Ok(driver.pin_chain(|this| {
                this.waits.queue();
                this.wakes.queue(Jiffies::from_msecs(500));
                this.wants.queue(Jiffies::from_msecs(800));
                Ok(())
            }))
        })
    }
}

linux_driver::module_pci_driver! {
    type: Panics,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Panics while it waits",
}
