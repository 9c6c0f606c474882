// SPDX-License-Identifier: GPL-2.0-only
//! `struct platform_driver`.
//!
//! C header: `include/linux/platform_device.h`. The callbacks are called by
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

/// A platform driver. A value of the type is the data of one device. `probe` creates it, and it is
/// dropped after `remove`.
///
/// A callback that the driver does not write is NULL in the `struct platform_driver`. The
/// exceptions are `probe` and `remove`, which create and drop the data. The legacy `suspend` and
/// `resume` of `struct platform_driver` are not available: `pm` in [`DRIVER`](Self::DRIVER)
/// replaced them.
///
/// Runtime power management works as on PCI. The bus itself leaves it to the driver, so this crate
/// enables it for each driver that writes a runtime callback: before `probe`, with the device awake
/// and in use. It is disabled after `remove`.
///
/// The [`platform`](super) module has an example.
#[vtable]
#[doc(alias = "platform_driver")]
pub trait Driver: Sized + Send + Sync + 'static {
    /// The driver's own information about a device, from its entry in the ID table.
    type IdInfo: Sync + 'static;

    /// The driver's name: its folder in `/sys/bus/platform/drivers`. Without an ID table, the
    /// driver matches devices of this name. A name that is empty, longer than 55 bytes or contains
    /// a `/` does not compile.
    #[doc(alias = "platform_driver.driver.name")]
    const NAME: &'static CStr;

    /// The devices that the driver supports.
    #[doc(alias = "platform_driver.id_table")]
    const ID_TABLE: IdTable<Self::IdInfo> = IdTable::NONE;

    /// The members of `struct device_driver`: power management, probe type.
    #[doc(alias = "platform_driver.driver")]
    const DRIVER: DeviceDriver<Self, Bus> = DeviceDriver::new();

    /// The attributes of the driver: files in its folder in sysfs.
    #[doc(alias = "platform_driver.driver.groups")]
    const GROUPS: sysfs::DriverGroups = sysfs::DriverGroups::NONE;

    /// The attributes of each bound device: files in the device's folder in sysfs, which exist
    /// while the device is bound.
    #[doc(alias = "platform_driver.driver.dev_groups")]
    const DEV_GROUPS: sysfs::DeviceGroups<Self, Bus> = sysfs::DeviceGroups::NONE;

    /// True if a `probe` that defers fails with `ENXIO` instead, and is not tried again.
    #[doc(alias = "platform_driver.prevent_deferred_probe")]
    const PREVENT_DEFERRED_PROBE: bool = false;

    /// True if the driver manages DMA ownership itself. Then user space may be given another device
    /// of the IOMMU group.
    #[doc(alias = "platform_driver.driver_managed_dma")]
    const DRIVER_MANAGED_DMA: bool = false;

    /// Binds the driver to a device: `platform_driver.probe`. Returns an initialiser of the
    /// device's data, which runs in place, in the only allocation that is made for a device.
    ///
    /// `id` is the information in the table's entry for the device's name. It is `None` if the bus
    /// made the match without the table (`driver_override`, an ID of the firmware), or if the
    /// entries of the table have no information.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// # Errors
    ///
    /// An error means that the driver does not bind to the device.
    /// [`EPROBE_DEFER`](crate::error::code::EPROBE_DEFER) asks the driver core to try again later,
    /// when something that the driver needs may be available.
    #[doc(alias = "platform_driver.probe")]
    fn probe(dev: &Device<Core>, id: Option<&'static Self::IdInfo>) -> impl PinInit<Self, Error>;

    /// Unbinds the driver from a device: `platform_driver.remove`. After this callback the data is
    /// dropped. After that, managed resources ([`devres`](crate::devres)) are released.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "platform_driver.remove")]
    fn remove(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// Stops the device, above all its DMA, because the system shuts down or boots another kernel:
    /// `platform_driver.shutdown`. The device stays bound.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "platform_driver.shutdown")]
    fn shutdown(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

impl<T: Driver> Written<T> {
    #[doc(hidden)]
    pub const PLATFORM: Called = Called::by(&T::DRIVER);
}

/// The functions that C calls for a [`Driver`].
pub struct Adapter<T: Driver>(Invariant<T>);

// SAFETY: `register` and `unregister` belong to `struct platform_driver`. When `driver_register`
// fails, the bus has dropped its pointers to the structure.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    type DriverType = sys::platform_driver;

    #[inline(always)]
    unsafe fn register(
        driver: *mut sys::platform_driver,
        _module: &'static ThisModule,
        _mod_name: *const c_char,
    ) -> Result {
        // SAFETY: `__platform_driver_register` requires a valid structure that is not registered,
        // which the caller promises, and its module. The shim passes the module that it is linked
        // into, which is this module.
        to_result(unsafe { sys::linux_driver_platform_driver_register(driver) })
    }

    #[inline(always)]
    unsafe fn unregister(driver: *mut sys::platform_driver) {
        // SAFETY: `platform_driver_unregister` requires a registered driver, which the caller
        // promises.
        unsafe { sys::platform_driver_unregister(driver) };
    }
}

// SAFETY: the ID table is a static, and so is everything that `driver` puts into the structure.
unsafe impl<T: Driver> driver::Adapter for Adapter<T> {
    const CONTENTS: sys::platform_driver = contents::<T>(T::ID_TABLE.raw().as_ptr());
}

/// Returns the driver structure of a [`Driver`], for a static. Its contents are known at compile
/// time.
#[doc(hidden)]
pub const fn driver<T: Driver, const M: usize>(table: &'static Table<T, M>) -> Static<Adapter<T>> {
    // SAFETY: the name is a static, the table is a static of this driver, and the callbacks are
    // those below.
    unsafe { Static::new(contents::<T>(table.as_ptr())) }
}

const fn contents<T: Driver>(id_table: *const sys::platform_device_id) -> sys::platform_driver {
    // SAFETY: `struct platform_driver` consists of pointers and integers. All of them start as zero
    // in a C static.
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

/// Sets `platform_driver.remove`. The callback returned an `int`, which the bus ignored, before it
/// returned nothing. The type of the field selects the function.
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
    /// Does what [`remove`] does, for kernels where the callback returns an `int`.
    unsafe extern "C" fn remove_int<T: Driver>(pdev: *mut sys::platform_device) -> c_int {
        // SAFETY: the caller promises the same as `remove` requires.
        unsafe { remove::<T>(pdev) };
        0
    }
    driver.remove = contents::<T, _>();
    driver
}

/// Sets `platform_driver.remove` where it is in a union with `remove_new`. In those kernels
/// `remove_new` returns nothing and `remove` an `int`.
#[cfg(not(has_field = "platform_driver.remove"))]
const fn with_remove<T: Driver>(mut driver: sys::platform_driver) -> sys::platform_driver {
    // The union is between `probe` and `shutdown`.
    const OFFSET: usize = size_of::<Option<Remove>>();
    const {
        assert!(core::mem::offset_of!(sys::platform_driver, probe) == 0);
        assert!(core::mem::offset_of!(sys::platform_driver, shutdown) == 2 * OFFSET);
    }
    // SAFETY: the offset is inside the structure.
    let field = unsafe { (&raw mut driver).cast::<u8>().add(OFFSET) };
    // SAFETY: this is the position of the union, and both of its members have this type.
    unsafe { field.cast::<Option<Remove>>().write(Some(remove::<T>)) };
    driver
}

/// Implements `platform_driver.probe`. `platform_probe` calls it with the device's lock held.
unsafe extern "C" fn probe<T: Driver>(pdev: *mut sys::platform_device) -> c_int {
    // SAFETY: the bus passes a device that it has a reference to. Only the address of the field is
    // taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    // SAFETY: `check` requires a registered device. The bus probes only those.
    if let Err(error) = unsafe { const { T::DEV_GROUPS }.check(dev) } {
        return error.to_errno();
    }
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `enable` requires the device's lock, which is held, and a bus that neither
        // enables runtime power management nor counts a use. The platform bus does neither.
        if let Err(error) = unsafe { pm::enable(dev) } {
            return error.to_errno();
        }
    }
    let init = || {
        // SAFETY: `Core` requires a device under its lock for the call. The bus has a reference to
        // the device and holds the lock. `bind` has set `driver_data`.
        let device = unsafe { Device::<Core>::from_raw(pdev) };
        T::probe(device, T::ID_TABLE.info(device.name()))
    };
    // SAFETY: `bind` requires the bus's `probe`, which this function is.
    let returned = unsafe { driver::bind::<T, _>(dev, const { T::DRIVER.has_runtime() }, init) };
    if const { T::DRIVER.has_runtime() } {
        if returned == 0 {
            // SAFETY: `start` requires a counted use. `enable` counted one.
            unsafe { pm::start(dev) };
        } else {
            // SAFETY: `disable` requires an earlier `enable`, and the use that it counted.
            unsafe { pm::disable(dev) };
        }
    }
    returned
}

/// Implements `platform_driver.remove`. `platform_remove` calls it with the device's lock held,
/// once after a `probe` that returned 0.
unsafe extern "C" fn remove<T: Driver>(pdev: *mut sys::platform_device) {
    // SAFETY: the bus passes a device that it has a reference to. Only the address of the field is
    // taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `stop` requires an earlier `start`, which `probe` called. `disable` below gives
        // up the use that `stop` counts.
        unsafe { pm::stop(dev) };
        // SAFETY: `wake` requires an earlier `enable`, which `probe` called, and a use, which
        // `stop` counted.
        unsafe { pm::wake(dev) };
    }
    let lend = |this: Pin<&T>| {
        // SAFETY: `Core` requires a device under its lock for the call. The bus has a reference to
        // the device and holds the lock.
        T::remove(unsafe { Device::<Core>::from_raw(pdev) }, this);
    };
    // SAFETY: `unbind` requires:
    // - the bus's `remove`, with the device's lock held, once after `bind` returned 0: this is that
    //   function;
    // - that no other callback uses the data until it returns: the others run under the device's
    //   lock, except runtime callbacks, which the argument announces.
    unsafe { driver::unbind::<T>(dev, const { T::DRIVER.has_runtime() }, lend) };
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `disable` requires an earlier `enable`, which `probe` called, and a use, which
        // `stop` counted.
        unsafe { pm::disable(dev) };
    }
}

/// Implements `platform_driver.shutdown`. `platform_shutdown` calls it with the device's lock held.
unsafe extern "C" fn shutdown<T: Driver>(pdev: *mut sys::platform_device) {
    // SAFETY: the bus passes a device that exists. Only the address of the field is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    // SAFETY: `data` requires a device that is bound to the driver, under its lock. The bus calls
    // this only then.
    if let Some(this) = unsafe { driver::data::<T>(dev) } {
        // SAFETY: `Core` requires a bound device and its lock, as above.
        T::shutdown(unsafe { Device::from_raw(pdev) }, this);
    }
}

/// Declares a module that is a platform driver and nothing else: C's `module_platform_driver`, with
/// `MODULE_LICENSE` and the others.
///
/// `type` implements [`platform::Driver`](crate::platform::Driver). Its ID table becomes the
/// module's aliases, so that the module is loaded when such a device is registered. Without a
/// table, its name becomes the alias. The other fields are those of [`module!`](crate::module!).
///
/// The driver structure is a static. Its contents are in `.data` and its ID table is in `.rodata`.
/// The module registers it when it is loaded and unregisters it when it is unloaded.
/// [`platform`](crate::platform) has an example.
#[macro_export]
macro_rules! module_platform_driver {
    ($($fields:tt)*) => {
        $crate::macros::module_platform_driver! { $crate; $($fields)* }
    };
}

/// Expansion of [`module_platform_driver!`](crate::module_platform_driver), in the way of
/// [`__module!`](crate::__module).
#[doc(hidden)]
#[macro_export]
macro_rules! __module_platform_driver {
    ($ty:ty, $infos:tt) => {
        const _: () = {
            // The driver's type is resolved here, outside of the inner block, so that it cannot
            // name the items of that block.
            type LinuxDriver = $ty;

            $crate::__nothing_forgotten! { LinuxDriver }

            const _: () = {
                // The ID table. modpost finds it by this name and makes the module's aliases from
                // it.
                #[unsafe(export_name = $crate::__id_table_symbol!("platform"))]
                static ID_TABLE: $crate::platform::Table<
                    LinuxDriver,
                    {
                        $crate::platform::alias_count(
                            <LinuxDriver as $crate::platform::Driver>::ID_TABLE.raw(),
                            <LinuxDriver as $crate::platform::Driver>::NAME,
                        )
                    },
                > = $crate::platform::Table::new();

                // Without a table, the name of the driver is the module's alias. A name that is too
                // long for modpost's table becomes an alias of its own.
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

                // SAFETY: `StaticDriver` requires that the static is registered once. No code
                // outside of this block can name it, and the module registers it once.
                unsafe impl $crate::driver::StaticDriver for PlatformDriver {
                    type Ops = $crate::platform::Adapter<LinuxDriver>;

                    fn driver()
                    -> &'static $crate::driver::Static<$crate::platform::Adapter<LinuxDriver>>
                    {
                        &DRIVER
                    }
                }

                $crate::__module! { $crate::driver::DriverModule<PlatformDriver>, $infos }
            };
        };
    };
}
