// SPDX-License-Identifier: GPL-2.0-only
//! Platform devices that a module registers: `struct platform_device_info`.
//!
//! C header: `include/linux/platform_device.h`.

use core::ffi::{CStr, c_int};
use core::ops::Deref;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use super::Device;
use crate::device::{Normal, left_registered};
use crate::error::{Error, Result, code::EDEADLK, code::EINVAL};
use crate::task::InMiscOpen;

/// The number of a device among the devices of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// No number: the device is the only one, and its name in sysfs is `NAME`.
    #[doc(alias = "PLATFORM_DEVID_NONE")]
    None,
    /// A free number that the bus chooses. The device's name in sysfs is `NAME.NUMBER.auto`.
    #[doc(alias = "PLATFORM_DEVID_AUTO")]
    Auto,
    /// This number, at most `i32::MAX`. The device's name in sysfs is `NAME.NUMBER`.
    Number(u32),
}

/// The description of a platform device to register: C's `struct platform_device_info`.
///
/// It has no resources and no properties, because nothing here could check the addresses of a
/// device.
#[derive(Clone, Copy)]
#[doc(alias = "platform_device_info")]
pub struct DeviceInfo<'a> {
    name: &'a CStr,
    id: Id,
    dma_mask: u64,
}

impl<'a> DeviceInfo<'a> {
    /// Describes a device of this name, without a number.
    pub const fn new(name: &'a CStr) -> Self {
        Self {
            name,
            id: Id::None,
            dma_mask: 0,
        }
    }

    /// Sets the number.
    #[must_use]
    #[doc(alias = "platform_device_info.id")]
    pub const fn id(mut self, id: Id) -> Self {
        self.id = id;
        self
    }

    /// Sets the addresses that the device can reach by DMA. Without this, the device cannot do DMA.
    #[must_use]
    #[doc(alias = "platform_device_info.dma_mask")]
    pub const fn dma_mask(mut self, dma_mask: u64) -> Self {
        self.dma_mask = dma_mask;
        self
    }
}

/// A platform device that this module registered. It is registered as long as this value exists. A
/// reference to the device keeps its memory longer.
///
/// A value may be dropped wherever the caller may sleep, with two exceptions:
///
/// - Code that belongs to the device must not drop it: callbacks, attributes, work items and
///   threaded handlers of its driver, and the operations of its misc devices. The device cannot go
///   away before that code ends, so the drop would wait for itself.
/// - `open` of any misc device runs under `misc_mtx`, for which the device's removal may wait. A
///   drop there leaves the device registered, as if the value had been leaked, and a log line says
///   so.
///
/// If a value is leaked, the device stays registered. That is safe, because its memory belongs to
/// the kernel and not to the module.
///
/// # Invariants
///
/// This value registered the device. It owns the reference that unregistering gives up.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::error::Result;
/// use linux_driver::platform::{DeviceInfo, DeviceRegistration, Id};
///
/// fn make() -> Result<DeviceRegistration> {
///     DeviceRegistration::new(&DeviceInfo::new(c"board").id(Id::Auto))
/// }
/// ```
#[doc(alias = "platform_device_register_full")]
#[doc(alias = "platform_device_unregister")]
pub struct DeviceRegistration(NonNull<sys::platform_device>);

// SAFETY: a device may be unregistered on any thread.
unsafe impl Send for DeviceRegistration {}
// SAFETY: a shared reference gives access to a `&Device<Normal>` only.
unsafe impl Sync for DeviceRegistration {}

impl DeviceRegistration {
    /// Creates a device and registers it. Drivers that match are probed before this returns, or
    /// later.
    ///
    /// # Context
    ///
    /// May sleep. Takes the locks of the bus and of the device. Must not be called in `probe` for a
    /// device that the same driver would bind to: that would never end.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if the name is empty or the number is too large;
    /// - `EEXIST` if there is such a device already, which the kernel logs with a stack trace;
    /// - `ENOMEM` if there is no memory;
    /// - [`EDEADLK`] in `open` of a misc device, which runs under `misc_mtx`: the device's driver
    ///   may take that lock.
    pub fn new(info: &DeviceInfo<'_>) -> Result<Self> {
        if InMiscOpen::is_here() {
            return Err(EDEADLK);
        }
        // SAFETY: `struct platform_device_info` consists of pointers and integers, for which zero
        // is a valid value and C's default.
        let mut raw: sys::platform_device_info = unsafe { core::mem::zeroed() };
        if info.name.is_empty() {
            return Err(EINVAL);
        }
        raw.name = info.name.as_ptr();
        raw.id = match info.id {
            Id::None => sys::PLATFORM_DEVID_NONE as c_int,
            Id::Auto => sys::PLATFORM_DEVID_AUTO as c_int,
            Id::Number(number) => c_int::try_from(number).map_err(|_| EINVAL)?,
        };
        raw.dma_mask = info.dma_mask;
        // SAFETY: `platform_device_register_full` requires:
        // - a name that is valid for the call, which copies it: it is borrowed from `info`;
        // - a context that may sleep: the caller has it;
        // - that the caller holds no lock that a driver's `probe` takes: the caller promises that,
        //   and `misc_mtx` was checked above.
        let device = unsafe { sys::platform_device_register_full(&raw const raw) };
        // C returns an errno in the pointer, as `IS_ERR` tests it.
        let value = device.addr().cast_signed();
        if (-4095..0).contains(&value) {
            return Err(Error::from_errno(value as c_int));
        }
        // INVARIANT: the device was registered just now.
        NonNull::new(device).map(Self).ok_or(EINVAL)
    }
}

impl Deref for DeviceRegistration {
    type Target = Device<Normal>;

    fn deref(&self) -> &Device<Normal> {
        // SAFETY: by the type's invariant this value owns a reference, so the device exists.
        unsafe { Device::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for DeviceRegistration {
    fn drop(&mut self) {
        if InMiscOpen::is_here() {
            return left_registered(self.as_ref());
        }
        // SAFETY: `platform_device_unregister` requires a registered device, and the reference that
        // it gives up. By the type's invariant this value has both, and only this drop gives them
        // up.
        unsafe { sys::platform_device_unregister(self.0.as_ptr()) };
    }
}
