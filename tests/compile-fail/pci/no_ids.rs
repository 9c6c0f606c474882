// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::prelude::*;

struct Driver {
    bar: Bar<0x100>,
}

#[vtable]
impl pci::Driver for Driver {
    type IdInfo = ();
    const NAME: &'static CStr = c"driver";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![];
    //~^ ERROR: an ID table must name at least one device

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let bar = dev.iomap_region(0)?;
            Ok(Driver { bar })
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        let _ = this.bar.access(dev).map(|registers| registers.writel::<0>(1));
    }
}

linux_driver::module_pci_driver! {
    type: Driver,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
