// SPDX-License-Identifier: GPL-2.0-only
//! `struct device` and the states that it is in.
//!
//! C headers: `include/linux/device.h`; `drivers/base/core.c`, `drivers/base/dd.c`.
//!
//! # A device's life
//!
//! It is the driver core's, in its words. Each stage is a type; what a stage allows is a method of
//! its type.
//!
//! | stage | C | which type stands for it | what can be done | lock | who may hold it |
//! |---|---|---|---|---|---|
//! | created | `device_initialize`; `kref` is 1, `p` is NULL | [`bus::NewDevice`](crate::bus::NewDevice); PCI's and the platform bus's own code makes theirs | read its data, take references, [`register`](crate::bus::NewDevice::register) it; no driver knows it | none | the bus that made it; dropping it is `put_device` |
//! | registered | `device_add`; `kobj.state_in_sysfs`, in the bus's list | [`bus::DeviceRegistration`](crate::bus::DeviceRegistration), [`platform::DeviceRegistration`](crate::platform::DeviceRegistration) | as for unbound | none | the bus, or the module that made it; dropping it is `device_unregister` |
//! | being bound, being unbound, a callback of the core's | `really_probe`, `__device_release_driver`; `driver` is set | [`Device<Core>`](Core), as each bus has it: [`pci::Device<Core>`](crate::pci::Device), … | all of bound; what the core's lock protects: enable the device, bus mastering, SR-IOV | `device_lock`, held by the core around the callback | a callback (`probe`, `remove`, `shutdown`, system sleep, …), as a borrow that ends with it, on one thread |
//! | an error, or a reset | `pci_error_handlers`; `driver` is set | [`Device<Exclusive>`](Exclusive) | all of bound; what one callback at a time may do: bus mastering, power states, saved state | `device_lock` on most paths, not on all: see [`pci::ErrorHandlers`](crate::pci::ErrorHandlers) | an error handler, as a borrow that ends with it, on one thread |
//! | going to sleep, waking up | `runtime_suspend`, `runtime_resume` | [`Device<Transition>`](Transition) | all of bound but [`runtime::resume_and_get`](crate::pm::runtime::resume_and_get), which waits for the end of it | none; `power.runtime_status` says that it is on its way | a runtime callback, as a borrow that ends with it |
//! | bound | `device_is_bound`; `driver` and `driver_data` are set | [`Device<Bound>`](Bound) | all of normal; registers, resources, interrupts, DMA, managed resources (devres), runtime power management, the driver's data | none needed | whatever a callback lends it to: what C calls back lies in the driver's data ([`driver`](crate::driver)), so that `remove` waits for it; a borrow |
//! | unbound, or anything else | `driver` is NULL, or may be at any moment | [`Device`] ([`Normal`]) | its name and IDs, messages (`dev_info!`), references | none | anybody, for any time, by [`ARef`](crate::types::ARef): `get_device`, `put_device` |
//! | gone | `device_del`; `p->dead`, not in sysfs | [`Device`] ([`Normal`]), as before: who has a reference cannot know | as before; what was mapped or registered for a binding answers `ENODEV` | none | who has a reference still |
//! | destroyed | `device_release` with the last `put_device`; `release` | no type: no reference is left | nothing; a bus made in Rust drops its data of the device here | none | nobody |
//!
//! `remove` does not mean that the device is gone: it may be bound again, to this driver or
//! another. And a device that is gone is not destroyed: open files and references outlive it. A
//! driver's data is made in `probe`, is reached while the device is bound, and is dropped at the
//! end of `remove`; then devres is released, then `driver_data` and `driver` are NULL.
//!
//! A state that says more gives all that one saying less gives: `&Device<Core>` is a
//! `&Device<Exclusive>` is a `&Device<Bound>` is a `&Device`.

use core::marker::PhantomData;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use crate::driver::Head;
use crate::error::Result;
use crate::place::Vacant;
use crate::types::{AlwaysRefCounted, Opaque};

mod sealed {
    pub trait Sealed {}
}

/// What is known of a device's life: [`Core`], [`Exclusive`], [`Transition`], [`Bound`] or
/// [`Normal`].
pub trait DeviceState: sealed::Sealed + 'static {
    /// Whether the driver that is bound stays bound, and registered, in this state.
    #[doc(hidden)]
    const BOUND: bool = true;
}

/// The driver core is in a callback for this device: it holds `device_lock()`.
pub struct Core;
/// A callback of the driver's runs for this device, and no other that has it as [`Core`] or
/// `Exclusive`. The device's lock may be held, or not: the kernel calls the error handlers of a PCI
/// driver both ways ([`pci::ErrorHandlers`](crate::pci::ErrorHandlers)).
pub struct Exclusive;
/// The device is bound, and on its way to sleep or back: it is neither awake nor asleep until the
/// callback returns, so that nothing in it may wait for either
/// ([`pm::runtime`](crate::pm::runtime)).
pub struct Transition;
/// A driver of this module's is bound to the device.
pub struct Bound;
/// Nothing but that the memory of the device is there.
pub struct Normal;

impl sealed::Sealed for Core {}
impl sealed::Sealed for Exclusive {}
impl sealed::Sealed for Transition {}
impl sealed::Sealed for Bound {}
impl sealed::Sealed for Normal {}
impl DeviceState for Core {}
impl DeviceState for Exclusive {}
impl DeviceState for Transition {}
impl DeviceState for Bound {}
impl DeviceState for Normal {
    const BOUND: bool = false;
}

/// A device: C's `struct device`, in the state `S`.
///
/// # Invariants
///
/// It is an initialised `struct device` whose reference count is at least one as long as the
/// reference lives, and what `S` says of it holds for that long.
#[repr(transparent)]
#[doc(alias = "device")]
pub struct Device<S: DeviceState = Normal>(Opaque<sys::device>, PhantomData<S>);

// SAFETY: a device's memory belongs to the kernel: a reference to it may be given up on any thread
// (put_device()).
unsafe impl Send for Device<Normal> {}
// SAFETY: what can be called on a shared device takes the locks that it needs. (Not so with `Core`:
// what can be called there relies on the device's lock, which one thread has.)
unsafe impl Sync for Device<Normal> {}
// SAFETY: as above.
unsafe impl Sync for Device<Bound> {}

impl<S: DeviceState> Device<S> {
    /// The device that C knows under this pointer.
    ///
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    pub unsafe fn from_raw<'a>(pointer: *mut sys::device) -> &'a Self {
        // SAFETY: by the caller's promise; the type is transparent over C's.
        unsafe { &*pointer.cast() }
    }

    /// The device as C knows it.
    pub fn as_raw(&self) -> *mut sys::device {
        self.0.get()
    }
}

impl Device<Bound> {
    /// The head of the data of the driver that is bound.
    pub(crate) fn head(&self) -> &Head {
        // SAFETY: a device that is `Bound` is bound to a driver of ours, whose `probe` put the data
        // there before it lent the device to anyone; it stays there until `remove` has lent it for
        // the last time.
        let data = unsafe { (*self.as_raw()).driver_data };
        // SAFETY: as above; the data starts with its head.
        unsafe { &*data.cast() }
    }

    /// The number of the binding that is now: no two have the same.
    #[inline(always)]
    pub(crate) fn binding(&self) -> u64 {
        self.head().binding
    }

    /// The place for the registration that is about to be made in `slot`, in the data of the driver
    /// that is bound. Everything that C calls back asks for this.
    /// [`EINVAL`](crate::error::code::EINVAL) if the slot is not there, or not aligned.
    #[inline(always)]
    pub(crate) fn place<T>(&self, slot: *mut T) -> Result<Vacant> {
        // SAFETY: the head stays until the binding has ended, which calls `end` first.
        unsafe { self.head().extent.place(slot) }
    }

    /// Whether so many bytes lie in the data of the driver that is bound, be it being dropped or
    /// not.
    pub(crate) fn holds(&self, address: usize, size: usize) -> bool {
        self.head().extent.contains(address, size)
    }
}

impl core::ops::Deref for Device<Core> {
    type Target = Device<Exclusive>;

    fn deref(&self) -> &Device<Exclusive> {
        // SAFETY: `from_raw` demands what `Exclusive` says: of the callbacks that have `Core` or
        // `Exclusive` one runs at a time for a device (`driver::Turn`, and the device's lock, which
        // the callers of those with `Core` hold). The borrow ends with the callback.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl core::ops::Deref for Device<Exclusive> {
    type Target = Device<Bound>;

    fn deref(&self) -> &Device<Bound> {
        // SAFETY: `from_raw` demands a device that is bound, or being bound, to a driver of ours:
        // so it is in the callbacks that have `Core` or `Exclusive`, which `remove` waits for. The
        // borrow ends with them.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl core::ops::Deref for Device<Transition> {
    type Target = Device<Bound>;

    fn deref(&self) -> &Device<Bound> {
        // SAFETY: `from_raw` demands a device that is bound: runtime callbacks that have one are
        // waited for by `unbind`. The borrow ends with the callback.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl core::ops::Deref for Device<Bound> {
    type Target = Device<Normal>;

    fn deref(&self) -> &Device<Normal> {
        // SAFETY: a bound device is there.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl<S: DeviceState> AsRef<Device<S>> for Device<S> {
    fn as_ref(&self) -> &Device<S> {
        self
    }
}

impl AsRef<Device<Bound>> for Device<Core> {
    fn as_ref(&self) -> &Device<Bound> {
        self
    }
}

impl AsRef<Device<Bound>> for Device<Transition> {
    fn as_ref(&self) -> &Device<Bound> {
        self
    }
}

impl AsRef<Device<Bound>> for Device<Exclusive> {
    fn as_ref(&self) -> &Device<Bound> {
        self
    }
}

/// Says that a device stays, whose registration was dropped where unregistering it could wait for
/// ever.
#[cold]
pub(crate) fn left_registered(dev: &Device<Normal>) {
    crate::dev_err!(
        dev,
        "dropped in open of a misc device, which holds misc_mtx: left registered; drop it elsewhere"
    );
}

// SAFETY: get_device() and put_device() count references; a device is freed with the last one.
unsafe impl AlwaysRefCounted for Device<Normal> {
    fn inc_ref(&self) {
        // SAFETY: the device is alive, by the type's invariant.
        unsafe { sys::get_device(self.as_raw()) };
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: the caller gives up a reference that it owns.
        unsafe { sys::put_device(object.as_ptr().cast()) };
    }
}

// SAFETY: the pointer is to a device that lives as long as the reference; it stays bound to a
// driver of ours where `S` says so.
unsafe impl<S: DeviceState> crate::print::Printable for Device<S> {
    const BOUND: bool = S::BOUND;

    fn raw(&self) -> *const sys::device {
        self.as_raw()
    }
}
