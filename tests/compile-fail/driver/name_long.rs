// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: NAME is longer than 55 bytes
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

struct Nic;

#[vtable]
impl pci::Driver for Nic {
    type IdInfo = ();
    const NAME: &'static CStr = c"a-name-of-seventy-characters-which-is-longer-than-a-module-can-have-it";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];

    fn probe(_dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Nic)
    }
}

linux_driver::module_pci_driver! {
    type: Nic,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
