// SPDX-License-Identifier: GPL-2.0-only
//! Types for objects that C and Rust share.

use core::cell::UnsafeCell;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::NonNull;

/// A C object that C code may read and write at any time.
///
/// It may change behind a shared reference, may hold any bits, and must not move.
#[repr(transparent)]
pub struct Opaque<T>(UnsafeCell<MaybeUninit<T>>, PhantomPinned);

impl<T> Opaque<T> {
    /// Returns an object with these contents.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(MaybeUninit::new(value)), PhantomPinned)
    }

    /// Returns an object that C initialises before anything reads it.
    pub const fn uninit() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()), PhantomPinned)
    }

    /// Returns a pointer to the C object.
    pub const fn get(&self) -> *mut T {
        self.0.get().cast()
    }
}

/// A marker that makes a type invariant in `T`.
///
/// It is needed because `for<'a> fn(&'a ())` is a subtype of `fn(&'static ())`, and each of the two
/// may implement a trait differently. If the marker were covariant (`PhantomData<T>`,
/// `PhantomData<fn() -> T>`), a table of callbacks for one of them would be accepted for the other.
pub(crate) type Invariant<T> = PhantomData<fn(T) -> T>;

/// A kernel object with a reference count. It lives as long as a reference is held.
///
/// # Safety
///
/// As long as a reference from `inc_ref` is held, the object must stay alive and where it is.
pub unsafe trait AlwaysRefCounted {
    /// Takes a reference.
    fn inc_ref(&self);

    /// Gives up a reference.
    ///
    /// # Safety
    ///
    /// The caller must own a reference. It must not use the object after this unless it owns
    /// another reference.
    unsafe fn dec_ref(object: NonNull<Self>);
}

/// An owned reference to a kernel object that counts references.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::device::Device;
/// use linux_driver::miscdevice::{self, Call};
/// use linux_driver::prelude::*;
/// use linux_driver::types::ARef;
///
/// /// The state of an open file. The file may stay open after the device was unbound or removed.
/// /// The reference keeps the memory of the device.
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
/// The pointer is valid, and this value owns a reference to the object.
pub struct ARef<T: AlwaysRefCounted>(NonNull<T>);

// SAFETY: an `ARef` on another thread allows shared access to `T`, and dropping a reference. `T` is
// `Sync` and `Send`.
unsafe impl<T: AlwaysRefCounted + Sync + Send> Send for ARef<T> {}
// SAFETY: as above. `&ARef<T>` gives `&T`, and a clone of it can be dropped on any thread.
unsafe impl<T: AlwaysRefCounted + Sync + Send> Sync for ARef<T> {}

impl<T: AlwaysRefCounted> From<&T> for ARef<T> {
    fn from(object: &T) -> Self {
        object.inc_ref();
        // INVARIANT: this value owns the reference taken above.
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
        // SAFETY: by the type's invariant the object is alive as long as this value exists.
        unsafe { self.0.as_ref() }
    }
}

impl<T: AlwaysRefCounted> Drop for ARef<T> {
    fn drop(&mut self) {
        // SAFETY: `dec_ref` requires a reference that the caller owns. By the type's invariant this
        // value owns one, and does not use it after this.
        unsafe { T::dec_ref(self.0) }
    }
}
