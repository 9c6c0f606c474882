// SPDX-License-Identifier: GPL-2.0-only
//! The data of a bound device. `driver_data` of a `struct device` points to it while one of this
//! module's drivers is bound.
//!
//! C: `really_probe` and `__device_release_driver` in `drivers/base/dd.c`, which call a bus's
//! `probe` and `remove` with the device's lock held.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};

use linux_driver_sys as sys;
use pinned_init::PinInit;

use crate::alloc::{__GFP_ZERO, GFP_KERNEL, KBox};
use crate::error::Error;
use crate::place::Extent;

/// The start of every driver's data. It can be read without knowing the driver's type.
pub(crate) struct Head {
    /// The number of the binding. No two bindings have the same number.
    pub(crate) binding: u64,
    /// The address and size of the driver's own part, and the number of registrations in it.
    pub(crate) extent: Extent,
    /// True while the driver's own part is initialised: from the end of `probe` until `remove`
    /// drops it.
    bound: AtomicBool,
    /// The task that runs a runtime power management callback for which other tasks wait; 0 if
    /// there is none.
    pub(crate) transition: AtomicUsize,
    /// The number of users of the memory: the binding, and everything that outlives it (an open
    /// file).
    users: AtomicUsize,
}

/// The data of a device that is bound to a driver with data `T`.
#[repr(C)]
struct Data<T> {
    head: Head,
    of_driver: T,
}

/// The number of the last binding of this module's drivers. A 64-bit counter does not wrap around.
static BINDINGS: AtomicU64 = AtomicU64::new(0);

/// A use of the memory of a bound device's data. The memory stays allocated while one of these
/// exists, even if the device is unbound.
///
/// # Invariants
///
/// The pointer points to the head of an allocation made by [`bind`], and this value is counted as
/// one of its users.
pub(crate) struct Memory(NonNull<Head>);

// SAFETY: the count is atomic, and `kfree` may be called by a different task than `kmalloc` was.
unsafe impl Send for Memory {}
// SAFETY: a shared reference to this type has no methods.
unsafe impl Sync for Memory {}

impl Memory {
    /// Takes a use of the memory that starts with this head.
    pub(crate) fn of(head: &Head) -> Self {
        // The count cannot overflow: each user is a value in memory.
        head.users.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: every head is at the start of an allocation made by `bind`, and the use
        // counted above belongs to this value.
        Self(NonNull::from(head))
    }

    /// Gives up ownership of the use. [`from_raw`](Self::from_raw) takes it back.
    pub(crate) fn into_raw(self) -> NonNull<Head> {
        let head = self.0;
        core::mem::forget(self);
        head
    }

    /// Takes back ownership of the use that [`into_raw`](Self::into_raw) gave up.
    ///
    /// # Safety
    ///
    /// `into_raw` returned the head, and this is the first call with it since.
    pub(crate) unsafe fn from_raw(head: NonNull<Head>) -> Self {
        // INVARIANT: the caller hands over the use.
        Self(head)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant the memory stays allocated as long as this value exists.
        let users = unsafe { &self.0.as_ref().users };
        if users.fetch_sub(1, Ordering::Release) == 1 {
            // The other users' accesses to the memory happen before it is freed.
            fence(Ordering::Acquire);
            // SAFETY: `kfree` requires
            // - the address that `kmalloc` returned, once: the head is at the start of the
            //   allocation of `bind` (a `KBox`), and this was its last user;
            // - a context that is not NMI, and not atomic with `PREEMPT_RT`: a use is given up at
            //   the end of a binding and in `release` of a file, which may sleep.
            unsafe { sys::kfree(self.0.as_ptr().cast()) };
        }
    }
}

/// Returns `driver_data` of a device as an atomic. Runtime power management reads the field without
/// a lock while it is written.
///
/// # Safety
///
/// The device exists for `'a`. Nothing else writes `driver_data`, and nothing reads it in another
/// way while it is written here.
unsafe fn driver_data<'a>(dev: *mut sys::device) -> &'a AtomicPtr<Head> {
    // SAFETY: the device exists, and only the field's address is taken.
    let field = unsafe { &raw mut (*dev).driver_data };
    // SAFETY: the field is a pointer with a pointer's alignment, and by the caller's promise every
    // access is atomic where it may be written.
    unsafe { AtomicPtr::from_ptr(field.cast()) }
}

/// Takes the head from the device and gives up the binding's use of it. No borrow of the driver's
/// data is left at this point.
///
/// A runtime callback may have loaded the head's address before it is cleared here, and may read
/// `bound` in it next. This function waits for such a callback: the core marks the device while a
/// callback runs (`runtime_status`, `idle_notification`) and releases `power.lock` only after that.
/// The barrier waits, under that lock, until no callback is marked. A callback that is marked later
/// takes the lock after the barrier, and finds NULL.
///
/// # Safety
///
/// The device's lock is held. `driver_data` belongs to the driver and points to a head of [`bind`]
/// that is no longer `bound`. This function is called once for that head.
unsafe fn free(dev: *mut sys::device, has_runtime: bool) {
    // SAFETY: the device exists, and the readers without a lock use this same function.
    let head = unsafe { driver_data(dev) }.swap(core::ptr::null_mut(), Ordering::Relaxed);
    if has_runtime {
        // SAFETY: `pm_runtime_barrier` requires an initialised device and a context that may sleep,
        // because it takes `power.lock` and waits. By the caller's promise this is the bus's
        // `probe` or `remove`, under the device's lock, which is a mutex.
        unsafe { sys::pm_runtime_barrier(dev) };
    }
    // SAFETY: by the caller's promise `driver_data` points to a head.
    let head = unsafe { NonNull::new_unchecked(head) };
    // SAFETY: this is the use that `bind` stored in `driver_data`, and it is taken back once.
    drop(unsafe { Memory::from_raw(head) });
}

/// The body of a bus's `probe`. Allocates the driver's data and initialises it with what `init`
/// returns. This is the only allocation for a device.
///
/// `driver_data` is set before `init` runs, so code in `init` can use the number of the binding.
///
/// # Safety
///
/// Must be called from the bus's `probe`, with the device's lock held. `driver_data` belongs to the
/// driver. `has_runtime` says whether the driver has callbacks of runtime power management.
#[inline(always)]
pub(crate) unsafe fn bind<T, I: PinInit<T, Error>>(
    dev: *mut sys::device,
    has_runtime: bool,
    init: impl FnOnce() -> I,
) -> c_int {
    // SAFETY: a `MaybeUninit` needs no initialisation, so an initialiser may write nothing.
    let nothing = unsafe {
        pinned_init::pin_init_from_closure(|_: *mut MaybeUninit<Data<T>>| Ok::<(), Error>(()))
    };
    let slot: *mut Data<T> = match KBox::pin_init(nothing, GFP_KERNEL | __GFP_ZERO) {
        Ok(memory) => KBox::into_raw(memory).cast(),
        Err(error) => return error.to_errno(),
    };
    // SAFETY: the memory is allocated, and only the field's address is taken.
    let of_driver = unsafe { &raw mut (*slot).of_driver };
    // The head is the first field.
    let at_head: *mut Head = slot.cast();
    // SAFETY: the memory was allocated above, zeroed. All-zero memory is a valid head: integers,
    // and `false`.
    let head = unsafe { &mut *at_head };
    head.binding = BINDINGS.fetch_add(1, Ordering::Relaxed);
    head.extent.set(of_driver.addr(), size_of::<T>());
    *head.users.get_mut() = 1;
    // A task that loads this address also sees the contents of the head.
    // SAFETY: the device exists, because its lock is held. Nothing else writes `driver_data`: it is
    // the driver's until `remove`, or a `probe` that failed, has returned. Only then does the core
    // set it to NULL (`device_unbind_cleanup`).
    unsafe { driver_data(dev) }.store(at_head, Ordering::Release);
    // SAFETY: the field is valid for writes, is pinned with its memory, and is not used as a `T`
    // after an error.
    match unsafe { init().__pinned_init(of_driver) } {
        Ok(()) => {
            // SAFETY: the head was written above. A task that sees `true` also sees the initialised
            // data.
            unsafe { &(*slot).head.bound }.store(true, Ordering::Release);
            0
        }
        Err(error) => {
            // SAFETY: the head was written above.
            unsafe { &(*slot).head.extent }.end();
            // SAFETY: the device's lock is held, `driver_data` is the driver's own, and the head
            // never was `bound`. No borrow of the device as a bound device is left.
            unsafe { free(dev, has_runtime) };
            error.to_errno()
        }
    }
}

/// The body of a bus's `remove`. Lends the data to the driver's `remove` and then drops it. The
/// core releases devres after that.
///
/// # Safety
///
/// Must be called from the bus's `remove`, with the device's lock held, once after [`bind`] with
/// the same `T` returned 0. Until this returns, no other callback that uses [`data`] runs or
/// starts. The exceptions are callbacks of runtime power management, if `has_runtime` says that the
/// driver has them.
#[inline(always)]
pub(crate) unsafe fn unbind<T>(
    dev: *mut sys::device,
    has_runtime: bool,
    remove: impl FnOnce(Pin<&T>),
) {
    // SAFETY: the device exists, because its lock is held. Nothing writes the field meanwhile: the
    // core does so after `remove` has returned. The value read is the one that `bind` stored.
    let slot: *mut Data<T> = unsafe { (*dev).driver_data }.cast();
    // SAFETY: `bind` allocated the data, and only the field's address is taken.
    let of_driver = unsafe { &raw mut (*slot).of_driver };
    // SAFETY: `bind` initialised the data, and it is dropped below, after the last use of `lent`.
    let lent = unsafe { &*of_driver };
    // SAFETY: the data never moves: it is dropped in the memory in which it was initialised.
    remove(unsafe { Pin::new_unchecked(lent) });
    // SAFETY: the memory stays allocated until `free` below.
    unsafe { &(*slot).head.bound }.store(false, Ordering::Relaxed);
    if has_runtime {
        // A device may have failed to wake up, because its parent did, for example. It is then
        // still suspended, and user space or its parent may wake it at any time. A runtime callback
        // that starts after the barrier finds that the data is gone: the barrier takes the lock
        // under which each callback starts. The head, in which the callback looks, stays until
        // `free`.
        // SAFETY: as in `free`: the device is initialised, and the bus's `remove` may sleep.
        unsafe { sys::pm_runtime_barrier(dev) };
    }
    // SAFETY: the memory stays allocated until `free` below.
    unsafe { &(*slot).head.extent }.close();
    // SAFETY: `drop_in_place` requires
    // - initialised data that is dropped once: `bind` initialised it, and this is its only drop, at
    //   the address where it was initialised;
    // - that nothing borrows it: `remove` has returned, `bound` is false, the runtime callbacks
    //   were waited for, and by the caller's promise no other callback runs. Each registration in
    //   the data is unregistered by its own drop, which waits for its callbacks.
    unsafe { core::ptr::drop_in_place(of_driver) };
    // SAFETY: the memory stays allocated until `free` below.
    unsafe { &(*slot).head.extent }.end();
    // SAFETY: the device's lock is held, `driver_data` is the driver's own, and the head has left
    // the state `bound`. No borrow of the device as a bound device is left.
    unsafe { free(dev, has_runtime) };
}

/// Returns the driver's data, for a callback that may run at any time. Returns `None` before
/// `probe` has finished, and after `remove`.
///
/// # Safety
///
/// Either no driver has data in `driver_data`, or the device is bound, or being bound, to the
/// driver whose data is `T`. That data stays at its address for `'a`: [`bind`] and [`unbind`] wait
/// for the caller before they free the data.
#[inline(always)]
pub(crate) unsafe fn data<'a, T>(dev: *mut sys::device) -> Option<Pin<&'a T>> {
    // SAFETY: the caller promises the same.
    unsafe { head_and_data(dev) }.map(|(_head, data)| data)
}

/// As [`data`], and also returns the head of the data.
///
/// # Safety
///
/// As for [`data`].
#[inline(always)]
pub(crate) unsafe fn head_and_data<'a, T>(dev: *mut sys::device) -> Option<(&'a Head, Pin<&'a T>)> {
    // SAFETY: by the caller's promise the device exists; every writer of the field uses this same
    // function.
    let slot: *mut Data<T> = unsafe { driver_data(dev) }.load(Ordering::Acquire).cast();
    if slot.is_null() {
        return None;
    }
    // SAFETY: `driver_data` of a device that is bound, or being bound, was stored by `bind`. By the
    // caller's promise it is not freed before `'a` ends.
    let head = unsafe { &(*slot).head };
    if !head.bound.load(Ordering::Acquire) {
        return None;
    }
    // SAFETY: `bound` was true: the data is initialised, and by the caller's promise stays for
    // `'a`.
    let of_driver = unsafe { &(*slot).of_driver };
    // SAFETY: the data never moves in its memory.
    Some((head, unsafe { Pin::new_unchecked(of_driver) }))
}

/// Returns the driver's data, for a callback that runs only while the device is bound: neither
/// before `probe` has finished nor after `remove` has started.
///
/// # Safety
///
/// For `'a` the device is bound in this sense to the driver whose data is `T`.
#[inline(always)]
pub(crate) unsafe fn bound_data<'a, T>(dev: *mut sys::device) -> Pin<&'a T> {
    // SAFETY: the device is bound, so `driver_data` is the value that `bind` stored; nothing writes
    // it meanwhile.
    let slot: *mut Data<T> = unsafe { (*dev).driver_data }.cast();
    // SAFETY: the device is bound: the data is initialised, and stays for `'a`.
    let of_driver = unsafe { &(*slot).of_driver };
    // SAFETY: the data never moves in its memory.
    unsafe { Pin::new_unchecked(of_driver) }
}
