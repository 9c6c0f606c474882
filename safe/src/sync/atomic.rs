// SPDX-License-Identifier: GPL-2.0-only
//! Atomics: core's own.
//!
//! C headers: `include/linux/atomic.h`, `include/linux/compiler.h`; `Documentation/atomic_t.txt`,
//! `tools/memory-model/`.
//!
//! | core | C | orders |
//! |---|---|---|
//! | `load(Relaxed)`, `store(Relaxed)` | `atomic_read`, `atomic_set`; `READ_ONCE`, `WRITE_ONCE` | nothing |
//! | `load(Acquire)`, `store(Release)` | `atomic_read_acquire`, `atomic_set_release`; `smp_load_acquire`, `smp_store_release` | what comes after the load, what comes before the store |
//! | `fetch_add(…, Relaxed)` and its kin | `atomic_fetch_add_relaxed` | nothing |
//! | `fetch_add(…, Acquire)`, `(…, Release)` | `atomic_fetch_add_acquire`, `…_release` | as above |
//! | `fetch_add(…, SeqCst)` | `atomic_fetch_add`, the fully ordered one, **with a [`fence`]`(SeqCst)` before and after where one relies on its ordering of others** | see below |
//! | `compare_exchange(…)` | `atomic_try_cmpxchg` and its kin | as the orderings say |
//! | [`fence`]`(SeqCst)` | `smp_mb` | everything |
//! | [`fence`]`(Acquire)`, `(Release)` | `smp_rmb`, `smp_wmb`, and more: they order loads with stores too | |
//! | [`compiler_fence`] | `barrier` | the compiler |
//!
//! # What is promised
//!
//! Rust has the memory model of C11, the kernel has its own (LKMM). Between Rust and Rust, C11
//! holds. Where Rust and C, or a lock of C, meet, both compile to the same instructions on the
//! architectures that are supported, so that acquire pairs with `smp_store_release`, release with
//! `smp_load_acquire`, and `fence(SeqCst)` is `smp_mb`. Not promised, unlike in LKMM: an order by
//! address, data or control dependency alone (C11 has none: use `Acquire`), and a full order around
//! a read-modify-write that is `SeqCst` (C's `atomic_fetch_add` orders what stands before it
//! against what stands after it; `SeqCst` on some architectures does not: put a fence).
//!
//! None of them orders accesses to a device: [`Mmio`](crate::io::Mmio) does that for registers.
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
//! For counts of references there is [`Arc`](super::Arc), which cannot overflow.

pub use core::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8,
    AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence,
};
