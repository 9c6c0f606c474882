// SPDX-License-Identifier: GPL-2.0-only
//! What is tied to a binding: managed device resources.
//!
//! C headers: `include/linux/device/devres.h`, `include/linux/device.h`; `drivers/base/devres.c`,
//! `Documentation/driver-api/driver-model/devres.rst`.
//!
//! | here | C |
//! |---|---|
//! | [`Devres::new`] | `devres_alloc` and `devres_add`; a `devm_` function |
//! | [`Devres::access`] | using what a `devm_` function returned, in a callback of the driver |
//! | [`Devres::try_access`] | – (C has no way to ask whether it is still there) |
//!
//! # Order
//!
//! When a driver is unbound, or its `probe` fails, there go
//!
//! 1. `remove`;
//! 2. the driver's data, and with it all that C could call back (interrupts, misc devices, work);
//! 3. what is managed, the last that was made first: values of [`Devres`] among regions, mappings
//!    and what else belongs to the binding.
//!
//! So a value may use until it is dropped what was made before it, and what the driver's data holds
//! may use all of them.

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

/// A value that is tied to a binding, and can be asked for from elsewhere.
///
/// The value is dropped when the driver is unbound, whoever still has a `Devres`; see the
/// [module](self) for the order. What is reached from a callback that has the device costs a
/// comparison: [`access`](Self::access). From elsewhere (a timer, another device's callback) it is
/// [`try_access`](Self::try_access), for as long as RCU lets one. Clones are the same value.
///
/// Dropping it, or leaking it, does not end the value: that is what managed means.
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
/// The pointer is to an allocation of [`Devres::new`], one of whose users this value is.
#[doc(alias = "devres_add")]
pub struct Devres<T: Send + Sync + 'static>(NonNull<Inner<T>>, PhantomData<Inner<T>>);

/// The pointer may be moved; the value stays.
impl<T: Send + Sync + 'static> Unpin for Devres<T> {}

/// The value, and who knows of it.
struct Inner<T> {
    /// How many know of it: each `Devres`, and the binding.
    users: AtomicUsize,
    /// The number of the binding.
    binding: u64,
    /// Whether the value is there, for those who look under RCU.
    live: AtomicBool,
    value: MaybeUninit<T>,
}

// SAFETY: the value is shared among threads, and dropped on the one that unbinds.
unsafe impl<T: Send + Sync> Send for Devres<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Devres<T> {}

impl<T: Send + Sync> Devres<T> {
    /// Makes a value that lives until the driver is unbound, in memory of `kmalloc`. `ENOMEM`, or
    /// what `init` returns.
    ///
    /// Context: may sleep.
    #[doc(alias = "devres_add")]
    #[doc(alias = "__devres_alloc_node")]
    pub fn new<E>(dev: &impl AsRef<Device<Bound>>, init: impl PinInit<T, E>) -> Result<Self>
    where
        Error: From<E>,
    {
        const { assert!(align_of::<NonNull<Inner<T>>>() <= align_of::<u64>()) };
        let dev = dev.as_ref();
        // SAFETY: memory that may hold anything is initialised by nothing.
        let nothing = unsafe {
            pinned_init::pin_init_from_closure(|_: *mut MaybeUninit<Inner<T>>| Ok::<(), Error>(()))
        };
        let inner: *mut Inner<T> =
            KBox::into_raw(KBox::pin_init::<Error>(nothing, GFP_KERNEL)?).cast();
        // SAFETY: the memory was allocated just now.
        let inner = unsafe { NonNull::new_unchecked(inner) };
        let at = inner.as_ptr();
        let written = Inner {
            users: AtomicUsize::new(1),
            binding: dev.binding(),
            live: AtomicBool::new(true),
            value: MaybeUninit::uninit(),
        };
        // SAFETY: the memory is there, valid for writes.
        unsafe { at.write(written) };
        // SAFETY: the memory is there; only the field's address is taken.
        let value = unsafe { &raw mut (*at).value }.cast::<T>();
        // INVARIANT: the one user that is counted.
        let this = Self(inner, PhantomData);
        let size = size_of::<NonNull<Inner<T>>>();
        // SAFETY: `__devres_alloc_node` demands a release function for what the memory will hold,
        // and a name that stays: the pointer that `release` reads is written below, before the node
        // is added; the name is a static.
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
        // SAFETY: the field is valid for writes, pinned in its memory, and not used as a `T` after
        // an error.
        if let Err(error) = unsafe { init.__pinned_init(value) } {
            // SAFETY: `devres_free` demands a node that was not added (it `BUG`s): it was allocated
            // above.
            unsafe { sys::devres_free(node) };
            return Err(error.into());
        }
        // The binding's.
        let of_binding = this.clone();
        // SAFETY: the node has room for a pointer, aligned as kmalloc does at least.
        unsafe { node.cast::<NonNull<Inner<T>>>().write(of_binding.0) };
        core::mem::forget(of_binding);
        // SAFETY: `devres_add` demands a node in no list, and a device that is being bound or
        // bound, whose unbinding releases it (of a device without a driver it would stay): `dev` is
        // `Bound`.
        unsafe { sys::devres_add(dev.as_raw(), node) };
        Ok(this)
    }

    /// The value, where a device is at hand. [`ENODEV`] if that is of another binding than the
    /// value.
    ///
    /// Context: any.
    #[inline]
    pub fn access<'a>(&'a self, dev: &'a impl AsRef<Device<Bound>>) -> Result<&'a T> {
        let inner = self.inner();
        if dev.as_ref().binding() != inner.binding {
            return Err(ENODEV);
        }
        // SAFETY: the binding that the value is of is the one that is; what is managed is dropped
        // after nobody has the device as a bound one, and so not while `dev` is borrowed.
        Ok(unsafe { inner.value.assume_init_ref() })
    }

    /// The value, if the driver was not unbound. As long as the guard is there this thread must not
    /// sleep: it is a reader of [RCU](rcu::Guard), which says who sees that it does not.
    ///
    /// Context: any but NMI. (With [`access`](Self::access) one may sleep.)
    #[inline]
    pub fn try_access(&self) -> Option<Guard<'_, T>> {
        let reader = rcu::read_lock();
        let inner = self.inner();
        // Who sees it there has begun before the one that ends it waits for readers.
        if !inner.live.load(Ordering::Relaxed) {
            return None;
        }
        // SAFETY: it is dropped only after all readers ended that saw it there.
        let value = unsafe { inner.value.assume_init_ref() };
        // INVARIANT: as above.
        Some(Guard {
            value,
            _reader: reader,
        })
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: by the type's invariant the memory is there as long as this value.
        unsafe { self.0.as_ref() }
    }
}

/// `NUMA_NO_NODE` in `include/linux/numa.h`.
const NUMA_NO_NODE: core::ffi::c_int = -1;

/// A value of [`Devres`], as long as RCU keeps it: the thread must not sleep.
///
/// # Invariants
///
/// The value is dropped after this reader ended, at the earliest.
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
        // More users than addresses there cannot be, unless they are leaked; 63 bits of those do
        // not come together.
        self.inner().users.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: counted above.
        Self(self.0, PhantomData)
    }
}

impl<T: Send + Sync> Drop for Devres<T> {
    fn drop(&mut self) {
        if self.inner().users.fetch_sub(1, Ordering::Release) == 1 {
            // What the others did comes before the memory goes.
            fence(Ordering::Acquire);
            // The value is not there: the binding has dropped it, or it never was. SAFETY: `kfree`
            // asks for the address that `kmalloc` returned, once: `new` took it from
            // `KBox::into_raw`, and this was its last user. It asks for a context that is no NMI,
            // in which no code of a driver runs.
            unsafe { sys::kfree(self.0.as_ptr().cast()) };
        }
    }
}

/// Called by `devres_release_all`, on the thread that unbinds, after the driver's data was dropped.
unsafe extern "C" fn release<T: Send + Sync + 'static>(_dev: *mut sys::device, node: *mut c_void) {
    // SAFETY: `new` wrote it.
    let inner = unsafe { node.cast::<NonNull<Inner<T>>>().read() };
    // INVARIANT: the use that `new` gave away.
    let this = Devres(inner, PhantomData);
    let inner = this.inner();
    inner.live.store(false, Ordering::Relaxed);
    // Nobody else can come to know of it where nobody else does.
    if inner.users.load(Ordering::Acquire) != 1 {
        rcu::synchronize_rcu();
    }
    // SAFETY: the memory is there; only the field's address is taken.
    let value = unsafe { &raw mut (*this.0.as_ptr()).value }.cast::<T>();
    // SAFETY: the value was initialised, and is dropped this once: no driver has the device as one
    // of this binding any more, and no reader is left that found it there.
    unsafe { value.drop_in_place() };
}
