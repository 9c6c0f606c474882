// SPDX-License-Identifier: GPL-2.0-only
//! A BAR of a PCI device, requested and mapped until the driver is unbound.
//!
//! C headers: `include/linux/pci.h`, `include/linux/device.h`; `lib/devres.c`.

use linux_driver_sys as sys;

use super::Device;
use crate::dev_err;
use crate::device::{self, Bound};
use crate::error::{Error, Result, code::EINVAL, code::ENODEV};
use crate::io::Mmio;

/// A BAR, requested and mapped, at least `SIZE` bytes of it, until the driver is unbound.
///
/// The mapping belongs to the binding, as all that is managed (devres): the core releases it after `remove`, whatever became
/// of this value. A driver keeps the value in its data and gets at the registers while the device is bound:
/// [`access`](Self::access). After a surprise removal, before the driver is unbound, registers read all ones.
///
/// # Invariants
///
/// `registers` is mapped until the end of the binding whose number is `binding`.
pub struct Bar<const SIZE: usize> {
    registers: Mmio<SIZE>,
    binding: u64,
    /// Where the bus has it.
    start: u64,
}

impl<const SIZE: usize> Bar<SIZE> {
    pub(super) fn new(device: &Device<Bound>, bar: u32) -> Result<Self> {
        let length = device.resource_len(bar)?;
        let Some(length) = usize::try_from(length).ok().filter(|&length| length >= SIZE) else {
            dev_err!(device, "BAR {} has {} bytes, the driver needs {}", bar, length, SIZE);
            return Err(EINVAL);
        };
        let resource = device.resource(bar)?;
        // SAFETY: the resource is one of the device's; the bus does not move the BARs of a device that is bound.
        let start = unsafe { (*resource).start };
        // SAFETY: the resource is one of the device's; the bus does not move the BARs of a device that is bound.
        if unsafe { (*resource).flags } & sys::IORESOURCE_UNSET as core::ffi::c_ulong != 0 {
            dev_err!(device, "BAR {} has no address", bar);
            return Err(EINVAL);
        }
        let dev: &device::Device<Bound> = device.as_ref();
        // SAFETY: the device is bound, so that what is managed is released when it is unbound; the resource is one of its.
        let base = unsafe { sys::devm_ioremap_resource(dev.as_raw(), resource) };
        let base = from_err_ptr(base)?;
        // INVARIANT: mapped, until the binding that is now ends.
        // SAFETY: all of the resource was mapped, `length` bytes, at a page's boundary or where the BAR lies in its page,
        // which is a multiple of 16 bytes; `access` gives the registers away only while they are mapped.
        let registers = unsafe { Mmio::new(base.cast(), length) };
        Ok(Self {
            registers,
            binding: dev.binding(),
            start,
        })
    }

    /// The registers, while the device is bound. [`ENODEV`](crate::error::code::ENODEV) if the BAR was mapped for another
    /// device, or for this one when it was bound before.
    ///
    /// Context: any.
    #[inline]
    pub fn access<'a>(&'a self, device: &'a impl AsRef<device::Device<Bound>>) -> Result<&'a Mmio<SIZE>> {
        // The binding that the registers are mapped for is the one that is, and lasts as long as `device` is borrowed.
        if device.as_ref().binding() == self.binding {
            Ok(&self.registers)
        } else {
            Err(ENODEV)
        }
    }
}

impl<const SIZE: usize> Bar<SIZE> {
    /// Where the bus has it, and how many bytes it is, while the device is bound. [`ENODEV`] as in [`access`](Self::access).
    pub(crate) fn physical(&self, dev: &device::Device<Bound>) -> Result<(u64, u64)> {
        if dev.binding() == self.binding {
            Ok((self.start, self.registers.len() as u64))
        } else {
            Err(ENODEV)
        }
    }
}

/// C's `IS_ERR` and `PTR_ERR` (`include/linux/err.h`): an errno in the place of a pointer.
fn from_err_ptr<T>(pointer: *mut T) -> Result<*mut T> {
    let value = pointer.addr().cast_signed();
    if (-4095..0).contains(&value) {
        Err(Error::from_errno(value as core::ffi::c_int))
    } else {
        Ok(pointer)
    }
}
