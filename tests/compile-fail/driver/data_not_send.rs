// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;

pub struct Edu {
    pub buffer: *mut u8,
}

#[vtable] //~ ERROR: is used by several tasks
impl pci::Driver for Edu { //~ ERROR: cannot be shared between threads safely
//~^ ERROR: cannot be sent between threads safely
    type IdInfo = ();
    const NAME: &'static CStr = c"edu";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(_dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok(Edu {
            buffer: core::ptr::null_mut(),
        })
    }
}
