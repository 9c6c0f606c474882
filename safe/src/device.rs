// SPDX-License-Identifier: GPL-2.0-only
//! `struct device` and the states that it is in.
//!
//! C headers: `include/linux/device.h`; `drivers/base/core.c`, `drivers/base/dd.c`.
//!
//! | state | what it says | who has it |
//! |---|---|---|
//! | [`Core`] | the driver core is in a callback for this device, under its device lock | `probe` and `remove` |
//! | [`Bound`] | a driver of this module's is bound, and stays so as long as the reference lives | whatever a [`Core`] device is lent to |
//! | [`Normal`] | the memory is there, and nothing more: it may be unbound, or gone from its bus | who holds a reference count |
//!
//! A state that says more gives all that one saying less gives: `&Device<Core>` is a `&Device<Bound>` is a `&Device`.

use core::marker::PhantomData;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use crate::driver::{Head, Memory};
use crate::error::Result;
use crate::place::Place;
use crate::types::{AlwaysRefCounted, Opaque};

mod sealed {
    pub trait Sealed {}
}

/// What is known of a device's life: [`Core`], [`Bound`] or [`Normal`].
pub trait DeviceState: sealed::Sealed + 'static {}

/// The driver core is in a callback for this device: it holds `device_lock()`.
pub struct Core;
/// A driver of this module's is bound to the device.
pub struct Bound;
/// Nothing but that the memory of the device is there.
pub struct Normal;

impl sealed::Sealed for Core {}
impl sealed::Sealed for Bound {}
impl sealed::Sealed for Normal {}
impl DeviceState for Core {}
impl DeviceState for Bound {}
impl DeviceState for Normal {}

/// A device: C's `struct device`, in the state `S`.
///
/// # Invariants
///
/// It is an initialised `struct device` whose reference count is at least one as long as the reference lives, and what `S`
/// says of it holds for that long.
#[repr(transparent)]
#[doc(alias = "device")]
pub struct Device<S: DeviceState = Normal>(Opaque<sys::device>, PhantomData<S>);

// SAFETY: a device's memory belongs to the kernel: a reference to it may be given up on any thread (put_device()).
unsafe impl Send for Device<Normal> {}
// SAFETY: what can be called on a shared device takes the locks that it needs. (Not so with `Core`: what can be called there
// relies on the device's lock, which one thread has.)
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
    fn head(&self) -> &Head {
        // SAFETY: a device that is `Bound` is bound to a driver of ours, whose `probe` put the data there before it lent the
        // device to anyone; it stays there until `remove` has lent it for the last time.
        let data = unsafe { (*self.as_raw()).driver_data };
        // SAFETY: as above; the data starts with its head.
        unsafe { &*data.cast() }
    }

    /// The number of the binding that is now: no two have the same.
    #[inline(always)]
    pub(crate) fn binding(&self) -> u64 {
        self.head().binding
    }

    /// The memory of the driver's data, which then stays also after the device is unbound.
    pub(crate) fn memory(&self) -> Memory {
        Memory::of(self.head())
    }

    /// That a registration of `size` bytes stands in the data of the driver that is bound: what everything asks for that C
    /// calls back. [`EINVAL`](crate::error::code::EINVAL) if it does not.
    pub(crate) fn place(&self, address: usize, size: usize) -> Result<Place> {
        // SAFETY: the head stays until the binding has ended, which calls `end` first.
        unsafe { self.head().extent.place(address, size) }
    }
}

impl core::ops::Deref for Device<Core> {
    type Target = Device<Bound>;

    fn deref(&self) -> &Device<Bound> {
        // SAFETY: a driver is bound, or being bound, in the callbacks that have `Core`; the borrow ends with them.
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

// SAFETY: the pointer is to a device that lives as long as the reference.
unsafe impl<S: DeviceState> crate::print::Printable for Device<S> {
    fn raw(&self) -> *const sys::device {
        self.as_raw()
    }
}
