// SPDX-License-Identifier: GPL-2.0-only
//! A module that registers three platform devices, called lamps, and a driver for two of them.
//!
//! (A module that only contains a platform driver is declared with `module_platform_driver!`.)
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::driver::{self, DeviceDriver};
use linux_driver::module::{Module, ThisModule};
use linux_driver::platform::{self, DeviceId, DeviceInfo, DeviceRegistration, Id};
use linux_driver::pm::{self, runtime};
use linux_driver::prelude::*;
use linux_driver::sysfs::{self, Page};
use linux_driver::types::ARef;

/// The driver's data for a kind of lamp.
struct Kind {
    colours: u32,
}

/// The data of one lamp.
struct Lamp {
    dev: ARef<platform::Device>,
    kind: &'static Kind,
}

#[vtable]
impl platform::Driver for Lamp {
    type IdInfo = Kind;
    const NAME: &'static CStr = c"rust_lamp";
    const ID_TABLE: platform::IdTable<Kind> = platform::id_table![
        (DeviceId::new(c"rust_lamp"), Kind { colours: 1 }),
        (DeviceId::new(c"rust_blinker"), Kind { colours: 3 }),
    ];
    const DRIVER: DeviceDriver<Self, platform::Bus> = DeviceDriver::new().pm();
    const DEV_GROUPS: sysfs::DeviceGroups<Self, platform::Bus> = sysfs::device_groups![Colours];

    fn probe(
        dev: &platform::Device<Core>,
        kind: Option<&'static Kind>,
    ) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let Some(kind) = kind else {
                dev_info!(dev, "no entry in the table");
                return Err(ENODEV);
            };
            dev_info!(dev, "a lamp with {} colours", kind.colours);
            let dev: &platform::Device = dev;
            Ok(Lamp {
                dev: dev.into(),
                kind,
            })
        })
    }

    fn remove(dev: &platform::Device<Core>, _this: Pin<&Self>) {
        dev_info!(dev, "given up");
    }

    fn shutdown(dev: &platform::Device<Core>, _this: Pin<&Self>) {
        dev_info!(dev, "switched off");
    }
}

impl Drop for Lamp {
    fn drop(&mut self) {
        dev_info!(*self.dev, "data dropped");
    }
}

#[vtable]
impl pm::Operations for Lamp {
    type Bus = platform::Bus;

    fn runtime_suspend(dev: &platform::Device<Transition>, _this: Pin<&Self>) -> Result {
        dev_info!(dev, "off to sleep");
        Ok(())
    }

    fn runtime_resume(dev: &platform::Device<Transition>, _this: Pin<&Self>) -> Result {
        dev_info!(dev, "awake");
        Ok(())
    }
}

/// `colours` in the device's folder: the number of its colours. Reading it wakes the lamp.
struct Colours;

#[vtable]
impl sysfs::DeviceAttribute for Colours {
    type Data = Lamp;
    type Bus = platform::Bus;
    const NAME: &'static CStr = c"colours";

    fn show(dev: &platform::Device<Bound>, this: Pin<&Lamp>, page: &mut Page) -> Result {
        let _awake = runtime::resume_and_get(dev)?;
        sysfs_emit!(page, "{}\n", this.kind.colours)
    }
}

/// The module: its devices and its driver. They are dropped in this order.
#[pin_data]
struct Lamps {
    _blinker: DeviceRegistration,
    _lamp: DeviceRegistration,
    _candle: DeviceRegistration,
    #[pin]
    _driver: driver::Registration<platform::Adapter<Lamp>>,
}

impl Module for Lamps {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _blinker: DeviceRegistration::new(&DeviceInfo::new(c"rust_blinker").id(Id::Number(1)))?,
            _lamp: DeviceRegistration::new(&DeviceInfo::new(c"rust_lamp"))?,
            _candle: DeviceRegistration::new(&DeviceInfo::new(c"rust_candle"))?,
            _driver <- driver::Registration::new(module),
        })
    }
}

linux_driver::module! {
    type: Lamps,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Lamps that are platform devices",
}
