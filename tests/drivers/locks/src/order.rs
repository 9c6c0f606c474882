// SPDX-License-Identifier: GPL-2.0-only
//! An ordered queue: two tasks queue items to it at the same time, and the items record the order
//! in which they run.

use linux_driver::alloc::{GFP_ATOMIC, GFP_KERNEL, KVec};
use linux_driver::completion::Completion;
use linux_driver::device::Device;
use linux_driver::init::pin_init_array_from_fn;
use linux_driver::io::read_poll_timeout;
use linux_driver::jiffies::Jiffies;
use linux_driver::prelude::*;
use linux_driver::sync::atomic::{AtomicU32, Ordering};
use linux_driver::sync::{Arc, SpinLock};
use linux_driver::workqueue::{self, ItemQueue, OwnedQueue, Work, WorkItem};
use linux_driver::{new_spinlock, new_work};

/// The number of items of each task.
const EACH: usize = 32;

#[pin_data]
struct Shared {
    /// The number of items that were queued.
    #[pin]
    queued: SpinLock<u32>,
    #[pin]
    ran: SpinLock<KVec<u32>>,
    inside: AtomicU32,
    most: AtomicU32,
    /// The number of tasks that have started.
    here: AtomicU32,
    /// Completed by each task when it has queued all of its items.
    #[pin]
    all: Completion,
}

impl Shared {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            queued <- new_spinlock!(0),
            ran <- new_spinlock!(KVec::new()),
            inside: AtomicU32::new(0),
            most: AtomicU32::new(0),
            here: AtomicU32::new(0),
            all <- Completion::new(),
        })
    }
}

/// An item that records its position in the queue when it runs.
pub(crate) struct Item {
    number: AtomicU32,
    shared: Arc<Shared>,
}

impl WorkItem for Item {
    fn run(work: &Work<Self>, dev: &Device<Bound>) {
        let shared = &*work.shared;
        let inside = shared.inside.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most.fetch_max(inside, Ordering::Relaxed);
        let number = work.number.load(Ordering::Relaxed);
        if number == 0 {
            // All other items are queued behind the first one.
            for _ in 0..2 {
                let _ = shared
                    .all
                    .wait_for_completion_timeout(Jiffies::from_msecs(10_000));
            }
        }
        let ran = shared
            .ran
            .lock_irqsave(|ran| ran.push(number, GFP_ATOMIC).map(|()| ran.len()));
        shared.inside.fetch_sub(1, Ordering::Relaxed);
        if ran == Ok(2 * EACH) {
            let (last, out_of_order) = shared.ran.lock_irqsave(|ran| {
                let out_of_order = ran.windows(2).filter(|pair| pair[0] + 1 != pair[1]).count();
                (ran.last().copied(), out_of_order)
            });
            dev_info!(
                dev,
                "in order: the last one {}, out of order {}, at most {} at once",
                last.unwrap_or(0),
                out_of_order,
                shared.most.load(Ordering::Relaxed)
            );
        }
    }
}

/// A task that queues its items while the other task queues its own.
#[pin_data]
pub(crate) struct Producer {
    number: usize,
    shared: Arc<Shared>,
    #[pin]
    items: [Work<Item>; EACH],
}

impl WorkItem for Producer {
    fn run(work: &Work<Self>, dev: &Device<Bound>) {
        let shared = &*work.shared;
        // Each task spins on its CPU until the other one runs, so that they run on different CPUs.
        shared.here.fetch_add(1, Ordering::Relaxed);
        let both = read_poll_timeout(
            || shared.here.load(Ordering::Relaxed),
            |here| here == 2,
            0,
            5_000_000,
        );
        if both.is_err() {
            dev_err!(dev, "in order: the other one does not come");
        }
        // One task queues three items in a row, the other one a single item. A queue that takes one
        // item from each CPU in turn does not keep this order.
        for items in work.items.chunks(3 - 2 * work.number) {
            shared.queued.lock_irqsave(|queued| {
                for item in items {
                    item.number.store(*queued, Ordering::Relaxed);
                    item.queue();
                    *queued += 1;
                }
            });
        }
        shared.all.complete();
    }
}

pub(crate) fn producers(
    dev: &Device<Bound>,
    queue: OwnedQueue,
) -> Result<impl PinInit<[Work<Producer>; 2], Error>> {
    let shared = Arc::pin_init(Shared::new(), GFP_KERNEL)?;
    let queue = ItemQueue::from(&queue);
    Ok(pin_init_array_from_fn(move |number| {
        let (of_items, shared, queue) = (shared.clone(), shared.clone(), queue.clone());
        let items = pin_init_array_from_fn(move |_| {
            let item = Item {
                number: AtomicU32::new(0),
                shared: of_items.clone(),
            };
            new_work!(dev, item, on: queue.clone())
        });
        let producer = try_pin_init!(Producer { number, shared, items <- items });
        new_work!(dev, producer, on: workqueue::system_unbound())
    }))
}
