// SPDX-License-Identifier: GPL-2.0-only
//! A BAR of a PCI device, requested and mapped.
//!
//! C headers: `include/linux/pci.h`, `include/linux/ioport.h`.

use core::ffi::{CStr, c_int};
use core::ops::Deref;

use linux_driver_sys as sys;

use super::Device;
use super::device::bar_number;
use crate::dev_err;
use crate::device::{Bound, Normal};
use crate::error::{Result, code::EINVAL, code::ENOMEM, to_result};
use crate::io::Mmio;
use crate::types::ARef;

/// A BAR, requested and mapped, at least `SIZE` bytes of it. Its registers are read and written as [`Mmio`]. Unmapped and
/// released when the value goes.
///
/// A driver keeps it in its data, which is dropped when the driver is unbound. After a surprise removal, before the driver
/// is unbound, registers read all ones.
///
/// # Invariants
///
/// The region of BAR `number` of `device` was requested, and `registers` is its mapping, by this value.
pub struct Bar<const SIZE: usize> {
    registers: Mmio<SIZE>,
    number: c_int,
    device: ARef<Device<Normal>>,
}

impl<const SIZE: usize> Bar<SIZE> {
    pub(super) fn new(device: &Device<Bound>, bar: u32, name: &'static CStr) -> Result<Self> {
        let number = bar_number(bar)?;
        let length = device.resource_len(bar)?;
        if !device.resource_is_mem(bar)? {
            dev_err!(device, "BAR {} is not memory", bar);
            return Err(EINVAL);
        }
        let Some(length) = usize::try_from(length).ok().filter(|&length| length >= SIZE) else {
            dev_err!(device, "BAR {} has {} bytes, the driver needs {}", bar, length, SIZE);
            return Err(EINVAL);
        };
        // SAFETY: the device is bound; the name is a static, as long as the region may show it.
        to_result(unsafe { sys::pci_request_region(device.as_raw(), number, name.as_ptr()) })?;
        // SAFETY: the region is ours now. 0 asks for all of it.
        let base = unsafe { sys::pci_iomap(device.as_raw(), number, 0) };
        if base.is_null() {
            // SAFETY: it was requested above.
            unsafe { sys::pci_release_region(device.as_raw(), number) };
            return Err(ENOMEM);
        }
        // INVARIANT: requested and mapped above.
        // SAFETY: `pci_iomap` mapped `length` bytes, which start at a page's boundary or a BAR's own alignment of 16 bytes
        // at least; they stay mapped until this value is dropped.
        let registers = unsafe { Mmio::new(base.cast(), length) };
        Ok(Self {
            registers,
            number,
            device: ARef::from(&**device),
        })
    }
}

impl<const SIZE: usize> Deref for Bar<SIZE> {
    type Target = Mmio<SIZE>;

    fn deref(&self) -> &Mmio<SIZE> {
        &self.registers
    }
}

impl<const SIZE: usize> Drop for Bar<SIZE> {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant this is the mapping that was made, and nobody can use it any more.
        unsafe { sys::pci_iounmap(self.device.as_raw(), self.registers.base().cast()) };
        // SAFETY: by the type's invariant the region was requested, by this value; the device's memory is still there, since
        // a reference is held. Where the release is managed as well, this takes it out of the list of what is left to do.
        unsafe { sys::pci_release_region(self.device.as_raw(), self.number) };
    }
}
