// SPDX-License-Identifier: GPL-2.0-only
//! Allocation flags.
//!
//! C headers: `include/linux/gfp_types.h`, `include/linux/gfp.h`.

use core::ops::BitOr;

use linux_driver_sys as sys;

/// Allocation flags: `gfp_t`. Use one of the flags below, combined with modifiers (`__GFP_*`) by
/// `|`.
///
/// | | may sleep | may start I/O | for |
/// |---|---|---|---|
/// | [`GFP_KERNEL`] | yes | yes | process context without a spin lock or an RCU guard |
/// | [`GFP_KERNEL_ACCOUNT`] | yes | yes | the same, charged to the calling process |
/// | [`GFP_NOIO`] | yes | no | code that I/O itself needs: suspend and resume, block devices |
/// | [`GFP_NOWAIT`] | no | no | code that must not sleep and can handle a failure |
/// | [`GFP_ATOMIC`] | no | no | interrupts and code under a spin lock; uses the memory reserves |
///
/// # Examples
///
/// ```
/// use linux_driver::alloc::{__GFP_ZERO, GFP_KERNEL};
///
/// assert!(GFP_KERNEL | __GFP_ZERO != GFP_KERNEL);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "gfp_t")]
pub struct Flags(pub(super) sys::gfp_t);

/// Allows the allocation to sleep. For process context without a spin lock held.
pub const GFP_KERNEL: Flags = Flags(sys::LINUX_DRIVER_GFP_KERNEL);
/// Forbids the allocation to sleep, and allows it to use the memory reserves; it fails sooner. For
/// interrupts and under a spin lock.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::alloc::{GFP_ATOMIC, KVec};
/// use linux_driver::new_spinlock;
/// use linux_driver::prelude::*;
/// use linux_driver::sync::SpinLock;
/// use linux_driver::sync::atomic::{AtomicU32, Ordering};
///
/// /// The maximum number of pending events.
/// const MOST: usize = 256;
///
/// #[pin_data]
/// struct Events {
///     #[pin]
///     pending: SpinLock<KVec<u32>>,
///     lost: AtomicU32,
/// }
///
/// impl Events {
///     fn new() -> impl PinInit<Self, Error> {
///         try_pin_init!(Self {
///             pending <- new_spinlock!(KVec::new()),
///             lost: AtomicU32::new(0),
///         })
///     }
///
///     /// Stores an event; the interrupt handler calls this. Events are lost if there is no
///     /// memory, or if nothing takes them.
///     fn came(&self, event: u32) {
///         let kept = self.pending.lock_irqsave(|pending| {
///             pending.len() < MOST && pending.push(event, GFP_ATOMIC).is_ok()
///         });
///         if !kept {
///             self.lost.fetch_add(1, Ordering::Relaxed);
///         }
///     }
///
///     /// Takes the pending events, so that the lock is not held while they are processed.
///     fn take(&self) -> KVec<u32> {
///         self.pending.lock_irqsave(core::mem::take)
///     }
/// }
/// ```
pub const GFP_ATOMIC: Flags = Flags(sys::LINUX_DRIVER_GFP_ATOMIC);
/// Forbids the allocation to sleep and to use the memory reserves; it fails soonest. The value is
/// the one of the kernel that the driver is built for: from 6.12 on it includes [`__GFP_NOWARN`].
/// Before that a failure is logged, unless the modifier is added.
pub const GFP_NOWAIT: Flags = Flags(sys::LINUX_DRIVER_GFP_NOWAIT);
/// Allows the allocation to sleep, but not to start I/O.
pub const GFP_NOIO: Flags = Flags(sys::LINUX_DRIVER_GFP_NOIO);
/// As [`GFP_KERNEL`], and charges the memory to the calling process (its memory cgroup). For memory
/// that a user program can request at will.
pub const GFP_KERNEL_ACCOUNT: Flags = Flags(sys::LINUX_DRIVER_GFP_KERNEL_ACCOUNT);
/// A modifier that zeroes the memory.
pub const __GFP_ZERO: Flags = Flags(sys::LINUX_DRIVER_GFP_ZERO);
/// A modifier that suppresses the message when an allocation fails.
pub const __GFP_NOWARN: Flags = Flags(sys::LINUX_DRIVER_GFP_NOWARN);

impl Flags {
    /// Returns the flags as C takes them.
    pub(crate) const fn raw(self) -> sys::gfp_t {
        self.0
    }

    /// Returns whether all of `flags` are set.
    pub(crate) const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
