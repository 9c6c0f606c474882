// SPDX-License-Identifier: GPL-2.0-only
//! The device's attributes in sysfs.

use linux_driver::pci;
use linux_driver::prelude::*;
use linux_driver::sysfs::{DeviceAttribute, DeviceGroups, Page, device_groups};

use crate::Testdev;

pub(crate) const GROUPS: DeviceGroups<Testdev, pci::Bus> = device_groups![Tests];

/// `tests`: the number of tests that the device passed.
struct Tests;

#[vtable]
impl DeviceAttribute for Tests {
    type Data = Testdev;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"tests";

    fn show(_dev: &pci::Device<Bound>, this: Pin<&Testdev>, page: &mut Page) -> Result {
        sysfs_emit!(page, "{}\n", this.passed)
    }
}
