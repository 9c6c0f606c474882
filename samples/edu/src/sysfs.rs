// SPDX-License-Identifier: GPL-2.0-only
//! The device's attributes in sysfs.

use core::sync::atomic::Ordering;

use linux_driver::pci;
use linux_driver::prelude::*;
use linux_driver::sysfs::{DeviceAttribute, DeviceGroups, Page, device_groups};

use crate::EduDriver;

pub(crate) const GROUPS: DeviceGroups<EduDriver, pci::Bus> = device_groups![Runs, Sleeps];

/// `runs`: the number of factorials that the device has computed.
struct Runs;

#[vtable]
impl DeviceAttribute for Runs {
    type Data = EduDriver;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"runs";

    fn show(_dev: &pci::Device<Bound>, this: Pin<&EduDriver>, page: &mut Page) -> Result {
        sysfs_emit!(page, "{}\n", this.misc.runs.load(Ordering::Relaxed))
    }
}

/// `sleeps`: the number of times that the device was suspended.
struct Sleeps;

#[vtable]
impl DeviceAttribute for Sleeps {
    type Data = EduDriver;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"sleeps";

    fn show(_dev: &pci::Device<Bound>, this: Pin<&EduDriver>, page: &mut Page) -> Result {
        sysfs_emit!(page, "{}\n", this.sleeps.load(Ordering::Relaxed))
    }
}
