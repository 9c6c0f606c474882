// SPDX-License-Identifier: GPL-2.0-only
//! Atomics: those of `core`.
//!
//! C headers: `include/linux/atomic.h`, `include/linux/compiler.h`; `Documentation/atomic_t.txt`,
//! `tools/memory-model/`.
//!
//! | core | C | orders |
//! |---|---|---|
//! | `load(Relaxed)`, `store(Relaxed)` | `atomic_read`, `atomic_set`; `READ_ONCE`, `WRITE_ONCE` | nothing |
//! | `load(Acquire)`, `store(Release)` | `atomic_read_acquire`, `atomic_set_release`; `smp_load_acquire`, `smp_store_release` | the load before what follows it, the store after what precedes it |
//! | `fetch_add(…, Relaxed)` and the like | `atomic_fetch_add_relaxed` | nothing |
//! | `fetch_add(…, Acquire)`, `(…, Release)` | `atomic_fetch_add_acquire`, `…_release` | as above |
//! | `fetch_add(…, SeqCst)` | `atomic_fetch_add`, which is fully ordered; **put a [`fence`]`(SeqCst)` before and after it if you rely on its ordering of other accesses** | see below |
//! | `compare_exchange(…)` | `atomic_try_cmpxchg` and the like | as the orderings say |
//! | [`fence`]`(SeqCst)` | `smp_mb` | everything |
//! | [`fence`]`(Acquire)`, `(Release)` | `smp_rmb`, `smp_wmb`, but stronger: they also order loads against stores | |
//! | [`compiler_fence`] | `barrier` | the compiler |
//!
//! # Guarantees
//!
//! Rust has the memory model of C11. The kernel has its own (LKMM). Between Rust code and Rust
//! code, C11 applies. Rust code also meets C code and the locks of C. On the supported
//! architectures both compile to the same instructions. So acquire pairs with `smp_store_release`,
//! release pairs with `smp_load_acquire`, and `fence(SeqCst)` is `smp_mb`.
//!
//! Two guarantees of LKMM do not hold:
//!
//! - An address, data or control dependency alone gives no order, because C11 has none. Use
//!   `Acquire`.
//! - A `SeqCst` read-modify-write is not a full barrier. C's `atomic_fetch_add` orders the accesses
//!   before it against those after it. On some architectures `SeqCst` does not. Add a fence.
//!
//! Atomics do not order accesses to a device. For registers, [`Mmio`](crate::io::Mmio) does that.
//!
//! # Context
//!
//! Any.
//!
//! # Examples
//!
//! Context: any.
//!
//! ```
//! use linux_driver::sync::atomic::{AtomicBool, AtomicU32, Ordering};
//!
//! static VALUE: AtomicU32 = AtomicU32::new(0);
//! static THERE: AtomicBool = AtomicBool::new(false);
//!
//! /// C: `WRITE_ONCE(value, 7); smp_store_release(&there, true);`
//! fn publish() {
//!     VALUE.store(7, Ordering::Relaxed);
//!     THERE.store(true, Ordering::Release);
//! }
//!
//! /// C: `smp_load_acquire(&there) ? READ_ONCE(value) : …`
//! fn published() -> Option<u32> {
//!     THERE.load(Ordering::Acquire).then(|| VALUE.load(Ordering::Relaxed))
//! }
//!
//! publish();
//! assert_eq!(published(), Some(7));
//! ```
//!
//! For reference counts use [`Arc`](super::Arc), whose count cannot overflow.

pub use core::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8,
    AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence,
};
