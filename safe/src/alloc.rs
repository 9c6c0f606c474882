// SPDX-License-Identifier: GPL-2.0-only
//! Kernel memory. Allocation can fail, and says so.
//!
//! C headers: `include/linux/slab.h`, `include/linux/vmalloc.h`, `include/linux/gfp_types.h`;
//! `mm/slub.c`, `mm/util.c`, `mm/vmalloc.c`.
//!
//! | here | memory of | how much |
//! |---|---|---|
//! | [`KBox`] | `kmalloc` | one value |
//! | [`KVec`] | `kmalloc`: contiguous, also for devices | some pages |
//! | [`VVec`] | `vmalloc`: contiguous for the CPU alone | what there is |
//! | [`KVVec`] | `kvmalloc`: the first, or else the second | what there is |
//!
//! Rust for Linux calls them so; C has pointers. How an allocation may be made, and where one may
//! sleep, say [`Flags`]. Freeing memory of `kmalloc` may be done in any context but NMI; memory of
//! `vmalloc` not with a spin lock held.

mod allocator;
mod flags;
mod kbox;
mod kvec;

pub use allocator::{Allocator, KVmalloc, Kmalloc, Vmalloc};
pub use flags::{
    __GFP_NOWARN, __GFP_ZERO, Flags, GFP_ATOMIC, GFP_KERNEL, GFP_KERNEL_ACCOUNT, GFP_NOIO,
    GFP_NOWAIT,
};
pub use kbox::KBox;
pub use kvec::{IntoIter, KVVec, KVec, VVec, Vec};
