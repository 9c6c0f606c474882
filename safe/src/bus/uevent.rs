// SPDX-License-Identifier: GPL-2.0-only
//! `struct kobj_uevent_env`.

use core::ffi::CStr;
use core::marker::PhantomData;

use linux_driver_sys as sys;

use crate::error::{Result, to_result};

/// The variables of an event for user space: C's `struct kobj_uevent_env`, in
/// `include/linux/kobject.h`.
#[doc(alias = "kobj_uevent_env")]
pub struct UeventEnv<'a>(*mut sys::kobj_uevent_env, PhantomData<&'a mut ()>);

impl UeventEnv<'_> {
    /// Returns the variables for a C pointer.
    ///
    /// # Safety
    ///
    /// No other code uses the environment as long as this value exists.
    pub(super) unsafe fn new(raw: *mut sys::kobj_uevent_env) -> Self {
        Self(raw, PhantomData)
    }

    /// Adds `KEY=VALUE`: C's `add_uevent_var`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no room for it.
    #[doc(alias = "add_uevent_var")]
    pub fn add(&mut self, key: &CStr, value: &CStr) -> Result {
        // SAFETY: `add_uevent_var` requires an environment that no other code uses: `new` requires
        // that. The format takes two strings, and both exist during the call.
        to_result(unsafe {
            sys::add_uevent_var(self.0, c"%s=%s".as_ptr(), key.as_ptr(), value.as_ptr())
        })
    }
}
