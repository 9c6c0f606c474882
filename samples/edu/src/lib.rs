// SPDX-License-Identifier: GPL-2.0-only
//! A driver for QEMU's `edu` device (`-device edu`), which computes factorials.
//!
//! On probe it checks that the device is one and is alive, has it compute a factorial and logs the result.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::io::{Mmio, read_poll_timeout};
use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::prelude::*;

/// The registers, as offsets in bytes (QEMU's `docs/specs/edu.rst`).
mod regs {
    /// Identification: 0xRRrr00ed, with the major version RR and the minor one rr.
    pub(crate) const ID: usize = 0x00;
    /// Reads as the complement of what was written last.
    pub(crate) const LIVENESS: usize = 0x04;
    /// Writing starts to compute a factorial; reads as its result.
    pub(crate) const FACTORIAL: usize = 0x08;
    /// Bit 0: a factorial is being computed.
    pub(crate) const STATUS: usize = 0x20;
    /// How many bytes the driver uses of BAR 0.
    pub(crate) const LENGTH: usize = 0x100;
}

/// The registers of a device.
type Registers = Mmio<{ regs::LENGTH }>;

/// The data of one device.
struct Edu {
    bar: Bar<{ regs::LENGTH }>,
}

#[vtable]
impl pci::Driver for Edu {
    type IdInfo = ();
    const NAME: &'static CStr = c"edu";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let bar = dev.iomap_region(0)?;
            let registers = bar.access(dev)?;
            identify(dev, registers)?;
            check_alive(dev, registers)?;
            dev_info!(dev, "factorial({}) = {}", 10, factorial(registers, 10)?);
            Ok(Edu { bar })
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        if let Ok(registers) = this.bar.access(dev) {
            let id = registers.readl::<{ regs::ID }>();
            dev_info!(dev, "edu device, removed ({:#010x})", id);
        }
    }
}

fn identify(dev: &pci::Device<Bound>, registers: &Registers) -> Result {
    let id = registers.readl::<{ regs::ID }>();
    if id & 0xffff != 0x00ed {
        dev_err!(dev, "not an edu device: its identification is {:#010x}", id);
        return Err(ENODEV);
    }
    dev_info!(dev, "edu device, version {}.{}", id >> 24, id >> 16 & 0xff);
    Ok(())
}

fn check_alive(dev: &pci::Device<Bound>, registers: &Registers) -> Result {
    const PATTERN: u32 = 0x1234_abcd;
    registers.writel::<{ regs::LIVENESS }>(PATTERN);
    let answer = registers.readl::<{ regs::LIVENESS }>();
    if answer != !PATTERN {
        dev_err!(dev, "the device is not alive: it answers {:#010x}", answer);
        return Err(EIO);
    }
    Ok(())
}

/// Has the device compute `n!`. It holds 32 bits: 12! is the largest that fits.
fn factorial(registers: &Registers, n: u32) -> Result<u32> {
    registers.writel::<{ regs::FACTORIAL }>(n);
    read_poll_timeout(
        || registers.readl::<{ regs::STATUS }>(),
        |status| status & 1 == 0,
        100,
        1_000_000,
    )?;
    Ok(registers.readl::<{ regs::FACTORIAL }>())
}

linux_driver::module_pci_driver! {
    type: Edu,
    license: "GPL",
    author: "The linux-driver developers",
    description: "QEMU's edu device",
}
