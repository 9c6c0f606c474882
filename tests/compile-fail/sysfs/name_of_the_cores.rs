// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: NAME is the name of a file that the driver core creates
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;
use linux_driver::sysfs::{self, Page};

pub struct Nic;

struct Power;

#[vtable]
impl sysfs::DeviceAttribute for Power {
    type Data = Nic;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"power";

    fn show(_dev: &pci::Device<Bound>, _this: Pin<&Nic>, page: &mut Page) -> Result {
        sysfs_emit!(page, "on\n")
    }
}

pub const GROUPS: sysfs::DeviceGroups<Nic, pci::Bus> = sysfs::device_groups![Power];
