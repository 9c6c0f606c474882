// SPDX-License-Identifier: GPL-2.0-only
//! A probe that fails at its last step. Resources that it acquired before must be released, once.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::prelude::*;

struct ProbeFails {
    bar: Bar<0x100>,
}

impl Drop for ProbeFails {
    fn drop(&mut self) {
        pr_info!("dropped");
    }
}

#[vtable]
impl pci::Driver for ProbeFails {
    type IdInfo = ();
    const NAME: &'static CStr = c"probe_fails";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let data = ProbeFails {
                bar: dev.iomap_region(0)?,
            };
            dev_info!(dev, "BAR 0 is mapped");
            if data.bar.access(dev)?.readl::<0>() & 0xffff == 0x00ed {
                return Err(EIO);
            }
            Ok(data)
        })
    }
}

linux_driver::module_pci_driver! {
    type: ProbeFails,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Fails to probe",
}
