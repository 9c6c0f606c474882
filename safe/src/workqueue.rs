// SPDX-License-Identifier: GPL-2.0-only
//! Work items, which a kernel thread runs later.
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
//! An item owns the data of its handler, and is part of the data of a bound device. When the
//! device's data is dropped, the item is cancelled first, and then its handler's data is dropped.
//! After that it cannot run or be queued. A run that has begun is waited for. Therefore the handler
//! gets the device as a bound one.
//!
//! # One queue for life
//!
//! An item is made for one queue ([`ItemQueue`]), and can be queued only there. In C, the caller
//! names the queue in each call. C drivers must know that an item may run twice at the same time if
//! it moves to another queue while it runs. Then `cancel_work_sync` waits for only one of the two
//! runs.
//!
//! Since 6.9 there is a problem with ordered queues. Root can change the CPUs of unbound queues
//! (`/sys/devices/virtual/workqueue/cpumask`) while an item runs. If that item is then queued
//! again:
//!
//! - `cancel_work_sync` does not wait for the first run;
//! - `flush_work` may never return, if the item is cancelled meanwhile.
//!
//! Therefore this crate counts the items of owned queues. Cancelling and dropping an item waits for
//! such a run too. Flushing an item waits until the count allows it to return, which it checks
//! about every millisecond.
//!
//! # Deadlocks
//!
//! These calls would wait for themselves. They return [`EDEADLK`](crate::error::code::EDEADLK),
//! where C waits for ever:
//!
//! - flushing or cancelling an item in its own run;
//! - flushing a queue in one of its items;
//! - flushing an item in another item of a queue that runs one at a time.
//!
//! These deadlocks are not detected:
//!
//! - Two items that wait for each other. C does not detect this either; for the kernel's own queues
//!   lockdep reports it.
//! - A queue whose running items all flush one item that is queued behind them, if the queue cannot
//!   run a further one.
//! - A `suspend` callback that flushes a [`FREEZABLE`](QueueFlags::FREEZABLE) queue or an item of
//!   it. Such a flush waits until the system has resumed, so the machine hangs. Cancelling takes a
//!   pending item off such a queue at once.
//!
//! If an item is dropped in its own run, the task ends in `BUG()`. That is possible only if the
//! handler unbinds its own device.

mod delayed;
mod instances;
mod item;
mod member;
mod queue;
mod work;

pub use delayed::{DelayedWork, DelayedWorkItem};
pub use queue::{ItemQueue, OwnedQueue, Queue, QueueFlags, system, system_unbound};
pub use work::{Work, WorkItem};
