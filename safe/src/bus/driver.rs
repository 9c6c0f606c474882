// SPDX-License-Identifier: GPL-2.0-only
//! The drivers of a bus that is made in Rust: a structure around `struct device_driver`.
//!
//! C header: `include/linux/device/driver.h`; `driver_register` in `drivers/base/driver.c`.

use core::ffi::{CStr, c_char, c_int};
use core::pin::Pin;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use super::{BusType, Device, Handle};
use crate::device::{Core, Normal};
use crate::driver::{self, Called, DeviceDriver, RegistrationOps, Written};
use crate::error::{Error, Result, to_result};
use crate::macros::vtable;
use crate::module::ThisModule;
use crate::pm;
use crate::sysfs;
use crate::types::Invariant;

/// The devices that a driver of the bus `B` is for, each with what the driver wants to know of it.
/// The first entry that matches counts.
pub type IdTable<B, T> = &'static [(<B as BusType>::DeviceId, T)];

/// A driver of a bus that is made in Rust. The value is the data of one device: made by `probe`,
/// dropped after `remove`.
///
/// It is registered by [`driver::Registration::on`], in the bus's state. Runtime power management
/// works as on [the platform bus](crate::platform::Driver). [The module's first page](super) has an
/// example.
#[vtable]
#[doc(alias = "device_driver")]
pub trait Driver: Sized + Send + Sync + 'static {
    /// The bus.
    type Bus: BusType;

    /// What the driver wants to know of a device from its entry in the ID table.
    type IdInfo: Sync + 'static;

    /// The driver's name: the folder in `/sys/bus/BUS/drivers`. It does not compile if it is empty,
    /// longer than 55 bytes or has a `/` in it.
    #[doc(alias = "device_driver.name")]
    const NAME: &'static CStr;

    /// The devices that it is for.
    const ID_TABLE: IdTable<Self::Bus, Self::IdInfo>;

    /// The other members of `struct device_driver`: power management, how it is probed.
    const DRIVER: DeviceDriver<Self, Self::Bus> = DeviceDriver::new();

    /// Attributes of the driver: files in its folder in sysfs.
    #[doc(alias = "device_driver.groups")]
    const GROUPS: sysfs::DriverGroups = sysfs::DriverGroups::NONE;

    /// Attributes of each device that is bound: files in the device's folder in sysfs, there while
    /// it is bound.
    #[doc(alias = "device_driver.dev_groups")]
    const DEV_GROUPS: sysfs::DeviceGroups<Self, Self::Bus> = sysfs::DeviceGroups::NONE;

    /// Takes on a device. `id` is what stands in the table beside the entry that matches; `None` if
    /// what the bus matches by has changed since. An error means that the driver does not take the
    /// device on; [`EPROBE_DEFER`](crate::error::code::EPROBE_DEFER) says that it will when more is
    /// there.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "device_driver.probe")]
    fn probe(
        dev: &Device<Self::Bus, Core>,
        id: Option<&'static Self::IdInfo>,
    ) -> impl PinInit<Self, Error>;

    /// Gives a device up. What the data holds is given up after this, when it is dropped; what is
    /// managed (devres), after that.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "device_driver.remove")]
    fn remove(dev: &Device<Self::Bus, Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// The system goes down, or boots another kernel: stop the device. It stays bound.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "device_driver.shutdown")]
    fn shutdown(dev: &Device<Self::Bus, Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

impl<T: Driver> Written<T> {
    #[doc(hidden)]
    pub const BUS: Called = Called::by(&T::DRIVER);
}

/// What C would write as `struct my_driver { struct device_driver driver; … }`: what the driver
/// core has of a driver of the bus `B`.
#[repr(C)]
pub struct RawDriver<B: BusType> {
    driver: sys::device_driver,
    pub(super) matches: fn(&Device<B, Normal>) -> bool,
    /// Called by the bus's callbacks of the same names, for a device of the bus that this driver is
    /// bound to, or being bound; under the device's lock.
    pub(super) probe: unsafe fn(*mut sys::device) -> c_int,
    pub(super) remove: unsafe fn(*mut sys::device),
    pub(super) shutdown: Option<unsafe fn(*mut sys::device)>,
}

/// Stands between a [`Driver`] and C.
pub struct Adapter<T: Driver>(Invariant<T>);

// SAFETY: this is the pair of functions for a structure that begins with a `struct device_driver`.
// When `driver_register` fails, the core has dropped its pointers to the structure.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    type DriverType = RawDriver<T::Bus>;

    #[inline(always)]
    unsafe fn register(
        driver: *mut RawDriver<T::Bus>,
        module: &'static ThisModule,
        mod_name: *const c_char,
    ) -> Result {
        let driver: *mut sys::device_driver = driver.cast();
        // SAFETY: the structure is valid and not registered, by the caller's promise.
        unsafe { (*driver).owner = module.as_ptr() };
        // SAFETY: as above.
        unsafe { (*driver).mod_name = mod_name };
        // SAFETY: `driver_register` demands a structure that is not registered (it `BUG`s or warns
        // without a registered bus), that stays until `driver_unregister`: by the caller's promise.
        // Its bus was set by `on`, and is registered.
        to_result(unsafe { sys::driver_register(driver) })
    }

    #[inline(always)]
    unsafe fn unregister(driver: *mut RawDriver<T::Bus>) {
        // SAFETY: `driver_unregister` demands a driver that is registered, once: by the caller's
        // promise.
        unsafe { sys::driver_unregister(driver.cast()) };
    }
}

impl<T: Driver> driver::Registration<Adapter<T>> {
    /// Registers a driver on a bus that is made in Rust, for a field of that bus's state
    /// ([`BusType::init`]).
    ///
    /// `EBUSY` if the bus has a driver of that name, `ENOMEM`; `EINVAL` outside of the bus's state.
    /// Devices may have been probed, and removed again, by then. Context: may sleep; takes the
    /// bus's and its devices' locks.
    pub fn on(bus: &Handle<T::Bus>) -> impl PinInit<Self, Error> {
        let mut contents = contents::<T>();
        contents.driver.bus = bus.as_raw();
        // SAFETY: the bus's state is pinned in its registration, and dropped before the bus is
        // unregistered. What the contents point to are statics, and the bus; its callbacks are
        // those below.
        unsafe { Self::in_place(bus.module(), |slot| bus.place(slot), contents) }
    }
}

const fn contents<T: Driver>() -> RawDriver<T::Bus> {
    RawDriver {
        driver: sys::device_driver {
            name: const { driver::name(T::NAME) },
            groups: T::GROUPS.raw().cast_mut(),
            dev_groups: T::DEV_GROUPS.raw().cast_mut(),
            ..T::DRIVER.raw()
        },
        matches: |dev| find::<T>(dev).is_some(),
        probe: probe::<T>,
        remove: remove::<T>,
        shutdown: if T::HAS_SHUTDOWN {
            Some(shutdown::<T>)
        } else {
            None
        },
    }
}

/// The first entry that is for the device.
fn find<T: Driver>(dev: &Device<T::Bus>) -> Option<&'static T::IdInfo> {
    let entry = T::ID_TABLE.iter().find(|(id, _)| T::Bus::match_id(dev, id));
    entry.map(|(_, info)| info)
}

/// # Safety
///
/// As [`RawDriver::probe`] says.
unsafe fn probe<T: Driver>(dev: *mut sys::device) -> c_int {
    // SAFETY: the bus probes a device that is registered.
    if let Err(error) = unsafe { const { T::DEV_GROUPS }.check(dev) } {
        return error.to_errno();
    }
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: the device's lock is held; the bus does neither.
        if let Err(error) = unsafe { pm::enable(dev) } {
            return error.to_errno();
        }
    }
    let init = || {
        // SAFETY: the device is one of the bus's, under its lock, for the call; the driver's data
        // is in its place.
        let device = unsafe { Device::<T::Bus, Core>::from_raw(dev.cast()) };
        T::probe(device, find::<T>(device))
    };
    // SAFETY: this is called from the bus's `probe`.
    let returned = unsafe { driver::bind::<T, _>(dev, const { T::DRIVER.has_runtime() }, init) };
    if const { T::DRIVER.has_runtime() } {
        if returned == 0 {
            // SAFETY: `enable` has counted a use.
            unsafe { pm::start(dev) };
        } else {
            // SAFETY: `enable` came before, and has counted a use.
            unsafe { pm::disable(dev) };
        }
    }
    returned
}

/// # Safety
///
/// As [`RawDriver::remove`] says; once after a `probe` that returned 0.
unsafe fn remove<T: Driver>(dev: *mut sys::device) {
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `start` came after `probe`; the use that it counts is given up below.
        unsafe { pm::stop(dev) };
        // SAFETY: `enable` came before `probe`, and `stop` has counted a use.
        unsafe { pm::wake(dev) };
    }
    let lend = |this: Pin<&T>| {
        // SAFETY: the device is one of the bus's, under its lock, for the call.
        T::remove(
            unsafe { Device::<T::Bus, Core>::from_raw(dev.cast()) },
            this,
        );
    };
    // SAFETY: this is called from the bus's `remove`; runtime callbacks are announced, the others
    // are called under the device's lock.
    unsafe { driver::unbind::<T>(dev, const { T::DRIVER.has_runtime() }, lend) };
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `enable` came before, and `stop` has counted a use.
        unsafe { pm::disable(dev) };
    }
}

/// # Safety
///
/// As [`RawDriver::shutdown`] says.
unsafe fn shutdown<T: Driver>(dev: *mut sys::device) {
    // SAFETY: the device is bound to the driver, under the device's lock.
    if let Some(this) = unsafe { driver::data::<T>(dev) } {
        // SAFETY: as above.
        T::shutdown(
            unsafe { Device::<T::Bus, Core>::from_raw(dev.cast()) },
            this,
        );
    }
}
