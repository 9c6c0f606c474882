// SPDX-License-Identifier: GPL-2.0-only
//! The data of the interrupt handlers.

use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::device;
use linux_driver::io::read_poll_timeout;
use linux_driver::irq::{self, IrqReturn, ThreadedIrqReturn};
use linux_driver::new_spinlock;
use linux_driver::pci::Bar;
use linux_driver::prelude::*;
use linux_driver::sync::{Arc, SpinLock};

/// The registers, as offsets in bytes (QEMU's `docs/specs/edu.rst`).
mod regs {
    pub(super) const FACTORIAL: usize = 0x08;
    pub(super) const STATUS: usize = 0x20;
    /// A bit of the status register: an interrupt is raised when a factorial is computed.
    pub(super) const STATUS_IRQ: u32 = 0x80;
    pub(super) const IRQ_STATUS: usize = 0x24;
    pub(super) const IRQ_RAISE: usize = 0x60;
    pub(super) const IRQ_ACK: usize = 0x64;
}

/// The device, and the number of its interrupts.
pub(crate) struct Events {
    pub(crate) way: &'static str,
    bar: Bar<0x100>,
    /// The hard handler takes this lock too. Other code must disable interrupts before it takes the
    /// lock, or lockdep reports it.
    count: Arc<SpinLock<u32>>,
    go_on: AtomicBool,
    in_thread: AtomicBool,
}

impl Events {
    pub(crate) fn new(way: &'static str, bar: Bar<0x100>) -> Result<Self> {
        Ok(Self {
            way,
            bar,
            count: Arc::pin_init(new_spinlock!(0), GFP_KERNEL)?,
            go_on: AtomicBool::new(false),
            in_thread: AtomicBool::new(false),
        })
    }

    /// Waits for the last computation of an earlier binding, and clears its interrupt.
    pub(crate) fn quiet(&self, dev: &impl AsRef<device::Device<Bound>>) -> Result {
        let registers = self.bar.access(dev)?;
        read_poll_timeout(
            || registers.readl::<{ regs::STATUS }>(),
            |status| status & 1 == 0,
            100,
            1_000_000,
        )?;
        registers.writel::<{ regs::STATUS }>(0);
        registers.writel::<{ regs::IRQ_ACK }>(u32::MAX);
        Ok(())
    }

    /// Makes the device interrupt once.
    pub(crate) fn raise(&self, dev: &impl AsRef<device::Device<Bound>>) -> Result {
        self.bar.access(dev)?.writel::<{ regs::IRQ_RAISE }>(2);
        Ok(())
    }

    /// Makes the device interrupt repeatedly.
    pub(crate) fn start(&self, dev: &impl AsRef<device::Device<Bound>>) -> Result {
        self.go_on.store(true, Ordering::Relaxed);
        let registers = self.bar.access(dev)?;
        registers.writel::<{ regs::STATUS }>(regs::STATUS_IRQ);
        registers.writel::<{ regs::FACTORIAL }>(5);
        Ok(())
    }

    /// Stops the interrupts, and waits until the last one was handled.
    pub(crate) fn stop(&self, dev: &impl AsRef<device::Device<Bound>>) -> Result {
        self.go_on.store(false, Ordering::Relaxed);
        let registers = self.bar.access(dev)?;
        registers.writel::<{ regs::STATUS }>(0);
        read_poll_timeout(
            || registers.readl::<{ regs::STATUS }>(),
            |status| status & 1 == 0,
            100,
            1_000_000,
        )?;
        // Checked twice: the interrupt comes a moment after the end of a computation.
        for _ in 0..2 {
            read_poll_timeout(
                || registers.readl::<{ regs::IRQ_STATUS }>(),
                |status| status == 0,
                100,
                1_000_000,
            )?;
            let _ = read_poll_timeout(|| (), |()| false, 1000, 2000);
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.lock_irqsave(|count| *count)
    }

    pub(crate) fn in_thread(&self) -> bool {
        self.in_thread.load(Ordering::Relaxed)
    }

    fn pending(&self, dev: &device::Device<Bound>) -> bool {
        self.bar
            .access(dev)
            .is_ok_and(|registers| registers.readl::<{ regs::IRQ_STATUS }>() != 0)
    }

    fn see_to(&self, dev: &device::Device<Bound>) -> IrqReturn {
        let Ok(registers) = self.bar.access(dev) else {
            return IrqReturn::None;
        };
        let status = registers.readl::<{ regs::IRQ_STATUS }>();
        if status == 0 {
            return IrqReturn::None;
        }
        registers.writel::<{ regs::IRQ_ACK }>(status);
        if self.go_on.load(Ordering::Relaxed) {
            registers.writel::<{ regs::FACTORIAL }>(5);
        }
        self.count
            .lock_irqsave(|count| *count = count.wrapping_add(1));
        IrqReturn::Handled
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        pr_info!("{}: dropped", self.way);
    }
}

macro_rules! handlers {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        pub(crate) struct $name(Events);

        impl From<Events> for $name {
            fn from(events: Events) -> Self {
                Self(events)
            }
        }

        impl AsRef<Events> for $name {
            fn as_ref(&self) -> &Events {
                &self.0
            }
        }
    )* };
}

handlers! {
    /// A handler that handles the interrupt in the hard handler.
    Hard;
    /// A handler that handles the interrupt in the thread, which the hard handler wakes.
    Both;
    /// A handler that handles the interrupt in the thread, which each interrupt wakes.
    Thread;
}

impl irq::Handler for Hard {
    fn handle(self: Pin<&Self>, dev: &device::Device<Bound>) -> IrqReturn {
        self.0.see_to(dev)
    }
}

#[vtable]
impl irq::ThreadedHandler for Both {
    fn handle(self: Pin<&Self>, dev: &device::Device<Bound>) -> ThreadedIrqReturn {
        if self.0.pending(dev) {
            ThreadedIrqReturn::WakeThread
        } else {
            ThreadedIrqReturn::None
        }
    }

    fn handle_threaded(self: Pin<&Self>, dev: &device::Device<Bound>) -> IrqReturn {
        self.0.in_thread.store(true, Ordering::Relaxed);
        self.0.see_to(dev)
    }
}

#[vtable]
impl irq::ThreadedHandler for Thread {
    fn handle_threaded(self: Pin<&Self>, dev: &device::Device<Bound>) -> IrqReturn {
        self.0.in_thread.store(true, Ordering::Relaxed);
        self.0.see_to(dev)
    }
}
