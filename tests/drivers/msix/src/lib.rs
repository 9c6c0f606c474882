// SPDX-License-Identifier: GPL-2.0-only
//! Takes interrupts of two MSI-X vectors of QEMU's `rocker`.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver::device;
use linux_driver::io::read_poll_timeout;
use linux_driver::irq::{self, Flags, IrqReturn};
use linux_driver::pci::{self, Bar, DeviceId, PCI_IRQ_MSIX};
use linux_driver::prelude::*;

/// Registers, as offsets in bytes (QEMU's `docs/specs/rocker.txt`).
mod regs {
    /// Raises one interrupt of the vector whose number is written.
    pub(crate) const TEST_IRQ: usize = 0x20;
    pub(crate) const LENGTH: usize = 0x100;
}

/// The indices of the vectors that are tested.
const VECTORS: [u32; 2] = [0, 3];

/// A handler that counts the interrupts of one vector.
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
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1b36, 0x0006)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            dev.set_master();
            let count = dev.alloc_irq_vectors(2, 64, PCI_IRQ_MSIX)?;
            let fifth = dev.irq_vector(4).err();
            if count == 4 {
                dev_info!(dev, "four vectors, no fifth: {}", fifth.unwrap_or(EALREADY));
            }
            let (first, second) = (dev.irq_vector(VECTORS[0])?, dev.irq_vector(VECTORS[1])?);
            let bar = dev.iomap_region(0)?;
            let init = try_pin_init!(Self {
                first <- irq::Registration::new(dev, first, Flags::NONE, c"msix-0", Ok(Counter(AtomicU32::new(0)))),
                second <- irq::Registration::new(dev, second, Flags::NONE, c"msix-1", Ok(Counter(AtomicU32::new(0)))),
                bar,
            });
            Ok(init.pin_chain(move |this| this.into_ref().try_out(dev)))
        })
    }
}

impl MsiX {
    fn try_out(self: Pin<&Self>, dev: &pci::Device<Bound>) -> Result {
        let registers = self.bar.access(dev)?;
        let counters = [&*self.first, &*self.second];
        for (number, vector) in VECTORS.into_iter().enumerate() {
            for count in 1..=100u32 {
                registers.writel::<{ regs::TEST_IRQ }>(vector);
                read_poll_timeout(|| counters[number].get(), |n| n >= count, 10, 2_000_000)?;
            }
            let (first, second) = (counters[0].get(), counters[1].get());
            if (first, second) != (100, 100 * number as u32) {
                dev_err!(
                    dev,
                    "vector {}: {} and {} interrupts",
                    vector,
                    first,
                    second
                );
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
