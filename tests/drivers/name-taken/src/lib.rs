// SPDX-License-Identifier: GPL-2.0-only
//! Has the name of a driver that is built into every kernel with PCI Express, so registering it
//! fails. A driver that failed to register must not be unregistered.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;

struct NameTaken;

#[vtable]
impl pci::Driver for NameTaken {
    type IdInfo = ();
    const NAME: &'static CStr = c"pcieport";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        dev_err!(dev, "probed by a driver that is not registered");
        Ok(NameTaken)
    }
}

linux_driver::module_pci_driver! {
    type: NameTaken,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Registers under a name that is in use",
}
