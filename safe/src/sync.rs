// SPDX-License-Identifier: GPL-2.0-only
//! Locks, reference counts and atomics.
//!
//! C headers: `include/linux/mutex.h`, `include/linux/spinlock.h`, `include/linux/rcupdate.h`,
//! `include/linux/refcount.h`, `include/linux/lockdep.h`.
//!
//! | here | C | holding it, may one sleep? |
//! |---|---|---|
//! | [`Mutex`], [`new_mutex!`](crate::new_mutex) | `struct mutex`, `mutex_init()` | yes |
//! | [`SpinLock`], [`new_spinlock!`](crate::new_spinlock) | `spinlock_t`, `spin_lock_init()` | no |
//! | [`rcu::Guard`] | `rcu_read_lock()` | no |
//! | [`Arc`] | a structure with a `refcount_t`, freed by the last who drops it | – |
//! | [`atomic`] | `atomic_t` and its kin | – |
//! | [`LockClassKey`] | `struct lock_class_key` | – |
//!
//! A lock owns what it protects: there is no way to the data but through a guard. A guard is of the
//! thread that took the lock, and is let go of there.
//!
//! # A guard that is leaked
//!
//! `mem::forget` on a guard leaves the lock locked for good: whoever wants it next waits for ever,
//! as in C where an unlock is missing. The lock stays where it is as long as anybody waits, who has
//! it borrowed; its memory may go while it is locked, which nobody can see but lockdep. A task that
//! ends while it holds a mutex is a bug that lockdep reports.
//!
//! # A panic with a lock held
//!
//! A panic ends its task, and what the task holds stays locked for good, as where a guard is
//! leaked. A mutex refers to the task that holds it, and whoever wants the mutex looks at that
//! task: so the structure of a task that panics is never freed.

pub mod atomic;
pub mod rcu;

mod arc;
mod lock_class;
mod mutex;
mod spinlock;

pub use arc::Arc;
pub(crate) use lock_class::LOCKDEP;
pub use lock_class::LockClassKey;
#[doc(hidden)]
pub use lock_class::class_name;
pub use mutex::{Mutex, MutexGuard};
pub use spinlock::{SpinLock, SpinLockGuard};
