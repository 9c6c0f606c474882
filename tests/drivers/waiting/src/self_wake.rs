// SPDX-License-Identifier: GPL-2.0-only
//! A condition that wakes its own queue each time, so that the task never sleeps. The task that
//! makes the condition true needs the same CPU.

use linux_driver::device::Device;
use linux_driver::new_work;
use linux_driver::prelude::*;
use linux_driver::sync::Arc;
use linux_driver::sync::atomic::Ordering;
use linux_driver::workqueue::{self, Work, WorkItem};

use crate::Shared;

/// The number of times that the condition is checked before the test gives up.
const ENOUGH: u32 = 1_000_000;

/// An item that makes the condition true, on the CPU that queued it.
pub(crate) struct Setter(Arc<Shared>);

impl WorkItem for Setter {
    fn run(work: &Work<Self>, _dev: &Device<Bound>) {
        work.0.set.store(true, Ordering::Release);
    }
}

#[pin_data]
pub(crate) struct Looker {
    shared: Arc<Shared>,
    #[pin]
    setter: Work<Setter>,
}

impl WorkItem for Looker {
    fn run(work: &Work<Self>, dev: &Device<Bound>) {
        let (shared, mut looks) = (&work.shared, 0);
        work.setter.queue();
        shared.looked.wait_event(|| {
            looks += 1;
            shared.looked.wake_up();
            shared.set.load(Ordering::Acquire) || looks == ENOUGH
        });
        dev_info!(
            dev,
            "queue: woken by its own condition, others run: {}",
            looks < ENOUGH
        );
    }
}

pub(crate) fn looker(
    dev: &Device<Bound>,
    shared: Arc<Shared>,
) -> impl PinInit<Work<Looker>, Error> {
    let looker = try_pin_init!(Looker {
        setter <- new_work!(dev, Setter(shared.clone())),
        shared: shared,
    });
    new_work!(dev, looker, on: workqueue::system_unbound())
}
