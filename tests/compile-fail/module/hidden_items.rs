// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::marker::PhantomData;

use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;

/// A driver that is generic over the macro's own type. It could register the driver's static a
/// second time.
struct Twice<D>(PhantomData<D>);

impl<D: pci::StaticDriver> pci::Driver for Twice<D> {
//~^ ERROR: cannot find trait `StaticDriver` in module `pci`
    type IdInfo = ();
    const NAME: &'static CStr = c"twice";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(_dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok(Twice(PhantomData))
    }
}

linux_driver::module_pci_driver! {
    type: Twice<PciDriver>, //~ ERROR: cannot find type `PciDriver` in this scope
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
