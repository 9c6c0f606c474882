// SPDX-License-Identifier: GPL-2.0-only
//! Platform devices that a module makes: `struct platform_device_info`.
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

/// The number of a device among those of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// It is the only one; its name in sysfs is the name.
    #[doc(alias = "PLATFORM_DEVID_NONE")]
    None,
    /// The bus chooses a number that is free; its name in sysfs is `NAME.NUMBER.auto`.
    #[doc(alias = "PLATFORM_DEVID_AUTO")]
    Auto,
    /// This one, at most `i32::MAX`; its name in sysfs is `NAME.NUMBER`.
    Number(u32),
}

/// What a platform device is to be: C's `struct platform_device_info`.
///
/// There are no resources and properties in it: which addresses a device answers at, nothing here
/// could check.
#[derive(Clone, Copy)]
#[doc(alias = "platform_device_info")]
pub struct DeviceInfo<'a> {
    name: &'a CStr,
    id: Id,
    dma_mask: u64,
}

impl<'a> DeviceInfo<'a> {
    /// A device of this name, the only one.
    pub const fn new(name: &'a CStr) -> Self {
        Self {
            name,
            id: Id::None,
            dma_mask: 0,
        }
    }

    /// Its number.
    #[must_use]
    #[doc(alias = "platform_device_info.id")]
    pub const fn id(mut self, id: Id) -> Self {
        self.id = id;
        self
    }

    /// The addresses that it can reach by DMA; without this, it does none.
    #[must_use]
    #[doc(alias = "platform_device_info.dma_mask")]
    pub const fn dma_mask(mut self, dma_mask: u64) -> Self {
        self.dma_mask = dma_mask;
        self
    }
}

/// A platform device that this module made: it is registered as long as this value is there.
/// Whoever has a reference keeps its memory longer.
///
/// It may be dropped wherever one may sleep, but for what belongs to the device: its driver's
/// callbacks, attributes, work items and threaded handlers, and the operations of its misc devices.
/// They end before the device can go. Nor in `open` of any misc device: its removal may wait for
/// `misc_mtx`, under which that runs. There the device is left registered, as if the value had been
/// leaked, and the log says so.
///
/// A value that is leaked leaves the device there, which is the kernel's: its memory is none of the
/// module's.
///
/// ```no_run
/// use linux_driver::error::Result;
/// use linux_driver::platform::{DeviceInfo, DeviceRegistration, Id};
///
/// fn make() -> Result<DeviceRegistration> {
///     DeviceRegistration::new(&DeviceInfo::new(c"board").id(Id::Auto))
/// }
/// ```
///
/// # Invariants
///
/// The device was registered by this value, which has the reference that unregistering gives up.
#[doc(alias = "platform_device_register_full")]
#[doc(alias = "platform_device_unregister")]
pub struct DeviceRegistration(NonNull<sys::platform_device>);

// SAFETY: a device may be unregistered on any thread.
unsafe impl Send for DeviceRegistration {}
// SAFETY: a shared one gives a `&Device<Normal>` and nothing else.
unsafe impl Sync for DeviceRegistration {}

impl DeviceRegistration {
    /// Makes a device and registers it: drivers that match are probed before this returns, or
    /// later.
    ///
    /// `EINVAL` if the name is empty or the number too large, `EEXIST` if there is such a device
    /// (which is logged with a stack trace), `ENOMEM`; [`EDEADLK`] in `open` of a misc device,
    /// under `misc_mtx`, which the device's driver may take. Context: may sleep; takes the bus's
    /// and the device's locks. Not in `probe` for a device that the same driver takes on: that
    /// would never come to an end.
    pub fn new(info: &DeviceInfo<'_>) -> Result<Self> {
        if InMiscOpen::is_here() {
            return Err(EDEADLK);
        }
        // SAFETY: `struct platform_device_info` is pointers and integers, for which zero is what C
        // starts with.
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
        // SAFETY: `platform_device_register_full` demands an info whose name is there for the call
        // (it is copied), and a context that may sleep and holds no lock that a driver's `probe`
        // takes: the caller promises the one, and `misc_mtx` was asked for above.
        let device = unsafe { sys::platform_device_register_full(&raw const raw) };
        // An errno in the place of a pointer, as C's `IS_ERR` has it.
        let value = device.addr().cast_signed();
        if (-4095..0).contains(&value) {
            return Err(Error::from_errno(value as c_int));
        }
        // INVARIANT: it was registered just now.
        NonNull::new(device).map(Self).ok_or(EINVAL)
    }
}

impl Deref for DeviceRegistration {
    type Target = Device<Normal>;

    fn deref(&self) -> &Device<Normal> {
        // SAFETY: by the type's invariant a reference is held as long as this value is there.
        unsafe { Device::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for DeviceRegistration {
    fn drop(&mut self) {
        if InMiscOpen::is_here() {
            return left_registered(self.as_ref());
        }
        // SAFETY: `platform_device_unregister` demands a device that is registered, with the
        // reference that it gives up: by the type's invariant both are this value's, and this is
        // the one place.
        unsafe { sys::platform_device_unregister(self.0.as_ptr()) };
    }
}
