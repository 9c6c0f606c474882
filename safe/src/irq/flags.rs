// SPDX-License-Identifier: GPL-2.0-only
//! The flags of `request_irq`.

use core::ffi::c_ulong;
use core::ops::BitOr;

use linux_driver_sys as sys;

/// How an interrupt is asked for: the `IRQF_*` that C's `request_irq` takes, with the values of the
/// kernel at hand.
///
/// Not here: `IRQF_NO_AUTOEN` (a handler's data is there before the interrupt is asked for),
/// `IRQF_PERCPU` and `IRQF_TIMER` (not a device's), and `IRQF_COND_ONESHOT`, which
/// [`Registration::new`](super::Registration::new) sets where the kernel's `request_irq` does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(c_ulong);

impl Flags {
    /// As the interrupt is set up already, for this device alone.
    pub const NONE: Self = Self(0);

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// As C takes them.
    pub(super) const fn raw(self) -> c_ulong {
        self.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        pub const $name: Flags = Flags(sys::$name as c_ulong);
    )* };
}

flags! {
    /// On the rising edge.
    IRQF_TRIGGER_RISING;
    /// On the falling edge.
    IRQF_TRIGGER_FALLING;
    /// As long as the line is high.
    IRQF_TRIGGER_HIGH;
    /// As long as the line is low.
    IRQF_TRIGGER_LOW;
    /// Other devices may have handlers on the line. INTx needs it: its lines are shared by slots.
    IRQF_SHARED;
    /// The line stays masked from the hard handler's end until the threaded one's.
    IRQF_ONESHOT;
    /// The interrupt stays on while the system is suspended.
    IRQF_NO_SUSPEND;
    /// It is switched on again when the system resumes, even with [`IRQF_NO_SUSPEND`].
    IRQF_FORCE_RESUME;
    /// It cannot be threaded, also with `threadirqs` on the kernel's command line.
    IRQF_NO_THREAD;
    /// It is switched on early when the system resumes.
    IRQF_EARLY_RESUME;
    /// The handler bears that another device on the line has [`IRQF_NO_SUSPEND`].
    IRQF_COND_SUSPEND;
    /// The interrupt stays on its CPU.
    IRQF_NOBALANCING;
    /// It may be polled, where the line is found stuck.
    IRQF_IRQPOLL;
    /// Nothing is accounted where it goes unhandled.
    IRQF_NO_DEBUG;
}
