// SPDX-License-Identifier: GPL-2.0-only
//! Work that is done later, by a thread of the kernel's.
//!
//! C header: `include/linux/workqueue.h`; `kernel/workqueue.c`, `Documentation/core-api/workqueue.rst`.
//!
//! | here | C |
//! |---|---|
//! | [`Work`], [`new_work!`](crate::new_work) | `struct work_struct`, `INIT_WORK()` |
//! | [`DelayedWork`], [`new_delayed_work!`](crate::new_delayed_work) | `struct delayed_work`, `INIT_DELAYED_WORK()` |
//! | [`Queue`]: [`system`], [`system_unbound`] | `struct workqueue_struct`: `system_percpu_wq`, `system_dfl_wq` (once `system_wq`, `system_unbound_wq`) |
//! | [`OwnedQueue`] | `alloc_workqueue()`, `destroy_workqueue()` |
//!
//! An item owns what its handler works on, and stands in the data of a bound device. When that goes, the item is cancelled
//! before its handler's data is dropped: it does not run after that, nor can it be queued, and a run that has begun is waited
//! for. So the handler is lent the device as a bound one. Its data must not be what waits for it: a run that drops, or waits
//! for, its own item waits for ever.

mod delayed;
mod queue;
mod work;

pub use delayed::{DelayedWork, DelayedWorkItem};
pub use queue::{OwnedQueue, Queue, QueueFlags, system, system_unbound};
pub use work::{Work, WorkItem};
