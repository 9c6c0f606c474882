// SPDX-License-Identifier: GPL-2.0-only
//! A driver for QEMU's `edu` device (`-device edu`), which computes factorials and has a small
//! memory that only DMA reaches.
//!
//! On probe, the driver checks that the device is an edu and alive, and makes it compute a
//! factorial. While the device is bound, there is a device file `/dev/edu-N`: `ioctl` computes,
//! `read` and `write` access the memory. The device is suspended while nobody uses it.
#![no_std]
#![forbid(unsafe_code)]

/// `dev_info!`, but silent with the feature `quiet`.
macro_rules! say {
    ($($line:tt)*) => {
        if cfg!(not(feature = "quiet")) {
            linux_driver::dev_info!($($line)*);
        }
    };
}

mod device;
mod file;
mod regs;
mod sysfs;

use core::sync::atomic::AtomicU32;

use linux_driver::dma::{self, DmaMask};
use linux_driver::driver::DeviceDriver;
use linux_driver::miscdevice::{self, Name};
use linux_driver::pci::{self, DeviceId, PCI_IRQ_MSI};
use linux_driver::pm::{self, runtime};
use linux_driver::prelude::*;

use crate::device::Edu;

/// The time after its last use until the device is suspended.
const AUTOSUSPEND_MS: u16 = 50;

/// The data of a bound device.
#[pin_data]
struct EduDriver {
    #[pin]
    misc: miscdevice::Registration<Edu>,
    sleeps: AtomicU32,
}

#[vtable]
impl pci::Driver for EduDriver {
    type IdInfo = ();
    const NAME: &'static CStr = c"edu";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];
    const DRIVER: DeviceDriver<Self, pci::Bus> = DeviceDriver::new().pm();
    const DEV_GROUPS: linux_driver::sysfs::DeviceGroups<Self, pci::Bus> = sysfs::GROUPS;

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            dev.set_master();
            // The device can address 28 bits.
            dma::set_mask_and_coherent(dev, DmaMask::new::<28>())?;
            let bar = dev.iomap_region(0)?;
            let registers = bar.access(dev)?;
            device::identify(dev, registers)?;
            device::check_alive(dev, registers)?;
            dev.alloc_irq_vectors(1, 1, PCI_IRQ_MSI)?;
            let line = dev.irq_vector(0)?;
            runtime::use_autosuspend(dev, AUTOSUSPEND_MS);
            let name = Name::numbered(c"edu-", dev.dev_id().into());
            Ok(try_pin_init!(Self {
                misc <- miscdevice::Registration::new(dev, name, Edu::new(dev, line, bar)),
                sleeps: AtomicU32::new(0),
            }))
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        if let Ok(id) = this.misc.id(dev) {
            say!(dev, "edu device, removed ({:#010x})", id);
        }
        this.misc.stop(dev);
    }
}

#[vtable]
impl pm::Operations for EduDriver {
    type Bus = pci::Bus;

    fn runtime_suspend(_dev: &pci::Device<Transition>, this: Pin<&Self>) -> Result {
        this.sleeps
            .fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}

linux_driver::module_pci_driver! {
    type: EduDriver,
    license: "GPL",
    author: "The linux-driver developers",
    description: "QEMU's edu device",
}
