// SPDX-License-Identifier: GPL-2.0-only
//! Types that stand between C and Rust.

use core::cell::UnsafeCell;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::NonNull;

/// A C object that C code reads and writes as it likes.
///
/// It may be changed behind a shared reference, may hold any bits, and may not move.
#[repr(transparent)]
pub struct Opaque<T>(UnsafeCell<MaybeUninit<T>>, PhantomPinned);

impl<T> Opaque<T> {
    /// One with these contents.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(MaybeUninit::new(value)), PhantomPinned)
    }

    /// One that C initialises before anything reads it.
    pub const fn uninit() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()), PhantomPinned)
    }

    /// The C object.
    pub const fn get(&self) -> *mut T {
        self.0.get().cast()
    }
}

/// Says that a value is about `T` and no type beside it.
///
/// `for<'a> fn(&'a ())` is a subtype of `fn(&'static ())`, and each may have a trait's
/// implementation of its own. A table of callbacks that is made for the one would be taken for the
/// other's where the parameter stands in a place that is covariant (`PhantomData<T>`,
/// `PhantomData<fn() -> T>`).
pub(crate) type Invariant<T> = PhantomData<fn(T) -> T>;

/// A kernel object that counts its references: it lives as long as one is held.
///
/// # Safety
///
/// While the count that `inc_ref` raises is held, the object stays where it is and alive.
pub unsafe trait AlwaysRefCounted {
    /// Takes a reference.
    fn inc_ref(&self);

    /// Gives one back.
    ///
    /// # Safety
    ///
    /// The caller owns a reference, and does not use the object after this unless it owns another.
    unsafe fn dec_ref(object: NonNull<Self>);
}

/// An owned reference to a kernel object that counts them.
///
/// ```no_run
/// use linux_driver::device::Device;
/// use linux_driver::miscdevice::{self, Call};
/// use linux_driver::prelude::*;
/// use linux_driver::types::ARef;
///
/// /// The state of an open file, which may stay open when the device is unbound or gone. The reference keeps the memory of
/// /// the device.
/// struct Opened {
///     dev: ARef<Device>,
/// }
///
/// impl Drop for Opened {
///     fn drop(&mut self) {
///         dev_info!(*self.dev, "closed"); // C's `put_device` comes after this.
///     }
/// }
///
/// struct Nic;
///
/// #[vtable]
/// impl miscdevice::Operations for Nic {
///     type File = Opened;
///
///     fn open(_this: Pin<&Self>, call: &Call<'_>) -> impl PinInit<Opened, Error> {
///         let dev: &Device = call.dev(); // It is more, `Device<Bound>`, until the call returns.
///         Ok(Opened { dev: dev.into() }) // C's `get_device`.
///     }
/// }
/// ```
///
/// # Invariants
///
/// The pointer is valid, and this value owns one of the object's references.
pub struct ARef<T: AlwaysRefCounted>(NonNull<T>);

// SAFETY: what an `ARef` allows from another thread is what `&T` and dropping a reference allow
// there.
unsafe impl<T: AlwaysRefCounted + Sync + Send> Send for ARef<T> {}
// SAFETY: as above: `&ARef<T>` gives `&T`, and a clone of it can be dropped on any thread.
unsafe impl<T: AlwaysRefCounted + Sync + Send> Sync for ARef<T> {}

impl<T: AlwaysRefCounted> From<&T> for ARef<T> {
    fn from(object: &T) -> Self {
        object.inc_ref();
        // INVARIANT: the reference taken above is this value's.
        Self(NonNull::from(object))
    }
}

impl<T: AlwaysRefCounted> Clone for ARef<T> {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl<T: AlwaysRefCounted> Deref for ARef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type's invariant the object is alive as long as this value is.
        unsafe { self.0.as_ref() }
    }
}

impl<T: AlwaysRefCounted> Drop for ARef<T> {
    fn drop(&mut self) {
        // SAFETY: `dec_ref` asks for a reference that the caller owns: by the type's invariant this
        // value owns one, and it is not used after this.
        unsafe { T::dec_ref(self.0) }
    }
}
