// SPDX-License-Identifier: GPL-2.0-only
//! A bus that leaves nothing behind if its state cannot be initialised.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::bus::{self, BusType, Device, DeviceRegistration, Handle, NewDevice};
use linux_driver::driver;
use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;
use linux_driver::types::ARef;

/// The data of a device.
struct Named(&'static str);

impl Drop for Named {
    fn drop(&mut self) {
        pr_info!("{} is freed", self.0);
    }
}

/// Dropped in the order of the fields. (A reference to a device may be dropped after its
/// registration.)
#[pin_data]
struct Fails {
    bound: DeviceRegistration<Fails>,
    kept: ARef<Device<Fails>>,
    #[pin]
    first: driver::Registration<bus::Adapter<Plain>>,
    #[pin]
    second: driver::Registration<bus::Adapter<Plain>>,
}

fn result<T>(what: &str, result: Result<T>) {
    match result {
        Ok(_) => pr_info!("{}: done", what),
        Err(error) => pr_info!("{}: {}", what, error),
    }
}

#[vtable]
impl BusType for Fails {
    const NAME: &'static CStr = c"rust_fails";
    type DeviceData = Named;
    type DeviceId = ();

    fn init(_module: &'static ThisModule, bus: &Handle<Self>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            drop(NewDevice::new(
                bus,
                c"never",
                None,
                Named("one that was never registered"),
            )?);
            result(
                "no data",
                NewDevice::new(
                    bus,
                    c"none",
                    None,
                    pin_init_scope(|| Err::<Named, Error>(EIO)),
                ),
            );
            result(
                "no name",
                NewDevice::new(bus, c"", None, Named("one without a name")),
            );
            result(
                "a driver outside of the bus",
                KBox::pin_init(
                    driver::Registration::<bus::Adapter<Plain>>::on(bus),
                    GFP_KERNEL,
                ),
            );
            let bound = NewDevice::new(bus, c"dev", Some(7), Named("dev7"))?.register()?;
            let kept: &Device<Self> = &bound;
            let kept = kept.into();
            Ok::<_, Error>(try_pin_init!(Self {
                bound,
                kept,
                first <- driver::Registration::on(bus),
                second <- driver::Registration::on(bus),
            }))
        })
    }

    fn match_id(_dev: &Device<Self>, _id: &()) -> bool {
        true
    }
}

/// A driver for all devices of the bus.
struct Plain;

#[vtable]
impl bus::Driver for Plain {
    type Bus = Fails;
    type IdInfo = ();
    const NAME: &'static CStr = c"rust_plain";
    const ID_TABLE: bus::IdTable<Fails, ()> = &[((), ())];

    fn probe(dev: &Device<Fails, Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        dev_info!(dev, "bound");
        Ok(Plain)
    }

    fn remove(dev: &Device<Fails, Core>, _this: Pin<&Self>) {
        dev_info!(dev, "unbound");
    }
}

#[pin_data]
struct BusFails {
    #[pin]
    _bus: bus::Registration<Fails>,
}

impl Module for BusFails {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        result(
            "a bus outside of the module",
            KBox::pin_init(bus::Registration::<Fails>::new(module), GFP_KERNEL),
        );
        try_pin_init!(Self { _bus <- bus::Registration::new(module) })
    }
}

linux_driver::module! {
    type: BusFails,
    license: "GPL",
    author: "The linux-driver developers",
    description: "A bus that cannot be made",
}
