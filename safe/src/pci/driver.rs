// SPDX-License-Identifier: GPL-2.0-only
//! `struct pci_driver`.
//!
//! C header: `include/linux/pci.h`; the callbacks are called by `drivers/pci/pci-driver.c`.

use core::ffi::{CStr, c_char, c_int};
use core::marker::PhantomData;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init_from_closure, try_pin_init};

use super::{Device, IdTable};
use crate::alloc::{GFP_KERNEL, KBox};
use crate::device::Core;
use crate::driver::{Registration, RegistrationOps, Static};
use crate::error::{Error, Result, to_result};
use crate::module::{Module, ThisModule};

/// A PCI driver. The value is the data of one device: made by `probe`, dropped after `remove`.
///
/// See the crate's first page for an example.
#[doc(alias = "pci_driver")]
pub trait Driver: Sized + Send + Sync + 'static {
    /// What the driver wants to know of a device from its entry in the ID table.
    type IdInfo: Sync + 'static;

    /// The driver's name: the folder in `/sys/bus/pci/drivers`.
    #[doc(alias = "pci_driver.name")]
    const NAME: &'static CStr;

    /// The devices that it is for.
    #[doc(alias = "pci_driver.id_table")]
    const ID_TABLE: IdTable<Self::IdInfo>;

    /// Takes on a device: `pci_driver.probe`.
    ///
    /// `id` is `None` where the bus made the match without the table (`driver_override`), and where the table has no infos.
    /// The data is initialised in place, in the one
    /// allocation that is made for a device; an error means that the driver does not take the device on.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "pci_driver.probe")]
    fn probe(dev: &Device<Core>, id: Option<&'static Self::IdInfo>) -> impl PinInit<Self, Error>;

    /// Gives a device up: `pci_driver.remove`. The device may be there still (rmmod, sysfs) or gone (unplugged). What the
    /// data holds is given up after this, when it is dropped; what is managed, after that.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "pci_driver.remove")]
    fn remove(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

/// Stands between a [`Driver`] and C.
#[doc(hidden)]
pub struct Adapter<T: Driver>(PhantomData<T>);

// SAFETY: this is the pair of functions for `struct pci_driver`. When `driver_register` fails, the bus has dropped its
// pointers to the structure.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    type DriverType = sys::pci_driver;

    #[inline(always)]
    unsafe fn register(driver: *mut sys::pci_driver, module: &'static ThisModule, mod_name: *const c_char) -> Result {
        // SAFETY: the structure is valid and not registered, by the caller's promise; the strings live as long as the
        // module.
        to_result(unsafe { sys::__pci_register_driver(driver, module.as_ptr(), mod_name) })
    }

    #[inline(always)]
    unsafe fn unregister(driver: *mut sys::pci_driver) {
        // SAFETY: it is registered, by the caller's promise.
        unsafe { sys::pci_unregister_driver(driver) };
    }
}

/// The driver structure of a [`Driver`], for a static: all that is known at compile time is in it.
///
/// # Safety
///
/// `id_table` is the driver's own ID table, with its last entry of zeroes, and lives as long as the static.
#[doc(hidden)]
pub const unsafe fn driver<T: Driver>(id_table: *const sys::pci_device_id) -> Static<Adapter<T>> {
    // SAFETY: `struct pci_driver` is pointers, integers, locks and lists, for which zero is what a C static starts with.
    let zero: sys::pci_driver = unsafe { core::mem::zeroed() };
    let driver = sys::pci_driver {
        name: T::NAME.as_ptr(),
        id_table,
        probe: Some(probe::<T>),
        remove: Some(remove::<T>),
        ..zero
    };
    // SAFETY: the name is a static, the table lives as long as this, and the callbacks are those below.
    unsafe { Static::new(driver) }
}

/// What `driver_data` of a bound device points to.
///
/// The number comes first: [`Device::binding`] reads it without knowing the driver.
#[repr(C)]
struct Data<T> {
    binding: u64,
    of_driver: T,
}

/// The number of the last binding of a driver of this module. 64 bits do not come round.
static BINDINGS: AtomicU64 = AtomicU64::new(0);

/// `pci_driver.probe`. Called by `local_pci_probe` with the device's lock held.
unsafe extern "C" fn probe<T: Driver>(pdev: *mut sys::pci_dev, id: *const sys::pci_device_id) -> c_int {
    // SAFETY: the bus hands over an entry that matched, valid for the call (it may be a copy on the stack).
    let driver_data = unsafe { (*id).driver_data };
    let init = |slot: *mut Data<T>| {
        // SAFETY: the slot is valid for writes; a number has no drop.
        unsafe { (*slot).binding = BINDINGS.fetch_add(1, Ordering::Relaxed) };
        // SAFETY: `driver_data` of a device belongs to the driver that is being bound to it.
        unsafe { (*pdev).dev.driver_data = slot.cast() };
        // SAFETY: the bus hands over a device that it holds, under the device's lock, for the call; the number of the
        // binding is in its place.
        let dev = unsafe { Device::<Core>::from_raw(pdev) };
        let init = T::probe(dev, T::ID_TABLE.info(driver_data));
        // SAFETY: the slot is valid for writes; only the field's address is taken.
        let of_driver = unsafe { &raw mut (*slot).of_driver };
        // SAFETY: the field is pinned with the slot, and not used as a `T` after an error.
        unsafe { init.__pinned_init(of_driver) }
    };
    // SAFETY: on `Ok` both fields are initialised; on an error `of_driver` is not, and the number needs no drop.
    match KBox::pin_init(unsafe { pin_init_from_closure::<_, Error>(init) }, GFP_KERNEL) {
        Ok(data) => {
            // `driver_data` points to it already.
            KBox::into_raw(data);
            0
        }
        Err(error) => {
            // SAFETY: as above; nobody has the device as a bound one any more.
            unsafe { (*pdev).dev.driver_data = core::ptr::null_mut() };
            error.to_errno()
        }
    }
}

/// `pci_driver.remove`. Called by `pci_device_remove` with the device's lock held, once after a `probe` that returned 0.
unsafe extern "C" fn remove<T: Driver>(pdev: *mut sys::pci_dev) {
    // SAFETY: `driver_data` of a device belongs to the driver that is bound to it, up to here.
    let data = unsafe { (*pdev).dev.driver_data };
    // SAFETY: `probe` put it there, from a box; `remove` is called once after it.
    let data = unsafe { KBox::<Data<T>>::from_raw(data.cast()) };
    // SAFETY: the bus hands over a device that it holds, under the device's lock, for the call.
    let dev = unsafe { Device::<Core>::from_raw(pdev) };
    // SAFETY: the field is pinned with the box.
    T::remove(dev, unsafe { data.as_ref().map_unchecked(|data| &data.of_driver) });
    // SAFETY: as above; nobody has the device as a bound one any more.
    unsafe { (*pdev).dev.driver_data = core::ptr::null_mut() };
}

/// The module of [`module_pci_driver!`](crate::module_pci_driver): a registered driver and nothing else.
#[doc(hidden)]
#[pin_data]
pub struct PciModule<D: StaticDriver> {
    #[pin]
    registration: Registration<Adapter<D::Driver>>,
}

/// A driver with its static structure, as [`module_pci_driver!`](crate::module_pci_driver) makes it.
///
/// # Safety
///
/// `driver` returns a static that nothing else registers.
#[doc(hidden)]
pub unsafe trait StaticDriver: Send + Sync + 'static {
    type Driver: Driver;
    const MOD_NAME: &'static CStr;
    fn driver() -> &'static Static<Adapter<Self::Driver>>;
}

impl<D: StaticDriver> Module for PciModule<D> {
    #[inline(always)]
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: by the trait's promise nothing else registers this static, and a module is initialised once.
        let registration = unsafe { Registration::new(D::driver(), module, D::MOD_NAME) };
        try_pin_init!(Self { registration <- registration }? Error)
    }
}

/// Declares a module that is a PCI driver and nothing else: C's `module_pci_driver`, with `MODULE_LICENSE` and the others.
///
/// `type` implements [`pci::Driver`](crate::pci::Driver); its ID table becomes the module's aliases, so that the module is
/// loaded when such a device is found. The other fields are those of [`module!`](crate::module!).
///
/// The driver structure is a static, its contents in `.data`, its ID table in `.rodata`; the module registers it when it is
/// loaded and unregisters it when it is unloaded. See the crate's first page for an example.
#[macro_export]
macro_rules! module_pci_driver {
    ($($fields:tt)*) => {
        $crate::macros::module_pci_driver! { $crate; $($fields)* }
    };
}
