// SPDX-License-Identifier: GPL-2.0-only
//! Kernel memory. Every allocation can fail, and returns a `Result`.
//!
//! C headers: `include/linux/slab.h`, `include/linux/vmalloc.h`, `include/linux/gfp_types.h`;
//! `mm/slub.c`, `mm/util.c`, `mm/vmalloc.c`.
//!
//! | here | allocator | size |
//! |---|---|---|
//! | [`KBox`] | `kmalloc` | one value |
//! | [`KVec`] | `kmalloc`: physically contiguous, so devices can use it | some pages |
//! | [`VVec`] | `vmalloc`: contiguous only for the CPU | limited by memory |
//! | [`KVVec`] | `kvmalloc`: `kmalloc`, or `vmalloc` if that fails | limited by memory |
//!
//! The names are those of Rust for Linux; C has pointers.
//!
//! # Context
//!
//! [`Flags`] say how memory may be allocated, and whether the caller may sleep. Memory of `kmalloc`
//! may be freed in any context but NMI. Memory of `vmalloc` must not be freed while a spin lock is
//! held.

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
