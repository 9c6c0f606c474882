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

/// Returns the address of a field of a slot.
macro_rules! at {
    ($slot:ident.$field:ident) => {
        // SAFETY: the slot of an initialiser is memory that exists. Only the address of the field
        // is taken.
        unsafe { &raw mut (*$slot).$field }
    };
}

/// A registered misc device: C's `struct miscdevice`, with the data of its operations.
///
/// It is part of the data of a bound driver, and must not be moved. When it is dropped, at the end
/// of the binding, the operations end first: see the [module](super).
///
/// # Invariants
///
/// This value has registered the device. `data` is initialised, and stays initialised until the
/// gate is closed. `head` belongs to the current binding, whose data contains this value. `dev` is
/// the device of that binding.
#[repr(C)]
#[doc(alias = "misc_register")]
#[doc(alias = "misc_deregister")]
pub struct Registration<T: Operations> {
    /// The first field, because `misc_open` passes its address to `open`.
    misc: Opaque<sys::miscdevice>,
    pub(super) gate: Gate,
    /// Initialised only if the files can be mapped. Otherwise there is nothing to unmap, and no
    /// code uses it.
    files: MaybeUninit<Mutex<Files>>,
    head: NonNull<Head>,
    dev: *mut sys::device,
    name: Written,
    data: ManuallyDrop<T>,
    place: Place,
}

// SAFETY: a device may be deregistered on any thread, and what it owns is `Send`.
unsafe impl<T: Operations> Send for Registration<T> {}
// SAFETY: a shared registration gives access to its data, which is `Sync`. The other fields have
// their own locks.
unsafe impl<T: Operations> Sync for Registration<T> {}

impl<T: Operations> Registration<T> {
    /// Registers a device with this name, for a field of the data of the driver that is bound to
    /// `dev`. `dev` becomes the parent of the device. `init` initialises the data of the operations
    /// before any of them is called.
    ///
    /// User space can open the device before this returns.
    ///
    /// # Context
    ///
    /// May sleep. Takes `misc_mtx`.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`](crate::error::code::EINVAL) outside of the driver's data, or if the name is
    ///   empty or too long, which a log line says;
    /// - [`EDEADLK`] in `open` of a misc device, which runs under `misc_mtx`;
    /// - `EEXIST` if there is a misc device with that name;
    /// - `EBUSY` if no minor number is free;
    /// - `ENOMEM` if there is no memory;
    /// - the error of `init`.
    pub fn new<'a, E>(
        dev: &impl AsRef<Device<Bound>>,
        name: impl Into<Name<'a>>,
        init: impl PinInit<T, E>,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        // As long as a file is open, these are used after the registration was dropped.
        const { assert!(!needs_drop::<Gate>() && !needs_drop::<Mutex<Files>>()) };
        const { assert!(offset_of!(Self, misc) == 0) };
        const {
            assert!(
                T::MODE & !0o7777 == 0,
                "MODE must not have bits other than 0o7777: they are the type of a file"
            )
        };
        let dev = dev.as_ref();
        let name = name.into();
        let init = move |slot: *mut Self| {
            if InMiscOpen::is_here() {
                return Err(EDEADLK);
            }
            let place = dev.place(slot)?;
            // Fills C's structure and the counts of the gate with zeroes. One call is smaller than
            // a store for each field.
            // SAFETY: `write_bytes` requires memory that is aligned and valid for writes. These are
            // the first fields of the slot.
            unsafe { slot.cast::<u8>().write_bytes(0, offset_of!(Self, head)) };
            let (at_name, at_gate, at_files) =
                (at!(slot.name), at!(slot.gate), at!(slot.files).cast());
            let (at_head, at_dev, at_data) =
                (at!(slot.head), at!(slot.dev), at!(slot.data).cast::<T>());
            // SAFETY: the slot of an initialiser is valid for writes, and so are its fields, here
            // and below.
            let written = unsafe { name.write(at_name) };
            // This is not a closure: in debug information, a closure that refers to a device would
            // count as memory of the driver.
            if written.is_err() {
                name.refused(dev);
            }
            let name = written?;
            // SAFETY: the memory was zeroed above and stays where it is. A gate needs no drop.
            unsafe { Gate::init_zeroed(at_gate) };
            if T::HAS_MMAP {
                // SAFETY: as above. A mutex needs no drop either.
                unsafe {
                    crate::new_mutex!(Files::new(), "miscdevice_files").__pinned_init(at_files)?
                };
            }
            // A file counts its own use of this memory when it is opened.
            // SAFETY: the field is valid for writes.
            unsafe { at_head.write(NonNull::from(dev.head())) };
            // SAFETY: the field is valid for writes.
            unsafe { at_dev.write(dev.as_raw()) };
            // SAFETY: the field is valid for writes, is pinned with the slot, and is not used as a
            // `T` after an error.
            unsafe { init.__pinned_init(at_data)? };
            let at_misc = at!(slot.misc);
            // SAFETY: `struct miscdevice` consists of pointers and integers, for which zero is a
            // valid value, and it was zeroed above. Nothing else refers to it.
            let misc = unsafe { &mut *at_misc.cast::<sys::miscdevice>() };
            misc.minor = sys::MISC_DYNAMIC_MINOR as c_int;
            misc.name = name;
            misc.fops = table::file_operations::<T>();
            misc.parent = dev.as_raw();
            if const { T::MODE != 0 } {
                misc.mode = T::MODE;
            }
            // SAFETY: `misc_register` requires:
            // - a structure and a name that stay until `misc_deregister`: both are in the data of a
            //   bound driver, which is dropped in place;
            // - operations that can be called before it returns: all that they use was initialised
            //   above;
            // - a caller that does not hold `misc_mtx`: the check above found that this is not
            //   `open`.
            let registered = unsafe { sys::misc_register(at_misc.cast()) };
            if let Err(error) = to_result(registered) {
                // SAFETY: the data was initialised above. Nothing could open the device.
                unsafe { at_data.drop_in_place() };
                return Err(error);
            }
            // INVARIANT: the device is registered.
            let at_place = at!(slot.place);
            // SAFETY: the field is valid for writes. No operation uses it.
            unsafe { at_place.write(place.take()) };
            Ok(())
        };
        // SAFETY: on `Ok` all fields are written. On `Err` no field is left that would have to be
        // dropped. The value is not moved.
        unsafe { pin_init_from_closure(init) }
    }

    /// Returns the data of the operations, pinned.
    pub fn data(self: Pin<&Self>) -> Pin<&T> {
        // SAFETY: the data is pinned with the registration.
        unsafe { self.map_unchecked(|this| &*this.data) }
    }

    /// Returns the registration whose `struct miscdevice` `misc_open` stored in `private_data`.
    pub(super) fn from_private(private: *mut c_void) -> *const Self {
        // The structure is the first field.
        private.cast_const().cast()
    }

    /// Returns the address of the data.
    ///
    /// # Safety
    ///
    /// The memory of the registration must exist.
    pub(super) unsafe fn data_of(this: *const Self) -> *const T {
        // SAFETY: only the address is taken, in memory that exists.
        unsafe { &raw const (*this).data }.cast()
    }

    /// Returns the device of the binding.
    ///
    /// # Safety
    ///
    /// The caller must be inside the gate for `'a`.
    pub(super) unsafe fn dev_of<'a>(this: *const Self) -> &'a Device<Bound> {
        // SAFETY: the memory exists while the caller is inside the gate.
        let dev = unsafe { (*this).dev };
        // SAFETY: `from_raw` requires a device that is bound, or being bound. It is until the gate
        // is closed.
        unsafe { Device::from_raw(dev) }
    }

    /// Returns the list of files that may have pages mapped.
    ///
    /// # Safety
    ///
    /// The memory of the registration must exist for `'a`, even if the registration was dropped.
    /// The files must be of a kind that can be mapped.
    pub(super) unsafe fn files_of<'a>(this: *const Self) -> &'a Mutex<Files> {
        // SAFETY: the memory exists. Only the address of the field is taken.
        let files = unsafe { &raw const (*this).files }.cast();
        // SAFETY: the files can be mapped, so `new` initialised the list. It needs no drop, so it
        // can be used while its memory exists.
        unsafe { &*files }
    }

    /// Returns the head of the memory that contains the registration.
    ///
    /// # Safety
    ///
    /// The memory must exist.
    pub(super) unsafe fn head_of(this: *const Self) -> NonNull<Head> {
        // SAFETY: the caller promises that the memory exists.
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
        // SAFETY: until its data is dropped below, the registration is where it was made.
        let this = unsafe { &*made };
        // First the operations end, and no new one begins. The node still exists, but opening it
        // fails.
        this.gate.close();
        // After this, no page fault maps a page, so unmapped pages stay unmapped. While this device
        // has its minor number, no other device has a mapping through its node.
        if T::HAS_MMAP {
            // SAFETY: the files can be mapped, and the memory exists.
            unsafe { Self::files_of(made) }.lock().unmap();
        }
        // SAFETY: `misc_deregister` requires a registered device. By the type's invariant it is
        // registered, and only this drop deregisters it. The function waits for an `open` that is
        // running, which does not use the data that is dropped below.
        unsafe { sys::misc_deregister(this.misc.get()) };
        // SAFETY: the memory in which this was made exists, and nothing else refers to the field.
        let data = unsafe { &mut (*made).data };
        // SAFETY: the operations have ended and none begins, so nothing uses the data. It is
        // dropped once, at the address at which they used it.
        unsafe { ManuallyDrop::drop(data) };
    }
}
