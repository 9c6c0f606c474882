// SPDX-License-Identifier: GPL-2.0-only
//! Keeps a BAR beyond the binding for which it was mapped, as safe code can: it stores the BAR in a
//! static.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::prelude::*;

struct StaleBar;

/// The BAR of the last binding.
static LAST: spin::Mutex<Option<Bar<0x100>>> = spin::Mutex::new(None);

#[vtable]
impl pci::Driver for StaleBar {
    type IdInfo = ();
    const NAME: &'static CStr = c"stale_bar";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let bar = dev.iomap_region(0)?;
            let mut last = LAST.lock();
            if let Some(Err(error)) = last.as_ref().map(|last| last.access(dev)) {
                dev_info!(dev, "a BAR of an earlier binding: {}", error);
            }
            dev_info!(
                dev,
                "a BAR of this binding: {:#x}",
                bar.access(dev)?.readl::<0>()
            );
            if last.replace(bar).is_some()
                && let Some(bar) = last.as_ref()
            {
                let id = bar.access(dev)?.readl::<0>();
                dev_info!(
                    dev,
                    "still there after the earlier one is dropped: {:#x}",
                    id
                );
            }
            Ok(StaleBar)
        })
    }
}

linux_driver::module_pci_driver! {
    type: StaleBar,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Keeps a BAR too long",
}
