// SPDX-License-Identifier: GPL-2.0-only
//! A driver for QEMU's `edu` device (`-device edu`), which computes factorials.
//!
//! On probe it checks that the device is one and is alive, has it compute a factorial and logs the result.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::io::read_poll_timeout;
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

/// The data of one device.
struct Edu {
    bar: Bar<{ regs::LENGTH }>,
}

impl pci::Driver for Edu {
    type IdInfo = ();
    const NAME: &'static CStr = c"edu";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let edu = Edu {
                bar: dev.iomap_region(0, c"edu")?,
            };
            edu.identify(dev)?;
            edu.check_alive(dev)?;
            dev_info!(dev, "factorial({}) = {}", 10, edu.factorial(10)?);
            Ok(edu)
        })
    }

    fn remove(dev: &pci::Device<Core>, _this: Pin<&Self>) {
        dev_info!(dev, "edu device, removed");
    }
}

impl Edu {
    fn identify(&self, dev: &pci::Device<Bound>) -> Result {
        let id = self.bar.readl::<{ regs::ID }>();
        if id & 0xffff != 0x00ed {
            dev_err!(dev, "not an edu device: its identification is {:#010x}", id);
            return Err(ENODEV);
        }
        dev_info!(dev, "edu device, version {}.{}", id >> 24, id >> 16 & 0xff);
        Ok(())
    }

    fn check_alive(&self, dev: &pci::Device<Bound>) -> Result {
        const PATTERN: u32 = 0x1234_abcd;
        self.bar.writel::<{ regs::LIVENESS }>(PATTERN);
        let answer = self.bar.readl::<{ regs::LIVENESS }>();
        if answer != !PATTERN {
            dev_err!(dev, "the device is not alive: it answers {:#010x}", answer);
            return Err(EIO);
        }
        Ok(())
    }

    /// Has the device compute `n!`. It holds 32 bits: 12! is the largest that fits.
    fn factorial(&self, n: u32) -> Result<u32> {
        self.bar.writel::<{ regs::FACTORIAL }>(n);
        read_poll_timeout(
            || self.bar.readl::<{ regs::STATUS }>(),
            |status| status & 1 == 0,
            100,
            1_000_000,
        )?;
        Ok(self.bar.readl::<{ regs::FACTORIAL }>())
    }
}

linux_driver::module_pci_driver! {
    type: Edu,
    license: "GPL",
    author: "The linux-driver developers",
    description: "QEMU's edu device",
}
