// SPDX-License-Identifier: GPL-2.0-only
//! `struct bus_type`.
//!
//! C headers: `include/linux/device/bus.h`; `drivers/base/bus.c`.
//!
//! Each bus owns its IDs, how they match, and its type of device; the driver core knows none of them. [`Bus`] is what the rest
//! of the driver model needs to know of a bus: which type its devices are.

use linux_driver_sys as sys;

use crate::device::{self, DeviceState};

/// A bus, as the driver core's other parts see it.
///
/// # Safety
///
/// `Device<S>` is transparent over a C structure in which the bus embeds its devices' `struct device`, and has the invariants of
/// [`device::Device`] for it; `from_raw` gives the one in which `dev` is embedded.
pub unsafe trait Bus: Sized + 'static {
    /// The bus's type of device: [`pci::Device`](crate::pci::Device), …
    type Device<S: DeviceState>: AsRef<device::Device<S>>;

    /// The device of this bus that embeds a `struct device`.
    ///
    /// # Safety
    ///
    /// `dev` is embedded in a device of this bus, which for `'a` is there and in the state `S`.
    unsafe fn from_raw<'a, S: DeviceState>(dev: *mut sys::device) -> &'a Self::Device<S>;
}
