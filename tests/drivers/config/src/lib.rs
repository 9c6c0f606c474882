// SPDX-License-Identifier: GPL-2.0-only
//! Reads and writes configuration space, suspends devices and resets them.
#![no_std]
#![forbid(unsafe_code)]

mod capabilities;
mod power;
mod space;

use linux_driver::pci::{self, Bar, DeviceId, ErrHandler};
use linux_driver::prelude::*;

/// The kind of a device.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Edu,
    E1000e,
    Nvme,
}

struct Config {
    kind: Kind,
    bar: Bar<0x100>,
}

#[vtable]
impl pci::Driver for Config {
    type IdInfo = Kind;
    const NAME: &'static CStr = c"config";
    const ID_TABLE: pci::IdTable<Kind> = pci::id_table![
        (DeviceId::new(0x1234, 0x11e8), Kind::Edu),
        (DeviceId::new(0x8086, 0x10d3), Kind::E1000e),
        (DeviceId::new(0x1b36, 0x0010), Kind::Nvme),
    ];
    const ERR_HANDLER: ErrHandler<Self> = ErrHandler::of();

    fn probe(dev: &pci::Device<Core>, kind: Option<&'static Kind>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let kind = *kind.ok_or(ENODEV)?;
            dev.pcim_enable_device()?;
            let bar = dev.iomap_region(0)?;
            space::try_out(dev, kind)?;
            capabilities::try_out(dev, kind)?;
            power::try_out(dev, kind, &bar)?;
            Ok(Config { kind, bar })
        })
    }

    fn shutdown(_dev: &pci::Device<Core>, this: Pin<&Self>) {
        let _ = (this.kind, &this.bar);
    }
}

#[vtable]
impl pci::ErrorHandlers for Config {
    fn reset_prepare(dev: &pci::Device<Exclusive>, _this: Pin<&Self>) {
        dev_info!(
            dev,
            "{:04x}:{:04x}: reset is prepared",
            dev.vendor(),
            dev.device()
        );
    }

    fn reset_done(dev: &pci::Device<Exclusive>, _this: Pin<&Self>) {
        dev_info!(
            dev,
            "{:04x}:{:04x}: reset is done",
            dev.vendor(),
            dev.device()
        );
    }
}

/// Returns the error of a result, or `EALREADY` if it is `Ok`.
fn error<T>(result: Result<T>) -> Error {
    result.err().unwrap_or(EALREADY)
}

linux_driver::module_pci_driver! {
    type: Config,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Reads and writes configuration space",
}
