// SPDX-License-Identifier: GPL-2.0-only
//! A driver for QEMU's `pci-testdev` (`-device pci-testdev,membar=64K`), a device that counts the
//! writes to its BARs.
//!
//! On probe, the driver walks over the six BARs. It then runs the device's tests of the first two,
//! one of memory and one of I/O ports. The attribute `tests` shows how many passed.
#![no_std]
#![forbid(unsafe_code)]

mod bars;
mod sysfs;
mod tests;

use linux_driver::pci::{self, Bar, DeviceId, PortBar};
use linux_driver::prelude::*;

/// The number of bytes that the driver needs of BAR 0: all of it.
const MEMORY: usize = 4096;
/// The number of ports that the driver needs of BAR 1.
const PORTS: usize = 256;

/// The data of a bound device.
struct Testdev {
    passed: u32,
}

#[vtable]
impl pci::Driver for Testdev {
    type IdInfo = ();
    const NAME: &'static CStr = c"pci-testdev";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1b36, 0x0005)];
    const DEV_GROUPS: linux_driver::sysfs::DeviceGroups<Self, pci::Bus> = sysfs::GROUPS;

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            bars::walk(dev)?;
            let memory: Bar<MEMORY> = dev.iomap_region(0)?;
            let ports: PortBar<PORTS> = dev.request_region(1)?;
            let in_memory = tests::pass(dev, "memory", memory.access(dev)?)?;
            let in_ports = tests::pass(dev, "ports", ports.access(dev)?)?;
            let passed = in_memory.wrapping_add(in_ports);
            dev_info!(dev, "{} tests passed", passed);
            Ok(Testdev { passed })
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(dev, "removed after {} tests", this.passed);
    }
}

linux_driver::module_pci_driver! {
    type: Testdev,
    license: "GPL",
    author: "The linux-driver developers",
    description: "QEMU's pci-testdev",
}
