// SPDX-License-Identifier: GPL-2.0-only
//! The data of a bound device: what `driver_data` of a `struct device` points to while a driver of
//! ours is bound.
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

/// What the data of every driver starts with, so that it can be read without knowing the driver.
pub(crate) struct Head {
    /// The number of the binding: no two have the same.
    pub(crate) binding: u64,
    /// Where the driver's own part is, and how much in it is registered with C.
    pub(crate) extent: Extent,
    /// Whether the driver's own part is there: from the end of `probe` until it is dropped in
    /// `remove`.
    bound: AtomicBool,
    /// The task that runs a callback of runtime power management which others wait for; 0 if there
    /// is none.
    pub(crate) transition: AtomicUsize,
    /// How many hold the memory: the binding, and what outlives it (an open file).
    users: AtomicUsize,
}

/// The data of a device that is bound to a driver with data `T`.
#[repr(C)]
struct Data<T> {
    head: Head,
    of_driver: T,
}

/// The number of the last binding of a driver of this module. 64 bits do not come round.
static BINDINGS: AtomicU64 = AtomicU64::new(0);

/// The memory of a bound device's data, which stays while one of these is there, whether the device
/// is bound or not.
///
/// # Invariants
///
/// The pointer is to the head of an allocation made by [`bind`], one of whose users this value is.
pub(crate) struct Memory(NonNull<Head>);

// SAFETY: the count is atomic, and `kfree` may be called by another task than `kmalloc` was.
unsafe impl Send for Memory {}
// SAFETY: a shared one gives nothing away.
unsafe impl Sync for Memory {}

impl Memory {
    /// Keeps the memory of the data that this head begins.
    pub(crate) fn of(head: &Head) -> Self {
        // The count does not overflow: each user is a value in memory.
        head.users.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: a head stands at the start of an allocation of `bind` alone, and the use
        // counted above is this value's.
        Self(NonNull::from(head))
    }

    /// Gives the use away, to be taken back by [`from_raw`](Self::from_raw).
    pub(crate) fn into_raw(self) -> NonNull<Head> {
        let head = self.0;
        core::mem::forget(self);
        head
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave away.
    ///
    /// # Safety
    ///
    /// The head is from `into_raw`, and was not taken back since.
    pub(crate) unsafe fn from_raw(head: NonNull<Head>) -> Self {
        // INVARIANT: the caller hands over the use.
        Self(head)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant the memory is there as long as this value is.
        let users = unsafe { &self.0.as_ref().users };
        if users.fetch_sub(1, Ordering::Release) == 1 {
            // What the others did with the memory comes before it is freed.
            fence(Ordering::Acquire);
            // SAFETY: `kfree` asks for the address that `kmalloc` returned, once, and for a context
            // that is no NMI, nor atomic with `PREEMPT_RT`: the head is the start of the allocation
            // of `bind` (a `KBox`), and this was its last user. The end of a binding and `release`
            // of a file, which give up a use, may sleep.
            unsafe { sys::kfree(self.0.as_ptr().cast()) };
        }
    }
}

/// `driver_data` of a device, which runtime power management reads with no lock while it is
/// written.
///
/// # Safety
///
/// The device is there for `'a`, and nobody else writes `driver_data`, or reads it in another way
/// while it is written here.
unsafe fn driver_data<'a>(dev: *mut sys::device) -> &'a AtomicPtr<Head> {
    // SAFETY: the device is there; only the field's address is taken.
    let field = unsafe { &raw mut (*dev).driver_data };
    // SAFETY: the field is a pointer, aligned as one, and by the caller's promise used as an atomic
    // where it may be written.
    unsafe { AtomicPtr::from_ptr(field.cast()) }
}

/// Takes the head, of which nothing is lent any more, from the device and gives up the binding's
/// use of it.
///
/// A runtime callback may have found the head before it was taken away, and be about to look
/// whether the data is there. It is waited for: the core notes that a callback runs
/// (`runtime_status`, `idle_notification`) and lets go of `power.lock` only then, and the barrier
/// waits under that lock until none is noted. A callback that the core notes later takes the lock
/// after us, and finds NULL.
///
/// # Safety
///
/// The device's lock is held; `driver_data` is the driver's own, and points to a head of [`bind`]
/// that is no longer `bound`. This is called once for it.
unsafe fn free(dev: *mut sys::device, has_runtime: bool) {
    // SAFETY: the device is there; who reads the field with no lock does so as we do.
    let head = unsafe { driver_data(dev) }.swap(core::ptr::null_mut(), Ordering::Relaxed);
    if has_runtime {
        // SAFETY: `pm_runtime_barrier` asks for a device that is initialised and for a context that
        // may sleep, since it takes `power.lock` and waits: by the caller's promise this is the
        // bus's `probe` or `remove`, under the device's lock, a mutex.
        unsafe { sys::pm_runtime_barrier(dev) };
    }
    // SAFETY: by the caller's promise there is a head.
    let head = unsafe { NonNull::new_unchecked(head) };
    // SAFETY: this is the use that the head was written with.
    drop(unsafe { Memory::from_raw(head) });
}

/// A bus's `probe`: makes the driver's data with what `init` returns, in the one allocation that is
/// made for a device.
///
/// `driver_data` is there while `init` runs, so that the device at hand is one of a numbered
/// binding already.
///
/// # Safety
///
/// Called from the bus's `probe`, with the device's lock held; `driver_data` is the driver's own.
/// `has_runtime` says whether the driver has callbacks of runtime power management.
#[inline(always)]
pub(crate) unsafe fn bind<T, I: PinInit<T, Error>>(
    dev: *mut sys::device,
    has_runtime: bool,
    init: impl FnOnce() -> I,
) -> c_int {
    // SAFETY: a `MaybeUninit` is initialised whatever its memory holds; nothing is written.
    let nothing = unsafe {
        pinned_init::pin_init_from_closure(|_: *mut MaybeUninit<Data<T>>| Ok::<(), Error>(()))
    };
    let slot: *mut Data<T> = match KBox::pin_init(nothing, GFP_KERNEL | __GFP_ZERO) {
        Ok(memory) => KBox::into_raw(memory).cast(),
        Err(error) => return error.to_errno(),
    };
    // SAFETY: the memory is there; only the field's address is taken.
    let of_driver = unsafe { &raw mut (*slot).of_driver };
    // The head is the first field.
    let at_head: *mut Head = slot.cast();
    // SAFETY: the memory was allocated above, zeroed. Zeroes are a head: integers, and `false`.
    let head = unsafe { &mut *at_head };
    head.binding = BINDINGS.fetch_add(1, Ordering::Relaxed);
    head.extent.set(of_driver.addr(), size_of::<T>());
    *head.users.get_mut() = 1;
    // What the head says is seen by who finds it here.
    // SAFETY: the device is there, as its lock is held. Nobody else writes `driver_data`: the core
    // sets it to NULL only after `remove`, or a `probe` that failed, has returned
    // (`device_unbind_cleanup`), and the field is the driver's until then.
    unsafe { driver_data(dev) }.store(at_head, Ordering::Release);
    // SAFETY: the field is valid for writes, pinned with its memory, and not used as a `T` after an
    // error.
    match unsafe { init().__pinned_init(of_driver) } {
        Ok(()) => {
            // SAFETY: the head was written above. What was initialised is seen by who sees this.
            unsafe { &(*slot).head.bound }.store(true, Ordering::Release);
            0
        }
        Err(error) => {
            // SAFETY: the head was written above.
            unsafe { &(*slot).head.extent }.end();
            // SAFETY: `driver_data` is ours, and the head never was `bound`; nobody has the device
            // as a bound one any more.
            unsafe { free(dev, has_runtime) };
            error.to_errno()
        }
    }
}

/// A bus's `remove`: lends the data to `remove` and drops it. Devres comes after this.
///
/// # Safety
///
/// Called from the bus's `remove`, with the device's lock held, once after [`bind`] with the same
/// `T` returned 0. No other callback that uses [`data`] runs, or starts, until it returns, but
/// those of runtime power management where `has_runtime` says that the driver has them.
#[inline(always)]
pub(crate) unsafe fn unbind<T>(
    dev: *mut sys::device,
    has_runtime: bool,
    remove: impl FnOnce(Pin<&T>),
) {
    // SAFETY: the device is there, as its lock is held, and nobody writes the field meanwhile: the
    // core does so after `remove` has returned. `bind` put there what is read.
    let slot: *mut Data<T> = unsafe { (*dev).driver_data }.cast();
    // SAFETY: `bind` made the data.
    let of_driver = unsafe { &raw mut (*slot).of_driver };
    // SAFETY: the data is there, and dropped below at the earliest.
    let lent = unsafe { &*of_driver };
    // SAFETY: it is pinned in its memory.
    remove(unsafe { Pin::new_unchecked(lent) });
    // SAFETY: the memory is there.
    unsafe { &(*slot).head.bound }.store(false, Ordering::Relaxed);
    if has_runtime {
        // A device that did not wake (its parent did not, say) is asleep still, and user space or
        // its parent may wake it at any time. One that begins after this finds the data gone: the
        // barrier takes the lock under which each begins. The head, where it finds that, stays
        // until `free`.
        // SAFETY: as in `free`: the device is initialised, and the bus's `remove` may sleep.
        unsafe { sys::pm_runtime_barrier(dev) };
    }
    // SAFETY: the memory is there.
    unsafe { &(*slot).head.extent }.close();
    // SAFETY: `bind` initialised the data, and it is dropped this once, where it was made. Nobody
    // has it borrowed: `remove` has returned, `bound` is false, runtime callbacks were waited for,
    // and by the caller's promise no other callback runs. What is registered in it is unregistered,
    // and waited for, by the part that owns it.
    unsafe { core::ptr::drop_in_place(of_driver) };
    // SAFETY: the memory is there.
    unsafe { &(*slot).head.extent }.end();
    // SAFETY: `driver_data` is ours, and the head is not `bound` since above; nobody has the device
    // as a bound one any more.
    unsafe { free(dev, has_runtime) };
}

/// The driver's data, for a callback that can come at any time: `None` before `probe` has finished,
/// and after `remove`.
///
/// # Safety
///
/// The device is one that is bound, or being bound, to the driver whose data is `T`, or no driver
/// has data there; it stays bound for `'a` where it is, and [`bind`] and [`unbind`] wait for the
/// caller before they free what stands there.
#[inline(always)]
pub(crate) unsafe fn data<'a, T>(dev: *mut sys::device) -> Option<Pin<&'a T>> {
    // SAFETY: by the caller's promise.
    unsafe { head_and_data(dev) }.map(|(_head, data)| data)
}

/// As [`data`], with the data's head.
///
/// # Safety
///
/// As for [`data`].
#[inline(always)]
pub(crate) unsafe fn head_and_data<'a, T>(dev: *mut sys::device) -> Option<(&'a Head, Pin<&'a T>)> {
    // SAFETY: the device is there, by the caller's promise; the field is written in the same way.
    let slot: *mut Data<T> = unsafe { driver_data(dev) }.load(Ordering::Acquire).cast();
    if slot.is_null() {
        return None;
    }
    // SAFETY: `driver_data` of a device that is being bound, or is bound, is from `bind`, and not
    // freed before we are done with it.
    let head = unsafe { &(*slot).head };
    if !head.bound.load(Ordering::Acquire) {
        return None;
    }
    // SAFETY: it is bound: the data was initialised, and stays for `'a`.
    let of_driver = unsafe { &(*slot).of_driver };
    // SAFETY: the data is pinned in its memory.
    Some((head, unsafe { Pin::new_unchecked(of_driver) }))
}

/// The driver's data, for a callback that comes while the device is bound: neither before `probe`
/// has finished, nor after `remove` has begun.
///
/// # Safety
///
/// The device is bound so to the driver whose data is `T`, for `'a`.
#[inline(always)]
pub(crate) unsafe fn bound_data<'a, T>(dev: *mut sys::device) -> Pin<&'a T> {
    // SAFETY: `driver_data` of a device that is bound is what `bind` put there; nobody writes it
    // meanwhile.
    let slot: *mut Data<T> = unsafe { (*dev).driver_data }.cast();
    // SAFETY: it is bound: the data was initialised, and stays for `'a`.
    let of_driver = unsafe { &(*slot).of_driver };
    // SAFETY: the data is pinned in its memory.
    unsafe { Pin::new_unchecked(of_driver) }
}
