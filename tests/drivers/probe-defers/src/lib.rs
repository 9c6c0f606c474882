// SPDX-License-Identifier: GPL-2.0-only
//! Defers the probe of a device three times, each time at a later step. Resources acquired until
//! then must be released.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::prelude::*;

/// The number of times that the device was probed.
static TRIES: AtomicU32 = AtomicU32::new(0);

/// A text that is logged when it is dropped.
struct Says(&'static str);

impl Drop for Says {
    fn drop(&mut self) {
        pr_info!("{}", self.0);
    }
}

#[pin_data]
struct ProbeDefers {
    // The fields are in the reverse order of their initialisation.
    second: Option<Says>,
    first: Option<Says>,
    bar: (Bar<0x1000>, Says),
}

impl ProbeDefers {
    /// Initialises the second half, after which nothing else can fail.
    fn second(dev: &pci::Device<Core>, tries: u32) -> Result<Option<Says>> {
        match tries {
            0 => Ok(None),
            3 => Err(EPROBE_DEFER),
            _ => {
                dev_info!(dev, "bound");
                Ok(Some(Says("the second half is dropped")))
            }
        }
    }
}

#[vtable]
impl pci::Driver for ProbeDefers {
    type IdInfo = ();
    const NAME: &'static CStr = c"probe_defers";
    const ID_TABLE: pci::IdTable<()> =
        pci::id_table![DeviceId::new(0x1234, 0x11e8), DeviceId::new(0x1b36, 0x0005)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let is_put_off = dev.device() == 0x11e8;
            let tries = if is_put_off {
                let tries = TRIES.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                dev_info!(dev, "try {}", tries);
                tries
            } else {
                dev_info!(dev, "the other");
                0
            };
            if tries == 1 {
                return Err(EPROBE_DEFER);
            }
            dev.pcim_enable_device()?;
            let text = if is_put_off {
                "the BAR is given back"
            } else {
                "the other's BAR is given back"
            };
            let bar = (dev.iomap_region(0)?, Says(text));
            if tries == 2 {
                return Err(EPROBE_DEFER);
            }
            let first = is_put_off.then(|| Says("the first half is dropped"));
            Ok::<_, Error>(try_pin_init!(Self {
                bar,
                first,
                second: Self::second(dev, tries)?,
            }))
        })
    }
}

linux_driver::module_pci_driver! {
    type: ProbeDefers,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Defers the probe of a device",
}
