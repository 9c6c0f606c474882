// SPDX-License-Identifier: GPL-2.0-only
//! Drops its misc device with a lock held. The drop waits for the operations, which take that lock.
//! Wrong on purpose: lockdep must report it, even if no operation runs at that time.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::miscdevice::{self, Call};
use linux_driver::new_mutex;
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;
use linux_driver::sync::{Arc, Mutex};
use linux_driver::uaccess::Writer;

/// The data of the operations.
struct Operations {
    lock: Arc<Mutex<u32>>,
}

#[vtable]
impl miscdevice::Operations for Operations {
    type File = ();

    fn open(this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        *this.lock.lock() += 1;
        Ok(())
    }

    fn read(
        _this: Pin<&Self>,
        _call: &Call<'_>,
        _file: Pin<&()>,
        _to: &mut Writer<'_>,
        _offset: &mut i64,
    ) -> Result<usize> {
        Ok(0)
    }
}

/// A value that takes the lock when it is dropped, and never releases it.
struct Held(Arc<Mutex<u32>>);

impl Drop for Held {
    fn drop(&mut self) {
        let opened = self.0.lock();
        // Not if nobody has opened the file: a debug kernel tests `remove` before anyone can.
        if *opened != 0 {
            core::mem::forget(opened);
        }
    }
}

#[pin_data]
struct Planted {
    // Dropped before the misc device. This is the bug.
    _held: Held,
    #[pin]
    misc: miscdevice::Registration<Operations>,
    // Keeps the lock alive.
    _lock: Arc<Mutex<u32>>,
}

#[vtable]
impl pci::Driver for Planted {
    type IdInfo = ();
    const NAME: &'static CStr = c"planted_gate";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let lock = Arc::pin_init(new_mutex!(0, "planted lock"), GFP_KERNEL)?;
            let operations = Operations { lock: lock.clone() };
            Ok(try_pin_init!(Self {
                _held: Held(lock.clone()),
                misc <- miscdevice::Registration::new(dev, c"planted_gate", operations),
                _lock: lock,
            }))
        })
    }
}

linux_driver::module_pci_driver! {
    type: Planted,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Waits for operations with a lock held that they take, on purpose",
}
