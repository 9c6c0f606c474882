// SPDX-License-Identifier: GPL-2.0-only
//! `struct platform_driver`.
//!
//! C header: `include/linux/platform_device.h`; the callbacks are called by
//! `drivers/base/platform.c`.

use core::ffi::{CStr, c_char, c_int};
use core::pin::Pin;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use super::{Bus, Device, IdTable, Table};
use crate::device::Core;
use crate::driver::{self, Called, DeviceDriver, RegistrationOps, Static, Written};
use crate::error::{Error, Result, to_result};
use crate::macros::vtable;
use crate::module::ThisModule;
use crate::pm;
use crate::sysfs;
use crate::types::Invariant;

/// A platform driver. The value is the data of one device: made by `probe`, dropped after `remove`.
///
/// A callback that is not written is NULL in the `struct platform_driver`, but for `probe` and
/// `remove`, which stand for the life of the data. (The legacy `suspend` and `resume` of
/// `struct platform_driver` are not here: [`DRIVER`](Self::DRIVER) has the `pm` that took their
/// place.)
///
/// Runtime power management works as on PCI, though the bus leaves it to its drivers: for a driver
/// that writes a runtime callback it is enabled before `probe`, with the device awake and in use,
/// and disabled after `remove`.
///
/// See [the module's first page](super) for an example.
#[vtable]
#[doc(alias = "platform_driver")]
pub trait Driver: Sized + Send + Sync + 'static {
    /// What the driver wants to know of a device from its entry in the ID table.
    type IdInfo: Sync + 'static;

    /// The driver's name: the folder in `/sys/bus/platform/drivers`. Without an ID table, the name
    /// of its devices too. It does not compile if it is empty, longer than 55 bytes or has a `/` in
    /// it.
    #[doc(alias = "platform_driver.driver.name")]
    const NAME: &'static CStr;

    /// The devices that it is for.
    #[doc(alias = "platform_driver.id_table")]
    const ID_TABLE: IdTable<Self::IdInfo> = IdTable::NONE;

    /// The members of `struct device_driver`: power management, how it is probed.
    #[doc(alias = "platform_driver.driver")]
    const DRIVER: DeviceDriver<Self, Bus> = DeviceDriver::new();

    /// Attributes of the driver: files in its folder in sysfs.
    #[doc(alias = "platform_driver.driver.groups")]
    const GROUPS: sysfs::DriverGroups = sysfs::DriverGroups::NONE;

    /// Attributes of each device that is bound: files in the device's folder in sysfs, there while
    /// it is bound.
    #[doc(alias = "platform_driver.driver.dev_groups")]
    const DEV_GROUPS: sysfs::DeviceGroups<Self, Bus> = sysfs::DeviceGroups::NONE;

    /// A `probe` that defers fails with `ENXIO` instead, and is not tried again.
    #[doc(alias = "platform_driver.prevent_deferred_probe")]
    const PREVENT_DEFERRED_PROBE: bool = false;

    /// The driver sees to DMA ownership itself: user space may be given another device of the IOMMU
    /// group.
    #[doc(alias = "platform_driver.driver_managed_dma")]
    const DRIVER_MANAGED_DMA: bool = false;

    /// Takes on a device: `platform_driver.probe`.
    ///
    /// `id` is what stands in the table for the device's name; `None` where the bus made the match
    /// without the table (`driver_override`, the firmware's ID), and where the table has no infos.
    /// The data is initialised in place, in the one allocation that is made for a device; an error
    /// means that the driver does not take the device on.
    /// [`EPROBE_DEFER`](crate::error::code::EPROBE_DEFER) says that it will when more is there.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "platform_driver.probe")]
    fn probe(dev: &Device<Core>, id: Option<&'static Self::IdInfo>) -> impl PinInit<Self, Error>;

    /// Gives a device up: `platform_driver.remove`. What the data holds is given up after this,
    /// when it is dropped; what is managed (devres), after that.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "platform_driver.remove")]
    fn remove(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// The system goes down, or boots another kernel: stop the device, above all its DMA. It stays
    /// bound: `platform_driver.shutdown`.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "platform_driver.shutdown")]
    fn shutdown(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

impl<T: Driver> Written<T> {
    #[doc(hidden)]
    pub const PLATFORM: Called = Called::by(&T::DRIVER);
}

/// Stands between a [`Driver`] and C.
pub struct Adapter<T: Driver>(Invariant<T>);

// SAFETY: this is the pair of functions for `struct platform_driver`. When `driver_register` fails,
// the bus has dropped its pointers to the structure.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    type DriverType = sys::platform_driver;

    #[inline(always)]
    unsafe fn register(
        driver: *mut sys::platform_driver,
        _module: &'static ThisModule,
        _mod_name: *const c_char,
    ) -> Result {
        // SAFETY: the structure is valid and not registered, by the caller's promise. The module
        // that the shim names is the one that it is linked into, which is this one.
        to_result(unsafe { sys::linux_driver_platform_driver_register(driver) })
    }

    #[inline(always)]
    unsafe fn unregister(driver: *mut sys::platform_driver) {
        // SAFETY: it is registered, by the caller's promise.
        unsafe { sys::platform_driver_unregister(driver) };
    }
}

// SAFETY: the ID table is a static, and so is all that `driver` puts in.
unsafe impl<T: Driver> driver::Adapter for Adapter<T> {
    const CONTENTS: sys::platform_driver = contents::<T>(T::ID_TABLE.raw().as_ptr());
}

/// The driver structure of a [`Driver`], for a static: all that is known at compile time is in it.
#[doc(hidden)]
pub const fn driver<T: Driver, const M: usize>(table: &'static Table<T, M>) -> Static<Adapter<T>> {
    // SAFETY: the name is a static, the table is the driver's own and a static, and the callbacks
    // are those below.
    unsafe { Static::new(contents::<T>(table.as_ptr())) }
}

const fn contents<T: Driver>(id_table: *const sys::platform_device_id) -> sys::platform_driver {
    // SAFETY: `struct platform_driver` is pointers and integers, for which zero is what a C static
    // starts with.
    let zero: sys::platform_driver = unsafe { core::mem::zeroed() };
    let mut driver = with_remove::<T>(sys::platform_driver {
        probe: Some(probe::<T>),
        driver: sys::device_driver {
            name: const { driver::name(T::NAME) },
            groups: T::GROUPS.raw().cast_mut(),
            dev_groups: T::DEV_GROUPS.raw().cast_mut(),
            ..T::DRIVER.raw()
        },
        prevent_deferred_probe: T::PREVENT_DEFERRED_PROBE,
        driver_managed_dma: T::DRIVER_MANAGED_DMA,
        ..zero
    });
    if !T::ID_TABLE.is_empty() {
        driver.id_table = id_table;
    }
    if T::HAS_SHUTDOWN {
        driver.shutdown = Some(shutdown::<T>);
    }
    driver
}

type Remove = unsafe extern "C" fn(*mut sys::platform_device);

/// `platform_driver.remove`, which returned an `int` that the bus ignored before it returned
/// nothing: the field's own type chooses.
#[cfg(has_field = "platform_driver.remove")]
const fn with_remove<T: Driver>(mut driver: sys::platform_driver) -> sys::platform_driver {
    trait Field<T> {
        const CONTENTS: Self;
    }
    impl<T: Driver> Field<T> for Option<Remove> {
        const CONTENTS: Self = Some(remove::<T>);
    }
    impl<T: Driver> Field<T> for Option<unsafe extern "C" fn(*mut sys::platform_device) -> c_int> {
        const CONTENTS: Self = Some(remove_int::<T>);
    }
    const fn contents<T, F: Field<T>>() -> F {
        F::CONTENTS
    }
    /// Called as [`remove`] is, where it returns an `int`.
    unsafe extern "C" fn remove_int<T: Driver>(pdev: *mut sys::platform_device) -> c_int {
        // SAFETY: by the caller's promise, which is the same.
        unsafe { remove::<T>(pdev) };
        0
    }
    driver.remove = contents::<T, _>();
    driver
}

/// `platform_driver.remove`, in a union with `remove_new` where that was its name while it returned
/// nothing and the other an `int`.
#[cfg(not(has_field = "platform_driver.remove"))]
const fn with_remove<T: Driver>(mut driver: sys::platform_driver) -> sys::platform_driver {
    // The union stands between `probe` and `shutdown`.
    const PLACE: usize = size_of::<Option<Remove>>();
    const {
        assert!(core::mem::offset_of!(sys::platform_driver, probe) == 0);
        assert!(core::mem::offset_of!(sys::platform_driver, shutdown) == 2 * PLACE);
    }
    // SAFETY: the offset is one in the structure.
    let place = unsafe { (&raw mut driver).cast::<u8>().add(PLACE) };
    // SAFETY: this is the place of the union, both of whose members are of this type.
    unsafe { place.cast::<Option<Remove>>().write(Some(remove::<T>)) };
    driver
}

/// `platform_driver.probe`. Called by `platform_probe` with the device's lock held.
unsafe extern "C" fn probe<T: Driver>(pdev: *mut sys::platform_device) -> c_int {
    // SAFETY: the bus hands over a device that it holds; only the field's address is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    // SAFETY: the bus probes a device that is registered.
    if let Err(error) = unsafe { const { T::DEV_GROUPS }.check(dev) } {
        return error.to_errno();
    }
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: the device's lock is held; the platform bus does neither.
        if let Err(error) = unsafe { pm::enable(dev) } {
            return error.to_errno();
        }
    }
    let init = || {
        // SAFETY: the bus hands over a device that it holds, under the device's lock, for the call;
        // the driver's data is in its place.
        let device = unsafe { Device::<Core>::from_raw(pdev) };
        T::probe(device, T::ID_TABLE.info(device.name()))
    };
    // SAFETY: this is the bus's `probe`.
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

/// `platform_driver.remove`. Called by `platform_remove` with the device's lock held, once after a
/// `probe` that returned 0.
unsafe extern "C" fn remove<T: Driver>(pdev: *mut sys::platform_device) {
    // SAFETY: the bus hands over a device that it holds; only the field's address is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `start` came after `probe`; the use that it counts is given up below.
        unsafe { pm::stop(dev) };
        // SAFETY: `enable` came before `probe`, and `stop` has counted a use.
        unsafe { pm::wake(dev) };
    }
    let lend = |this: Pin<&T>| {
        // SAFETY: the bus hands over a device that it holds, under the device's lock, for the call.
        T::remove(unsafe { Device::<Core>::from_raw(pdev) }, this);
    };
    // SAFETY: this is the bus's `remove`; runtime callbacks are announced, the others are called
    // under the device's lock.
    unsafe { driver::unbind::<T>(dev, const { T::DRIVER.has_runtime() }, lend) };
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `enable` came before, and `stop` has counted a use.
        unsafe { pm::disable(dev) };
    }
}

/// `platform_driver.shutdown`. Called by `platform_shutdown` with the device's lock held.
unsafe extern "C" fn shutdown<T: Driver>(pdev: *mut sys::platform_device) {
    // SAFETY: the bus hands over a device that is there; only the field's address is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    // SAFETY: the bus calls it for a device that is bound to the driver, under the device's lock.
    if let Some(this) = unsafe { driver::data::<T>(dev) } {
        // SAFETY: as above.
        T::shutdown(unsafe { Device::from_raw(pdev) }, this);
    }
}

/// Declares a module that is a platform driver and nothing else: C's `module_platform_driver`, with
/// `MODULE_LICENSE` and the others.
///
/// `type` implements [`platform::Driver`](crate::platform::Driver); its ID table, or its name where
/// it has none, becomes the module's aliases, so that the module is loaded when such a device is
/// there. The other fields are those of [`module!`](crate::module!).
///
/// The driver structure is a static, its contents in `.data`, its ID table in `.rodata`; the module
/// registers it when it is loaded and unregisters it when it is unloaded.
/// [`platform`](crate::platform) has an example.
#[macro_export]
macro_rules! module_platform_driver {
    ($($fields:tt)*) => {
        $crate::macros::module_platform_driver! { $crate; $($fields)* }
    };
}

/// What [`module_platform_driver!`](crate::module_platform_driver) stands for, as
/// [`__module!`](crate::__module).
#[doc(hidden)]
#[macro_export]
macro_rules! __module_platform_driver {
    ($ty:ty, $infos:tt) => {
        const _: () = {
            // What the driver wrote is looked up here, where it cannot name what stands in the
            // inner block.
            type LinuxDriver = $ty;

            $crate::__nothing_forgotten! { LinuxDriver }

            const _: () = {
                // The ID table, under the name by which modpost makes the module's aliases of it.
                #[unsafe(export_name = $crate::sys::device_table_symbol!(
                                                            $crate::__core::env!("CARGO_CRATE_NAME"), "platform", "id_table"
                                                        ))]
                static ID_TABLE: $crate::platform::Table<
                    LinuxDriver,
                    {
                        $crate::platform::alias_count(
                            <LinuxDriver as $crate::platform::Driver>::ID_TABLE.raw(),
                            <LinuxDriver as $crate::platform::Driver>::NAME,
                        )
                    },
                > = $crate::platform::Table::new();

                // The name of a driver without a table is its alias too, where it is too long for
                // modpost's table.
                const ALIAS: usize = $crate::platform::long_alias_length(
                    <LinuxDriver as $crate::platform::Driver>::ID_TABLE.raw(),
                    <LinuxDriver as $crate::platform::Driver>::NAME,
                );
                #[cfg(target_os = "none")]
                #[unsafe(export_name = "__linux_driver_by_section_modinfo_platform_alias")]
                #[unsafe(link_section = ".modinfo")]
                static LONG_ALIAS: [u8; ALIAS] =
                    $crate::platform::long_alias(<LinuxDriver as $crate::platform::Driver>::NAME);

                static DRIVER: $crate::driver::Static<$crate::platform::Adapter<LinuxDriver>> =
                    $crate::platform::driver(&ID_TABLE);

                struct PlatformDriver;

                // SAFETY: nothing outside of this block can name the static, and the module
                // registers it once.
                unsafe impl $crate::driver::StaticDriver for PlatformDriver {
                    type Ops = $crate::platform::Adapter<LinuxDriver>;

                    fn driver() -> &'static $crate::driver::Static<$crate::platform::Adapter<LinuxDriver>> {
                        &DRIVER
                    }
                }

                $crate::__module! { $crate::driver::DriverModule<PlatformDriver>, $infos }
            };
        };
    };
}
