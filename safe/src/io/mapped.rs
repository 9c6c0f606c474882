// SPDX-License-Identifier: GPL-2.0-only
//! Addresses of a device, requested and mapped until its driver is unbound.
//!
//! C header: `include/linux/device.h`; `lib/devres.c`.

use core::ffi::{CStr, c_ulong};

use linux_driver_sys as sys;

use super::Mmio;
use crate::dev_err;
use crate::device::{Bound, Device};
use crate::error::{Error, Result, code::EINVAL, code::ENODEV};

/// A resource of a device, requested and mapped, at least `SIZE` bytes of it, until the driver is
/// unbound.
///
/// # Invariants
///
/// `registers` is mapped until the end of the binding whose number is `binding`.
pub(crate) struct Mapped<const SIZE: usize> {
    registers: Mmio<SIZE>,
    binding: u64,
    /// Where the bus has it.
    start: u64,
}

impl<const SIZE: usize> Mapped<SIZE> {
    /// C's `devm_ioremap_resource`, for the resource that the bus calls `name` and `number`.
    ///
    /// # Safety
    ///
    /// The resource is one of the device's, and stays as it is while that is bound.
    #[inline(always)]
    pub(crate) unsafe fn new(
        dev: &Device<Bound>,
        (name, number): (&'static CStr, u32),
        resource: *const sys::resource,
    ) -> Result<Self> {
        // SAFETY: by the caller's promise.
        let start = unsafe { (*resource).start };
        // SAFETY: as above.
        let end = unsafe { (*resource).end };
        // SAFETY: as above.
        let flags = unsafe { (*resource).flags };
        // `end` is the last byte's, and 0 where there is none.
        let length = if end == 0 {
            0
        } else {
            end.wrapping_sub(start).wrapping_add(1)
        };
        let length = usize::try_from(length).unwrap_or_default();
        // The mapping lies in its page as the resource does.
        let unfit = length < SIZE
            || !start.is_multiple_of(8)
            || flags & sys::IORESOURCE_UNSET as c_ulong != 0;
        if unfit {
            // (One without an address begins at 0.)
            dev_err!(
                dev,
                "{} {}: {} bytes at {:#x}, the driver needs {}",
                name,
                number,
                length,
                start,
                SIZE
            );
            return Err(EINVAL);
        }
        // SAFETY: `devm_ioremap_resource` demands a device that is being bound or bound, for devres
        // to release what it maps (an entry that is added to one without a driver stays until the
        // device is freed, and `really_probe` refuses every driver meanwhile),
        // and a resource: it is one of the device's, which is `Bound`.
        let base = unsafe { sys::devm_ioremap_resource(dev.as_raw(), resource) };
        let base = from_err_ptr(base)?;
        // INVARIANT: mapped, until the binding that is now ends.
        // SAFETY: all of the resource was mapped, `length` bytes, at a multiple of 8 bytes, as
        // checked above; `access` gives the registers away only while they are mapped.
        let registers = unsafe { Mmio::new(base.cast(), length) };
        Ok(Self {
            registers,
            binding: dev.binding(),
            start,
        })
    }

    /// The registers, while the device is bound. [`ENODEV`] if they were mapped for another
    /// binding.
    #[inline]
    pub(crate) fn access<'a>(&'a self, dev: &'a Device<Bound>) -> Result<&'a Mmio<SIZE>> {
        // The binding that the registers are mapped for is the one that is, and lasts as long as
        // `dev` is borrowed.
        if dev.binding() == self.binding {
            Ok(&self.registers)
        } else {
            Err(ENODEV)
        }
    }

    /// Where the bus has it, and how many bytes it is. [`ENODEV`] as in [`access`](Self::access).
    pub(crate) fn physical(&self, dev: &Device<Bound>) -> Result<(u64, u64)> {
        let registers = self.access(dev)?;
        Ok((self.start, registers.len() as u64))
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
