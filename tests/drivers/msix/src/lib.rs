// SPDX-License-Identifier: GPL-2.0-only
//! Takes interrupts of two vectors of MSI-X, of QEMU's `e1000e`.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver::device;
use linux_driver::io::read_poll_timeout;
use linux_driver::irq::{self, Flags, IrqReturn};
use linux_driver::pci::{self, Bar, DeviceId, PCI_IRQ_MSIX};
use linux_driver::prelude::*;

/// The registers, as offsets in bytes (Intel's 82574 GbE Controller Family Datasheet, 10.2).
mod regs {
    /// Interrupt cause set.
    pub(crate) const ICS: usize = 0xc8;
    /// Interrupt mask set.
    pub(crate) const IMS: usize = 0xd0;
    /// Causes that are cleared when their vector is sent.
    pub(crate) const EIAC: usize = 0xdc;
    /// Which vector a cause has: four bits each, the highest of them for valid.
    pub(crate) const IVAR: usize = 0xe4;
    pub(crate) const LENGTH: usize = 0x100;
}

/// The cause of the first receive queue, and of the second.
const CAUSES: [u32; 2] = [1 << 20, 1 << 21];

/// How often a vector has come.
struct Counter(AtomicU32);

impl Counter {
    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl irq::Handler for Counter {
    fn handle(self: Pin<&Self>, _dev: &device::Device<Bound>) -> IrqReturn {
        self.0.fetch_add(1, Ordering::Relaxed);
        IrqReturn::Handled
    }
}

#[pin_data]
struct MsiX {
    #[pin]
    first: irq::Registration<Counter>,
    #[pin]
    second: irq::Registration<Counter>,
    bar: Bar<{ regs::LENGTH }>,
}

#[vtable]
impl pci::Driver for MsiX {
    type IdInfo = ();
    const NAME: &'static CStr = c"msix";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x8086, 0x10d3)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            dev.set_master();
            let count = dev.alloc_irq_vectors(2, 64, PCI_IRQ_MSIX)?;
            let sixth = dev.irq_vector(5).err();
            if count == 5 {
                dev_info!(dev, "five vectors, no sixth: {}", sixth.unwrap_or(EALREADY));
            }
            let (first, second) = (dev.irq_vector(0)?, dev.irq_vector(1)?);
            let bar = dev.iomap_region(0)?;
            let init = try_pin_init!(Self {
                first <- irq::Registration::new(dev, first, Flags::NONE, c"msix-0", Ok(Counter(AtomicU32::new(0)))),
                second <- irq::Registration::new(dev, second, Flags::NONE, c"msix-1", Ok(Counter(AtomicU32::new(0)))),
                bar,
            }? Error);
            Ok(init.pin_chain(move |this| this.into_ref().try_out(dev)))
        })
    }
}

impl MsiX {
    fn try_out(self: Pin<&Self>, dev: &pci::Device<Bound>) -> Result {
        let registers = self.bar.access(dev)?;
        // The first receive queue has vector 0, the second one vector 1.
        registers.writel::<{ regs::IVAR }>(0x98);
        registers.writel::<{ regs::EIAC }>(CAUSES[0] | CAUSES[1]);
        for (number, (cause, counter)) in CAUSES.iter().zip([&*self.first, &*self.second]).enumerate() {
            // The card may send a vector twice for one cause.
            for _ in 0..100u32 {
                let before = counter.get();
                registers.writel::<{ regs::IMS }>(*cause);
                registers.writel::<{ regs::ICS }>(*cause);
                read_poll_timeout(|| counter.get(), |n| n > before, 10, 2_000_000)?;
            }
            let (first, second) = (self.first.get(), self.second.get());
            if first < 100 || (number == 0) != (second == 0) {
                dev_err!(dev, "vector {}: {} and {} interrupts", number, first, second);
                return Err(EIO);
            }
        }
        dev_info!(dev, "100 interrupts of each vector");
        Ok(())
    }
}

linux_driver::module_pci_driver! {
    type: MsiX,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Takes interrupts of MSI-X",
}
