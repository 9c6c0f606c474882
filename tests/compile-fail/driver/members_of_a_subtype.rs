// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::driver::DeviceDriver;
use linux_driver::pci;

type Any = for<'a> fn(&'a ());
type One = fn(&'static ());

fn members_of_another_type(members: DeviceDriver<Any, pci::Bus>) -> DeviceDriver<One, pci::Bus> {
    members //~ ERROR: one type is more general than the other
}
