// SPDX-License-Identifier: GPL-2.0-only
//! A BAR of I/O ports, requested until the driver is unbound.
//!
//! C headers: `include/linux/ioport.h`, `include/linux/pci.h`; `kernel/resource.c`.

use linux_driver_sys as sys;

use super::Device;
use crate::dev_err;
use crate::device::{self, Bound};
use crate::error::{Result, code::EBUSY, code::EINVAL, code::ENODEV};
use crate::io::Ports;

/// A BAR of which at least `SIZE` I/O ports are requested until the driver is unbound.
///
/// As with a [`Bar`](super::Bar) of memory, the region belongs to the binding. A driver reaches the
/// ports with [`access`](Self::access) while the device is bound.
///
/// ```
/// use linux_driver::device::Bound;
/// use linux_driver::error::Result;
/// use linux_driver::pci;
///
/// fn status(dev: &pci::Device<Bound>) -> Result<u8> {
///     let bar = dev.request_region::<0x10>(1)?;
///     Ok(bar.access(dev)?.inb::<0x04>())
/// }
/// # fn main() {}
/// ```
///
/// # Invariants
///
/// The ports are requested until the binding with the number `binding` ends.
#[doc(alias = "__devm_request_region")]
pub struct PortBar<const SIZE: usize> {
    ports: Ports<SIZE>,
    binding: u64,
}

impl<const SIZE: usize> PortBar<SIZE> {
    pub(super) fn new(device: &Device<Bound>, bar: u32) -> Result<Self> {
        let flags = device.resource_flags(bar)?;
        if flags & u64::from(sys::IORESOURCE_IO) == 0
            || flags & u64::from(sys::IORESOURCE_UNSET) != 0
        {
            dev_err!(device, "BAR {} has no I/O ports", bar);
            return Err(EINVAL);
        }
        let length = device.resource_len(bar)?;
        let length16 = u16::try_from(length)
            .ok()
            .filter(|&length| usize::from(length) >= SIZE);
        let start = device.resource_start(bar)?;
        let (Some(length16), Ok(start16)) = (length16, u16::try_from(start)) else {
            dev_err!(
                device,
                "BAR {} has {} ports at {:#x}, the driver needs {}",
                bar,
                length,
                start,
                SIZE
            );
            return Err(EINVAL);
        };
        let dev: &device::Device<Bound> = device.as_ref();
        // SAFETY: the device exists and is bound. The driver core writes the field only when it
        // unbinds the device.
        let driver = unsafe { (*dev.as_raw()).driver };
        // SAFETY: a bound driver and its name exist until after the managed resources of the device
        // are released.
        let name = unsafe { (*driver).name };
        let all = &raw mut sys::ioport_resource;
        // SAFETY: `__devm_request_region` requires:
        // - a device that is bound or being bound, so that devres releases the region: the device
        //   is `Bound`;
        // - a name that lives as long as the region: it is the name of the bound driver, which
        //   stays registered until the device is unbound;
        // - a resource that contains the region: `ioport_resource` is the kernel's own.
        let region = unsafe { sys::__devm_request_region(dev.as_raw(), all, start, length, name) };
        if region.is_null() {
            return Err(EBUSY);
        }
        // INVARIANT: the ports are requested until the current binding ends.
        // SAFETY: `Ports::new` requires ports that belong to the driver. All `length` ports were
        // requested, and they are inside `ioport_resource`, which ends at 0xffff. `access` returns
        // them only while they belong to the driver.
        let ports = unsafe { Ports::new(start16, length16) };
        Ok(Self {
            ports,
            binding: dev.binding(),
        })
    }

    /// Returns the ports, while the device is bound.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`ENODEV`] if the ports were requested for another device, or for an earlier binding of this
    /// device.
    #[inline]
    pub fn access<'a>(
        &'a self,
        device: &'a impl AsRef<device::Device<Bound>>,
    ) -> Result<&'a Ports<SIZE>> {
        // The ports were requested for the current binding, which lasts as long as `device` is
        // borrowed.
        if device.as_ref().binding() == self.binding {
            Ok(&self.ports)
        } else {
            Err(ENODEV)
        }
    }
}
