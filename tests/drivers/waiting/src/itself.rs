// SPDX-License-Identifier: GPL-2.0-only
//! Items that would wait for themselves. The calls return an error instead.

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::device::Device;
use linux_driver::prelude::*;
use linux_driver::sync::Arc;
use linux_driver::workqueue::{DelayedWork, DelayedWorkItem, OwnedQueue, Work, WorkItem};
use linux_driver::{new_delayed_work, new_work};

/// Returns the error number of a call that must not wait, or 0 if it waited.
fn errno<T>(result: Result<T>) -> i32 {
    result.err().map_or(0, Error::to_errno)
}

/// An item that runs behind the outer one, on the same queue.
pub(crate) struct Inner;

impl WorkItem for Inner {
    fn run(_work: &Work<Self>, dev: &Device<Bound>) {
        dev_info!(dev, "the one behind ran");
    }
}

/// An item whose data contains another item.
#[pin_data]
pub(crate) struct Outer {
    queue: Arc<OwnedQueue>,
    #[pin]
    inner: Work<Inner>,
}

impl WorkItem for Outer {
    fn run(work: &Work<Self>, dev: &Device<Bound>) {
        work.inner.queue();
        dev_info!(
            dev,
            "in itself: flush {}, cancel {}, the one behind {}, the queue {}",
            errno(work.flush()),
            errno(work.cancel_sync()),
            errno(work.inner.flush()),
            errno(work.queue.flush())
        );
    }
}

/// Creates the outer item. `queue` must run one item at a time.
pub(crate) fn outer(
    dev: &Device<Bound>,
    queue: OwnedQueue,
) -> Result<impl PinInit<Work<Outer>, Error>> {
    let queue = Arc::new(queue, GFP_KERNEL)?;
    let of = queue.clone();
    let outer = try_pin_init!(Outer {
        inner <- new_work!(dev, Inner, on: &*queue),
        queue: queue,
    });
    Ok(new_work!(dev, outer, on: &*of))
}

/// A delayed item.
pub(crate) struct Delayed(Arc<OwnedQueue>);

impl DelayedWorkItem for Delayed {
    fn run(work: &DelayedWork<Self>, dev: &Device<Bound>) {
        dev_info!(
            dev,
            "in itself, delayed: flush {}, cancel {}, the queue {}",
            errno(work.flush()),
            errno(work.cancel_sync()),
            errno(work.0.flush())
        );
    }
}

pub(crate) fn delayed(
    dev: &Device<Bound>,
    queue: OwnedQueue,
) -> Result<impl PinInit<DelayedWork<Delayed>, Error>> {
    let queue = Arc::new(queue, GFP_KERNEL)?;
    Ok(new_delayed_work!(dev, Delayed(queue.clone()), on: &*queue))
}
