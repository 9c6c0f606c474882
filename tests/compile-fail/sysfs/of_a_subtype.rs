// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::sysfs::DeviceGroups;

type Any = for<'a> fn(&'a ());
type One = fn(&'static ());

fn groups_of_another_type(groups: DeviceGroups<Any, pci::Bus>) -> DeviceGroups<One, pci::Bus> {
    groups //~ ERROR: one type is more general than the other
}
