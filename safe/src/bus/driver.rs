// SPDX-License-Identifier: GPL-2.0-only
//! Drivers of a bus that is made in Rust: a structure around `struct device_driver`.
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

/// The devices that a driver of the bus `B` is for, each with the driver's own information about
/// it. The first entry that matches is used.
pub type IdTable<B, T> = &'static [(<B as BusType>::DeviceId, T)];

/// A driver of a bus that is made in Rust. The value is the data of one device: `probe` makes it,
/// and it is dropped after `remove`.
///
/// [`driver::Registration::on`] registers the driver, in the bus's state. Runtime power management
/// works as on [the platform bus](crate::platform::Driver). [The module's documentation](super) has
/// an example.
#[vtable]
#[doc(alias = "device_driver")]
pub trait Driver: Sized + Send + Sync + 'static {
    /// The bus of the driver's devices.
    type Bus: BusType;

    /// The driver's information about a device, in its entry in the ID table.
    type IdInfo: Sync + 'static;

    /// The driver's name, and the name of its directory in `/sys/bus/BUS/drivers`. A name that is
    /// empty, is longer than 55 bytes or contains a `/` is a compile error.
    #[doc(alias = "device_driver.name")]
    const NAME: &'static CStr;

    /// The devices that the driver is for.
    const ID_TABLE: IdTable<Self::Bus, Self::IdInfo>;

    /// The other members of `struct device_driver`: power management, the way of probing.
    const DRIVER: DeviceDriver<Self, Self::Bus> = DeviceDriver::new();

    /// Attributes of the driver: files in its sysfs directory.
    #[doc(alias = "device_driver.groups")]
    const GROUPS: sysfs::DriverGroups = sysfs::DriverGroups::NONE;

    /// Attributes of each bound device: files in the device's sysfs directory. They exist while the
    /// device is bound.
    #[doc(alias = "device_driver.dev_groups")]
    const DEV_GROUPS: sysfs::DeviceGroups<Self, Self::Bus> = sysfs::DeviceGroups::NONE;

    /// Binds the driver to a device. `id` is the information in the ID table entry that matches;
    /// `None` if no entry matches any more, because the data that the bus matches by has changed.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// # Errors
    ///
    /// With any error the driver is not bound. With
    /// [`EPROBE_DEFER`](crate::error::code::EPROBE_DEFER) the core tries again later, when more
    /// drivers and devices are present.
    ///
    /// C: `device_driver.probe`.
    #[doc(alias = "device_driver.probe")]
    fn probe(
        dev: &Device<Self::Bus, Core>,
        id: Option<&'static Self::IdInfo>,
    ) -> impl PinInit<Self, Error>;

    /// Stops a device before it is unbound. The driver's data is dropped after this, and managed
    /// resources (devres) are released after that.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// C: `device_driver.remove`.
    #[doc(alias = "device_driver.remove")]
    fn remove(dev: &Device<Self::Bus, Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// Stops a device when the system shuts down or boots another kernel. The device stays bound.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// C: `device_driver.shutdown`.
    #[doc(alias = "device_driver.shutdown")]
    fn shutdown(dev: &Device<Self::Bus, Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

impl<T: Driver> Written<T> {
    #[doc(hidden)]
    pub const BUS: Called = Called::by(&T::DRIVER);
}

/// The structure around `struct device_driver` for a driver of the bus `B`: C would write
/// `struct my_driver { struct device_driver driver; … }`.
#[repr(C)]
pub struct RawDriver<B: BusType> {
    driver: sys::device_driver,
    pub(super) matches: fn(&Device<B, Normal>) -> bool,
    /// The bus's callback of the same name calls this, and the two below, with the device's lock
    /// held. The device is on this bus, and is bound to this driver, or being bound.
    pub(super) probe: unsafe fn(*mut sys::device) -> c_int,
    pub(super) remove: unsafe fn(*mut sys::device),
    pub(super) shutdown: Option<unsafe fn(*mut sys::device)>,
}

/// The adapter between a [`Driver`] and C.
pub struct Adapter<T: Driver>(Invariant<T>);

// SAFETY: this is the pair of functions for a structure that starts with a `struct device_driver`.
// If `driver_register` fails, the core has no pointer to the structure any more.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    type DriverType = RawDriver<T::Bus>;

    #[inline(always)]
    unsafe fn register(
        driver: *mut RawDriver<T::Bus>,
        module: &'static ThisModule,
        mod_name: *const c_char,
    ) -> Result {
        let driver: *mut sys::device_driver = driver.cast();
        // SAFETY: by the caller's promise the structure is valid and not registered.
        unsafe { (*driver).owner = module.as_ptr() };
        // SAFETY: as above.
        unsafe { (*driver).mod_name = mod_name };
        // SAFETY: `driver_register` requires
        // - a structure that is not registered, and that stays until `driver_unregister`: the
        //   caller promises both;
        // - a registered bus (otherwise it `BUG`s or warns): `on` has set the bus, and had its
        //   `Handle`.
        to_result(unsafe { sys::driver_register(driver) })
    }

    #[inline(always)]
    unsafe fn unregister(driver: *mut RawDriver<T::Bus>) {
        // SAFETY: `driver_unregister` requires a driver that is registered, and one call for it:
        // the caller promises both.
        unsafe { sys::driver_unregister(driver.cast()) };
    }
}

impl<T: Driver> driver::Registration<Adapter<T>> {
    /// Registers a driver on a bus that is made in Rust. The returned initialiser must be used for
    /// a field of that bus's state ([`BusType::init`]).
    ///
    /// Devices may be probed, and removed again, before a failure is reported.
    ///
    /// # Context
    ///
    /// May sleep. Takes the locks of the bus and of its devices.
    ///
    /// # Errors
    ///
    /// * `EBUSY` if the bus has a driver of that name already.
    /// * `EINVAL` if the field is not in the bus's state, or not aligned.
    /// * `ENOMEM` if there is no memory.
    pub fn on(bus: &Handle<T::Bus>) -> impl PinInit<Self, Error> {
        let mut contents = contents::<T>();
        contents.driver.bus = bus.as_raw();
        // SAFETY: `in_place` requires
        // - that the registration stays where it is until it is dropped, before the bus is
        //   unregistered: the bus's state is pinned in the bus's registration, and is dropped
        //   before the bus is unregistered;
        // - contents that are valid until then: they point to statics, and to the bus;
        // - callbacks for this kind of structure: they are those below.
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

/// Returns the information of the first entry that is for the device.
fn find<T: Driver>(dev: &Device<T::Bus>) -> Option<&'static T::IdInfo> {
    let entry = T::ID_TABLE.iter().find(|(id, _)| T::Bus::match_id(dev, id));
    entry.map(|(_, info)| info)
}

/// Binds the driver to a device.
///
/// # Safety
///
/// As for [`RawDriver::probe`].
unsafe fn probe<T: Driver>(dev: *mut sys::device) -> c_int {
    // SAFETY: `check` requires a registered device to which the driver is being bound: the bus
    // calls this for such a device.
    if let Err(error) = unsafe { const { T::DEV_GROUPS }.check(dev) } {
        return error.to_errno();
    }
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `enable` requires
        // - the device's lock: it is held;
        // - a bus that neither enables runtime power management nor counts a use: this bus does
        //   neither;
        // - a driver with a runtime callback: `has_runtime` is true.
        if let Err(error) = unsafe { pm::enable(dev) } {
            return error.to_errno();
        }
    }
    let init = || {
        // SAFETY: `from_raw` requires a device of this bus in the state `Core`: its lock is held
        // for the call, and `bind` has set `driver_data`.
        let device = unsafe { Device::<T::Bus, Core>::from_raw(dev.cast()) };
        T::probe(device, find::<T>(device))
    };
    // SAFETY: `bind` requires a call from the bus's `probe` with the device's lock held: this is
    // that call.
    let returned = unsafe { driver::bind::<T, _>(dev, const { T::DRIVER.has_runtime() }, init) };
    if const { T::DRIVER.has_runtime() } {
        if returned == 0 {
            // SAFETY: `start` requires the device's lock, a driver with a runtime callback, and a
            // use that is counted during `probe` and `remove`. The first two are as above; `enable`
            // and `stop` count the use.
            unsafe { pm::start(dev) };
        } else {
            // SAFETY: `disable` requires the same as `enable`, which was called, and a counted use:
            // `enable` has counted one.
            unsafe { pm::disable(dev) };
        }
    }
    returned
}

/// Unbinds the driver from a device.
///
/// # Safety
///
/// As for [`RawDriver::remove`]. Called once after a `probe` that returned 0.
unsafe fn remove<T: Driver>(dev: *mut sys::device) {
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `stop` requires the same as `start`, which was called after `probe`. The device's
        // lock is held; `disable` below gives up the use.
        unsafe { pm::stop(dev) };
        // SAFETY: `wake` requires the same as `enable`, which was called before `probe`, and a
        // counted use: `stop` has counted one.
        unsafe { pm::wake(dev) };
    }
    let lend = |this: Pin<&T>| {
        // SAFETY: `from_raw` requires a device of this bus in the state `Core`: its lock is held
        // for the call.
        T::remove(
            unsafe { Device::<T::Bus, Core>::from_raw(dev.cast()) },
            this,
        );
    };
    // SAFETY: `unbind` requires a call from the bus's `remove`: this is that call. It is told
    // whether there are runtime callbacks; all other callbacks are called with the device's lock
    // held.
    unsafe { driver::unbind::<T>(dev, const { T::DRIVER.has_runtime() }, lend) };
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `disable` requires the same as `enable`, which was called before `probe`, and a
        // counted use: `stop` has counted one.
        unsafe { pm::disable(dev) };
    }
}

/// Stops a device when the system shuts down.
///
/// # Safety
///
/// As for [`RawDriver::shutdown`].
unsafe fn shutdown<T: Driver>(dev: *mut sys::device) {
    // SAFETY: `data` requires a device that stays bound to the driver whose data is `T`: its lock
    // is held.
    if let Some(this) = unsafe { driver::data::<T>(dev) } {
        // SAFETY: as above.
        T::shutdown(
            unsafe { Device::<T::Bus, Core>::from_raw(dev.cast()) },
            this,
        );
    }
}
