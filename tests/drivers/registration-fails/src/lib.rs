// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose registration fails after its devices were probed. Each device must be removed,
//! once.
#![no_std]
#![forbid(unsafe_code)]

use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver::driver;
use linux_driver::module::{Module, ThisModule};
use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::prelude::*;
use linux_driver::sysfs::{self, Page};

/// The number of devices whose data exists.
static LEFT: AtomicU32 = AtomicU32::new(0);

struct RegistrationFails {
    bar: Bar<0x1000>,
}

impl Drop for RegistrationFails {
    fn drop(&mut self) {
        let left = LEFT.fetch_sub(1, Ordering::Relaxed).wrapping_sub(1);
        pr_info!("dropped, {} left", left);
    }
}

#[vtable]
impl pci::Driver for RegistrationFails {
    type IdInfo = ();
    const NAME: &'static CStr = c"registration_fails";
    const ID_TABLE: pci::IdTable<()> =
        pci::id_table![DeviceId::new(0x1234, 0x11e8), DeviceId::new(0x1b36, 0x0005)];
    const GROUPS: sysfs::DriverGroups = sysfs::driver_groups![Once, Twice, Twice];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let bar = dev.iomap_region(0)?;
            LEFT.fetch_add(1, Ordering::Relaxed);
            dev_info!(dev, "{:04x}:{:04x} is probed", dev.vendor(), dev.device());
            Ok(RegistrationFails { bar })
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        let bound = LEFT.load(Ordering::Relaxed);
        // The device is still bound, so its registers can be accessed.
        if this.bar.access(dev).is_ok() {
            dev_info!(
                dev,
                "{:04x}:{:04x} is removed, {} bound",
                dev.vendor(),
                dev.device(),
                bound
            );
        }
    }
}

struct Once;

#[vtable]
impl sysfs::DriverAttribute for Once {
    const NAME: &'static CStr = c"once";

    fn show(page: &mut Page) -> Result {
        sysfs_emit!(page, "{}", 1u32)
    }
}

struct Twice;

#[vtable]
impl sysfs::DriverAttribute for Twice {
    const NAME: &'static CStr = c"twice";

    fn show(page: &mut Page) -> Result {
        sysfs_emit!(page, "{}", 2u32)
    }
}

/// The reason why the driver is not registered.
struct Refused(Error);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Infallible> for Refused {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        // Newer kernels do not let a module's init return EEXIST: for the program that loads the
        // module, it means that the module is already loaded.
        if refused.0 == EEXIST { EIO } else { refused.0 }
    }
}

#[pin_data]
struct Registered {
    #[pin]
    _driver: driver::Registration<pci::Adapter<RegistrationFails>>,
}

impl Registered {
    fn new(module: &'static ThisModule) -> impl PinInit<Self, Refused> {
        try_pin_init!(Self { _driver <- driver::Registration::new(module) }? Refused)
    }
}

#[pin_data]
struct State {
    #[pin]
    _registered: Registered,
}

impl Module for State {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self { _registered <- Registered::new(module) })
    }
}

linux_driver::module! {
    type: State,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Has two attributes of one name",
}
