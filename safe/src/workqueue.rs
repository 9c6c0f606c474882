// SPDX-License-Identifier: GPL-2.0-only
//! Work that is done later, by a thread of the kernel's.
//!
//! C header: `include/linux/workqueue.h`; `kernel/workqueue.c`,
//! `Documentation/core-api/workqueue.rst`.
//!
//! | here | C |
//! |---|---|
//! | [`Work`], [`new_work!`](crate::new_work) | `struct work_struct`, `INIT_WORK()` |
//! | [`DelayedWork`], [`new_delayed_work!`](crate::new_delayed_work) | `struct delayed_work`, `INIT_DELAYED_WORK()` |
//! | [`Queue`]: [`system`], [`system_unbound`] | `struct workqueue_struct`: `system_percpu_wq`, `system_dfl_wq` (once `system_wq`, `system_unbound_wq`) |
//! | [`OwnedQueue`] | `alloc_workqueue()`, `alloc_ordered_workqueue()`, `destroy_workqueue()` |
//!
//! An item owns what its handler works on, and lies in the data of a bound device. When the data is
//! dropped, the item is cancelled before its handler's data is dropped: it does not run after that,
//! nor can it be queued, and a run that has begun is waited for. So the handler is lent the device
//! as a bound one.
//!
//! # One queue for life
//!
//! An item is made for one queue ([`ItemQueue`]), and queued there alone. In C the caller names the
//! queue each time, and has to know that an item which moves to another queue while it runs may run
//! twice at once, and that `cancel_work_sync` waits for one of the two.
//!
//! On an ordered queue `cancel_work_sync` misses a run since 6.9, if root changes the CPUs of
//! unbound queues (`/sys/devices/virtual/workqueue/cpumask`) while the item runs and the item is
//! queued again. `flush_work` may never return since then, if the item is cancelled meanwhile. So
//! the items of owned queues are counted here. Cancelling and dropping an item waits for such a run
//! too. Flushing an item waits by the count: it looks each millisecond or so.
//!
//! # Who would wait for itself
//!
//! To flush or cancel an item in its own run, to flush a queue in one of its items, or to flush an
//! item in another one of a queue that runs one at a time: each returns
//! [`EDEADLK`](crate::error::code::EDEADLK), where C waits for ever. Two items that each wait for
//! the other one are not found, as in C (lockdep reports them on the kernel's own queues). Nor are
//! as many items as a queue runs at a time that all flush one behind them, for which no place is
//! left. While the system is suspended, whoever flushes a queue that is
//! [`FREEZABLE`](QueueFlags::FREEZABLE), or an item of it, waits until the system has resumed: a
//! `suspend` that does so stops the machine. Cancelling takes a pending item off such a queue at
//! once. An item that is dropped in its own run, which takes a handler that unbinds its own device,
//! ends in `BUG()`.

mod delayed;
mod instances;
mod member;
mod queue;
mod work;

pub use delayed::{DelayedWork, DelayedWorkItem};
pub use queue::{ItemQueue, OwnedQueue, Queue, QueueFlags, system, system_unbound};
pub use work::{Work, WorkItem};
