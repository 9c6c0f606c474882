// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts.
//!
//! C headers: `include/linux/interrupt.h`, `include/linux/irqreturn.h`; `kernel/irq/manage.c`.
//!
//! | here | C |
//! |---|---|
//! | [`Handler`], [`ThreadedHandler`] | `irq_handler_t` |
//! | [`IrqReturn`], [`ThreadedIrqReturn`] | `irqreturn_t` |
//! | [`Registration::new`] | `request_irq`; dropping it calls `free_irq` |
//! | [`Registration::new_threaded`] | `request_threaded_irq`; dropping it calls `free_irq` |
//! | [`Registration::disable`], [`Disabled`] | `disable_irq`, `enable_irq` |
//! | [`Registration::synchronize`] | `synchronize_irq` |
//! | [`Flags`], `IRQF_*` | the flags of `request_irq` |
//! | [`Line`] | the number of an interrupt, which belongs to one binding |
//!
//! The registration owns the handler and its data. They are initialised before the first interrupt
//! can arrive, and are dropped after the last handler has returned.
//!
//! The registration is part of the data of the device's driver. The bus's `remove` therefore frees
//! the interrupt before the binding's other resources are released. For that reason a handler gets
//! the device as [`Bound`], even while `probe` has not finished yet.
//!
//! # Examples
//!
//! ```
//! # #![forbid(unsafe_code)]
//! use core::sync::atomic::{AtomicU32, Ordering};
//!
//! use linux_driver::irq::{self, IRQF_SHARED, IrqReturn};
//! use linux_driver::pci::{self, Bar, PCI_IRQ_INTX, PCI_IRQ_MSI};
//! use linux_driver::prelude::*;
//!
//! /// The handler's data.
//! struct Events {
//!     bar: Bar<0x100>,
//!     count: AtomicU32,
//! }
//!
//! impl irq::Handler for Events {
//!     fn handle(self: Pin<&Self>, dev: &device::Device<Bound>) -> IrqReturn {
//!         let Ok(registers) = self.bar.access(dev) else {
//!             return IrqReturn::None;
//!         };
//!         let status = registers.readl::<0x24>();
//!         if status == 0 {
//!             return IrqReturn::None; // From another device on a shared line.
//!         }
//!         registers.writel::<0x64>(status);
//!         self.count.fetch_add(1, Ordering::Relaxed);
//!         IrqReturn::Handled
//!     }
//! }
//!
//! #[pin_data]
//! struct Edu {
//!     #[pin]
//!     irq: irq::Registration<Events>,
//! }
//! # use linux_driver::device;
//!
//! #[vtable]
//! impl pci::Driver for Edu {
//!     type IdInfo = ();
//!     const NAME: &'static CStr = c"edu";
//!     const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];
//!
//!     fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
//!         pin_init_scope(move || {
//!             dev.pcim_enable_device()?;
//!             dev.set_master();
//!             dev.alloc_irq_vectors(1, 1, PCI_IRQ_INTX | PCI_IRQ_MSI)?;
//!             let line = dev.irq_vector(0)?;
//!             let events = Events { bar: dev.iomap_region(0)?, count: AtomicU32::new(0) };
//!             Ok(try_pin_init!(Self {
//!                 irq <- irq::Registration::new(dev, line, IRQF_SHARED, c"edu", Ok(events)),
//!             }))
//!         })
//!     }
//! }
//! ```
//!
//! [`Bound`]: crate::device::Bound

mod flags;
mod handler;
mod registration;

use core::ffi::c_uint;

pub use flags::*;
pub use handler::{Handler, IrqReturn, ThreadedHandler, ThreadedIrqReturn};
pub use registration::{Disabled, Registration};

use crate::device::{Bound, Device};

/// An interrupt of a device: the number that C's `request_irq` takes, and the binding that the
/// number belongs to.
///
/// The bus's device returns it: [`pci::Device::irq_vector`](crate::pci::Device::irq_vector),
/// [`platform::Device::irq`](crate::platform::Device::irq). When the binding has ended, the kernel
/// may give the number to another device. [`Registration::new`] then fails.
#[derive(Clone, Copy)]
pub struct Line {
    number: c_uint,
    binding: u64,
}

impl Line {
    /// Returns a line for an interrupt that belongs to this device until its driver is unbound.
    pub(crate) fn new(number: c_uint, device: &Device<Bound>) -> Self {
        Self {
            number,
            binding: device.binding(),
        }
    }

    /// Returns the number, as in `/proc/interrupts`.
    pub fn number(&self) -> u32 {
        self.number
    }
}
