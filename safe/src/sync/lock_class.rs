// SPDX-License-Identifier: GPL-2.0-only
//! Classes of locks, by which lockdep tells locks apart.
//!
//! C header: `include/linux/lockdep.h`; `Documentation/locking/lockdep-design.rst`.

use core::cell::UnsafeCell;
use core::ffi::CStr;

use linux_driver_sys as sys;

/// A class of locks: C's `struct lock_class_key`. All locks that are made at one place of a source
/// have one.
///
/// The macros that make locks ([`new_mutex!`](crate::new_mutex), …) have a static key each. lockdep
/// takes keys for static that lie in a module, and forgets them when the module is unloaded. On a
/// kernel without lockdep a key has no size.
#[repr(transparent)]
#[doc(alias = "lock_class_key")]
pub struct LockClassKey(UnsafeCell<sys::lock_class_key>);

// SAFETY: Rust code does not read or write a key; lockdep does so under its own lock.
unsafe impl Sync for LockClassKey {}

impl LockClassKey {
    /// A key, for a static. (lockdep turns itself off, with a message, when it meets one that is
    /// not in a static.)
    #[expect(
        clippy::new_without_default,
        reason = "a key is of use in a static only"
    )]
    pub const fn new() -> Self {
        // SAFETY: C's static keys are all zeroes, too.
        Self(UnsafeCell::new(unsafe { core::mem::zeroed() }))
    }

    /// The key as C knows it.
    pub const fn as_raw(&'static self) -> *mut sys::lock_class_key {
        self.0.get()
    }
}

/// Whether the kernel at hand has lockdep: a class, and its name, are of use.
pub(crate) const LOCKDEP: bool = cfg!(has_fn = "lockdep_init_map_type");

/// The name of a class, from a literal that ends in NUL; empty where nobody would read it, so that
/// no string is left in the module.
#[doc(hidden)]
pub const fn class_name(name: &'static str) -> &'static CStr {
    if !LOCKDEP {
        return c"";
    }
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("the name of a lock has no NUL in it"),
    }
}

/// The name of a lock and its class: `(&'static CStr, &'static LockClassKey)`. The name is the one
/// given, or the place.
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
    fn a_key_takes_the_room_that_lockdep_needs() {
        assert_eq!(size_of::<LockClassKey>(), size_of::<sys::lock_class_key>());
        assert!(LOCKDEP || size_of::<LockClassKey>() == 0);
    }

    #[test]
    fn a_class_is_made_once_a_place() {
        let made: Vec<_> = (0..2).map(|_| crate::__lock_class!("twice")).collect();
        let (first, second) = (made[0], made[1]);
        assert!(core::ptr::eq(first.1, second.1));
        assert_eq!(first.0, if LOCKDEP { c"twice" } else { c"" });
    }
}
