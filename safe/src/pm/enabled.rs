// SPDX-License-Identifier: GPL-2.0-only
//! Runtime power management on a bus that leaves it to the driver to enable it: the platform bus,
//! and buses made in Rust.
//!
//! C: `pm_runtime_set_active`, `pm_runtime_enable` and `pm_runtime_disable` in
//! `include/linux/pm_runtime.h`. PCI enables it when it makes a device and counts a use during
//! `probe` and `remove`. These do here what it does there, so that a driver sees one thing.

use core::ffi::c_uint;

use linux_driver_sys as sys;

use super::runtime::{get_noresume, put_noidle};
use crate::error::{Result, to_result};

/// Before `probe`: the device is awake and in use, and runtime power management is on.
///
/// # Safety
///
/// The device's lock is held; its bus neither enables runtime power management nor counts a use;
/// the driver that is being bound takes part.
pub(crate) unsafe fn enable(dev: *mut sys::device) -> Result {
    // SAFETY: `__pm_runtime_set_status` demands that runtime power management is disabled, else it
    // returns `-EAGAIN`, and for `RPM_ACTIVE` a parent that is awake or not enabled, else `-EBUSY`.
    // The core has resumed the parent for `probe`; the device is there.
    to_result(unsafe { sys::__pm_runtime_set_status(dev, sys::RPM_ACTIVE as c_uint) })?;
    // SAFETY: the device is there.
    unsafe { get_noresume(dev) };
    // SAFETY: `pm_runtime_enable` demands a call for each `pm_runtime_disable`, else it warns:
    // `disable` comes after each `enable`, by its contract.
    unsafe { sys::pm_runtime_enable(dev) };
    Ok(())
}

/// Before `remove`, after [`stop`](super::stop): wakes the device, which stays so.
///
/// # Safety
///
/// As for [`enable`], which came before; a use is counted.
pub(crate) unsafe fn wake(dev: *mut sys::device) {
    // SAFETY: `__pm_runtime_resume` demands a device that is there and a context that may sleep:
    // this is a bus's `remove`. If the callback fails the device goes as it is.
    unsafe { sys::__pm_runtime_resume(dev, 0) };
}

/// After `remove`, or a `probe` that failed: runtime power management is off, the device in no use.
///
/// # Safety
///
/// As for [`enable`], which came before; a use is counted.
pub(crate) unsafe fn disable(dev: *mut sys::device) {
    // `probe` may have switched it on, and the next driver has not asked for it.
    // SAFETY: the device is there.
    unsafe { sys::__pm_runtime_use_autosuspend(dev, false) };
    // SAFETY: `__pm_runtime_disable` demands a context that may sleep: it waits for callbacks that
    // run. With `false` none is begun by it.
    unsafe { sys::__pm_runtime_disable(dev, false) };
    // SAFETY: as above.
    let _ = unsafe { sys::__pm_runtime_set_status(dev, sys::RPM_SUSPENDED as c_uint) };
    // SAFETY: `pm_runtime_put_noidle` demands a use to give up, which by the caller's promise was
    // counted.
    unsafe { put_noidle(dev) };
}
