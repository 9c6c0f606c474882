// SPDX-License-Identifier: GPL-2.0-only
//! What an interrupt calls.
//!
//! C headers: `include/linux/interrupt.h`, `include/linux/irqreturn.h`; `kernel/irq/handle.c`.

use core::pin::Pin;

use linux_driver_sys as sys;

use crate::device::{Bound, Device};
use crate::macros::vtable;

/// What came of an interrupt: `irqreturn_t`, as a handler without a thread may return it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "irqreturn_t")]
pub enum IrqReturn {
    /// It was not from this device.
    #[doc(alias = "IRQ_NONE")]
    None,
    /// It was, and is seen to.
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

/// What came of an interrupt in the hard handler of one that has a thread: `irqreturn_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "irqreturn_t")]
pub enum ThreadedIrqReturn {
    /// It was not from this device.
    #[doc(alias = "IRQ_NONE")]
    None,
    /// It was, and is seen to: the thread is not needed.
    #[doc(alias = "IRQ_HANDLED")]
    Handled,
    /// It was: the thread sees to it.
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

/// A handler of interrupts. The value is what it works with; the
/// [`Registration`](super::Registration) owns it.
#[doc(alias = "irq_handler_t")]
pub trait Handler: Send + Sync + 'static {
    /// An interrupt has come on the line; where it is shared, from this device or from another.
    ///
    /// Context: hard interrupt, interrupts off on this CPU: must not sleep. (With `threadirqs` on
    /// the kernel's command line, a thread.) Not entered again on another CPU before it has
    /// returned.
    fn handle(self: Pin<&Self>, dev: &Device<Bound>) -> IrqReturn;
}

/// A handler of interrupts with a thread. The value is what it works with; the
/// [`Registration`](super::Registration) owns it.
#[vtable]
#[doc(alias = "irq_handler_t")]
pub trait ThreadedHandler: Send + Sync + 'static {
    /// An interrupt has come on the line. Where it is not written, C's handler is NULL: the thread
    /// is woken each time, and the line needs [`IRQF_ONESHOT`](super::IRQF_ONESHOT) unless it is an
    /// MSI.
    ///
    /// Context: hard interrupt, interrupts off on this CPU: must not sleep.
    fn handle(self: Pin<&Self>, dev: &Device<Bound>) -> ThreadedIrqReturn {
        let _ = dev;
        ThreadedIrqReturn::WakeThread
    }

    /// The thread was woken.
    ///
    /// Context: a thread of the kernel's: may sleep.
    fn handle_threaded(self: Pin<&Self>, dev: &Device<Bound>) -> IrqReturn;
}
