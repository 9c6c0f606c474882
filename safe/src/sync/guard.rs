// SPDX-License-Identifier: GPL-2.0-only
//! The common part of the guards of [`Mutex`](super::Mutex) and [`SpinLock`](super::SpinLock).

/// Implements the access to the data of a lock. `$guard` is a tuple struct whose first field is a
/// reference to the lock, and whose invariant is that this thread locked the lock for this value.
macro_rules! access_to_data {
    ($guard:ident) => {
        // SAFETY: a shared guard gives shared access to the data, and nothing else.
        unsafe impl<T: Sync> Sync for $guard<'_, T> {}

        impl<T> core::ops::Deref for $guard<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: by the type's invariant the lock is held, so nothing else accesses the
                // data as long as the guard is borrowed.
                unsafe { &*self.0.data.get() }
            }
        }

        impl<T> core::ops::DerefMut for $guard<'_, T> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: as above. The guard is borrowed exclusively.
                unsafe { &mut *self.0.data.get() }
            }
        }
    };
}
pub(super) use access_to_data;
