// SPDX-License-Identifier: GPL-2.0-only
//! Values that are tied to a binding: tests the order in which they are dropped, and that none can
//! be accessed afterwards.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::devres::Devres;
use linux_driver::driver;
use linux_driver::module::{Module, ThisModule};
use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::prelude::*;

/// A value that logs when it is dropped.
struct Noisy {
    name: &'static str,
}

impl Drop for Noisy {
    fn drop(&mut self) {
        pr_info!("devres: {} dropped", self.name);
        // Managed values that were created later are dropped already, but this one is not.
        if let Some(last) = LAST.lock().as_ref() {
            pr_info!("devres: {} finds the last one {}", self.name, seen(last));
        }
    }
}

/// The value that was created last, kept beyond its binding.
static LAST: spin::Mutex<Option<Devres<Noisy>>> = spin::Mutex::new(None);

fn seen(value: &Devres<Noisy>) -> &'static str {
    match value.try_access() {
        Some(_) => "there",
        None => "gone",
    }
}

struct Driver {
    first: Devres<Noisy>,
    _bar: Bar<0x100>,
    _data: Noisy,
}

#[vtable]
impl pci::Driver for Driver {
    type IdInfo = ();
    const NAME: &'static CStr = c"devres";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            if let Some(last) = LAST.lock().as_ref() {
                dev_info!(
                    dev,
                    "of an earlier binding: {}",
                    last.access(dev).err().unwrap_or(EIO)
                );
            }
            let first = Devres::new(dev, Noisy { name: "first" })?;
            // The driver does not keep this one, but it still lasts until the device is unbound.
            drop(Devres::new(dev, Noisy { name: "second" })?);
            let bar = dev.iomap_region(0)?;
            let third = Devres::new(dev, Noisy { name: "third" })?;
            dev_info!(
                dev,
                "{} and {} are {}",
                first.access(dev)?.name,
                third.access(dev)?.name,
                seen(&third)
            );
            drop(LAST.lock().replace(third));
            if Devres::<Noisy>::new(dev, pin_init_scope(|| Err::<Noisy, _>(ENOSPC))).err()
                != Some(ENOSPC)
            {
                return Err(EIO);
            }
            Ok(Driver {
                first,
                _bar: bar,
                _data: Noisy { name: "data" },
            })
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(dev, "remove: {} is {}", "first", seen(&this.first));
    }
}

/// The module's state. It empties the static, which is not dropped when the module is unloaded.
#[pin_data]
struct State {
    #[pin]
    _driver: driver::Registration<pci::Adapter<Driver>>,
    // Dropped after the driver's last binding has ended.
    _last: TakeLast,
}

struct TakeLast;

impl Drop for TakeLast {
    fn drop(&mut self) {
        LAST.lock().take();
    }
}

impl Module for State {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _driver <- driver::Registration::new(module),
            _last: TakeLast,
        })
    }
}

linux_driver::module! {
    type: State,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Values that are tied to a binding",
}
