// SPDX-License-Identifier: GPL-2.0-only
//! Two work items that take the same locks at the same time, and two that queue items to the same
//! ordered queue.
#![no_std]
#![forbid(unsafe_code)]

mod order;

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::completion::Completion;
use linux_driver::device;
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;
use linux_driver::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use linux_driver::sync::{Arc, Mutex, SpinLock, rcu};
use linux_driver::workqueue::{self, OwnedQueue, QueueFlags, Work, WorkItem};
use linux_driver::{new_mutex, new_spinlock, new_work};

const ROUNDS: u64 = 20_000;

/// The data that both workers use.
#[pin_data(PinnedDrop)]
struct Shared {
    #[pin]
    mutex: Mutex<u64>,
    #[pin]
    spin: SpinLock<u64>,
    #[pin]
    irq: SpinLock<u64>,
    #[pin]
    here: [Completion; 2],
    #[pin]
    reading: Completion,
    read: AtomicBool,
    finished: AtomicU32,
}

impl Shared {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            mutex <- new_mutex!(0, "locks: mutex"),
            spin <- new_spinlock!(0),
            irq <- new_spinlock!(0, "locks: irq"),
            here <- linux_driver::init::pin_init_array_from_fn(|_| Completion::new()),
            reading <- Completion::new(),
            read: AtomicBool::new(false),
            finished: AtomicU32::new(0),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Shared {
    fn drop(self: Pin<&mut Self>) {
        pr_info!(
            "shared data dropped after {} workers",
            self.finished.load(Ordering::Relaxed)
        );
    }
}

/// One of the two workers.
struct Worker {
    number: usize,
    shared: Arc<Shared>,
}

impl Worker {
    /// Increments the counter in several instructions: without a lock, increments would be lost.
    fn count(counter: &mut u64) {
        let value = *counter;
        core::hint::spin_loop();
        *core::hint::black_box(counter) = value + 1;
    }

    /// Runs an RCU reader in one worker, and waits for it in the other one.
    fn rcu(&self, dev: &device::Device<Bound>) {
        let shared = &*self.shared;
        if self.number == 0 {
            let reader = rcu::read_lock();
            shared.reading.complete();
            for _ in 0..1_000_000 {
                core::hint::spin_loop();
            }
            shared.read.store(true, Ordering::Relaxed);
            drop(reader);
        } else {
            shared.reading.wait_for_completion();
            rcu::synchronize_rcu();
            match shared.read.load(Ordering::Relaxed) {
                true => dev_info!(dev, "synchronize_rcu() came back after the reader ended"),
                false => dev_err!(dev, "synchronize_rcu() did not wait for the reader"),
            }
        }
    }
}

impl WorkItem for Worker {
    fn run(work: &Work<Self>, dev: &device::Device<Bound>) {
        let shared = &*work.shared;
        // Both workers must run at once.
        shared.here[work.number].complete();
        shared.here[1 - work.number].wait_for_completion();
        for _ in 0..ROUNDS {
            Worker::count(&mut shared.mutex.lock());
            Worker::count(&mut shared.spin.lock());
            shared.irq.lock_irqsave(Worker::count);
        }
        work.rcu(dev);
        if shared.finished.fetch_add(1, Ordering::AcqRel) == 1 {
            let all = 2 * ROUNDS;
            dev_info!(dev, "mutex: {} of {}", *shared.mutex.lock(), all);
            dev_info!(dev, "spin lock: {} of {}", *shared.spin.lock(), all);
            dev_info!(
                dev,
                "spin lock, interrupts off: {} of {}",
                shared.irq.lock_irqsave(|count| *count),
                all
            );
        }
    }
}

/// Runs the tests of locks that need one thread only.
fn alone(dev: &pci::Device<Core>, shared: &Arc<Shared>) -> Result {
    let mut guard = shared.mutex.lock_interruptible()?;
    let held = shared.mutex.try_lock().is_none();
    *guard = 7;
    drop(guard);
    if held && shared.mutex.try_lock().is_some() {
        dev_info!(dev, "a mutex that is held: try_lock fails, then succeeds");
    }
    let guard = shared.spin.lock();
    let held = shared.spin.try_lock().is_none();
    drop(guard);
    if held && shared.spin.try_lock().is_some() {
        dev_info!(
            dev,
            "a spin lock that is held: try_lock fails, then succeeds"
        );
    }
    dev_info!(
        dev,
        "what was written under the lock is read: {}",
        *shared.mutex.lock()
    );
    *shared.mutex.lock_killable()? = 0;
    let more = shared.clone();
    if Arc::ptr_eq(&more, shared) {
        dev_info!(dev, "the shared data has one owner more");
    }
    Ok(())
}

#[pin_data]
struct Locks {
    #[pin]
    first: Work<Worker>,
    #[pin]
    second: Work<Worker>,
    #[pin]
    producers: [Work<order::Producer>; 2],
}

#[vtable]
impl pci::Driver for Locks {
    type IdInfo = ();
    const NAME: &'static CStr = c"locks";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let shared = Arc::pin_init(Shared::new(), GFP_KERNEL)?;
            alone(dev, &shared)?;
            let bound: &device::Device<Bound> = dev.as_ref();
            let worker = |number| {
                let shared = shared.clone();
                let worker = Worker { number, shared };
                new_work!(bound, worker, on: workqueue::system_unbound()).pin_chain(|work| {
                    work.queue();
                    Ok(())
                })
            };
            let (first, second) = (worker(0), worker(1));
            let producers = order::producers(
                bound,
                OwnedQueue::new_ordered(c"locks-order", QueueFlags::NONE)?,
            )?;
            let driver = try_pin_init!(Self {
                first <- first,
                second <- second,
                producers <- producers,
            });
            Ok(driver.pin_chain(|driver| {
                for producer in &driver.producers {
                    producer.queue();
                }
                Ok(())
            }))
        })
    }
}

linux_driver::module_pci_driver! {
    type: Locks,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Takes locks",
}
