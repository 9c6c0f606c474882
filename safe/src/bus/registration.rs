// SPDX-License-Identifier: GPL-2.0-only
//! The registration of a bus: `bus_register` and `bus_unregister`.

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_init_from_closure};

use super::BusType;
use super::bus_type::contents;
use crate::error::{Error, Result, to_result};
use crate::module::ThisModule;
use crate::place::{Extent, Place, Vacant};
use crate::pr_warn;
use crate::sync::rcu;
use crate::types::{Invariant, Opaque};

/// A registered bus: C's `struct bus_type`. Registering drivers and devices on a bus requires a
/// reference to it.
///
/// # Invariants
///
/// The bus stays registered as long as a reference to this value exists.
#[repr(C)]
#[doc(alias = "bus_type")]
pub struct Handle<B: BusType> {
    raw: Opaque<sys::bus_type>,
    module: &'static ThisModule,
    /// The number of devices, registered or not, whose memory is not freed yet.
    devices: AtomicUsize,
    /// True if there was a device at any time.
    had_devices: AtomicBool,
    /// The address and size of the bus's state, which contains the registrations of the bus's
    /// drivers.
    state: Extent,
    _of: Invariant<B>,
}

// SAFETY: C uses the structure under its own locks; the counts are atomic.
unsafe impl<B: BusType> Send for Handle<B> {}
// SAFETY: as above.
unsafe impl<B: BusType> Sync for Handle<B> {}

impl<B: BusType> Handle<B> {
    /// Returns the pointer to C's structure.
    pub fn as_raw(&self) -> *mut sys::bus_type {
        self.raw.get()
    }

    /// Returns the module that made the bus.
    pub fn module(&self) -> &'static ThisModule {
        self.module
    }

    pub(super) fn place<T>(&self, slot: *mut T) -> Result<Vacant> {
        // SAFETY: `place` requires that the extent stays until `Extent::end` is called: `end` below
        // calls it.
        unsafe { self.state.place(slot) }
    }

    pub(super) fn device_made(&self) {
        // The count cannot overflow: there are no more devices than addresses.
        self.devices.fetch_add(1, Ordering::Relaxed);
        self.had_devices.store(true, Ordering::Relaxed);
    }

    pub(super) fn device_freed(&self) {
        // This is the last access by the device's release, except for its return. `end` waits for
        // both.
        self.devices.fetch_sub(1, Ordering::Release);
    }

    /// Waits for the devices that other code holds, and unregisters the bus. The state was dropped
    /// before.
    ///
    /// # Safety
    ///
    /// The bus is registered, and this is called once.
    unsafe fn end(&self) {
        self.state.end();
        let mut waits = 0u32;
        while self.devices.load(Ordering::Acquire) != 0 {
            // Other code may hold a device for any time, and a device that this module leaked stays
            // forever. C would continue here, and would crash when the device is released by code
            // that was unloaded.
            if waits == 10_000 {
                pr_warn!(
                    "bus {}: waiting for {} devices: \
                     release every reference to them before the bus is dropped",
                    B::NAME,
                    self.devices.load(Ordering::Relaxed)
                );
                waits = 0;
            }
            waits = waits.wrapping_add(1);
            // SAFETY: `msleep` requires a task that may sleep: a bus is unregistered in such a
            // task.
            unsafe { sys::msleep(1) };
        }
        if self.had_devices.load(Ordering::Relaxed) {
            released_by_all();
        }
        // SAFETY: `bus_unregister` requires a registered bus without drivers and devices: the
        // registrations of drivers are in the state, which was dropped, and the devices were waited
        // for above.
        unsafe { sys::bus_unregister(self.as_raw()) };
    }
}

/// Waits until each `release` of a device that was counted as freed has also returned. Any code may
/// give up the last reference. Its call may still run in this module, whose code is unloaded soon
/// after the bus is unregistered.
///
/// Each device could hold a reference to the module instead. But then the module could not be
/// unloaded, because a bus's own state holds devices.
fn released_by_all() {
    // A caller that cannot be preempted, such as an interrupt handler, is an RCU reader:
    // `kernel/rcu/tree.c`.
    rcu::synchronize_rcu();
    // A caller that can be preempted is a task. It has left the code when it gives up the CPU
    // voluntarily, and it does not sleep before it has returned: `kernel/rcu/tasks.h`. (ftrace
    // frees its trampolines in this way.) SAFETY: `synchronize_rcu_tasks` requires a task that may
    // sleep: a bus is unregistered in such a task.
    unsafe { sys::linux_driver_synchronize_rcu_tasks() };
}

/// A registered bus and its state. Dropping this value drops the state, waits until the last device
/// of the bus is freed, and unregisters the bus.
///
/// It must be a field of the module's state. Making it anywhere else fails with `EINVAL`.
///
/// # Invariants
///
/// The bus is registered, its state is initialised, and its attributes exist.
#[repr(C)]
#[doc(alias = "bus_register")]
#[doc(alias = "bus_unregister")]
pub struct Registration<B: BusType> {
    handle: Handle<B>,
    state: ManuallyDrop<B>,
    place: Place,
}

impl<B: BusType> Registration<B> {
    /// Registers the bus, makes its state with [`BusType::init`], and then creates its attributes.
    /// The returned initialiser must be used for a field of the module's state.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// * `EEXIST` or `EINVAL` if there is a bus of that name already. The kernel logs it with a
    ///   stack trace.
    /// * `EINVAL` if the field is not in the module's state, or not aligned.
    /// * `ENOMEM` if there is no memory.
    /// * The error of `init`.
    pub fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let init = move |slot: *mut Self| {
            let place = module.place(slot)?;
            // SAFETY: the slot is valid; only the field's address is taken.
            let state: *mut B = unsafe { &raw mut (*slot).state }.cast();
            let handle = Handle {
                raw: Opaque::new(const { contents::<B>() }),
                module,
                devices: AtomicUsize::new(0),
                had_devices: AtomicBool::new(false),
                state: Extent::new(state.addr(), size_of::<B>()),
                _of: PhantomData,
            };
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).handle };
            // SAFETY: the field is valid for writes, as an initialiser's is.
            unsafe { field.write(handle) };
            // SAFETY: the handle was written above. It stays at its address in the module's state
            // until the bus is unregistered.
            let handle = unsafe { &(*slot).handle };
            // SAFETY: `bus_register` requires
            // - a structure that is not registered and stays where it is until `bus_unregister`: it
            //   was written above, in the module's state;
            // - callbacks that are for its devices and drivers: they are those of `contents`.
            to_result(unsafe { sys::bus_register(handle.as_raw()) })?;
            // SAFETY: the state is valid for writes, is pinned with the slot, and is not used after
            // an error.
            let made = unsafe { B::init(module, handle).__pinned_init(state) };
            let made = made.and_then(|()| {
                create_files(handle).inspect_err(|_| {
                    // SAFETY: the state was initialised above. Only the attributes' files had a
                    // reference to it, and they are removed.
                    unsafe { core::ptr::drop_in_place(state) };
                })
            });
            if let Err(error) = made {
                // SAFETY: `end` requires a registered bus: it was registered above. The state does
                // not exist.
                unsafe { handle.end() };
                return Err(error);
            }
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).place };
            // INVARIANT: all parts are initialised, and the bus is registered.
            // SAFETY: the field is valid for writes.
            unsafe { field.write(place.take()) };
            Ok(())
        };
        // SAFETY: on `Ok` the value is initialised; on `Err` nothing in it needs to be dropped.
        unsafe { pin_init_from_closure(init) }
    }

    /// Returns the handle of the bus, for registering drivers and devices on it.
    pub fn handle(&self) -> &Handle<B> {
        &self.handle
    }

    /// Returns the bus's state.
    pub fn state(&self) -> Pin<&B> {
        // SAFETY: the state is pinned in this value, which never moves.
        unsafe { Pin::new_unchecked(&*self.state) }
    }

    /// Returns the registration of a bus.
    ///
    /// # Safety
    ///
    /// The bus belongs to a registration whose state is initialised for `'a`.
    pub(super) unsafe fn from_raw<'a>(bus: *const sys::bus_type) -> &'a Self {
        // SAFETY: C's structure is the first field of the handle, which is the first field of the
        // registration.
        unsafe { &*bus.cast() }
    }
}

impl<B: BusType> Deref for Registration<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.state
    }
}

impl<B: BusType> Drop for Registration<B> {
    fn drop(&mut self) {
        let made = self.place.of(self);
        // SAFETY: the handle stays at this address until the bus is unregistered below.
        let handle = unsafe { &(*made).handle };
        remove_files(handle, B::ATTRIBUTES.len());
        handle.state.close();
        // SAFETY: the memory in which the registration was made is still allocated, and no other
        // reference to the field exists.
        let state = unsafe { &mut (*made).state };
        // SAFETY: by the type's invariant the state is initialised. It is dropped only here, and
        // the attributes that used it were removed.
        unsafe { ManuallyDrop::drop(state) };
        // SAFETY: `end` requires a registered bus, and one call for it: by the type's invariant the
        // bus is registered, and only this `drop` unregisters it.
        unsafe { handle.end() };
    }
}

/// Creates all attributes of the bus, or none with an error.
fn create_files<B: BusType>(handle: &Handle<B>) -> Result {
    for (number, attribute) in B::ATTRIBUTES.iter().enumerate() {
        // SAFETY: `bus_create_file` requires a registered bus, and an attribute that stays until
        // the file is removed: it is a static.
        let created = to_result(unsafe { sys::bus_create_file(handle.as_raw(), attribute.raw()) });
        if let Err(error) = created {
            remove_files(handle, number);
            return Err(error);
        }
    }
    Ok(())
}

/// Removes the first `count` attributes of the bus, and waits until no task reads or writes them.
fn remove_files<B: BusType>(handle: &Handle<B>, count: usize) {
    for attribute in B::ATTRIBUTES.iter().take(count) {
        // SAFETY: `bus_remove_file` requires a registered bus, and an attribute whose file was
        // created: both are given.
        unsafe { sys::bus_remove_file(handle.as_raw(), attribute.raw()) };
    }
}
