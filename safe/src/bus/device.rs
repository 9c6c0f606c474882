// SPDX-License-Identifier: GPL-2.0-only
//! The devices of a bus that is made in Rust: a structure around `struct device`.
//!
//! C header: `include/linux/device.h`; `drivers/base/core.c`.

use core::marker::PhantomData;
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use super::{Bus, BusType, Handle};
use crate::device::{self, Bound, Core, DeviceState, Normal, Transition};
use crate::types::{AlwaysRefCounted, Opaque};

/// What C would write as `struct my_device { struct device dev; … }`.
#[repr(C)]
pub(super) struct Object<B: BusType> {
    pub(super) dev: sys::device,
    pub(super) bus: NonNull<Handle<B>>,
    pub(super) data: B::DeviceData,
}

/// A device of the bus `B`, in the state `S`.
///
/// # Invariants
///
/// As for [`device::Device`], for the `struct device` in it. The bus is registered, and its data is
/// there, as long as the device is.
#[repr(transparent)]
#[doc(alias = "device")]
pub struct Device<B: BusType, S: DeviceState = Normal>(Opaque<Object<B>>, PhantomData<S>);

// SAFETY: a device's memory goes with its last reference, which may be given up on any thread
// (put_device()), and the data with it, which is `Send` by `BusType`'s demand.
unsafe impl<B: BusType> Send for Device<B, Normal> {}
// SAFETY: what can be called on a shared device takes the locks that it needs; the data is `Sync`
// by `BusType`'s demand. (Not so with `Core`: what can be called there relies on the device's lock,
// which one thread has.)
unsafe impl<B: BusType> Sync for Device<B, Normal> {}
// SAFETY: as above.
unsafe impl<B: BusType> Sync for Device<B, Bound> {}

impl<B: BusType, S: DeviceState> Device<B, S> {
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    pub(super) unsafe fn from_raw<'a>(pointer: *mut Object<B>) -> &'a Self {
        // SAFETY: by the caller's promise; the type is transparent over the object.
        unsafe { &*pointer.cast() }
    }

    fn object(&self) -> *mut Object<B> {
        self.0.get()
    }

    /// The bus's data of the device.
    ///
    /// Context: any.
    pub fn data(&self) -> Pin<&B::DeviceData> {
        // SAFETY: by the type's invariant the data is there as long as the device is.
        let data = unsafe { &(*self.object()).data };
        // SAFETY: the data stays in the object, which is not moved, until it is dropped.
        unsafe { Pin::new_unchecked(data) }
    }

    /// The bus. It is registered as long as one of its devices is there.
    ///
    /// Context: any.
    #[doc(alias = "device.bus")]
    pub fn bus(&self) -> &Handle<B> {
        // SAFETY: the device is there; the field was written when it was made.
        let bus = unsafe { (*self.object()).bus };
        // SAFETY: by the type's invariant the bus is there as long as the device is.
        unsafe { bus.as_ref() }
    }
}

// SAFETY: `Device<B, S>` is transparent over the object, which begins with the `struct device` of
// each device of this bus.
unsafe impl<B: BusType> Bus for B {
    type Device<S: DeviceState> = Device<B, S>;

    unsafe fn from_raw<'a, S: DeviceState>(dev: *mut sys::device) -> &'a Device<B, S> {
        // SAFETY: by the caller's promise; the `struct device` is the first field.
        unsafe { Device::from_raw(dev.cast()) }
    }
}

impl<B: BusType> Deref for Device<B, Core> {
    type Target = Device<B, Bound>;

    fn deref(&self) -> &Device<B, Bound> {
        // SAFETY: a driver is bound, or being bound, in the callbacks that have `Core`; the borrow
        // ends with them.
        unsafe { Device::from_raw(self.object()) }
    }
}

impl<B: BusType> Deref for Device<B, Transition> {
    type Target = Device<B, Bound>;

    fn deref(&self) -> &Device<B, Bound> {
        // SAFETY: `from_raw` demands a device that is bound: runtime callbacks that have one are
        // waited for by `unbind`. The borrow ends with the callback.
        unsafe { Device::from_raw(self.object()) }
    }
}

impl<B: BusType> Deref for Device<B, Bound> {
    type Target = Device<B, Normal>;

    fn deref(&self) -> &Device<B, Normal> {
        // SAFETY: a bound device is there.
        unsafe { Device::from_raw(self.object()) }
    }
}

impl<B: BusType, S: DeviceState> AsRef<device::Device<S>> for Device<B, S> {
    fn as_ref(&self) -> &device::Device<S> {
        // SAFETY: the `struct device` of a device in state `S` is in state `S`, and lives as long;
        // it is the first field.
        unsafe { device::Device::from_raw(self.object().cast()) }
    }
}

impl<B: BusType> AsRef<device::Device<Bound>> for Device<B, Transition> {
    fn as_ref(&self) -> &device::Device<Bound> {
        let bound: &Device<B, Bound> = self;
        bound.as_ref()
    }
}

impl<B: BusType> AsRef<device::Device<Bound>> for Device<B, Core> {
    fn as_ref(&self) -> &device::Device<Bound> {
        let bound: &Device<B, Bound> = self;
        bound.as_ref()
    }
}

// SAFETY: get_device() and put_device() count references; a device is freed with the last one.
unsafe impl<B: BusType> AlwaysRefCounted for Device<B, Normal> {
    fn inc_ref(&self) {
        // SAFETY: the device is alive, by the type's invariant; the `struct device` is the first
        // field.
        unsafe { sys::get_device(self.object().cast()) };
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: the caller gives up a reference that it owns.
        unsafe { sys::put_device(object.as_ptr().cast()) };
    }
}

// SAFETY: the pointer is to the `struct device` in a device that lives as long as the reference; it
// stays bound to a driver of ours where `S` says so.
unsafe impl<B: BusType, S: DeviceState> crate::print::Printable for Device<B, S> {
    const BOUND: bool = S::BOUND;

    fn raw(&self) -> *const sys::device {
        self.object().cast()
    }
}
