// SPDX-License-Identifier: GPL-2.0-only
//! Reads a value that is tied to a binding from code of another binding, while the first one ends.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device;
use linux_driver::devres::Devres;
use linux_driver::jiffies::Jiffies;
use linux_driver::new_delayed_work;
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;
use linux_driver::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use linux_driver::workqueue::{self, DelayedWork, DelayedWorkItem};

/// The number of reads in each run of the work item.
const ROUNDS: u32 = 2000;
/// The contents of a value until it is dropped.
const THERE: u32 = 0x600d_da7a;

/// The number of existing values.
static VALUES: AtomicU32 = AtomicU32::new(0);
/// The value that each of the two devices created last, kept beyond its binding.
static LAST: spin::Mutex<[Option<Devres<Value>>; 2]> = spin::Mutex::new([const { None }; 2]);

struct Value(AtomicU32);

impl Value {
    fn new() -> Self {
        VALUES.fetch_add(1, Ordering::Relaxed);
        Self(AtomicU32::new(THERE))
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
        VALUES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A work item that reads the other device's value repeatedly, until it is cancelled.
struct Reader {
    /// The index of this device.
    of: usize,
    there: AtomicBool,
    gone: AtomicBool,
    afterwards: AtomicU32,
}

impl DelayedWorkItem for Reader {
    fn run(work: &DelayedWork<Self>, _dev: &device::Device<Bound>) {
        let last = LAST.lock()[1 - work.of].clone();
        if let Some(last) = last {
            for _ in 0..ROUNDS {
                let Some(value) = last.try_access() else {
                    work.gone.store(true, Ordering::Relaxed);
                    break;
                };
                work.there.store(true, Ordering::Relaxed);
                // The first read only shows that the access came in time. The others show that the
                // value stays while the guard exists.
                for _ in 0..8 {
                    if value.0.load(Ordering::Relaxed) != THERE {
                        work.afterwards.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
        work.queue(Jiffies::new(0));
    }
}

#[pin_data]
struct Driver {
    #[pin]
    reader: DelayedWork<Reader>,
}

#[vtable]
impl pci::Driver for Driver {
    type IdInfo = ();
    const NAME: &'static CStr = c"devres-reader";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(pdev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let dev: &device::Device<Bound> = pdev.as_ref();
            // Only the other device's value may exist. Those of earlier bindings must have been
            // dropped.
            let values = VALUES.load(Ordering::Relaxed);
            if values > 1 {
                dev_err!(dev, "{} values are there, of one device", values);
                return Err(EIO);
            }
            // The devices are in slots 1 and 2. Each slot has eight functions.
            let of = usize::from(pdev.dev_id() / 8 == 2);
            let value = Devres::new::<Error>(dev, pin_init_scope(|| Ok(Value::new())))?;
            let earlier = LAST.lock()[of].replace(value);
            drop(earlier);
            let reader = Reader {
                of,
                there: AtomicBool::new(false),
                gone: AtomicBool::new(false),
                afterwards: AtomicU32::new(0),
            };
            let reader =
                new_delayed_work!(dev, reader, on: workqueue::system_unbound()).pin_chain(|work| {
                    work.queue(Jiffies::new(0));
                    Ok(())
                });
            Ok(try_pin_init!(Self { reader <- reader }))
        })
    }

    fn remove(pdev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(
            pdev,
            "read while it was there: {}, refused when it was gone: {}, read afterwards: {}",
            this.reader.there.load(Ordering::Relaxed),
            this.reader.gone.load(Ordering::Relaxed),
            this.reader.afterwards.load(Ordering::Relaxed)
        );
        // The second device is removed last. A static is never dropped, so its values are taken
        // out.
        if this.reader.of == 1 {
            let values = core::mem::take(&mut *LAST.lock());
            drop(values);
        }
    }
}

linux_driver::module_pci_driver! {
    type: Driver,
    license: "GPL",
    author: "The linux-driver developers",
    description: "A value that is read while its binding ends",
}
