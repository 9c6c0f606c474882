// SPDX-License-Identifier: GPL-2.0-only
//! Uses names that are too long for C, or that are taken: for drivers, misc devices and attributes.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver::driver;
use linux_driver::miscdevice::{self, Call, Name};
use linux_driver::module::{Module, ThisModule};
use linux_driver::platform::{self, DeviceInfo, DeviceRegistration, Id};
use linux_driver::prelude::*;
use linux_driver::sysfs::{self, Page};

/// The number of devices that were probed. Each one has a misc device with another name.
static PROBED: AtomicU32 = AtomicU32::new(0);

/// A driver whose name is too long for a table entry. It has no table: the bus matches its name.
#[pin_data]
struct Long {
    #[pin]
    _misc: miscdevice::Registration<Node>,
}

#[vtable]
impl platform::Driver for Long {
    type IdInfo = ();
    const NAME: &'static CStr = c"names_of_more_than_twenty_bytes";

    fn probe(dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let name = match PROBED.fetch_add(1, Ordering::Relaxed) {
                // One name that, with its number, is one byte too long, and one that fits.
                0 => Name::numbered(c"names-with-a-prefix-of-28-by", 2555),
                1 => Name::from(c""),
                _ => Name::numbered(c"names-with-a-prefix-of-28-by", 255),
            };
            dev_info!(dev, "probed");
            Ok(
                try_pin_init!(Self { _misc <- miscdevice::Registration::new(dev, name, Ok::<_, Error>(Node)) }),
            )
        })
    }
}

struct Node;

#[vtable]
impl miscdevice::Operations for Node {
    type File = ();

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        Ok(())
    }
}

/// A driver with an attribute named like a file that the driver core has created.
struct File;

#[vtable]
impl platform::Driver for File {
    type IdInfo = ();
    const NAME: &'static CStr = c"names_file";
    const DEV_GROUPS: sysfs::DeviceGroups<Self, platform::Bus> =
        sysfs::device_groups![Free, Modalias];

    fn probe(dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        dev_info!(dev, "probed with an attribute");
        Ok(File)
    }
}

struct Free;

#[vtable]
impl sysfs::DeviceAttribute for Free {
    type Data = File;
    type Bus = platform::Bus;
    const NAME: &'static CStr = c"free";

    fn show(_dev: &platform::Device<Bound>, _this: Pin<&File>, page: &mut Page) -> Result {
        sysfs_emit!(page, "free\n")
    }
}

struct Modalias;

#[vtable]
impl sysfs::DeviceAttribute for Modalias {
    type Data = File;
    type Bus = platform::Bus;
    const NAME: &'static CStr = c"modalias";

    fn show(_dev: &platform::Device<Bound>, _this: Pin<&File>, page: &mut Page) -> Result {
        sysfs_emit!(page, "the driver's\n")
    }
}

/// A driver with an attribute folder named like a file that the driver core has created.
struct Folder;

#[vtable]
impl platform::Driver for Folder {
    type IdInfo = ();
    const NAME: &'static CStr = c"names_folder";
    const DEV_GROUPS: sysfs::DeviceGroups<Self, platform::Bus> =
        sysfs::device_groups![c"modalias" => [Inside]];

    fn probe(dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        dev_info!(dev, "probed with an attribute");
        Ok(Folder)
    }
}

struct Inside;

#[vtable]
impl sysfs::DeviceAttribute for Inside {
    type Data = Folder;
    type Bus = platform::Bus;
    const NAME: &'static CStr = c"inside";

    fn show(_dev: &platform::Device<Bound>, _this: Pin<&Folder>, page: &mut Page) -> Result {
        sysfs_emit!(page, "the driver's\n")
    }
}

#[pin_data]
struct Names {
    _devices: [DeviceRegistration; 3],
    _file: DeviceRegistration,
    _folder: DeviceRegistration,
    #[pin]
    _long_driver: driver::Registration<platform::Adapter<Long>>,
    #[pin]
    _file_driver: driver::Registration<platform::Adapter<File>>,
    #[pin]
    _folder_driver: driver::Registration<platform::Adapter<Folder>>,
}

impl Module for Names {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let long = |number| {
            DeviceRegistration::new(
                &DeviceInfo::new(<Long as platform::Driver>::NAME).id(Id::Number(number)),
            )
        };
        try_pin_init!(Self {
            _devices: [long(0)?, long(1)?, long(2)?],
            _file: DeviceRegistration::new(&DeviceInfo::new(<File as platform::Driver>::NAME))?,
            _folder: DeviceRegistration::new(&DeviceInfo::new(<Folder as platform::Driver>::NAME))?,
            _long_driver <- driver::Registration::new(module),
            _file_driver <- driver::Registration::new(module),
            _folder_driver <- driver::Registration::new(module),
        })
    }
}

linux_driver::module! {
    type: Names,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Registers under names that are too long or in use",
}
