// SPDX-License-Identifier: GPL-2.0-only
//! `struct bus_type`.
//!
//! C headers: `include/linux/device/bus.h`; `drivers/base/bus.c`.
//!
//! Each bus owns its IDs, how they match, and its type of device; the driver core knows none of
//! them. [`Bus`] is what the rest of the driver model needs to know of a bus: which type its
//! devices are. Buses of the kernel's are modules of this crate ([`pci`](crate::pci),
//! [`platform`](crate::platform)); the rest of this module is for a bus that is made in Rust.
//!
//! # A bus of one's own
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
//! The value of a [`BusType`] is the bus's own state. It lies in its [`Registration`], and is made
//! after the bus is registered and dropped before it is unregistered: so what is registered on the
//! bus lies in it, and goes in time. Drivers of the bus cannot be registered anywhere else. Devices
//! can be made anywhere and at any time; the bus waits for them.
//!
//! It waits for ever for a device that nobody lets go of. Fields are dropped in the order in which
//! they stand: a [`DeviceRegistration`], [`NewDevice`] or [`ARef`](crate::types::ARef) of a device
//! that the module's state has stands before the bus's [`Registration`], or in the bus's own state;
//! after it, the module is never unloaded, and the log says every ten seconds or so which bus
//! waits.
//!
//! What `struct bus_type` has beside [`BusType`]: `dev_groups` and `drv_groups` (a driver's own
//! groups do the same), `sync_state` (a driver has its own:
//! [`Callbacks`](crate::driver::Callbacks)), `pm` (the core takes the driver's where the bus has
//! none), `dma_configure` and `dma_cleanup` (devices that are made here do no DMA of their own),
//! `irq_get_affinity`, `num_vf`, `online`, `offline`, `driver_override` (no device made here has
//! what they are about). `dev_name`, and `suspend` and `resume`, are the ways of old.
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
//!     /// How many pages a driver can take, at most.
//!     type DeviceId = u32;
//!
//!     fn init(_module: &'static ThisModule, bus: &Handle<Self>) -> impl PinInit<Self, Error> {
//!         try_pin_init!(Self {
//!             _book: NewDevice::new(bus, c"book", Some(0), 300)?.register()?,
//!             _reader <- driver::Registration::on(bus),
//!         }? Error)
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
//!     fn probe(dev: &bus::Device<Shelf, Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
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
//!         try_pin_init!(Self { _shelf <- bus::Registration::new(module) }? Error)
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

/// A bus, as the driver core's other parts see it.
///
/// # Safety
///
/// `Device<S>` is transparent over a C structure in which the bus embeds its devices'
/// `struct device`, and has the invariants of [`device::Device`](crate::device::Device) for it;
/// `from_raw` gives the one in which `dev` is embedded.
pub unsafe trait Bus: Sized + 'static {
    /// The bus's type of device: [`pci::Device`](crate::pci::Device), …
    type Device<S: DeviceState>: AsRef<core_device::Device<S>>;

    /// The device of this bus that embeds a `struct device`.
    ///
    /// # Safety
    ///
    /// `dev` is embedded in a device of this bus, which for `'a` is there and in the state `S`.
    unsafe fn from_raw<'a, S: DeviceState>(dev: *mut sys::device) -> &'a Self::Device<S>;
}
