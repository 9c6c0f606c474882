// SPDX-License-Identifier: GPL-2.0-only
//! `struct bus_type`, and buses that are made in Rust.
//!
//! C headers: `include/linux/device/bus.h`; `drivers/base/bus.c`.
//!
//! Each bus has its own IDs, its own rule for matching them, and its own type of device. The driver
//! core knows none of these. [`Bus`] tells the rest of the driver model which type a bus's devices
//! have. Modules of this crate implement it for buses of the kernel ([`pci`](crate::pci),
//! [`platform`](crate::platform)). The rest of this module is for a bus that a module makes in
//! Rust.
//!
//! # A bus made in Rust
//!
//! | here | C |
//! |---|---|
//! | [`BusType`] | the contents of a `struct bus_type` |
//! | [`Handle`] | the `struct bus_type` itself |
//! | [`Registration`] | `bus_register`, `bus_unregister` |
//! | [`Device`] | the bus's structure around `struct device` |
//! | [`NewDevice`] | `device_initialize` to `device_add` |
//! | [`DeviceRegistration`] | `device_add` to `device_unregister` |
//! | [`Driver`] | the bus's structure around `struct device_driver` |
//! | [`Attribute`] | `struct bus_attribute` |
//!
//! The value of a [`BusType`] is the bus's own state. It is part of the bus's [`Registration`]: it
//! is made after the bus is registered, and dropped before the bus is unregistered. Drivers of the
//! bus must be registered in that state. Devices can be made anywhere and at any time;
//! unregistering the bus waits for them.
//!
//! # The order of fields
//!
//! Unregistering the bus waits until every device of the bus is freed, if necessary forever. Rust
//! drops fields in the order of their declaration. So if the module's state has a
//! [`DeviceRegistration`], a [`NewDevice`] or an [`ARef`](crate::types::ARef) of a device, declare
//! it before the bus's [`Registration`], or in the bus's own state. Declared after it, the module
//! can never be unloaded; about every ten seconds, the log names the bus that is waiting.
//!
//! # Members without a counterpart
//!
//! These members of `struct bus_type` are not supported:
//!
//! * `dev_groups`, `drv_groups`: a driver's own groups do the same.
//! * `sync_state`: a driver has its own, in [`Callbacks`](crate::driver::Callbacks).
//! * `pm`: the core uses the driver's callbacks if the bus has none.
//! * `dma_configure`, `dma_cleanup`: devices made here do no DMA of their own.
//! * `irq_get_affinity`, `num_vf`, `online`, `offline`, `driver_override`: devices made here have
//!   no such feature.
//! * `dev_name`, `suspend`, `resume`: obsolete.
//!
//! # Examples
//!
//! ```no_run
//! use linux_driver::bus::{self, DeviceRegistration, Handle, NewDevice};
//! use linux_driver::driver;
//! use linux_driver::module::{Module, ThisModule};
//! use linux_driver::prelude::*;
//!
//! /// A bus with one device and one driver.
//! #[pin_data]
//! struct Shelf {
//!     _book: DeviceRegistration<Shelf>,
//!     #[pin]
//!     _reader: driver::Registration<bus::Adapter<Reader>>,
//! }
//!
//! #[vtable]
//! impl bus::BusType for Shelf {
//!     const NAME: &'static CStr = c"shelf";
//!     /// The number of pages.
//!     type DeviceData = u32;
//!     /// The maximum number of pages that a driver can read.
//!     type DeviceId = u32;
//!
//!     fn init(_module: &'static ThisModule, bus: &Handle<Self>) -> impl PinInit<Self, Error> {
//!         try_pin_init!(Self {
//!             _book: NewDevice::new(bus, c"book", Some(0), 300)?.register()?,
//!             _reader <- driver::Registration::on(bus),
//!         })
//!     }
//!
//!     fn match_id(dev: &bus::Device<Self>, id: &u32) -> bool {
//!         *dev.data() <= *id
//!     }
//! }
//!
//! struct Reader;
//!
//! #[vtable]
//! impl bus::Driver for Reader {
//!     type Bus = Shelf;
//!     type IdInfo = ();
//!     const NAME: &'static CStr = c"reader";
//!     const ID_TABLE: bus::IdTable<Shelf, ()> = &[(500, ())];
//!
//!     fn probe(
//!         dev: &bus::Device<Shelf, Core>,
//!         _id: Option<&'static ()>,
//!     ) -> impl PinInit<Self, Error> {
//!         dev_info!(dev, "{} pages", *dev.data());
//!         Ok(Reader)
//!     }
//! }
//!
//! #[pin_data]
//! struct Library {
//!     #[pin]
//!     _shelf: bus::Registration<Shelf>,
//! }
//!
//! impl Module for Library {
//!     fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
//!         try_pin_init!(Self { _shelf <- bus::Registration::new(module) })
//!     }
//! }
//! # linux_driver::module! { type: Library, license: "GPL", author: "A", description: "A bus" }
//! # fn main() {}
//! ```

mod attribute;
mod bus_type;
mod device;
mod driver;
mod new_device;
mod registration;
mod uevent;

use linux_driver_sys as sys;

use crate::device::{self as core_device, DeviceState};

pub use attribute::{Attr, Attribute, attribute};
pub use bus_type::BusType;
pub use device::Device;
pub use driver::{Adapter, Driver, IdTable, RawDriver};
pub use new_device::{DeviceRegistration, NewDevice};
pub use registration::{Handle, Registration};
pub use uevent::UeventEnv;

/// A bus, as the other parts of the driver model use it.
///
/// # Safety
///
/// `Device<S>` has the layout of a C structure in which the bus embeds its devices'
/// `struct device`, and has the invariants of [`device::Device`](crate::device::Device) for it.
/// `from_raw` returns the device in which `dev` is embedded.
pub unsafe trait Bus: Sized + 'static {
    /// The bus's type of device, such as [`pci::Device`](crate::pci::Device).
    type Device<S: DeviceState>: AsRef<core_device::Device<S>>;

    /// Returns the device of this bus that embeds a `struct device`.
    ///
    /// # Safety
    ///
    /// `dev` is embedded in a device of this bus. For `'a`, the device exists and is in the state
    /// `S`.
    unsafe fn from_raw<'a, S: DeviceState>(dev: *mut sys::device) -> &'a Self::Device<S>;
}
