// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: MODE must not have bits other than 0o7777
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::miscdevice::{self, Call};
use linux_driver::pci;
use linux_driver::prelude::*;

struct Front;

#[vtable]
impl miscdevice::Operations for Front {
    type File = ();
    /// The mode of a symbolic link.
    const MODE: u16 = 0o120_644;

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        Ok(())
    }
}

struct Nic;

#[vtable]
impl pci::Driver for Nic {
    type IdInfo = ();
    const NAME: &'static CStr = c"nic";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let _front = miscdevice::Registration::new(dev, c"front", Front);
            Ok(Nic)
        })
    }
}

linux_driver::module_pci_driver! {
    type: Nic,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
