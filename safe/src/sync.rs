// SPDX-License-Identifier: GPL-2.0-only
//! Locks, reference counts and atomics.
//!
//! C headers: `include/linux/mutex.h`, `include/linux/spinlock.h`, `include/linux/rcupdate.h`,
//! `include/linux/refcount.h`, `include/linux/lockdep.h`.
//!
//! | here | C | may the holder sleep? |
//! |---|---|---|
//! | [`Mutex`], [`new_mutex!`](crate::new_mutex) | `struct mutex`, `mutex_init()` | yes |
//! | [`SpinLock`], [`new_spinlock!`](crate::new_spinlock) | `spinlock_t`, `spin_lock_init()` | no |
//! | [`rcu::Guard`] | `rcu_read_lock()` | no |
//! | [`Arc`] | a structure with a `refcount_t`, freed with its last reference | – |
//! | [`atomic`] | `atomic_t` and its functions | – |
//! | [`LockClassKey`] | `struct lock_class_key` | – |
//!
//! A lock owns the data that it protects. The data can be reached only through a guard. A guard
//! belongs to the thread that took the lock, and must be dropped on that thread.
//!
//! # A guard that is leaked
//!
//! `mem::forget` on a guard leaves the lock locked for ever. The next task that wants the lock
//! waits for ever, as in C where an unlock is missing. The waiting tasks borrow the lock, so it
//! stays in memory as long as they wait. If no task waits, its memory may be freed while it is
//! locked, which only lockdep can notice. A task that ends while it holds a mutex is a bug that
//! lockdep reports.
//!
//! # A panic with a lock held
//!
//! A panic ends its task. The locks that the task holds stay locked for ever, as if their guards
//! were leaked. A mutex points to the task that holds it, and a task that wants the mutex reads
//! that task's structure. Therefore the structure of a task that panics is never freed.

pub mod atomic;
pub mod rcu;

mod arc;
mod guard;
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
