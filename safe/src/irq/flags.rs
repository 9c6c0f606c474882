// SPDX-License-Identifier: GPL-2.0-only
//! The flags of `request_irq`.

use core::ffi::c_ulong;
use core::ops::BitOr;

use linux_driver_sys as sys;

/// The flags of an interrupt: the `IRQF_*` of C's `request_irq`, with the values of the kernel that
/// the driver is built for.
///
/// These flags are left out:
///
/// * `IRQF_NO_AUTOEN`: a handler's data is initialised before the interrupt is requested.
/// * `IRQF_PERCPU`, `IRQF_TIMER`: not for the interrupts of devices.
/// * `IRQF_COND_ONESHOT`: [`Registration::new`](super::Registration::new) sets it where the
///   kernel's `request_irq` does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(c_ulong);

impl Flags {
    /// No flags: the trigger stays as it is set up already, and the line is not shared.
    pub const NONE: Self = Self(0);

    /// Returns whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Returns the flags as C takes them.
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
    /// Triggers on the rising edge.
    IRQF_TRIGGER_RISING;
    /// Triggers on the falling edge.
    IRQF_TRIGGER_FALLING;
    /// Triggers as long as the line is high.
    IRQF_TRIGGER_HIGH;
    /// Triggers as long as the line is low.
    IRQF_TRIGGER_LOW;
    /// Allows other devices to have handlers on the same line. INTx needs it, because PCI slots
    /// share its lines.
    IRQF_SHARED;
    /// Keeps the line masked from the hard handler's end until the threaded handler's end.
    IRQF_ONESHOT;
    /// Keeps the interrupt enabled while the system is suspended.
    IRQF_NO_SUSPEND;
    /// Enables the interrupt on resume even if [`IRQF_NO_SUSPEND`] is set.
    IRQF_FORCE_RESUME;
    /// Keeps the handler out of a thread, even with `threadirqs` on the kernel's command line.
    IRQF_NO_THREAD;
    /// Enables the interrupt early on resume, before the devices are resumed.
    IRQF_EARLY_RESUME;
    /// Allows the line to be shared with a device that sets [`IRQF_NO_SUSPEND`]. The handler then
    /// also runs after interrupts were suspended.
    IRQF_COND_SUSPEND;
    /// Keeps the interrupt on its CPU.
    IRQF_NOBALANCING;
    /// Allows the kernel to poll the interrupt if the line is stuck.
    IRQF_IRQPOLL;
    /// Excludes the interrupt from the detection of unhandled interrupts.
    IRQF_NO_DEBUG;
}
