// SPDX-License-Identifier: GPL-2.0-only
//! A device's life on a bus that is made in Rust: made, registered, unregistered, freed.
//!
//! C header: `include/linux/device.h`; `device_initialize`, `device_add`, `device_del` and
//! `device_release` in `drivers/base/core.c`.

use core::ffi::{CStr, c_uint};
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::NonNull;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use super::device::Object;
use super::{BusType, Device, Handle};
use crate::alloc::{GFP_KERNEL, KBox};
use crate::device::{Normal, left_registered};
use crate::error::{Error, Result, code::EDEADLK, code::EINVAL, to_result};
use crate::task::InMiscOpen;

/// A device that was made (`device_initialize`), and is not registered: nobody else knows it, and
/// no driver is asked. It is freed with its last reference, which this value has if no
/// [`ARef`](crate::types::ARef) was made.
///
/// # Invariants
///
/// The device is initialised and not added; this value owns a reference.
#[doc(alias = "device_initialize")]
pub struct NewDevice<B: BusType>(NonNull<Object<B>>);

// SAFETY: a device may be registered, or given up, on any thread; its data is `Send` and `Sync`.
unsafe impl<B: BusType> Send for NewDevice<B> {}
// SAFETY: a shared one gives a `&Device<B>` and nothing else.
unsafe impl<B: BusType> Sync for NewDevice<B> {}

impl<B: BusType> NewDevice<B> {
    /// Makes a device of that name, and of that number among those of the name: its folder in sysfs
    /// is `NAME`, or `NAMENUMBER`. The data is initialised in place.
    ///
    /// `EINVAL` if the name is empty, `ENOMEM`, or what `data` returns. Context: may sleep.
    pub fn new<E>(
        bus: &Handle<B>,
        name: &CStr,
        number: Option<u32>,
        data: impl PinInit<B::DeviceData, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        // kobject_add() would WARN.
        if name.is_empty() {
            return Err(EINVAL);
        }
        let init = |slot: *mut MaybeUninit<Object<B>>| {
            let object: *mut Object<B> = slot.cast();
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*object).data };
            // SAFETY: the field is valid for writes, pinned with its memory, and not used after an
            // error.
            unsafe { data.__pinned_init(field) }?;
            // SAFETY: the slot is valid; only the field's address is taken.
            let dev = unsafe { &raw mut (*object).dev };
            // SAFETY: the field is valid for writes; `struct device` is what zeroes and
            // `device_initialize` make of it.
            unsafe { dev.write_bytes(0, 1) };
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*object).bus };
            // SAFETY: the field is valid for writes.
            unsafe { field.write(NonNull::from(bus)) };
            Ok::<(), E>(())
        };
        // SAFETY: memory that may hold anything is initialised in any case.
        let init = unsafe { pinned_init::pin_init_from_closure(init) };
        let object: *mut Object<B> = KBox::into_raw(KBox::pin_init(init, GFP_KERNEL)?).cast();
        // From here on the bus waits for the device: `release` says when it has gone.
        bus.device_made();
        let dev: *mut sys::device = object.cast();
        // SAFETY: `device_initialize` demands memory that is zeroed but for what the caller has
        // set, and stays until `release`: it is from `KBox`, which `release` below frees.
        unsafe { sys::device_initialize(dev) };
        // SAFETY: the device is nobody's but ours.
        unsafe { (*dev).bus = bus.as_raw() };
        // SAFETY: as above.
        unsafe { (*dev).release = Some(release::<B>) };
        // INVARIANT: initialised above, with one reference.
        // SAFETY: the pointer is from `KBox`, which gives none that is NULL.
        let device = Self(unsafe { NonNull::new_unchecked(object) });
        let named = match number {
            // SAFETY: the format takes a string and a number, which are there for the call.
            Some(number) => unsafe {
                sys::dev_set_name(dev, c"%s%u".as_ptr(), name.as_ptr(), number as c_uint)
            },
            // SAFETY: the format takes a string, which is there for the call.
            None => unsafe { sys::dev_set_name(dev, c"%s".as_ptr(), name.as_ptr()) },
        };
        to_result(named)?;
        Ok(device)
    }

    /// Registers the device with the driver core: drivers that match are probed before this
    /// returns, or later. C's `device_add`.
    ///
    /// `EEXIST` if the bus, or the folder of the devices without parents, has one of that name
    /// (which is logged with a stack trace), `ENOMEM`; [`EDEADLK`] in `open` of a misc device,
    /// under `misc_mtx`, which the device's driver may take. The device is given up on an error.
    /// Context: may sleep; takes the bus's and the device's locks.
    #[doc(alias = "device_add")]
    pub fn register(self) -> Result<DeviceRegistration<B>> {
        if InMiscOpen::is_here() {
            return Err(EDEADLK);
        }
        // SAFETY: by the type's invariant the device is initialised and not added. On an error,
        // dropping this value gives up the reference, as C asks for.
        to_result(unsafe { sys::device_add(self.0.as_ptr().cast()) })?;
        // INVARIANT: added just now; the reference is the registration's.
        let registration = DeviceRegistration(self.0);
        core::mem::forget(self);
        Ok(registration)
    }
}

impl<B: BusType> Deref for NewDevice<B> {
    type Target = Device<B, Normal>;

    fn deref(&self) -> &Device<B, Normal> {
        // SAFETY: by the type's invariant a reference is held as long as this value is there.
        unsafe { Device::from_raw(self.0.as_ptr()) }
    }
}

impl<B: BusType> Drop for NewDevice<B> {
    fn drop(&mut self) {
        // SAFETY: `put_device` demands a reference of the caller's: by the type's invariant this
        // value owns one.
        unsafe { sys::put_device(self.0.as_ptr().cast()) };
    }
}

/// A device that is registered with the driver core. When this value goes, the device is unbound
/// and unregistered, and freed with its last reference.
///
/// It may be dropped wherever one may sleep, but for what belongs to the device: its driver's
/// callbacks, attributes, work items and threaded handlers, and the operations of its misc devices.
/// They end before the device can go. Nor in `open` of any misc device: its removal may wait for
/// `misc_mtx`, under which that runs. There the device is left registered, as if the value had been
/// leaked, and the log says so.
///
/// A value that is leaked leaves the device there; the bus then waits for it and is never
/// unregistered.
///
/// # Invariants
///
/// The device was added by this value, which owns a reference.
#[doc(alias = "device_unregister")]
pub struct DeviceRegistration<B: BusType>(NonNull<Object<B>>);

// SAFETY: a device may be unregistered on any thread; its data is `Send` and `Sync`.
unsafe impl<B: BusType> Send for DeviceRegistration<B> {}
// SAFETY: a shared one gives a `&Device<B>` and nothing else.
unsafe impl<B: BusType> Sync for DeviceRegistration<B> {}

impl<B: BusType> Deref for DeviceRegistration<B> {
    type Target = Device<B, Normal>;

    fn deref(&self) -> &Device<B, Normal> {
        // SAFETY: by the type's invariant a reference is held as long as this value is there.
        unsafe { Device::from_raw(self.0.as_ptr()) }
    }
}

impl<B: BusType> Drop for DeviceRegistration<B> {
    fn drop(&mut self) {
        if InMiscOpen::is_here() {
            return left_registered((**self).as_ref());
        }
        // SAFETY: `device_unregister` demands a device that was added, once, with a reference to
        // give up: by the type's invariant both are this value's.
        unsafe { sys::device_unregister(self.0.as_ptr().cast()) };
    }
}

/// `device.release`. Called by `device_release` when the last reference has gone.
unsafe extern "C" fn release<B: BusType>(dev: *mut sys::device) {
    let object: *mut Object<B> = dev.cast();
    // SAFETY: the object is there; the field was written when it was made.
    let bus = unsafe { (*object).bus };
    // SAFETY: as above; only the field's address is taken.
    let data = unsafe { &raw mut (*object).data };
    // SAFETY: the data was initialised when the device was made, and nobody has a reference to the
    // device.
    unsafe { core::ptr::drop_in_place(data) };
    // SAFETY: the memory is from `KBox::into_raw`, of a type that drops nothing; what it held was
    // dropped above.
    drop(unsafe { KBox::from_raw(object.cast::<MaybeUninit<Object<B>>>()) });
    // SAFETY: the bus waits for this device until the count says otherwise.
    unsafe { bus.as_ref() }.device_freed();
}
