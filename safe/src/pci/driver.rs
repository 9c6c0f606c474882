// SPDX-License-Identifier: GPL-2.0-only
//! `struct pci_driver`.
//!
//! C header: `include/linux/pci.h`; the callbacks are called by `drivers/pci/pci-driver.c` and
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

/// A PCI driver. The value is the data of one device: made by `probe`, dropped after `remove`.
///
/// A callback that is not written is NULL in the `struct pci_driver`, but for `probe` and `remove`,
/// which stand for the life of the data. (The legacy `suspend` and `resume` of `struct pci_driver`
/// are not here: [`DRIVER`](Self::DRIVER) has the `pm` that took their place.)
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
///     /// How many queues it has.
///     type IdInfo = u32;
///     const NAME: &'static CStr = c"nic";
///     const ID_TABLE: pci::IdTable<u32> =
///         pci::id_table![(DeviceId::new(0x1234, 0x0001), 1), (DeviceId::new(0x1234, 0x0002), 8)];
///
///     fn probe(dev: &pci::Device<Core>, queues: Option<&'static u32>) -> impl PinInit<Self, Error> {
///         pin_init_scope(move || {
///             // Any device can be given to the driver (`driver_override`): one queue is what all have.
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
///     /// Stops the queues, and forbids DMA: the next kernel gets memory that nobody writes to.
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
    /// What the driver wants to know of a device from its entry in the ID table.
    type IdInfo: Sync + 'static;

    /// The driver's name: the folder in `/sys/bus/pci/drivers`. It does not compile if it is empty,
    /// longer than 55 bytes or has a `/` in it.
    #[doc(alias = "pci_driver.name")]
    const NAME: &'static CStr;

    /// The devices that it is for.
    #[doc(alias = "pci_driver.id_table")]
    const ID_TABLE: IdTable<Self::IdInfo>;

    /// The members of `struct device_driver`: power management, how it is probed.
    #[doc(alias = "pci_driver.driver")]
    const DRIVER: DeviceDriver<Self, Bus> = DeviceDriver::new();

    /// What is done when the bus, or the device, has an error.
    #[doc(alias = "pci_driver.err_handler")]
    const ERR_HANDLER: ErrHandler<Self> = ErrHandler::NONE;

    /// Attributes of the driver: files in its folder in sysfs.
    #[doc(alias = "pci_driver.groups")]
    const GROUPS: sysfs::DriverGroups = sysfs::DriverGroups::NONE;

    /// Attributes of each device that is bound: files in the device's folder in sysfs, there while
    /// it is bound.
    #[doc(alias = "pci_driver.dev_groups")]
    const DEV_GROUPS: sysfs::DeviceGroups<Self, Bus> = sysfs::DeviceGroups::NONE;

    /// The driver sees to DMA ownership itself: user space may be given another device of the IOMMU
    /// group.
    #[doc(alias = "pci_driver.driver_managed_dma")]
    const DRIVER_MANAGED_DMA: bool = false;

    /// Takes on a device: `pci_driver.probe`.
    ///
    /// `id` is `None` where the bus made the match without the table (`driver_override`), and where
    /// the table has no infos. The data is initialised in place, in the one allocation that is made
    /// for a device; an error means that the driver does not take the device on.
    /// [`EPROBE_DEFER`](crate::error::code::EPROBE_DEFER) says that it will when more is there.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "pci_driver.probe")]
    fn probe(dev: &Device<Core>, id: Option<&'static Self::IdInfo>) -> impl PinInit<Self, Error>;

    /// Gives a device up: `pci_driver.remove`. The device may be there still (rmmod, sysfs) or gone
    /// (unplugged). What the data holds is given up after this, when it is dropped; what is managed
    /// ([`devres`](crate::devres)), after that.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "pci_driver.remove")]
    fn remove(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// The system goes down, or boots another kernel: stop the device, above all its DMA. It stays
    /// bound: `pci_driver.shutdown`.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "pci_driver.shutdown")]
    fn shutdown(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// User space wants so many virtual functions (`sriov_numvfs` in sysfs); 0: none. Returns how
    /// many there are then, for which [`Device::enable_sriov`] and [`Device::disable_sriov`] see:
    /// `pci_driver.sriov_configure`.
    ///
    /// Context: may sleep; under the device's lock.
    ///
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
    ///     fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
    ///         pin_init_scope(move || {
    ///             dev.pcim_enable_device()?;
    ///             Ok(Nic)
    ///         })
    ///     }
    ///
    ///     /// The virtual functions would stay, without the driver that they rely on.
    ///     fn remove(dev: &pci::Device<Core>, _this: Pin<&Self>) {
    ///         dev.disable_sriov();
    ///     }
    ///
    ///     fn sriov_configure(dev: &pci::Device<Core>, _this: Pin<&Self>, num_vfs: u16) -> Result<u16> {
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

    /// How many MSI-X vectors there are for all virtual functions together (`sriov_vf_total_msix`
    /// in sysfs): `pci_driver.sriov_get_vf_total_msix`.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "pci_driver.sriov_get_vf_total_msix")]
    fn sriov_get_vf_total_msix(dev: &Device<Core>, this: Pin<&Self>) -> u32 {
        let _ = (dev, this);
        0
    }

    /// User space wants a virtual function to have so many MSI-X vectors (`sriov_vf_msix_count` in
    /// sysfs); 0: as many as it had at first. `dev` is the physical function, as everywhere; `vf`
    /// is the virtual one, to which no driver is bound, and `vf_id` its number, from 0 on (C has
    /// only `vf`, and `pci_iov_vf_id`): `pci_driver.sriov_set_msix_vec_count`.
    ///
    /// Context: may sleep; under the locks of both devices, so that the virtual function stays as
    /// it is meanwhile.
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

/// Stands between a [`Driver`] and C.
pub struct Adapter<T: Driver>(Invariant<T>);

// SAFETY: this is the pair of functions for `struct pci_driver`. When `driver_register` fails, the
// bus has dropped its pointers to the structure.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    type DriverType = sys::pci_driver;

    #[inline(always)]
    unsafe fn register(
        driver: *mut sys::pci_driver,
        module: &'static ThisModule,
        mod_name: *const c_char,
    ) -> Result {
        // SAFETY: `__pci_register_driver` demands a structure that is not registered and stays
        // until `pci_unregister_driver`, a module that stays as long, and a name that does: by the
        // caller's promise.
        let result =
            to_result(unsafe { sys::__pci_register_driver(driver, module.as_ptr(), mod_name) });
        if const { T::ERR_HANDLER.is_some() } && result.is_err() {
            // Devices may have been bound meanwhile.
            driver::handlers_have_returned();
        }
        result
    }

    #[inline(always)]
    unsafe fn unregister(driver: *mut sys::pci_driver) {
        // SAFETY: `pci_unregister_driver` demands a driver that is registered, once: by the
        // caller's promise.
        unsafe { sys::pci_unregister_driver(driver) };
        if const { T::ERR_HANDLER.is_some() } {
            driver::handlers_have_returned();
        }
    }
}

// SAFETY: the ID table is a static, and so is all that `driver` puts in.
unsafe impl<T: Driver> driver::Adapter for Adapter<T> {
    const CONTENTS: sys::pci_driver = contents::<T>(T::ID_TABLE.raw().as_ptr());
}

/// The driver structure of a [`Driver`], for a static: all that is known at compile time is in it.
#[doc(hidden)]
pub const fn driver<T: Driver, const M: usize>(table: &'static Table<T, M>) -> Static<Adapter<T>> {
    // SAFETY: the name is a static, the table is the driver's own and a static, and the callbacks
    // are those below.
    unsafe { Static::new(contents::<T>(table.as_ptr())) }
}

const fn contents<T: Driver>(id_table: *const sys::pci_device_id) -> sys::pci_driver {
    // SAFETY: `struct pci_driver` is pointers, integers, locks and lists, for which zero is what a
    // C static starts with.
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

/// `pci_driver.probe`. Called by `local_pci_probe` with the device's lock held.
unsafe extern "C" fn probe<T: Driver>(
    pdev: *mut sys::pci_dev,
    id: *const sys::pci_device_id,
) -> c_int {
    // SAFETY: the bus hands over an entry that matched, valid for the call (it may be a copy on the
    // stack).
    let driver_data = unsafe { (*id).driver_data };
    // SAFETY: the bus hands over a device that it holds; only the field's address is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    let init = || {
        // SAFETY: the bus hands over a device that it holds, under the device's lock, for the call;
        // the driver's data is in its place.
        T::probe(
            unsafe { Device::<Core>::from_raw(pdev) },
            T::ID_TABLE.info(driver_data),
        )
    };
    // SAFETY: the bus probes a device that is registered.
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
    // SAFETY: this is the bus's `probe`.
    let returned = unsafe { driver::bind::<T, _>(dev, const { T::DRIVER.has_runtime() }, init) };
    if returned == 0
        && let Some(turns) = turns
    {
        // SAFETY: the device's lock is held, by the caller, which may wait for us on another thread
        // (`work_on_cpu`); `bind` has made the data; `remove` ends the turns before it drops them.
        unsafe { turns.begin::<T>() };
    }
    if const { T::DRIVER.has_runtime() } {
        if returned == 0 {
            // SAFETY: `local_pci_probe` counts a use.
            unsafe { pm::start(dev) };
        } else {
            // SAFETY: the device is there; `probe` may have switched it on.
            unsafe { sys::__pm_runtime_use_autosuspend(dev, false) };
        }
    }
    returned
}

/// `pci_driver.remove`. Called by `pci_device_remove` with the device's lock held, once after a
/// `probe` that returned 0.
unsafe extern "C" fn remove<T: Driver>(pdev: *mut sys::pci_dev) {
    // SAFETY: the bus hands over a device that it holds; only the field's address is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    if const { T::ERR_HANDLER.is_some() } {
        // SAFETY: the device's lock is held; `probe` began the turns. This thread has none: a
        // callback that has one, and unbound its own device, would wait for the device's lock.
        unsafe { driver::end_turns(dev) };
    }
    if const { T::DRIVER.has_runtime() } {
        // SAFETY: `pci_device_remove` counts a use and has woken the device; `start` came after
        // `probe`.
        unsafe { pm::stop(dev) };
    }
    let lend = |this: Pin<&T>| {
        // SAFETY: the bus hands over a device that it holds, under the device's lock, for the call.
        T::remove(unsafe { Device::<Core>::from_raw(pdev) }, this);
    };
    // SAFETY: this is the bus's `remove`; runtime callbacks are announced, the others are called
    // under the device's lock.
    unsafe { driver::unbind::<T>(dev, const { T::DRIVER.has_runtime() }, lend) };
}

/// `pci_driver.shutdown`. Called by `pci_device_shutdown` with the device's lock held.
unsafe extern "C" fn shutdown<T: Driver>(pdev: *mut sys::pci_dev) {
    // SAFETY: the bus calls it for a device that is bound to the driver, under the device's lock.
    if let Some((_turn, dev, this)) = unsafe { bound::<T>(pdev) } {
        T::shutdown(dev, this);
    }
}

/// `pci_driver.sriov_configure`. Called by `sriov_numvfs_store` with the device's lock held.
unsafe extern "C" fn sriov_configure<T: Driver>(pdev: *mut sys::pci_dev, num_vfs: c_int) -> c_int {
    let Ok(num_vfs) = u16::try_from(num_vfs) else {
        return EINVAL.to_errno();
    };
    // SAFETY: the bus calls it for a device that is bound to the driver, under the device's lock.
    match unsafe { bound::<T>(pdev) } {
        Some((_turn, dev, this)) => {
            T::sriov_configure(dev, this, num_vfs).map_or_else(Error::to_errno, c_int::from)
        }
        None => ENODEV.to_errno(),
    }
}

/// `pci_driver.sriov_get_vf_total_msix`. Called by `sriov_vf_total_msix_show` with the device's
/// lock held.
unsafe extern "C" fn sriov_get_vf_total_msix<T: Driver>(pf: *mut sys::pci_dev) -> u32 {
    // SAFETY: the bus calls it for a device that is bound to the driver, under the device's lock.
    match unsafe { bound::<T>(pf) } {
        Some((_turn, dev, this)) => T::sriov_get_vf_total_msix(dev, this),
        None => 0,
    }
}

/// `pci_driver.sriov_set_msix_vec_count`. Called by `sriov_vf_msix_count_store` for a virtual
/// function without a driver, with its lock and that of its physical function held.
unsafe extern "C" fn sriov_set_msix_vec_count<T: Driver>(
    vf: *mut sys::pci_dev,
    msix_vec_count: c_int,
) -> c_int {
    // SAFETY: the bus hands over a device that it holds: one of its files in sysfs is being
    // written.
    let pf = unsafe { sys::linux_driver_pci_physfn(vf) };
    // SAFETY: as above; it is a virtual function, which has a reference to its physical one until
    // it is taken away.
    let vf_id = unsafe { sys::pci_iov_vf_id(vf) };
    let (Ok(vf_id), Ok(msix_vec_count)) = (u32::try_from(vf_id), u32::try_from(msix_vec_count))
    else {
        return EINVAL.to_errno();
    };
    // SAFETY: the bus took the callback from the physical function's driver: that is bound to it,
    // under the device's lock.
    let Some((_turn, dev, this)) = (unsafe { bound::<T>(pf) }) else {
        return ENODEV.to_errno();
    };
    // SAFETY: the bus hands over a device that it holds for the call.
    let vf = unsafe { Device::<Normal>::from_raw(vf) };
    T::sriov_set_msix_vec_count(dev, this, vf, vf_id, msix_vec_count)
        .map_or_else(Error::to_errno, |()| 0)
}

/// The turn of a callback of the bus's, with the device and the driver's data.
///
/// # Safety
///
/// The device is bound to the driver whose data is `T`, and its lock is held for `'a`, which ends
/// before the turn does.
unsafe fn bound<'a, T>(pdev: *mut sys::pci_dev) -> Option<(Turn, &'a Device<Core>, Pin<&'a T>)> {
    // SAFETY: the device is there; only the field's address is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    // SAFETY: the device's lock is held, by the caller's promise.
    let turn = unsafe { Turn::under_lock(dev) };
    // SAFETY: by the caller's promise.
    let this = unsafe { driver::data::<T>(dev)? };
    // SAFETY: `Core` demands a device that is bound, under its lock, and the turn: all are there
    // for `'a`.
    Some((turn, unsafe { Device::from_raw(pdev) }, this))
}

/// Declares a module that is a PCI driver and nothing else: C's `module_pci_driver`, with
/// `MODULE_LICENSE` and the others.
///
/// `type` implements [`pci::Driver`](crate::pci::Driver); its ID table becomes the module's
/// aliases, so that the module is loaded when such a device is found. The other fields are those of
/// [`module!`](crate::module!).
///
/// The driver structure is a static, its contents in `.data`, its ID table in `.rodata`; the module
/// registers it when it is loaded and unregisters it when it is unloaded.
/// [`pci::Driver`](crate::pci::Driver) has an example.
#[macro_export]
macro_rules! module_pci_driver {
    ($($fields:tt)*) => {
        $crate::macros::module_pci_driver! { $crate; $($fields)* }
    };
}

/// What [`module_pci_driver!`](crate::module_pci_driver) stands for, as
/// [`__module!`](crate::__module).
#[doc(hidden)]
#[macro_export]
macro_rules! __module_pci_driver {
    ($ty:ty, $infos:tt) => {
        const _: () = {
            // What the driver wrote is looked up here, where it cannot name what stands in the
            // inner block.
            type LinuxDriver = $ty;

            $crate::__nothing_forgotten! { LinuxDriver }

            const _: () = {
                // The ID table, under the name by which modpost makes the module's aliases of it.
                #[unsafe(export_name = $crate::sys::device_table_symbol!(
                                                                    $crate::__core::env!("CARGO_CRATE_NAME"), "pci", "id_table"
                                                                ))]
                static ID_TABLE: $crate::pci::Table<
                    LinuxDriver,
                    { <LinuxDriver as $crate::pci::Driver>::ID_TABLE.raw().len() },
                > = $crate::pci::Table::new();

                static DRIVER: $crate::driver::Static<$crate::pci::Adapter<LinuxDriver>> =
                    $crate::pci::driver(&ID_TABLE);

                struct PciDriver;

                // SAFETY: nothing outside of this block can name the static, and the module
                // registers it once.
                unsafe impl $crate::driver::StaticDriver for PciDriver {
                    type Ops = $crate::pci::Adapter<LinuxDriver>;

                    fn driver() -> &'static $crate::driver::Static<$crate::pci::Adapter<LinuxDriver>> {
                        &DRIVER
                    }
                }

                $crate::__module! { $crate::driver::DriverModule<PciDriver>, $infos }
            };
        };
    };
}
