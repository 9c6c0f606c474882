// SPDX-License-Identifier: GPL-2.0-only
//! Has QEMU's edu device compute a factorial, and waits for its interrupt.
#![no_std]
#![forbid(unsafe_code)]

// ANCHOR: head
use linux_driver::completion::Completion;
use linux_driver::device::Device;
use linux_driver::irq::{self, IrqReturn};
use linux_driver::jiffies::Jiffies;
use linux_driver::pci::{self, Bar, PCI_IRQ_MSI};
use linux_driver::prelude::*;
// ANCHOR_END: head

// ANCHOR: registers
/// Writing starts to compute a factorial; reading returns the result.
const FACTORIAL: usize = 0x08;
/// Bit 7 of the status register: raise an interrupt when the factorial is computed.
const STATUS: usize = 0x20;
const STATUS_RAISE: u32 = 1 << 7;
/// Why the device raised an interrupt, and where the driver acknowledges it.
const INTERRUPT_STATUS: usize = 0x24;
const INTERRUPT_ACK: usize = 0x64;
const LENGTH: usize = 0x68;
// ANCHOR_END: registers

// ANCHOR: handler
/// The data of the interrupt handler.
#[pin_data]
struct Factorial {
    bar: Bar<LENGTH>,
    #[pin]
    done: Completion,
}

impl irq::Handler for Factorial {
    fn handle(self: Pin<&Self>, dev: &Device<Bound>) -> IrqReturn {
        let Ok(registers) = self.bar.access(dev) else {
            return IrqReturn::None;
        };
        let status = registers.readl::<INTERRUPT_STATUS>();
        if status == 0 {
            return IrqReturn::None;
        }
        registers.writel::<INTERRUPT_ACK>(status);
        self.done.complete();
        IrqReturn::Handled
    }
}
// ANCHOR_END: handler

// ANCHOR: use
impl Factorial {
    /// Has the device compute `n!`.
    fn compute(&self, dev: &Device<Bound>, n: u32) -> Result<u32> {
        let registers = self.bar.access(dev)?;
        registers.writel::<STATUS>(STATUS_RAISE);
        registers.writel::<FACTORIAL>(n);
        self.done
            .wait_for_completion_timeout(Jiffies::from_msecs(2000))?;
        Ok(registers.readl::<FACTORIAL>())
    }
}
// ANCHOR_END: use

// ANCHOR: driver
/// The data of a bound device.
#[pin_data]
struct Edu {
    #[pin]
    irq: irq::Registration<Factorial>,
}

#[vtable]
impl pci::Driver for Edu {
    type IdInfo = ();
    const NAME: &'static CStr = c"edu_interrupt";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            dev.set_master();
            let bar = dev.iomap_region(0)?;
            dev.alloc_irq_vectors(1, 1, PCI_IRQ_MSI)?;
            let line = dev.irq_vector(0)?;
            let handler = try_pin_init!(Factorial { bar, done <- Completion::new() });
            Ok(try_pin_init!(Self {
                irq <- irq::Registration::new(dev, line, irq::Flags::NONE, c"edu", handler),
            })
            .pin_chain(move |this| {
                let result = this.irq.compute(dev.as_ref(), 10)?;
                dev_info!(dev, "factorial({}) = {}", 10, result);
                Ok(())
            }))
        })
    }
}
// ANCHOR_END: driver

linux_driver::module_pci_driver! {
    type: Edu,
    license: "GPL",
    author: "A. Author",
    description: "Waits for an interrupt of QEMU's edu device",
}
