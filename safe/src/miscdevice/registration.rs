// SPDX-License-Identifier: GPL-2.0-only
//! The registration of a misc device.
//!
//! C header: `include/linux/miscdevice.h`; `drivers/char/misc.c`.

use core::ffi::{c_int, c_void};
use core::mem::{ManuallyDrop, MaybeUninit, needs_drop, offset_of};
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::NonNull;

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_init_from_closure};

use super::file::Files;
use super::gate::Gate;
use super::name::{Name, Written};
use super::{Operations, table};
use crate::device::{Bound, Device};
use crate::driver::Head;
use crate::error::{Error, code::EDEADLK, to_result};
use crate::place::Place;
use crate::sync::Mutex;
use crate::task::InMiscOpen;
use crate::types::Opaque;

/// The address of a field of a slot.
macro_rules! at {
    ($slot:ident.$field:ident) => {
        // SAFETY: an initialiser's slot is memory that is there; only the field's address is taken.
        unsafe { &raw mut (*$slot).$field }
    };
}

/// A registered misc device: C's `struct miscdevice`, with what its operations work on.
///
/// It lies in the data of a driver that is bound, where it stays. When it goes, at the end of the
/// binding, the operations come to their end first: see the [module](super).
///
/// # Invariants
///
/// The device is registered, by this value. `data` is initialised, and stays so until the gate is
/// closed. `dev` is the device of the binding that `head` is of, in whose data this value lies.
#[repr(C)]
#[doc(alias = "misc_register")]
#[doc(alias = "misc_deregister")]
pub struct Registration<T: Operations> {
    /// `misc_open` hands its address to `open`: it is the first field.
    misc: Opaque<sys::miscdevice>,
    pub(super) gate: Gate,
    /// Initialised if the files can be mapped. Otherwise there is nothing to take away from them,
    /// and nobody looks at it.
    files: MaybeUninit<Mutex<Files>>,
    head: NonNull<Head>,
    dev: *mut sys::device,
    name: Written,
    data: ManuallyDrop<T>,
    place: Place,
}

// SAFETY: a device may be deregistered on any thread, and what it owns can be sent.
unsafe impl<T: Operations> Send for Registration<T> {}
// SAFETY: a shared registration gives its data, which can be shared; the rest has locks of its own.
unsafe impl<T: Operations> Sync for Registration<T> {}

impl<T: Operations> Registration<T> {
    /// Registers a device of this name, for a field of the data of the driver that is bound to
    /// `dev`, which becomes its parent. `init` makes what the operations work on, before any of
    /// them is called.
    ///
    /// [`EINVAL`](crate::error::code::EINVAL) outside of the driver's data, or if the name is empty
    /// or too long, which the log says; [`EDEADLK`] in `open` of a misc device, under `misc_mtx`,
    /// which this takes; `EEXIST` if there is a misc device of that name; `EBUSY` if there are no
    /// numbers left; `ENOMEM`. Context: may sleep.
    ///
    /// User space can open the device before this returns.
    pub fn new<'a, E>(
        dev: &impl AsRef<Device<Bound>>,
        name: impl Into<Name<'a>>,
        init: impl PinInit<T, E>,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        // They are used after the registration was dropped, as long as a file is open.
        const { assert!(!needs_drop::<Gate>() && !needs_drop::<Mutex<Files>>()) };
        const { assert!(offset_of!(Self, misc) == 0) };
        const {
            assert!(
                T::MODE & !0o7777 == 0,
                "MODE has bits beside 0o7777, which are the type of a file"
            )
        };
        let dev = dev.as_ref();
        let name = name.into();
        let init = move |slot: *mut Self| {
            if InMiscOpen::is_here() {
                return Err(EDEADLK);
            }
            let place = dev.place(slot)?;
            // What C starts with as zeroes, and the gate's counts: a call for all of them is less
            // than a store for each. SAFETY: `write_bytes` asks for memory that is valid for writes
            // and aligned: these are the first fields of the slot.
            unsafe { slot.cast::<u8>().write_bytes(0, offset_of!(Self, head)) };
            let (at_name, at_gate, at_files) =
                (at!(slot.name), at!(slot.gate), at!(slot.files).cast());
            let (at_head, at_dev, at_data) =
                (at!(slot.head), at!(slot.dev), at!(slot.data).cast::<T>());
            // SAFETY: the slot is valid for writes, as an initialiser's is; so are its fields, here
            // and below.
            let written = unsafe { name.write(at_name) };
            // Not in a closure: to debug information, a device that a closure refers to is memory
            // of the driver's.
            if written.is_err() {
                name.refused(dev);
            }
            let name = written?;
            // SAFETY: the memory was zeroed above, and stays where it is; a gate needs no drop.
            unsafe { Gate::init_zeroed(at_gate) };
            if T::HAS_MMAP {
                // SAFETY: as above, and so does a mutex.
                unsafe {
                    crate::new_mutex!(Files::new(), "miscdevice_files").__pinned_init(at_files)?
                };
            }
            // Who opens the device counts a use of the memory of its own.
            // SAFETY: valid for writes.
            unsafe { at_head.write(NonNull::from(dev.head())) };
            // SAFETY: valid for writes.
            unsafe { at_dev.write(dev.as_raw()) };
            // SAFETY: valid for writes, pinned with the slot, and not used as a `T` after an error.
            unsafe { init.__pinned_init(at_data)? };
            let at_misc = at!(slot.misc);
            // SAFETY: `struct miscdevice` is pointers and integers, for which zero is a value: they
            // were zeroed above. Nobody else has them.
            let misc = unsafe { &mut *at_misc.cast::<sys::miscdevice>() };
            misc.minor = sys::MISC_DYNAMIC_MINOR as c_int;
            misc.name = name;
            misc.fops = table::file_operations::<T>();
            misc.parent = dev.as_raw();
            if const { T::MODE != 0 } {
                misc.mode = T::MODE;
            }
            // SAFETY: `misc_register` demands a structure and a name that stay until
            // `misc_deregister`, operations that can be called before it returns, and a caller that
            // does not hold `misc_mtx`. This lies in the data of a bound driver, which is dropped
            // in place; what the operations use was initialised above; whether we are in `open` was
            // asked.
            let registered = unsafe { sys::misc_register(at_misc.cast()) };
            if let Err(error) = to_result(registered) {
                // SAFETY: initialised above; nobody could open the device.
                unsafe { at_data.drop_in_place() };
                return Err(error);
            }
            // INVARIANT: it is registered.
            let at_place = at!(slot.place);
            // SAFETY: valid for writes. (No operation uses it.)
            unsafe { at_place.write(place.take()) };
            Ok(())
        };
        // SAFETY: on `Ok` all fields are written; on `Err` nothing is that would have to be
        // dropped. It is not moved.
        unsafe { pin_init_from_closure(init) }
    }

    /// What the operations work on, pinned.
    pub fn data(self: Pin<&Self>) -> Pin<&T> {
        // SAFETY: the data is pinned with the registration.
        unsafe { self.map_unchecked(|this| &*this.data) }
    }

    /// The registration whose `struct miscdevice` `misc_open` left in `private_data`.
    pub(super) fn from_private(private: *mut c_void) -> *const Self {
        // It is the first field.
        private.cast_const().cast()
    }

    /// Where the data is.
    ///
    /// # Safety
    ///
    /// The memory of the registration is there.
    pub(super) unsafe fn data_of(this: *const Self) -> *const T {
        // SAFETY: only the address is taken, in memory that is there.
        unsafe { &raw const (*this).data }.cast()
    }

    /// The device of the binding.
    ///
    /// # Safety
    ///
    /// Somebody is inside the gate, for `'a`.
    pub(super) unsafe fn dev_of<'a>(this: *const Self) -> &'a Device<Bound> {
        // SAFETY: the memory is there, as the gate is.
        let dev = unsafe { (*this).dev };
        // SAFETY: the device is bound, or being bound, until the gate is closed.
        unsafe { Device::from_raw(dev) }
    }

    /// The files that may have pages mapped.
    ///
    /// # Safety
    ///
    /// The memory of the registration is there for `'a`, whether the registration was dropped or
    /// not. The files can be mapped.
    pub(super) unsafe fn files_of<'a>(this: *const Self) -> &'a Mutex<Files> {
        // SAFETY: the memory is there; only the field's address is taken.
        let files = unsafe { &raw const (*this).files }.cast();
        // SAFETY: `new` initialised it, as the files can be mapped; it is memory that needs no
        // drop.
        unsafe { &*files }
    }

    /// The memory that the registration lies in.
    ///
    /// # Safety
    ///
    /// It is there.
    pub(super) unsafe fn head_of(this: *const Self) -> NonNull<Head> {
        // SAFETY: by the caller's promise.
        unsafe { (*this).head }
    }
}

impl<T: Operations> Deref for Registration<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        let made = self.place.of(self);
        // SAFETY: the registration is where it was made until its data is dropped below.
        let this = unsafe { &*made };
        // The operations end first, and none begins any more; the node is still there, and opening
        // it fails.
        this.gate.close();
        // No fault brings a page in any more: what is taken away stays away. While the number is
        // this device's nobody else has a mapping through its node.
        if T::HAS_MMAP {
            // SAFETY: the files can be mapped; the memory is there.
            unsafe { Self::files_of(made) }.lock().unmap();
        }
        // SAFETY: by the type's invariant it is registered, and this is the one place that
        // deregisters it. It waits for an `open` that is on its way, which does not need what goes
        // after this.
        unsafe { sys::misc_deregister(this.misc.get()) };
        // SAFETY: the memory in which this was made is there, and nothing else refers to the field.
        let data = unsafe { &mut (*made).data };
        // SAFETY: the operations have ended, and none begins: the data is nobody's, and is dropped
        // this once, where they used it.
        unsafe { ManuallyDrop::drop(data) };
    }
}
