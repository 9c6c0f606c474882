// SPDX-License-Identifier: GPL-2.0-only
//! The platform bus, for devices that the hardware itself does not announce. Firmware, board code
//! or a module tells the kernel about them.
//!
//! C headers: `include/linux/platform_device.h`, `include/linux/mod_devicetable.h`;
//! `drivers/base/platform.c`.
//!
//! | here | C |
//! |---|---|
//! | [`Driver`] | `struct platform_driver` |
//! | [`DeviceId`], [`IdTable`], [`id_table!`](crate::platform::id_table) | `struct platform_device_id`, `MODULE_DEVICE_TABLE(platform, …)` |
//! | [`Bus`] | `platform_bus_type` |
//! | [`Device`] | `struct platform_device` |
//! | [`Mem`] | `devm_platform_ioremap_resource` |
//! | [`DeviceInfo`], [`DeviceRegistration`] | `struct platform_device_info`, `platform_device_register_full` |
//! | [`module_platform_driver!`](crate::module_platform_driver) | `module_platform_driver` |
//!
//! ```no_run
//! use linux_driver::platform::{self, DeviceId};
//! use linux_driver::prelude::*;
//!
//! struct Board;
//!
//! #[vtable]
//! impl platform::Driver for Board {
//!     type IdInfo = u32;
//!     const NAME: &'static CStr = c"board";
//!     const ID_TABLE: platform::IdTable<u32> =
//!         platform::id_table![(DeviceId::new(c"board-v2"), 2)];
//!
//!     fn probe(
//!         dev: &platform::Device<Core>,
//!         version: Option<&'static u32>,
//!     ) -> impl PinInit<Self, Error> {
//!         pin_init_scope(move || {
//!             let version = version.ok_or(ENODEV)?;
//!             dev_info!(dev, "version {}", *version);
//!             Ok(Board)
//!         })
//!     }
//! }
//!
//! linux_driver::module_platform_driver! {
//!     type: Board,
//!     license: "GPL",
//!     author: "A. Author",
//!     description: "A board",
//! }
//! # fn main() {}
//! ```
//!

mod device;
mod driver;
mod id;
mod mem;
mod registration;

use linux_driver_sys as sys;

use crate::device::DeviceState;

#[doc(inline)]
pub use crate::__platform_id_table as id_table;
pub use device::{Device, Resource, ResourceType};
#[doc(hidden)]
pub use driver::driver;
pub use driver::{Adapter, Driver};
pub use id::{DeviceId, IdTable};
#[doc(hidden)]
pub use id::{Table, alias_count, long_alias, long_alias_length, raw_table};
pub use mem::Mem;
pub use registration::{DeviceInfo, DeviceRegistration, Id};

/// The platform bus: C's `platform_bus_type`.
#[doc(alias = "platform_bus_type")]
pub struct Bus(());

// SAFETY: `Device<S>` is transparent over `struct platform_device`, which embeds the
// `struct device` of each device of this bus.
unsafe impl crate::bus::Bus for Bus {
    type Device<S: DeviceState> = Device<S>;

    unsafe fn from_raw<'a, S: DeviceState>(dev: *mut sys::device) -> &'a Device<S> {
        // SAFETY: the caller promises that `dev` is embedded in a device of this bus.
        let pdev = unsafe { dev.byte_sub(core::mem::offset_of!(sys::platform_device, dev)) };
        // SAFETY: as above. The caller promises that the device is in the state `S` for `'a`.
        unsafe { Device::from_raw(pdev.cast()) }
    }
}
