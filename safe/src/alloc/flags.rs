// SPDX-License-Identifier: GPL-2.0-only
//! How an allocation may be made.
//!
//! C headers: `include/linux/gfp_types.h`, `include/linux/gfp.h`.

use core::ops::BitOr;

use linux_driver_sys as sys;

/// How an allocation may be made: `gfp_t`. One of those that say what it may do, and modifiers,
/// joined by `|`.
///
/// | | may sleep | may start I/O | for |
/// |---|---|---|---|
/// | [`GFP_KERNEL`] | yes | yes | process context without a spin lock or an RCU guard |
/// | [`GFP_KERNEL_ACCOUNT`] | yes | yes | the same, counted against the process that asks |
/// | [`GFP_NOIO`] | yes | no | what I/O itself needs: suspend and resume, block devices |
/// | [`GFP_NOWAIT`] | no | no | where sleeping is not allowed and failing is fine |
/// | [`GFP_ATOMIC`] | no | no | interrupts and under a spin lock; takes from the reserves |
///
/// ```
/// use linux_driver::alloc::{__GFP_ZERO, GFP_KERNEL};
///
/// assert!(GFP_KERNEL | __GFP_ZERO != GFP_KERNEL);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "gfp_t")]
pub struct Flags(pub(super) sys::gfp_t);

/// May sleep. For process context without a spin lock held.
pub const GFP_KERNEL: Flags = Flags(sys::LINUX_DRIVER_GFP_KERNEL);
/// May not sleep; takes from the reserves, and fails sooner. For interrupts and under a spin lock.
///
/// ```no_run
/// use linux_driver::alloc::{GFP_ATOMIC, KVec};
/// use linux_driver::new_spinlock;
/// use linux_driver::prelude::*;
/// use linux_driver::sync::SpinLock;
/// use linux_driver::sync::atomic::{AtomicU32, Ordering};
///
/// /// How many events are kept.
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
///         }? Error)
///     }
///
///     /// Called by the interrupt handler. Where there is no memory, or nobody takes them, events are lost.
///     fn came(&self, event: u32) {
///         let kept = self.pending.lock_irqsave(|pending| pending.len() < MOST && pending.push(event, GFP_ATOMIC).is_ok());
///         if !kept {
///             self.lost.fetch_add(1, Ordering::Relaxed);
///         }
///     }
///
///     /// Takes what has come, so that the lock is not held while it is worked on.
///     fn take(&self) -> KVec<u32> {
///         self.pending.lock_irqsave(core::mem::take)
///     }
/// }
/// ```
pub const GFP_ATOMIC: Flags = Flags(sys::LINUX_DRIVER_GFP_ATOMIC);
/// May not sleep, nor take from the reserves; fails soonest. As the kernel at hand has it: from
/// 6.12 on it holds [`__GFP_NOWARN`], before that a failure leaves a message unless that is joined.
pub const GFP_NOWAIT: Flags = Flags(sys::LINUX_DRIVER_GFP_NOWAIT);
/// May sleep; starts no I/O.
pub const GFP_NOIO: Flags = Flags(sys::LINUX_DRIVER_GFP_NOIO);
/// As [`GFP_KERNEL`], counted against the process that asks (its memory cgroup). For what a user
/// program can ask for at will.
pub const GFP_KERNEL_ACCOUNT: Flags = Flags(sys::LINUX_DRIVER_GFP_KERNEL_ACCOUNT);
/// A modifier: the memory is zeroed.
pub const __GFP_ZERO: Flags = Flags(sys::LINUX_DRIVER_GFP_ZERO);
/// A modifier: no message if it fails.
pub const __GFP_NOWARN: Flags = Flags(sys::LINUX_DRIVER_GFP_NOWARN);

impl Flags {
    /// As C takes them.
    pub(crate) const fn raw(self) -> sys::gfp_t {
        self.0
    }

    /// Whether all of `flags` are set.
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
