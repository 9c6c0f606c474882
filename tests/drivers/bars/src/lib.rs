// SPDX-License-Identifier: GPL-2.0-only
//! Asks for BARs and registers that do not exist.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::prelude::*;

struct Bars {
    bar: Bar<0x100>,
}

#[vtable]
impl pci::Driver for Bars {
    type IdInfo = ();
    const NAME: &'static CStr = c"bars";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let too_small = error(dev.iomap_region::<0x20_0000>(0));
            let no_such = error(dev.iomap_region::<0x10>(6));
            let not_there = error(dev.iomap_region::<0x10>(3));
            dev_info!(
                dev,
                "too small: {}, no such BAR: {}, not there: {}",
                too_small,
                no_such,
                not_there
            );

            let bar = dev.iomap_region::<0x100>(0)?;
            dev_info!(dev, "in use: {}", error(dev.iomap_region::<0x100>(0)));
            let registers = bar.access(dev)?;
            dev_info!(
                dev,
                "at the end: {}, across it: {}, unaligned: {}, huge: {}, in bounds: {:#x}",
                error(registers.try_readb(registers.len())),
                error(registers.try_readl(registers.len() - 2)),
                error(registers.try_readl(2)),
                error(registers.try_readq(usize::MAX)),
                registers.try_readl(0)? & 0xff,
            );
            Ok(Bars { bar })
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(
            dev,
            "still mapped in remove: {}",
            this.bar.access(dev).is_ok()
        );
    }
}

/// Returns the error of a result, or `EALREADY` if it is `Ok`.
fn error<T>(result: Result<T>) -> Error {
    result.err().unwrap_or(EALREADY)
}

linux_driver::module_pci_driver! {
    type: Bars,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Asks for what is not there",
}
