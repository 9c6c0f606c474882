// SPDX-License-Identifier: GPL-2.0-only
//! `struct pci_driver`.
//!
//! C header: `include/linux/pci.h`. The callbacks are called by `drivers/pci/pci-driver.c` and
//! `drivers/pci/iov.c`.

use core::ffi::{CStr, c_char, c_int};
use core::pin::Pin;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use super::{Bus, Device, ErrHandler, IdTable, Table};
use crate::device::{Core, Normal};
use crate::driver::{self, Called, DeviceDriver, RegistrationOps, Static, Turn, Written};
use crate::error::{Error, Result, code::EINVAL, code::ENODEV, code::EOPNOTSUPP, to_result};
use crate::macros::vtable;
use crate::module::ThisModule;
use crate::pm;
use crate::sysfs;
use crate::types::Invariant;

/// A PCI driver. A value of the type is the data of one device. `probe` creates it, and it is
/// dropped after `remove`.
///
/// A callback that the driver does not write is NULL in the `struct pci_driver`. The exceptions are
/// `probe` and `remove`, which create and drop the data. The legacy `suspend` and `resume` of
/// `struct pci_driver` are not available: `pm` in [`DRIVER`](Self::DRIVER) replaced them.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::pci::{self, Bar, DeviceId};
/// use linux_driver::prelude::*;
///
/// /// The data of one device.
/// struct Nic {
///     bar: Bar<0x1000>,
/// }
///
/// #[vtable]
/// impl pci::Driver for Nic {
/// /// The number of queues.
///     type IdInfo = u32;
///     const NAME: &'static CStr = c"nic";
///     const ID_TABLE: pci::IdTable<u32> =
///         pci::id_table![(DeviceId::new(0x1234, 0x0001), 1), (DeviceId::new(0x1234, 0x0002), 8)];
///
///     fn probe(
///         dev: &pci::Device<Core>,
///         queues: Option<&'static u32>,
///     ) -> impl PinInit<Self, Error> {
///         pin_init_scope(move || {
/// // The kernel may bind a device without an entry (`driver_override`): all have one queue.
///             let queues = queues.copied().unwrap_or(1);
///             dev.pcim_enable_device()?;
///             dev.set_master();
///             let bar: Bar<0x1000> = dev.iomap_region(0)?;
///             bar.access(dev)?.writel::<0x00>(queues);
///             dev_info!(dev, "{} queues", queues);
///             Ok(Nic { bar })
///         })
///     }
///
///     fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
///         this.stop(dev);
///     }
///
///     fn shutdown(dev: &pci::Device<Core>, this: Pin<&Self>) {
///         this.stop(dev);
///     }
/// }
///
/// impl Nic {
/// /// Stops the queues and forbids DMA, so that no device writes to the next kernel's memory.
///     fn stop(&self, dev: &pci::Device<Core>) {
///         if let Ok(registers) = self.bar.access(dev) {
///             registers.writel::<0x00>(0);
///         }
///         dev.clear_master();
///     }
/// }
///
/// linux_driver::module_pci_driver! {
///     type: Nic,
///     license: "GPL",
///     author: "A. Author",
///     description: "A network interface",
/// }
/// # fn main() {}
/// ```
#[vtable]
#[doc(alias = "pci_driver")]
pub trait Driver: Sized + Send + Sync + 'static {
    /// The driver's own information about a device, from its entry in the ID table.
    type IdInfo: Sync + 'static;

    /// The driver's name: its folder in `/sys/bus/pci/drivers`. A name that is empty, longer than
    /// 55 bytes or contains a `/` does not compile.
    #[doc(alias = "pci_driver.name")]
    const NAME: &'static CStr;

    /// The devices that the driver supports.
    #[doc(alias = "pci_driver.id_table")]
    const ID_TABLE: IdTable<Self::IdInfo>;

    /// The members of `struct device_driver`: power management, probe type.
    #[doc(alias = "pci_driver.driver")]
    const DRIVER: DeviceDriver<Self, Bus> = DeviceDriver::new();

    /// The callbacks for errors of the bus or the device, and for resets.
    #[doc(alias = "pci_driver.err_handler")]
    const ERR_HANDLER: ErrHandler<Self> = ErrHandler::NONE;

    /// The attributes of the driver: files in its folder in sysfs.
    #[doc(alias = "pci_driver.groups")]
    const GROUPS: sysfs::DriverGroups = sysfs::DriverGroups::NONE;

    /// The attributes of each bound device: files in the device's folder in sysfs, which exist
    /// while the device is bound.
    #[doc(alias = "pci_driver.dev_groups")]
    const DEV_GROUPS: sysfs::DeviceGroups<Self, Bus> = sysfs::DeviceGroups::NONE;

    /// True if the driver manages DMA ownership itself. Then user space may be given another device
    /// of the IOMMU group.
    #[doc(alias = "pci_driver.driver_managed_dma")]
    const DRIVER_MANAGED_DMA: bool = false;

    /// Binds the driver to a device: `pci_driver.probe`. Returns an initialiser of the device's
    /// data, which runs in place, in the only allocation that is made for a device.
    ///
    /// `id` is `None` if the bus made the match without the table (`driver_override`), or if the
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
    #[doc(alias = "pci_driver.probe")]
    fn probe(dev: &Device<Core>, id: Option<&'static Self::IdInfo>) -> impl PinInit<Self, Error>;

    /// Unbinds the driver from a device: `pci_driver.remove`. The device may still exist (rmmod,
    /// unbind in sysfs) or be gone (unplugged). After this callback the data is dropped. After
    /// that, managed resources ([`devres`](crate::devres)) are released.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "pci_driver.remove")]
    fn remove(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// Stops the device, above all its DMA, because the system shuts down or boots another kernel:
    /// `pci_driver.shutdown`. The device stays bound.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "pci_driver.shutdown")]
    fn shutdown(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// Sets the number of virtual functions to `num_vfs`, which user space wrote to `sriov_numvfs`
    /// in sysfs: `pci_driver.sriov_configure`. 0 means none. The driver calls
    /// [`Device::enable_sriov`] and [`Device::disable_sriov`], and returns the resulting number.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// # Examples
    /// ```no_run
    /// use linux_driver::pci;
    /// use linux_driver::prelude::*;
    ///
    /// struct Nic;
    ///
    /// #[vtable]
    /// impl pci::Driver for Nic {
    ///     type IdInfo = ();
    ///     const NAME: &'static CStr = c"nic";
    ///     const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x0001)];
    ///
    ///     fn probe(
    ///         dev: &pci::Device<Core>,
    ///         _id: Option<&'static ()>,
    ///     ) -> impl PinInit<Self, Error> {
    ///         pin_init_scope(move || {
    ///             dev.pcim_enable_device()?;
    ///             Ok(Nic)
    ///         })
    ///     }
    ///
    /// /// Without this, the virtual functions would outlive the driver that they rely on.
    ///     fn remove(dev: &pci::Device<Core>, _this: Pin<&Self>) {
    ///         dev.disable_sriov();
    ///     }
    ///
    ///     fn sriov_configure(
    ///         dev: &pci::Device<Core>,
    ///         _this: Pin<&Self>,
    ///         num_vfs: u16,
    ///     ) -> Result<u16> {
    ///         if num_vfs == 0 {
    ///             dev.disable_sriov();
    ///         } else {
    ///             dev.enable_sriov(num_vfs)?;
    ///         }
    ///         Ok(num_vfs)
    ///     }
    /// }
    /// ```
    #[doc(alias = "pci_driver.sriov_configure")]
    fn sriov_configure(dev: &Device<Core>, this: Pin<&Self>, num_vfs: u16) -> Result<u16> {
        let _ = (dev, this, num_vfs);
        Err(ENODEV)
    }

    /// Returns the number of MSI-X vectors for all virtual functions together
    /// (`sriov_vf_total_msix` in sysfs): `pci_driver.sriov_get_vf_total_msix`.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "pci_driver.sriov_get_vf_total_msix")]
    fn sriov_get_vf_total_msix(dev: &Device<Core>, this: Pin<&Self>) -> u32 {
        let _ = (dev, this);
        0
    }

    /// Gives a virtual function `msix_vec_count` MSI-X vectors, which user space wrote to
    /// `sriov_vf_msix_count` in sysfs: `pci_driver.sriov_set_msix_vec_count`. 0 restores the
    /// initial number.
    ///
    /// `dev` is the physical function, as in every callback. `vf` is the virtual function, which
    /// has no driver bound, and `vf_id` its number, counted from 0. (C passes only `vf`, and has
    /// `pci_iov_vf_id`.)
    ///
    /// # Context
    ///
    /// May sleep. The locks of both devices are held, so no driver is bound to the virtual function
    /// meanwhile.
    #[doc(alias = "pci_driver.sriov_set_msix_vec_count")]
    fn sriov_set_msix_vec_count(
        dev: &Device<Core>,
        this: Pin<&Self>,
        vf: &Device,
        vf_id: u32,
        msix_vec_count: u32,
    ) -> Result {
        let _ = (dev, this, vf, vf_id, msix_vec_count);
        Err(EOPNOTSUPP)
    }
}

impl<T: Driver> Written<T> {
    #[doc(hidden)]
    pub const PCI: Called = Called::by(&T::DRIVER);
}

/// The functions that C calls for a [`Driver`].
pub struct Adapter<T: Driver>(Invariant<T>);

// SAFETY: `register` and `unregister` belong to `struct pci_driver`. When `driver_register` fails,
// the bus has dropped its pointers to the structure.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    type DriverType = sys::pci_driver;

    #[inline(always)]
    unsafe fn register(
        driver: *mut sys::pci_driver,
        module: &'static ThisModule,
        mod_name: *const c_char,
    ) -> Result {
        // SAFETY: `__pci_register_driver` requires a structure that is not registered and that
        // stays until `pci_unregister_driver`. It requires a module and a name that stay as long.
        // The caller promises all of these.
        let result =
            to_result(unsafe { sys::__pci_register_driver(driver, module.as_ptr(), mod_name) });
        if const { T::ERR_HANDLER.is_some() } && result.is_err() {
            // Devices may have been bound before the registration failed.
            driver::handlers_have_returned();
        }
        result
    }

    #[inline(always)]
    unsafe fn unregister(driver: *mut sys::pci_driver) {
        // SAFETY: `pci_unregister_driver` requires a registered driver, and may be called once. The
        // caller promises both.
        unsafe { sys::pci_unregister_driver(driver) };
        if const { T::ERR_HANDLER.is_some() } {
            driver::handlers_have_returned();
        }
    }
}

// SAFETY: the ID table is a static, and so is everything that `driver` puts into the structure.
unsafe impl<T: Driver> driver::Adapter for Adapter<T> {
    const CONTENTS: sys::pci_driver = contents::<T>(T::ID_TABLE.raw().as_ptr());
}

/// Returns the driver structure of a [`Driver`], for a static. Its contents are known at compile
/// time.
#[doc(hidden)]
pub const fn driver<T: Driver, const M: usize>(table: &'static Table<T, M>) -> Static<Adapter<T>> {
    // SAFETY: the name is a static, the table is a static of this driver, and the callbacks are
    // those below.
    unsafe { Static::new(contents::<T>(table.as_ptr())) }
}

const fn contents<T: Driver>(id_table: *const sys::pci_device_id) -> sys::pci_driver {
    // SAFETY: `struct pci_driver` consists of pointers, integers, locks and lists. All of them
    // start as zero in a C static.
    let zero: sys::pci_driver = unsafe { core::mem::zeroed() };
    let mut driver = sys::pci_driver {
        name: const { driver::name(T::NAME) },
        id_table,
        probe: Some(probe::<T>),
        remove: Some(remove::<T>),
        err_handler: T::ERR_HANDLER.raw(),
        groups: T::GROUPS.raw().cast_mut(),
        dev_groups: T::DEV_GROUPS.raw().cast_mut(),
        driver: T::DRIVER.raw(),
        driver_managed_dma: T::DRIVER_MANAGED_DMA,
        ..zero
    };
    if T::HAS_SHUTDOWN {
        driver.shutdown = Some(shutdown::<T>);
    }
    if T::HAS_SRIOV_CONFIGURE {
        driver.sriov_configure = Some(sriov_configure::<T>);
    }
    if T::HAS_SRIOV_GET_VF_TOTAL_MSIX {
        driver.sriov_get_vf_total_msix = Some(sriov_get_vf_total_msix::<T>);
    }
    if T::HAS_SRIOV_SET_MSIX_VEC_COUNT {
        driver.sriov_set_msix_vec_count = Some(sriov_set_msix_vec_count::<T>);
    }
    driver
}

/// Implements `pci_driver.probe`. `local_pci_probe` calls it with the device's lock held.
unsafe extern "C" fn probe<T: Driver>(
    pdev: *mut sys::pci_dev,
    id: *const sys::pci_device_id,
) -> c_int {
    // SAFETY: the bus passes an entry that matched. It is valid during the call, and may be a copy
    // on the stack.
    let driver_data = unsafe { (*id).driver_data };
    // SAFETY: the bus passes a device that it has a reference to. Only the address of the field is
    // taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    let init = || {
        // SAFETY: `Core` requires a device under its lock for the call. The bus has a reference to
        // the device and holds the lock. `bind` has set `driver_data`.
        T::probe(
            unsafe { Device::<Core>::from_raw(pdev) },
            T::ID_TABLE.info(driver_data),
        )
    };
    // SAFETY: `check` requires a registered device. The bus probes only those.
    if let Err(error) = unsafe { const { T::DEV_GROUPS }.check(dev) } {
        return error.to_errno();
    }
    let turns = if const { T::ERR_HANDLER.is_some() } {
        match driver::NewTurns::new::<T>(dev) {
            Ok(turns) => Some(turns),
            Err(error) => return error.to_errno(),
        }
    } else {
        None
    };
    // SAFETY: `bind` requires the bus's `probe`, which this function is.
    let returned = unsafe { driver::bind::<T, _>(dev, const { T::DRIVER.has_runtime() }, init) };
    if returned == 0
        && let Some(turns) = turns
    {
        // SAFETY: `begin` requires that the device's lock is held. The caller holds it, perhaps on
        // another thread that waits for this one (`work_on_cpu`). `bind` has made the data, and
        // `remove` ends the turns before it drops the data.
        unsafe { turns.begin::<T>() };
    }
    if const { T::DRIVER.has_runtime() } {
        if returned == 0 {
            // SAFETY: `start` requires a use that the bus counted. `local_pci_probe` counts one.
            unsafe { pm::start(dev) };
        } else {
            // SAFETY: the function requires a device that exists. It undoes what `probe` may have
            // switched on.
            unsafe { sys::__pm_runtime_use_autosuspend(dev, false) };
        }
    }
    returned
}

/// Implements `pci_driver.remove`. `pci_device_remove` calls it with the device's lock held, once
/// after a `probe` that returned 0.
unsafe extern "C" fn remove<T: Driver>(pdev: *mut sys::pci_dev) {
    // SAFETY: the bus passes a device that it has a reference to. Only the address of the field is
    // taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    if const { T::ERR_HANDLER.is_some() } {
        // SAFETY: `end_turns` requires the device's lock, which is held, and turns that `probe`
        // began. It also requires that this thread has no turn. It has none: a callback that has a
        // turn and unbinds its own device would already wait for the device's lock.
        unsafe { driver::end_turns(dev) };
    }
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `stop` requires a use that the bus counted, and an earlier `start`.
        // `pci_device_remove` counted a use and woke the device, and `probe` called `start`.
        unsafe { pm::stop(dev) };
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
}

/// Implements `pci_driver.shutdown`. `pci_device_shutdown` calls it with the device's lock held.
unsafe extern "C" fn shutdown<T: Driver>(pdev: *mut sys::pci_dev) {
    // SAFETY: `bound` requires a device that is bound to the driver, under its lock. The bus calls
    // this only then.
    if let Some((_turn, dev, this)) = unsafe { bound::<T>(pdev) } {
        T::shutdown(dev, this);
    }
}

/// Implements `pci_driver.sriov_configure`. `sriov_numvfs_store` calls it with the device's lock
/// held.
unsafe extern "C" fn sriov_configure<T: Driver>(pdev: *mut sys::pci_dev, num_vfs: c_int) -> c_int {
    let Ok(num_vfs) = u16::try_from(num_vfs) else {
        return EINVAL.to_errno();
    };
    // SAFETY: `bound` requires a device that is bound to the driver, under its lock. The bus calls
    // this only then.
    match unsafe { bound::<T>(pdev) } {
        Some((_turn, dev, this)) => {
            T::sriov_configure(dev, this, num_vfs).map_or_else(Error::to_errno, c_int::from)
        }
        None => ENODEV.to_errno(),
    }
}

/// Implements `pci_driver.sriov_get_vf_total_msix`. `sriov_vf_total_msix_show` calls it with the
/// device's lock held.
unsafe extern "C" fn sriov_get_vf_total_msix<T: Driver>(pf: *mut sys::pci_dev) -> u32 {
    // SAFETY: `bound` requires a device that is bound to the driver, under its lock. The bus calls
    // this only then.
    match unsafe { bound::<T>(pf) } {
        Some((_turn, dev, this)) => T::sriov_get_vf_total_msix(dev, this),
        None => 0,
    }
}

/// Implements `pci_driver.sriov_set_msix_vec_count`. `sriov_vf_msix_count_store` calls it for a
/// virtual function without a driver, with the locks of that function and of its physical function
/// held.
unsafe extern "C" fn sriov_set_msix_vec_count<T: Driver>(
    vf: *mut sys::pci_dev,
    msix_vec_count: c_int,
) -> c_int {
    // SAFETY: `pci_physfn` requires a device that exists. One of its files in sysfs is being
    // written, so the bus has a reference to it.
    let pf = unsafe { sys::linux_driver_pci_physfn(vf) };
    // SAFETY: `pci_iov_vf_id` requires a device that exists, as above. A virtual function has a
    // reference to its physical function until it is removed.
    let vf_id = unsafe { sys::pci_iov_vf_id(vf) };
    let (Ok(vf_id), Ok(msix_vec_count)) = (u32::try_from(vf_id), u32::try_from(msix_vec_count))
    else {
        return EINVAL.to_errno();
    };
    // SAFETY: `bound` requires a device that is bound to the driver, under its lock. The bus took
    // this callback from the driver of the physical function, and holds that device's lock.
    let Some((_turn, dev, this)) = (unsafe { bound::<T>(pf) }) else {
        return ENODEV.to_errno();
    };
    // SAFETY: `Normal` requires a device that exists. The bus has a reference to it for the call.
    let vf = unsafe { Device::<Normal>::from_raw(vf) };
    T::sriov_set_msix_vec_count(dev, this, vf, vf_id, msix_vec_count)
        .map_or_else(Error::to_errno, |()| 0)
}

/// Returns the turn of a callback of the bus, with the device and the driver's data.
///
/// # Safety
///
/// The device must be bound to the driver whose data is `T`. Its lock must be held for `'a`, which
/// must end before the turn does.
unsafe fn bound<'a, T>(pdev: *mut sys::pci_dev) -> Option<(Turn, &'a Device<Core>, Pin<&'a T>)> {
    // SAFETY: the device exists. Only the address of the field is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    // SAFETY: `under_lock` requires the device's lock. The caller promises that it is held.
    let turn = unsafe { Turn::under_lock(dev) };
    // SAFETY: `data` requires a device bound to the driver of `T`. The caller promises that.
    let this = unsafe { driver::data::<T>(dev)? };
    // SAFETY: `Core` requires a bound device, its lock and the turn. All last for `'a`.
    Some((turn, unsafe { Device::from_raw(pdev) }, this))
}

/// Declares a module that is a PCI driver and nothing else: C's `module_pci_driver`, with
/// `MODULE_LICENSE` and the others.
///
/// `type` implements [`pci::Driver`](crate::pci::Driver). Its ID table becomes the module's
/// aliases, so that the module is loaded when such a device is found. The other fields are those of
/// [`module!`](crate::module!).
///
/// The driver structure is a static. Its contents are in `.data` and its ID table is in `.rodata`.
/// The module registers it when it is loaded and unregisters it when it is unloaded.
/// [`pci::Driver`](crate::pci::Driver) has an example.
#[macro_export]
macro_rules! module_pci_driver {
    ($($fields:tt)*) => {
        $crate::macros::module_pci_driver! { $crate; $($fields)* }
    };
}

/// Expansion of [`module_pci_driver!`](crate::module_pci_driver), in the way of
/// [`__module!`](crate::__module).
#[doc(hidden)]
#[macro_export]
macro_rules! __module_pci_driver {
    ($ty:ty, $infos:tt) => {
        const _: () = {
            // The driver's type is resolved here, outside of the inner block, so that it cannot
            // name the items of that block.
            type LinuxDriver = $ty;

            $crate::__nothing_forgotten! { LinuxDriver }

            const _: () = {
                // The ID table. modpost finds it by this name and makes the module's aliases from
                // it.
                #[unsafe(export_name = $crate::__id_table_symbol!("pci"))]
                static ID_TABLE: $crate::pci::Table<
                    LinuxDriver,
                    { <LinuxDriver as $crate::pci::Driver>::ID_TABLE.raw().len() },
                > = $crate::pci::Table::new();

                static DRIVER: $crate::driver::Static<$crate::pci::Adapter<LinuxDriver>> =
                    $crate::pci::driver(&ID_TABLE);

                struct PciDriver;

                // SAFETY: `StaticDriver` requires that the static is registered once. No code
                // outside of this block can name it, and the module registers it once.
                unsafe impl $crate::driver::StaticDriver for PciDriver {
                    type Ops = $crate::pci::Adapter<LinuxDriver>;

                    fn driver()
                    -> &'static $crate::driver::Static<$crate::pci::Adapter<LinuxDriver>> {
                        &DRIVER
                    }
                }

                $crate::__module! { $crate::driver::DriverModule<PciDriver>, $infos }
            };
        };
    };
}
