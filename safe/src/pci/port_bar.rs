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

/// A BAR of I/O ports, at least `SIZE` of them, requested until the driver is unbound.
///
/// As with a [`Bar`](super::Bar) of memory the region belongs to the binding, and a driver gets at
/// the ports while the device is bound: [`access`](Self::access).
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
/// The ports are requested until the end of the binding whose number is `binding`.
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
        // SAFETY: the device is there, and bound: the core does not write the field before it is
        // unbound.
        let driver = unsafe { (*dev.as_raw()).driver };
        // SAFETY: the driver is there, and has a name, until after what is managed has been
        // released.
        let name = unsafe { (*driver).name };
        let all = &raw mut sys::ioport_resource;
        // SAFETY: `__devm_request_region` demands a device that is being bound or bound, for devres
        // to release the region, and a name that stays as long as the region: it is the bound
        // driver's, which stays registered until the device was unbound. `ioport_resource` is the
        // kernel's own.
        let region = unsafe { sys::__devm_request_region(dev.as_raw(), all, start, length, name) };
        if region.is_null() {
            return Err(EBUSY);
        }
        // INVARIANT: requested, until the binding that is now ends. SAFETY: so many ports were
        // requested, which all lie in `ioport_resource`, and that ends at 0xffff; `access` gives
        // them away only while they are the driver's.
        let ports = unsafe { Ports::new(start16, length16) };
        Ok(Self {
            ports,
            binding: dev.binding(),
        })
    }

    /// The ports, while the device is bound. [`ENODEV`] if they were requested for another device,
    /// or for this one when it was bound before.
    ///
    /// Context: any.
    #[inline]
    pub fn access<'a>(
        &'a self,
        device: &'a impl AsRef<device::Device<Bound>>,
    ) -> Result<&'a Ports<SIZE>> {
        // The binding that the ports are requested for is the one that is, and lasts as long as
        // `device` is borrowed.
        if device.as_ref().binding() == self.binding {
            Ok(&self.ports)
        } else {
            Err(ENODEV)
        }
    }
}
