// SPDX-License-Identifier: GPL-2.0-only
//! Registers of a platform device, requested and mapped until the driver is unbound.
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

/// A resource of a platform device that is memory, requested and mapped, at least `SIZE` bytes of
/// it, until the driver is unbound. Made by [`Device::ioremap_resource`].
///
/// As a [`pci::Bar`](crate::pci::Bar), the mapping belongs to the binding: the core releases it
/// after `remove`, whatever became of this value.
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
        // SAFETY: `platform_get_resource` demands a device whose resources do not change meanwhile:
        // those of one that is registered do not.
        let resource = unsafe {
            sys::platform_get_resource(device.as_raw(), sys::IORESOURCE_MEM as c_uint, number)
        };
        if resource.is_null() {
            dev_err!(device, "no memory {}", number);
            return Err(EINVAL);
        }
        // SAFETY: as above: it is one of the device's.
        let mapped = unsafe { Mapped::new(device.as_ref(), (c"memory", number), resource) };
        Ok(Self(mapped?))
    }

    /// The registers, while the device is bound. [`ENODEV`](crate::error::code::ENODEV) if they
    /// were mapped for another device, or for this one when it was bound before.
    ///
    /// Context: any.
    #[inline]
    pub fn access<'a>(
        &'a self,
        device: &'a impl AsRef<device::Device<Bound>>,
    ) -> Result<&'a Mmio<SIZE>> {
        self.0.access(device.as_ref())
    }
}
