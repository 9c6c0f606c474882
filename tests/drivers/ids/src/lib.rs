// SPDX-License-Identifier: GPL-2.0-only
//! Logs which entry of its ID table matched a device.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;

struct Ids;

/// The driver's data for an entry of the table.
struct Entry(&'static str);

#[vtable]
impl pci::Driver for Ids {
    type IdInfo = Entry;
    const NAME: &'static CStr = c"ids";
    const ID_TABLE: pci::IdTable<Entry> = pci::id_table![
        (
            DeviceId::with_subsystem(0x1234, 0x0001, 0x1af4, 0x1100),
            Entry("the first entry")
        ),
        (DeviceId::new(0x1234, 0x11e8), Entry("the second entry")),
    ];

    fn probe(dev: &pci::Device<Core>, id: Option<&'static Entry>) -> impl PinInit<Self, Error> {
        let entry = id.map_or("no entry", |entry| entry.0);
        dev_info!(
            dev,
            "{:04x}:{:04x} is {}",
            dev.vendor(),
            dev.device(),
            entry
        );
        Ok(Ids)
    }

    fn remove(dev: &pci::Device<Core>, _this: Pin<&Self>) {
        dev_info!(dev, "{:04x}:{:04x} is given up", dev.vendor(), dev.device());
    }
}

linux_driver::module_pci_driver! {
    type: Ids,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Says by which entry a device was matched",
}
