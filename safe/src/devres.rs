// SPDX-License-Identifier: GPL-2.0-only
//! Managed device resources: values that belong to a binding.
//!
//! C headers: `include/linux/device/devres.h`, `include/linux/device.h`; `drivers/base/devres.c`,
//! `Documentation/driver-api/driver-model/devres.rst`.
//!
//! | here | C |
//! |---|---|
//! | [`Devres::new`] | `devres_alloc` and `devres_add`; a `devm_` function |
//! | [`Devres::access`] | using the result of a `devm_` function in a callback of the driver |
//! | [`Devres::try_access`] | – (C cannot check whether the resource still exists) |
//!
//! # Order
//!
//! When a driver is unbound, or its `probe` fails, this happens in order:
//!
//! 1. `remove` is called (only after a `probe` that succeeded).
//! 2. The driver's data is dropped, and with it every registration with C (interrupts, misc
//!    devices, work).
//! 3. Managed resources are released, the last one first: values of [`Devres`], regions, mappings
//!    and other resources of the binding, in one list.
//!
//! So until it is dropped, a value may use the resources that were made before it. The driver's
//! data may use all of them.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, align_of};
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use linux_driver_sys as sys;
use pinned_init::PinInit;

use crate::alloc::{GFP_KERNEL, KBox};
use crate::device::{Bound, Device};
use crate::error::{Error, Result, code::ENODEV, code::ENOMEM};
use crate::sync::rcu;

/// A value that belongs to a binding, and can also be used outside of the driver's callbacks.
///
/// The value is dropped when the driver is unbound, even if there still is a `Devres` for it; see
/// the [module](self) for the order. Dropping or leaking a `Devres` does not drop the value: the
/// binding manages it. A clone is another handle to the same value.
///
/// A callback that has the device uses [`access`](Self::access), which costs a comparison. Other
/// code (a timer, another device's callback) uses [`try_access`](Self::try_access), for the length
/// of an RCU read-side critical section.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::device::Device;
/// use linux_driver::devres::Devres;
/// use linux_driver::prelude::*;
/// use linux_driver::sync::atomic::{AtomicU32, Ordering};
///
/// fn probe(dev: &Device<Bound>) -> Result<Devres<AtomicU32>> {
///     let events: Devres<AtomicU32> = Devres::new(dev, AtomicU32::new(0))?;
///     events.access(dev)?.store(1, Ordering::Relaxed);
///     Ok(events)
/// }
///
/// fn from_elsewhere(events: &Devres<AtomicU32>) -> Result {
///     let events = events.try_access().ok_or(ENODEV)?;
///     events.fetch_add(1, Ordering::Relaxed);
///     Ok(())
/// }
/// # let _ = (probe, from_elsewhere);
/// ```
///
/// # Invariants
///
/// The pointer points to an allocation of [`Devres::new`], and this value is counted as one of its
/// users.
#[doc(alias = "devres_add")]
pub struct Devres<T: Send + Sync + 'static>(NonNull<Inner<T>>, PhantomData<Inner<T>>);

/// The handle may be moved; the value stays at its address.
impl<T: Send + Sync + 'static> Unpin for Devres<T> {}

/// The value, with its binding and the number of its users.
struct Inner<T> {
    /// The number of users: each `Devres`, and the binding.
    users: AtomicUsize,
    /// The number of the binding.
    binding: u64,
    /// True while the value exists, for readers under RCU.
    live: AtomicBool,
    value: MaybeUninit<T>,
}

// SAFETY: the value is shared among threads, and dropped on the one that unbinds: `T` is `Send` and
// `Sync`.
unsafe impl<T: Send + Sync> Send for Devres<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Devres<T> {}

impl<T: Send + Sync> Devres<T> {
    /// Makes a value that lives until the driver is unbound, in memory of `kmalloc`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory; otherwise the error of `init`.
    #[doc(alias = "devres_add")]
    #[doc(alias = "__devres_alloc_node")]
    pub fn new<E>(dev: &impl AsRef<Device<Bound>>, init: impl PinInit<T, E>) -> Result<Self>
    where
        Error: From<E>,
    {
        const { assert!(align_of::<NonNull<Inner<T>>>() <= align_of::<u64>()) };
        let dev = dev.as_ref();
        // SAFETY: a `MaybeUninit` needs no initialisation, so an initialiser may write nothing.
        let nothing = unsafe {
            pinned_init::pin_init_from_closure(|_: *mut MaybeUninit<Inner<T>>| Ok::<(), Error>(()))
        };
        let inner: *mut Inner<T> =
            KBox::into_raw(KBox::pin_init::<Error>(nothing, GFP_KERNEL)?).cast();
        // SAFETY: the memory was allocated above, so its address is not null.
        let inner = unsafe { NonNull::new_unchecked(inner) };
        let at = inner.as_ptr();
        let written = Inner {
            users: AtomicUsize::new(1),
            binding: dev.binding(),
            live: AtomicBool::new(true),
            value: MaybeUninit::uninit(),
        };
        // SAFETY: the memory is allocated, and valid for writes.
        unsafe { at.write(written) };
        // SAFETY: the memory is allocated, and only the field's address is taken.
        let value = unsafe { &raw mut (*at).value }.cast::<T>();
        // INVARIANT: this is the one user that is counted.
        let this = Self(inner, PhantomData);
        let size = size_of::<NonNull<Inner<T>>>();
        // SAFETY: `__devres_alloc_node` requires
        // - a release function for the memory's later contents: `release` reads a pointer, which is
        //   written below before the node is added;
        // - a name that stays valid: it is a static.
        let node = unsafe {
            sys::__devres_alloc_node(
                Some(release::<T>),
                size as _,
                sys::LINUX_DRIVER_GFP_KERNEL,
                NUMA_NO_NODE,
                c"Devres".as_ptr(),
            )
        };
        if node.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: the field is valid for writes, is pinned in its memory, and is not used as a `T`
        // after an error.
        if let Err(error) = unsafe { init.__pinned_init(value) } {
            // SAFETY: `devres_free` requires a node that was not added (otherwise it `BUG`s): the
            // node was allocated above.
            unsafe { sys::devres_free(node) };
            return Err(error.into());
        }
        // The use that belongs to the binding.
        let of_binding = this.clone();
        // SAFETY: the node has room for a pointer, with at least the alignment that `kmalloc`
        // gives.
        unsafe { node.cast::<NonNull<Inner<T>>>().write(of_binding.0) };
        core::mem::forget(of_binding);
        // SAFETY: `devres_add` requires
        // - a node that is in no list: it was allocated above;
        // - a device that is bound, or being bound, so that unbinding it releases the node: `dev`
        //   is `Bound`. (A node of a device without a driver would stay.)
        unsafe { sys::devres_add(dev.as_raw(), node) };
        Ok(this)
    }

    /// Returns the value, for a caller that has the device.
    ///
    /// # Context
    ///
    /// Any. The caller may sleep while it uses the value.
    ///
    /// # Errors
    ///
    /// [`ENODEV`] if `dev` has another binding than the value.
    #[inline]
    pub fn access<'a>(&'a self, dev: &'a impl AsRef<Device<Bound>>) -> Result<&'a T> {
        let inner = self.inner();
        if dev.as_ref().binding() != inner.binding {
            return Err(ENODEV);
        }
        // SAFETY: the value exists: it belongs to the current binding. A managed value is dropped
        // when no code has the device as bound any more, so not while `dev` is borrowed.
        Ok(unsafe { inner.value.assume_init_ref() })
    }

    /// Returns the value, or `None` if the driver was unbound.
    ///
    /// While the returned guard exists, this thread is in an RCU read-side critical section and
    /// must not sleep; [`rcu::Guard`] says what detects it.
    ///
    /// # Context
    ///
    /// Any but NMI.
    #[inline]
    pub fn try_access(&self) -> Option<Guard<'_, T>> {
        let reader = rcu::read_lock();
        let inner = self.inner();
        // A reader that sees `true` started before the unbinding thread waits for readers.
        if !inner.live.load(Ordering::Relaxed) {
            return None;
        }
        // SAFETY: `live` was true: the value is dropped only after every reader that saw that has
        // ended.
        let value = unsafe { inner.value.assume_init_ref() };
        // INVARIANT: as above.
        Some(Guard {
            value,
            _reader: reader,
        })
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: by the type's invariant the memory stays allocated as long as this value exists.
        unsafe { self.0.as_ref() }
    }
}

/// `NUMA_NO_NODE` in `include/linux/numa.h`.
const NUMA_NO_NODE: core::ffi::c_int = -1;

/// A borrow of a value of [`Devres`], inside an RCU read-side critical section: the thread must not
/// sleep.
///
/// # Invariants
///
/// The value is dropped only after this reader has ended.
pub struct Guard<'a, T> {
    value: &'a T,
    _reader: rcu::Guard,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: Send + Sync> Clone for Devres<T> {
    fn clone(&self) -> Self {
        // The count cannot overflow: there are no more handles than addresses, unless handles are
        // leaked, and nothing leaks 2^63 of them.
        self.inner().users.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: counted above.
        Self(self.0, PhantomData)
    }
}

impl<T: Send + Sync> Drop for Devres<T> {
    fn drop(&mut self) {
        if self.inner().users.fetch_sub(1, Ordering::Release) == 1 {
            // The other users' accesses to the memory happen before it is freed.
            fence(Ordering::Acquire);
            // The value does not exist any more: the binding has dropped it, or it was never
            // initialised. SAFETY: `kfree` requires
            // - the address that `kmalloc` returned, once: `new` took it from `KBox::into_raw`, and
            //   this was its last user;
            // - a context that is not NMI: no code of a driver runs in NMI.
            unsafe { sys::kfree(self.0.as_ptr().cast()) };
        }
    }
}

/// Drops the value. `devres_release_all` calls it on the thread that unbinds, after the driver's
/// data was dropped.
unsafe extern "C" fn release<T: Send + Sync + 'static>(_dev: *mut sys::device, node: *mut c_void) {
    // SAFETY: `new` wrote the pointer into the node.
    let inner = unsafe { node.cast::<NonNull<Inner<T>>>().read() };
    // INVARIANT: this is the use that `new` gave to the binding.
    let this = Devres(inner, PhantomData);
    let inner = this.inner();
    inner.live.store(false, Ordering::Relaxed);
    // If there is no other handle, no reader can find the value.
    if inner.users.load(Ordering::Acquire) != 1 {
        rcu::synchronize_rcu();
    }
    // SAFETY: the memory is allocated, and only the field's address is taken.
    let value = unsafe { &raw mut (*this.0.as_ptr()).value }.cast::<T>();
    // SAFETY: the value is initialised, and this is its only drop. No code of a driver has the
    // device with this binding any more, and every reader that found the value has ended.
    unsafe { value.drop_in_place() };
}
