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

/// A bus that is registered: C's `struct bus_type`. What is registered on a bus takes one.
///
/// # Invariants
///
/// The bus is registered as long as a reference to this is there.
#[repr(C)]
#[doc(alias = "bus_type")]
pub struct Handle<B: BusType> {
    raw: Opaque<sys::bus_type>,
    module: &'static ThisModule,
    /// How many devices there are, registered or not, whose memory was not freed.
    devices: AtomicUsize,
    /// Whether there ever was one.
    had_devices: AtomicBool,
    /// Where the bus's state is: drivers of the bus stand in it.
    state: Extent,
    _of: Invariant<B>,
}

// SAFETY: C uses the structure under its own locks; the counts are atomic.
unsafe impl<B: BusType> Send for Handle<B> {}
// SAFETY: as above.
unsafe impl<B: BusType> Sync for Handle<B> {}

impl<B: BusType> Handle<B> {
    /// The bus as C knows it.
    pub fn as_raw(&self) -> *mut sys::bus_type {
        self.raw.get()
    }

    /// The module whose bus it is.
    pub fn module(&self) -> &'static ThisModule {
        self.module
    }

    pub(super) fn place<T>(&self, slot: *mut T) -> Result<Vacant> {
        // SAFETY: the extent stays where it is until `end`.
        unsafe { self.state.place(slot) }
    }

    pub(super) fn device_made(&self) {
        // More devices than addresses there cannot be.
        self.devices.fetch_add(1, Ordering::Relaxed);
        self.had_devices.store(true, Ordering::Relaxed);
    }

    pub(super) fn device_freed(&self) {
        // This is the last that the device's release does here, less its return, for which `end`
        // waits.
        self.devices.fetch_sub(1, Ordering::Release);
    }

    /// The state was dropped: waits for the devices that others hold, and unregisters the bus.
    ///
    /// # Safety
    ///
    /// The bus is registered, and this is called once.
    unsafe fn end(&self) {
        self.state.end();
        let mut waits = 0u32;
        while self.devices.load(Ordering::Acquire) != 0 {
            // Who holds a device may hold it as long as it likes: a value of ours that was leaked,
            // for ever. What C would do is go on, and crash when the device is released by code
            // that has gone.
            if waits == 10_000 {
                pr_warn!(
                    "bus {}: waiting for {} devices to be released: what holds them has to go before the bus",
                    B::NAME,
                    self.devices.load(Ordering::Relaxed)
                );
                waits = 0;
            }
            waits = waits.wrapping_add(1);
            // SAFETY: whoever unregisters a bus may sleep.
            unsafe { sys::msleep(1) };
        }
        if self.had_devices.load(Ordering::Relaxed) {
            released_by_all();
        }
        // SAFETY: `bus_unregister` demands a bus that is registered, and that no driver and no
        // device is left on it: drivers stand in the state, which was dropped, and the devices were
        // waited for above.
        unsafe { sys::bus_unregister(self.as_raw()) };
    }
}

/// Waits until each `release` of a device that has said that it is done has returned too: the last
/// reference may be anyone's to give up, and the module's code, in which such a caller still is,
/// goes soon after the bus.
///
/// A reference to the module that each device had would not do: a bus's own state holds devices,
/// and the module could not be unloaded.
fn released_by_all() {
    // A caller that cannot be preempted, an interrupt above all, is a reader of RCU:
    // `kernel/rcu/tree.c`.
    rcu::synchronize_rcu();
    // One that can is a task, and has left the code when it has given up the CPU of its own will:
    // `kernel/rcu/tasks.h`. (ftrace frees its trampolines so.) Code that returns does not sleep
    // before. SAFETY: whoever unregisters a bus may sleep.
    unsafe { sys::linux_driver_synchronize_rcu_tasks() };
}

/// A registered bus, with its state. It is unregistered when this value goes, after the state was
/// dropped and the last device of the bus was freed.
///
/// It stands in the module's state; nowhere else is it made (`EINVAL`).
///
/// # Invariants
///
/// The bus is registered, the state and the bus's attributes are there.
#[repr(C)]
#[doc(alias = "bus_register")]
#[doc(alias = "bus_unregister")]
pub struct Registration<B: BusType> {
    handle: Handle<B>,
    state: ManuallyDrop<B>,
    place: Place,
}

impl<B: BusType> Registration<B> {
    /// Registers the bus, makes its state with [`BusType::init`] and then its attributes, for a
    /// field of the module's state.
    ///
    /// `EEXIST` or `EINVAL` if there is a bus of that name (which is logged with a stack trace),
    /// `ENOMEM`, or what `init` returns; `EINVAL` outside of the module's state. Context: may
    /// sleep.
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
            // SAFETY: written just now; it stays where it is, in the module's state, until it was
            // unregistered.
            let handle = unsafe { &(*slot).handle };
            // SAFETY: `bus_register` demands a structure that is not registered, stays where it is
            // until `bus_unregister`, and whose callbacks are for its devices and drivers: it was
            // written above, in the module's state, with the callbacks of `contents`.
            to_result(unsafe { sys::bus_register(handle.as_raw()) })?;
            // SAFETY: the state is valid for writes, pinned with the slot, and not used after an
            // error.
            let made = unsafe { B::init(module, handle).__pinned_init(state) };
            let made = made.and_then(|()| {
                create_files(handle).inspect_err(|_| {
                    // SAFETY: the state was made just now; nobody but the files, which are gone,
                    // has it.
                    unsafe { core::ptr::drop_in_place(state) };
                })
            });
            if let Err(error) = made {
                // SAFETY: it was registered above; there is no state.
                unsafe { handle.end() };
                return Err(error);
            }
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).place };
            // INVARIANT: all of it is there.
            // SAFETY: the field is valid for writes.
            unsafe { field.write(place.take()) };
            Ok(())
        };
        // SAFETY: on `Ok` the value is written; on `Err` nothing is that would have to be dropped.
        unsafe { pin_init_from_closure(init) }
    }

    /// The bus, for what is registered on it.
    pub fn handle(&self) -> &Handle<B> {
        &self.handle
    }

    /// The bus's state.
    pub fn state(&self) -> Pin<&B> {
        // SAFETY: the state is pinned in this value, which is.
        unsafe { Pin::new_unchecked(&*self.state) }
    }

    /// # Safety
    ///
    /// The bus is that of a registration whose state is there for `'a`.
    pub(super) unsafe fn from_raw<'a>(bus: *const sys::bus_type) -> &'a Self {
        // SAFETY: the structure is the first field of the handle, which is the first field of the
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
        // SAFETY: the handle is where it was made until the bus is unregistered below.
        let handle = unsafe { &(*made).handle };
        remove_files(handle, B::ATTRIBUTES.len());
        handle.state.close();
        // SAFETY: the memory in which this was made is there, and nothing else refers to the field.
        let state = unsafe { &mut (*made).state };
        // SAFETY: by the type's invariant the state is there; the attributes that had it are gone.
        unsafe { ManuallyDrop::drop(state) };
        // SAFETY: by the type's invariant the bus is registered, and this is the one place that
        // unregisters it.
        unsafe { handle.end() };
    }
}

/// The bus's attributes, all or none.
fn create_files<B: BusType>(handle: &Handle<B>) -> Result {
    for (number, attribute) in B::ATTRIBUTES.iter().enumerate() {
        // SAFETY: the bus is registered; the attribute is a static.
        let created = to_result(unsafe { sys::bus_create_file(handle.as_raw(), attribute.raw()) });
        if let Err(error) = created {
            remove_files(handle, number);
            return Err(error);
        }
    }
    Ok(())
}

/// Takes the first `count` attributes away, and waits for those who are in them.
fn remove_files<B: BusType>(handle: &Handle<B>, count: usize) {
    for attribute in B::ATTRIBUTES.iter().take(count) {
        // SAFETY: the bus is registered; the attribute is a static, and its file was made.
        unsafe { sys::bus_remove_file(handle.as_raw(), attribute.raw()) };
    }
}
