// SPDX-License-Identifier: GPL-2.0-only
//! A module that only contains a platform driver. Its first probe fails.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver::driver::DeviceDriver;
use linux_driver::platform::{self, DeviceId, Mem, ResourceType};
use linux_driver::pm::{self, runtime};
use linux_driver::prelude::*;

struct Speaker;

static FAILED: AtomicBool = AtomicBool::new(false);

#[vtable]
impl platform::Driver for Speaker {
    type IdInfo = ();
    const NAME: &'static CStr = c"platform_module";
    const ID_TABLE: platform::IdTable<()> = platform::id_table![(DeviceId::new(c"pcspkr"), ())];
    const DRIVER: DeviceDriver<Self, platform::Bus> = DeviceDriver::new().pm();

    fn probe(dev: &platform::Device<Core>, id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev_info!(dev, "the first entry: {}", id.is_some());
            if let Ok(_awake) = runtime::resume_and_get(dev) {
                dev_info!(dev, "runtime power management: awake");
            }
            if !FAILED.swap(true, Ordering::Relaxed) {
                runtime::use_autosuspend(dev, 100);
                return Err(EIO);
            }
            if dev.resource(ResourceType::Mem, 0).is_some() {
                let mem: Mem<0x400> = dev.ioremap_resource(0)?;
                let vendor = mem.access(dev)?.readl::<0>() >> 16;
                let again = dev.ioremap_resource::<0>(0).err().unwrap_or(EIO);
                let small = dev.ioremap_resource::<0x10_0000>(0).err().unwrap_or(EIO);
                dev_info!(
                    dev,
                    "registers of vendor {:#x}, {}, {}",
                    vendor,
                    again,
                    small
                );
                return Ok(Speaker);
            }
            if let Ok(line) = dev.irq_optional(0) {
                dev_info!(dev, "interrupt {}", line.number());
            }
            match dev.resource(ResourceType::Io, 0) {
                Some(ports) => dev_info!(dev, "ports {:#x} to {:#x}", ports.start, ports.end),
                None => {
                    let (irq, count) = (dev.irq_optional(0).err().unwrap_or(EIO), dev.irq_count()?);
                    let none = dev.resource(ResourceType::Mem, 0).is_none();
                    dev_info!(
                        dev,
                        "no resources: {}, no interrupts: {}, {}",
                        none,
                        irq,
                        count
                    );
                }
            }
            Ok(Speaker)
        })
    }
}

#[vtable]
impl pm::Operations for Speaker {
    type Bus = platform::Bus;

    fn runtime_suspend(_dev: &platform::Device<Transition>, _this: Pin<&Self>) -> Result {
        Ok(())
    }
}

linux_driver::module_platform_driver! {
    type: Speaker,
    license: "GPL",
    author: "The linux-driver developers",
    description: "A static platform driver",
}
