// SPDX-License-Identifier: GPL-2.0-only
//! Lock classes, by which lockdep distinguishes locks.
//!
//! C header: `include/linux/lockdep.h`; `Documentation/locking/lockdep-design.rst`.

use core::cell::UnsafeCell;
use core::ffi::CStr;

use linux_driver_sys as sys;

/// A class of locks: C's `struct lock_class_key`. All locks that are made at the same source
/// location share one.
///
/// Each use of a macro that makes locks ([`new_mutex!`](crate::new_mutex), …) has a static key.
/// lockdep accepts keys in the memory of a module, and forgets them when the module is unloaded. On
/// a kernel without lockdep a key has size 0.
#[repr(transparent)]
#[doc(alias = "lock_class_key")]
pub struct LockClassKey(UnsafeCell<sys::lock_class_key>);

// SAFETY: Rust code does not access the contents of a key. lockdep accesses them under its own
// lock.
unsafe impl Sync for LockClassKey {}

impl LockClassKey {
    /// Returns a key, for a static. If lockdep meets a key that is not in a static, it logs a
    /// message and turns itself off.
    #[expect(
        clippy::new_without_default,
        reason = "a key is of use in a static only"
    )]
    pub const fn new() -> Self {
        // SAFETY: C's static keys are all zeroes too.
        Self(UnsafeCell::new(unsafe { core::mem::zeroed() }))
    }

    /// Returns the key as C knows it.
    pub const fn as_raw(&'static self) -> *mut sys::lock_class_key {
        self.0.get()
    }
}

/// True if the kernel has lockdep, which uses a class and its name.
pub(crate) const LOCKDEP: bool = cfg!(has_fn = "lockdep_init_map_type");

/// Returns the name of a class, from a literal that ends with NUL. Without lockdep it is empty, so
/// that the module contains no string that nothing reads.
#[doc(hidden)]
pub const fn class_name(name: &'static str) -> &'static CStr {
    if !LOCKDEP {
        return c"";
    }
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("the name of a lock must not contain a NUL"),
    }
}

/// Returns the name of a lock and its class: `(&'static CStr, &'static LockClassKey)`. Without a
/// given name, the name is the source location.
#[doc(hidden)]
#[macro_export]
macro_rules! __lock_class {
    () => {
        $crate::__lock_class!($crate::__core::concat!(
            $crate::__core::file!(),
            ":",
            $crate::__core::line!()
        ))
    };
    ($name:expr) => {{
        static KEY: $crate::sync::LockClassKey = $crate::sync::LockClassKey::new();
        const NAME: &$crate::__core::ffi::CStr =
            $crate::sync::class_name($crate::__core::concat!($name, "\0"));
        (NAME, &KEY)
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_size_that_lockdep_needs() {
        assert_eq!(size_of::<LockClassKey>(), size_of::<sys::lock_class_key>());
        assert!(LOCKDEP || size_of::<LockClassKey>() == 0);
    }

    #[test]
    fn a_source_location_has_one_class() {
        let made: Vec<_> = (0..2).map(|_| crate::__lock_class!("twice")).collect();
        let (first, second) = (made[0], made[1]);
        assert!(core::ptr::eq(first.1, second.1));
        assert_eq!(first.0, if LOCKDEP { c"twice" } else { c"" });
    }
}
