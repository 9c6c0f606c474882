// SPDX-License-Identifier: GPL-2.0-only
//! The registers of a platform device, requested and mapped until the driver is unbound.
//!
//! C headers: `include/linux/platform_device.h`, `include/linux/device.h`; `lib/devres.c`.

use core::ffi::c_uint;

use linux_driver_sys as sys;

use super::Device;
use crate::dev_err;
use crate::device::{self, Bound};
use crate::error::{Result, code::EINVAL};
use crate::io::Mapped;
use crate::io::Mmio;

/// A memory resource of a platform device, of which at least `SIZE` bytes are requested and mapped
/// until the driver is unbound. Made by [`Device::ioremap_resource`].
///
/// As with a [`pci::Bar`](crate::pci::Bar), the mapping belongs to the binding: the driver core
/// releases it after `remove`, no matter whether this value was dropped.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::device::Bound;
/// use linux_driver::error::Result;
/// use linux_driver::platform::{self, Mem};
///
/// fn version(dev: &platform::Device<Bound>) -> Result<u32> {
///     let mem: Mem<0x100> = dev.ioremap_resource(0)?;
///     Ok(mem.access(dev)?.readl::<0x10>())
/// }
/// ```
#[doc(alias = "devm_ioremap_resource")]
pub struct Mem<const SIZE: usize>(Mapped<SIZE>);

impl<const SIZE: usize> Mem<SIZE> {
    pub(super) fn new(device: &Device<Bound>, number: u32) -> Result<Self> {
        // SAFETY: `platform_get_resource` requires a device whose resources do not change
        // meanwhile. Those of a registered device do not.
        let resource = unsafe {
            sys::platform_get_resource(device.as_raw(), sys::IORESOURCE_MEM as c_uint, number)
        };
        if resource.is_null() {
            dev_err!(device, "no memory {}", number);
            return Err(EINVAL);
        }
        // SAFETY: the resource belongs to the device, and does not change while the device is
        // bound.
        let mapped = unsafe { Mapped::new(device.as_ref(), (c"memory", number), resource) };
        Ok(Self(mapped?))
    }

    /// Returns the registers, while the device is bound.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`ENODEV`](crate::error::code::ENODEV) if they were mapped for another device, or for an
    /// earlier binding of this device.
    #[inline]
    pub fn access<'a>(
        &'a self,
        device: &'a impl AsRef<device::Device<Bound>>,
    ) -> Result<&'a Mmio<SIZE>> {
        self.0.access(device.as_ref())
    }
}
