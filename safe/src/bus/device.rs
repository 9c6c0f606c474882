// SPDX-License-Identifier: GPL-2.0-only
//! The devices of a bus that is made in Rust: a structure around `struct device`.
//!
//! C header: `include/linux/device.h`; `drivers/base/core.c`.

use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use super::{Bus, BusType, Handle};
use crate::device::{self, Bound, Core, DeviceState, Normal, Transition};
use crate::types::{AlwaysRefCounted, Opaque};

/// The structure around `struct device`: C would write `struct my_device { struct device dev; … }`.
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
/// As for [`device::Device`], for the `struct device` in it. The bus is registered, and the bus's
/// data of the device is initialised, as long as the device exists.
#[repr(transparent)]
#[doc(alias = "device")]
pub struct Device<B: BusType, S: DeviceState = Normal>(Opaque<Object<B>>, PhantomData<S>);

// SAFETY: a device's memory is freed with its last reference, which may be given up on any thread
// (`put_device`). Its data is dropped with it, and `BusType` requires that the data is `Send`.
unsafe impl<B: BusType> Send for Device<B, Normal> {}
// SAFETY: the methods of a shared device take the locks that they need, and `BusType` requires that
// the data is `Sync`. (`Device<B, Core>` is not `Sync`: its methods rely on the device's lock,
// which one thread holds.)
unsafe impl<B: BusType> Sync for Device<B, Normal> {}
// SAFETY: as above.
unsafe impl<B: BusType> Sync for Device<B, Bound> {}

impl<B: BusType, S: DeviceState> Device<B, S> {
    /// Returns the device that a pointer points to.
    ///
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    pub(super) unsafe fn from_raw<'a>(pointer: *mut Object<B>) -> &'a Self {
        // SAFETY: by the caller's promise the pointer is valid for `'a`; the type has the layout of
        // the object.
        unsafe { &*pointer.cast() }
    }

    fn object(&self) -> *mut Object<B> {
        self.0.get()
    }

    /// Returns the bus's data of the device.
    ///
    /// # Context
    ///
    /// Any.
    pub fn data(&self) -> Pin<&B::DeviceData> {
        // SAFETY: by the type's invariant the data is initialised as long as the device exists.
        let data = unsafe { &(*self.object()).data };
        // SAFETY: the data is dropped in the object, which never moves.
        unsafe { Pin::new_unchecked(data) }
    }

    /// Returns the bus, which stays registered as long as one of its devices exists.
    ///
    /// # Context
    ///
    /// Any.
    #[doc(alias = "device.bus")]
    pub fn bus(&self) -> &Handle<B> {
        // SAFETY: the device exists; the field was written when the device was made.
        let bus = unsafe { (*self.object()).bus };
        // SAFETY: by the type's invariant the bus exists as long as the device does.
        unsafe { bus.as_ref() }
    }
}

// SAFETY: `Device<B, S>` has the layout of the object, which starts with the `struct device` of
// each device of this bus.
unsafe impl<B: BusType> Bus for B {
    type Device<S: DeviceState> = Device<B, S>;

    unsafe fn from_raw<'a, S: DeviceState>(dev: *mut sys::device) -> &'a Device<B, S> {
        // SAFETY: the caller promises the same; the `struct device` is the first field.
        unsafe { Device::from_raw(dev.cast()) }
    }
}

device::device_states! {
    [B: BusType] [B,] object: Core => Bound, Transition => Bound; Bound => Normal
}

impl<B: BusType, S: DeviceState> AsRef<device::Device<S>> for Device<B, S> {
    fn as_ref(&self) -> &device::Device<S> {
        // SAFETY: the `struct device` of a device in the state `S` is in the state `S`, and lives
        // as long. It is the first field.
        unsafe { device::Device::from_raw(self.object().cast()) }
    }
}

// SAFETY: `get_device` and `put_device` count references, and the device is freed only with the
// last one.
unsafe impl<B: BusType> AlwaysRefCounted for Device<B, Normal> {
    fn inc_ref(&self) {
        // SAFETY: `get_device` requires a device that is not freed: this one is alive by the type's
        // invariant. The `struct device` is the first field.
        unsafe { sys::get_device(self.object().cast()) };
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: `put_device` requires a reference to give up: the caller owns one.
        unsafe { sys::put_device(object.as_ptr().cast()) };
    }
}

// SAFETY: the pointer points to the `struct device` in a device that exists as long as the
// reference lives. It stays bound to a driver of this module where `S` says so.
unsafe impl<B: BusType, S: DeviceState> crate::print::Printable for Device<B, S> {
    const BOUND: bool = S::BOUND;

    fn raw(&self) -> *const sys::device {
        self.object().cast()
    }
}
