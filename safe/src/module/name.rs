// SPDX-License-Identifier: GPL-2.0-only
//! The module's name, for log lines of this crate.

use core::ffi::c_char;

use super::ThisModule;

/// Returns the module's name for a log line of this crate: a C string that lives as long as the
/// module.
#[inline(always)]
pub(crate) fn name() -> *const c_char {
    // SAFETY: nothing is registered in the name of the module.
    unsafe { ThisModule::get() }.name()
}
