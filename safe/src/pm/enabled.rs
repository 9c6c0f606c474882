// SPDX-License-Identifier: GPL-2.0-only
//! Runtime power management on buses that leave it to the driver to enable it: the platform bus,
//! and buses made in Rust.
//!
//! C: `pm_runtime_set_active`, `pm_runtime_enable` and `pm_runtime_disable` in
//! `include/linux/pm_runtime.h`. PCI enables it when it creates a device, and counts a use during
//! `probe` and `remove`. The functions here do the same for the other buses, so that all drivers
//! see the same behaviour.

use core::ffi::c_uint;

use linux_driver_sys as sys;

use super::runtime::{get_noresume, put_noidle};
use crate::error::{Result, to_result};

/// Enables runtime power management before `probe`, with the device awake and in use.
///
/// # Errors
///
/// `EAGAIN` if it is enabled already; `EBUSY` if the device's parent is suspended.
///
/// # Safety
///
/// The device's lock must be held. The device's bus must neither enable runtime power management
/// nor count a use. The driver that is being bound must have a runtime callback.
pub(crate) unsafe fn enable(dev: *mut sys::device) -> Result {
    // SAFETY: `__pm_runtime_set_status` requires a device that exists, which it does while its lock
    // is held. If runtime power management is enabled it returns `-EAGAIN`. For `RPM_ACTIVE` it
    // returns `-EBUSY` if the parent is enabled and suspended. The core has resumed the parent for
    // `probe`.
    to_result(unsafe { sys::__pm_runtime_set_status(dev, sys::RPM_ACTIVE as c_uint) })?;
    // SAFETY: `get_noresume` requires a device that exists.
    unsafe { get_noresume(dev) };
    // SAFETY: `pm_runtime_enable` requires one call of `pm_runtime_disable` for each call, or it
    // warns. The caller of `enable` calls `disable` later, by its contract.
    unsafe { sys::pm_runtime_enable(dev) };
    Ok(())
}

/// Wakes the device before `remove`, after [`stop`](super::stop). The device then stays awake.
///
/// # Safety
///
/// Same as for [`enable`], which must have been called. A use must be counted.
pub(crate) unsafe fn wake(dev: *mut sys::device) {
    // SAFETY: `__pm_runtime_resume` requires a device that exists, and a context that may sleep,
    // which a bus's `remove` is. If the driver's callback fails, the device is removed in the state
    // in which it is.
    unsafe { sys::__pm_runtime_resume(dev, 0) };
}

/// Disables runtime power management after `remove`, or after a `probe` that failed, and gives up
/// the use of the device.
///
/// # Safety
///
/// Same as for [`enable`], which must have been called. A use must be counted.
pub(crate) unsafe fn disable(dev: *mut sys::device) {
    // `probe` may have enabled autosuspend, for which the next driver has not asked.
    // SAFETY: the function requires a device that exists.
    unsafe { sys::__pm_runtime_use_autosuspend(dev, false) };
    // SAFETY: `__pm_runtime_disable` requires a context that may sleep, because it waits for
    // callbacks that run. A bus's `probe` and `remove` are such a context. With `false` it starts
    // no callback itself.
    unsafe { sys::__pm_runtime_disable(dev, false) };
    // SAFETY: same preconditions as in `enable`.
    let _ = unsafe { sys::__pm_runtime_set_status(dev, sys::RPM_SUSPENDED as c_uint) };
    // SAFETY: `put_noidle` requires a counted use to give up. The caller promises one.
    unsafe { put_noidle(dev) };
}
