// SPDX-License-Identifier: GPL-2.0-only
// ANCHOR: all
// ANCHOR: head
//! Reads two registers of QEMU's edu device.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

/// The registers, as offsets in bytes, and how many bytes of BAR 0 the driver uses.
const ID: usize = 0x00;
const LIVENESS: usize = 0x04;
const LENGTH: usize = 0x08;
// ANCHOR_END: head

// ANCHOR: driver
/// The data of a bound device.
struct Edu;

#[vtable]
impl pci::Driver for Edu {
    type IdInfo = ();
    const NAME: &'static CStr = c"edu_first";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        dev.pcim_enable_device()?;
        let bar = dev.iomap_region::<LENGTH>(0)?;
        let registers = bar.access(dev)?;
        dev_info!(dev, "identification {:#010x}", registers.readl::<ID>());
        registers.writel::<LIVENESS>(0x1234_5678);
        dev_info!(
            dev,
            "the device answers: {:#010x}",
            registers.readl::<LIVENESS>()
        );
        Ok(Edu)
    }
}
// ANCHOR_END: driver

// ANCHOR: module
linux_driver::module_pci_driver! {
    type: Edu,
    license: "GPL",
    author: "A. Author",
    description: "Reads two registers of QEMU's edu device",
}
// ANCHOR_END: module
// ANCHOR_END: all
