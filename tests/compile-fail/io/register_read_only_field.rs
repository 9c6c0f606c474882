// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::register;

register! {
    pub Id: u32 @ 0x00, ro { major: 31:24 }
}

pub fn change(id: Id) -> Id {
    id.with_major::<1>() //~ ERROR: no method named `with_major` found
}
