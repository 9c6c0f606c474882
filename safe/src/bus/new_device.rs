// SPDX-License-Identifier: GPL-2.0-only
//! The devices of a bus that is made in Rust: making, registering, unregistering and freeing them.
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

/// A device that was made (`device_initialize`) but is not registered. No other code knows it, and
/// it is not offered to drivers. It is freed with its last reference; this value is the only
/// reference unless there is an [`ARef`](crate::types::ARef).
///
/// # Invariants
///
/// The device is initialised but not added, and this value owns a reference to it.
#[doc(alias = "device_initialize")]
pub struct NewDevice<B: BusType>(NonNull<Object<B>>);

// SAFETY: a device may be registered, or a reference to it given up, on any thread; its data is
// `Send` and `Sync`.
unsafe impl<B: BusType> Send for NewDevice<B> {}
// SAFETY: a shared reference gives only a `&Device<B>`.
unsafe impl<B: BusType> Sync for NewDevice<B> {}

impl<B: BusType> NewDevice<B> {
    /// Makes a device, whose data is initialised in place. Its name, and the name of its sysfs
    /// directory, is `name` followed by `number`, if there is one.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the name is empty, `ENOMEM` if there is no memory; otherwise the error of
    /// `data`.
    pub fn new<E>(
        bus: &Handle<B>,
        name: &CStr,
        number: Option<u32>,
        data: impl PinInit<B::DeviceData, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        // `kobject_add` would warn.
        if name.is_empty() {
            return Err(EINVAL);
        }
        let init = |slot: *mut MaybeUninit<Object<B>>| {
            let object: *mut Object<B> = slot.cast();
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*object).data };
            // SAFETY: the field is valid for writes, is pinned with its memory, and is not used
            // after an error.
            unsafe { data.__pinned_init(field) }?;
            // SAFETY: the slot is valid; only the field's address is taken.
            let dev = unsafe { &raw mut (*object).dev };
            // SAFETY: the field is valid for writes, and `device_initialize` requires a zeroed
            // `struct device`.
            unsafe { dev.write_bytes(0, 1) };
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*object).bus };
            // SAFETY: the field is valid for writes.
            unsafe { field.write(NonNull::from(bus)) };
            Ok::<(), E>(())
        };
        // SAFETY: a `MaybeUninit` needs no initialisation, so it is initialised in any case.
        let init = unsafe { pinned_init::pin_init_from_closure(init) };
        let object: *mut Object<B> = KBox::into_raw(KBox::pin_init(init, GFP_KERNEL)?).cast();
        // From here on the bus waits for the device; `release` counts it as freed.
        bus.device_made();
        let dev: *mut sys::device = object.cast();
        // SAFETY: `device_initialize` requires
        // - memory that is zeroed, except for what the caller has set: `init` above zeroed it;
        // - that the memory stays until `release`: it is from `KBox`, and only `release` below
        //   frees it.
        unsafe { sys::device_initialize(dev) };
        // SAFETY: no other code has a pointer to the device yet.
        unsafe { (*dev).bus = bus.as_raw() };
        // SAFETY: as above.
        unsafe { (*dev).release = Some(release::<B>) };
        // INVARIANT: initialised above, with one reference.
        // SAFETY: the pointer is from `KBox`, and so not null.
        let device = Self(unsafe { NonNull::new_unchecked(object) });
        let named = match number {
            // SAFETY: the format takes a string and a number, and both exist during the call.
            Some(number) => unsafe {
                sys::dev_set_name(dev, c"%s%u".as_ptr(), name.as_ptr(), number as c_uint)
            },
            // SAFETY: the format takes a string, and it exists during the call.
            None => unsafe { sys::dev_set_name(dev, c"%s".as_ptr(), name.as_ptr()) },
        };
        to_result(named)?;
        Ok(device)
    }

    /// Registers the device with the driver core: C's `device_add`. The core probes matching
    /// drivers before this returns, or later. With an error the device is given up.
    ///
    /// # Context
    ///
    /// May sleep. Takes the locks of the bus and of the device.
    ///
    /// # Errors
    ///
    /// * `EEXIST` if the bus has a device of that name already, or the directory of devices without
    ///   a parent has. The kernel logs it with a stack trace.
    /// * [`EDEADLK`] in `open` of a misc device, which runs under `misc_mtx`: the device's driver
    ///   may take that lock.
    /// * `ENOMEM` if there is no memory.
    #[doc(alias = "device_add")]
    pub fn register(self) -> Result<DeviceRegistration<B>> {
        if InMiscOpen::is_here() {
            return Err(EDEADLK);
        }
        // SAFETY: `device_add` requires a device that is initialised and not added: it is, by the
        // type's invariant. On an error C requires that the reference is given up: dropping this
        // value does so.
        to_result(unsafe { sys::device_add(self.0.as_ptr().cast()) })?;
        // INVARIANT: the device was added above, and the reference now belongs to the registration.
        let registration = DeviceRegistration(self.0);
        core::mem::forget(self);
        Ok(registration)
    }
}

impl<B: BusType> Deref for NewDevice<B> {
    type Target = Device<B, Normal>;

    fn deref(&self) -> &Device<B, Normal> {
        // SAFETY: by the type's invariant this value holds a reference as long as it exists.
        unsafe { Device::from_raw(self.0.as_ptr()) }
    }
}

impl<B: BusType> Drop for NewDevice<B> {
    fn drop(&mut self) {
        // SAFETY: `put_device` requires a reference that the caller owns: by the type's invariant
        // this value does.
        unsafe { sys::put_device(self.0.as_ptr().cast()) };
    }
}

/// A device that is registered with the driver core. Dropping this value unbinds and unregisters
/// the device, and frees it with its last reference.
///
/// # Context
///
/// May be dropped in any context that may sleep, with two exceptions:
///
/// * Code that belongs to the device itself must not drop it: its driver's callbacks, attributes,
///   work items and threaded handlers, and the operations of its misc devices. Unregistering the
///   device waits for them, so this is a deadlock.
/// * `open` of any misc device: it runs under `misc_mtx`, and removing the device may wait for that
///   lock. There the device is left registered, as if the value had been leaked, and the log says
///   so.
///
/// If the value is leaked, the device stays registered. The bus then waits for it forever and is
/// never unregistered.
///
/// # Invariants
///
/// This value added the device, and owns a reference to it.
#[doc(alias = "device_unregister")]
pub struct DeviceRegistration<B: BusType>(NonNull<Object<B>>);

// SAFETY: a device may be unregistered on any thread; its data is `Send` and `Sync`.
unsafe impl<B: BusType> Send for DeviceRegistration<B> {}
// SAFETY: a shared reference gives only a `&Device<B>`.
unsafe impl<B: BusType> Sync for DeviceRegistration<B> {}

impl<B: BusType> Deref for DeviceRegistration<B> {
    type Target = Device<B, Normal>;

    fn deref(&self) -> &Device<B, Normal> {
        // SAFETY: by the type's invariant this value holds a reference as long as it exists.
        unsafe { Device::from_raw(self.0.as_ptr()) }
    }
}

impl<B: BusType> Drop for DeviceRegistration<B> {
    fn drop(&mut self) {
        if InMiscOpen::is_here() {
            return left_registered((**self).as_ref());
        }
        // SAFETY: `device_unregister` requires a device that was added, one call for it, and a
        // reference to give up: by the type's invariant this value added the device and owns a
        // reference.
        unsafe { sys::device_unregister(self.0.as_ptr().cast()) };
    }
}

/// The `release` of `struct device`. `device_release` calls it when the last reference was given
/// up.
unsafe extern "C" fn release<B: BusType>(dev: *mut sys::device) {
    let object: *mut Object<B> = dev.cast();
    // SAFETY: the object still exists; the field was written when the device was made.
    let bus = unsafe { (*object).bus };
    // SAFETY: as above; only the field's address is taken.
    let data = unsafe { &raw mut (*object).data };
    // SAFETY: the data was initialised when the device was made. It is dropped only here, and no
    // reference to the device is left.
    unsafe { core::ptr::drop_in_place(data) };
    // SAFETY: `from_raw` requires a pointer of `KBox::into_raw`: it is, for a type that drops
    // nothing. The contents were dropped above.
    drop(unsafe { KBox::from_raw(object.cast::<MaybeUninit<Object<B>>>()) });
    // SAFETY: the bus exists: it waits for this device until `device_freed` counts it.
    unsafe { bus.as_ref() }.device_freed();
}
