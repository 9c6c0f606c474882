// SPDX-License-Identifier: GPL-2.0-only
//! The handlers of interrupts.
//!
//! C headers: `include/linux/interrupt.h`, `include/linux/irqreturn.h`; `kernel/irq/handle.c`.

use core::pin::Pin;

use linux_driver_sys as sys;

use crate::device::{Bound, Device};
use crate::macros::vtable;

/// The result of an interrupt handler without a thread: `irqreturn_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "irqreturn_t")]
pub enum IrqReturn {
    /// The interrupt did not come from this device.
    #[doc(alias = "IRQ_NONE")]
    None,
    /// The interrupt came from this device and was handled.
    #[doc(alias = "IRQ_HANDLED")]
    Handled,
}

impl IrqReturn {
    pub(super) const fn raw(self) -> sys::irqreturn_t {
        match self {
            Self::None => sys::IRQ_NONE,
            Self::Handled => sys::IRQ_HANDLED,
        }
    }
}

/// The result of the hard handler of an interrupt with a thread: `irqreturn_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "irqreturn_t")]
pub enum ThreadedIrqReturn {
    /// The interrupt did not come from this device.
    #[doc(alias = "IRQ_NONE")]
    None,
    /// The interrupt came from this device and was handled; the thread is not woken.
    #[doc(alias = "IRQ_HANDLED")]
    Handled,
    /// The interrupt came from this device, and wakes the thread to handle it.
    #[doc(alias = "IRQ_WAKE_THREAD")]
    WakeThread,
}

impl ThreadedIrqReturn {
    pub(super) const fn raw(self) -> sys::irqreturn_t {
        match self {
            Self::None => sys::IRQ_NONE,
            Self::Handled => sys::IRQ_HANDLED,
            Self::WakeThread => sys::IRQ_WAKE_THREAD,
        }
    }
}

/// An interrupt handler. The value is the handler's data; the [`Registration`](super::Registration)
/// owns it.
#[doc(alias = "irq_handler_t")]
pub trait Handler: Send + Sync + 'static {
    /// Handles an interrupt on the line. On a shared line it may come from this device or from
    /// another.
    ///
    /// # Context
    ///
    /// Hard interrupt, with interrupts disabled on this CPU. Must not sleep. With `threadirqs` on
    /// the kernel's command line it runs in a thread. It never runs on two CPUs at the same time.
    fn handle(self: Pin<&Self>, dev: &Device<Bound>) -> IrqReturn;
}

/// An interrupt handler with a thread. The value is the handler's data; the
/// [`Registration`](super::Registration) owns it.
#[vtable]
#[doc(alias = "irq_handler_t")]
pub trait ThreadedHandler: Send + Sync + 'static {
    /// Handles an interrupt on the line. If the driver does not implement it, C's handler is NULL:
    /// each interrupt wakes the thread, and the line needs [`IRQF_ONESHOT`](super::IRQF_ONESHOT)
    /// unless it is an MSI.
    ///
    /// # Context
    ///
    /// Hard interrupt, with interrupts disabled on this CPU. Must not sleep.
    fn handle(self: Pin<&Self>, dev: &Device<Bound>) -> ThreadedIrqReturn {
        let _ = dev;
        ThreadedIrqReturn::WakeThread
    }

    /// Handles the interrupt in its thread, after it was woken.
    ///
    /// # Context
    ///
    /// May sleep: runs in a thread of the kernel.
    fn handle_threaded(self: Pin<&Self>, dev: &Device<Bound>) -> IrqReturn;
}
