// SPDX-License-Identifier: GPL-2.0-only
//! Lets QEMU's edu device sleep when nobody uses it, and wakes it for a file in sysfs.
#![no_std]
#![forbid(unsafe_code)]

// ANCHOR: head
use linux_driver::driver::DeviceDriver;
use linux_driver::pci::{self, Bar};
use linux_driver::pm::{self, runtime};
use linux_driver::prelude::*;
use linux_driver::sysfs::{self, Page};

const ID: usize = 0x00;
const LENGTH: usize = 0x04;

/// How long the device stays awake after its last use, in milliseconds.
const DELAY_MS: u16 = 50;

/// The data of a bound device.
struct Edu {
    bar: Bar<LENGTH>,
}
// ANCHOR_END: head

// ANCHOR: driver
#[vtable]
impl pci::Driver for Edu {
    type IdInfo = ();
    const NAME: &'static CStr = c"edu_power";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];
    const DRIVER: DeviceDriver<Self, pci::Bus> = DeviceDriver::new().pm();
    const DEV_GROUPS: sysfs::DeviceGroups<Self, pci::Bus> = sysfs::device_groups![Identification];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        dev.pcim_enable_device()?;
        runtime::use_autosuspend(dev, DELAY_MS);
        let bar = dev.iomap_region(0)?;
        Ok(Edu { bar })
    }
}
// ANCHOR_END: driver

// ANCHOR: pm
#[vtable]
impl pm::Operations for Edu {
    type Bus = pci::Bus;

    fn runtime_suspend(dev: &pci::Device<Transition>, _this: Pin<&Self>) -> Result {
        dev_info!(dev, "the device falls asleep");
        Ok(())
    }

    fn runtime_resume(dev: &pci::Device<Transition>, _this: Pin<&Self>) -> Result {
        dev_info!(dev, "the device wakes up");
        Ok(())
    }
}
// ANCHOR_END: pm

// ANCHOR: attribute
/// The file `identification` in the device's folder of sysfs.
struct Identification;

#[vtable]
impl sysfs::DeviceAttribute for Identification {
    type Data = Edu;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"identification";

    fn show(dev: &pci::Device<Bound>, this: Pin<&Edu>, page: &mut Page) -> Result {
        let _awake = runtime::resume_and_get(dev)?.autosuspend();
        let id = this.bar.access(dev)?.readl::<ID>();
        sysfs_emit!(page, "{:#010x}\n", id)
    }
}
// ANCHOR_END: attribute

linux_driver::module_pci_driver! {
    type: Edu,
    license: "GPL",
    author: "A. Author",
    description: "Lets QEMU's edu device sleep",
}
