// SPDX-License-Identifier: GPL-2.0-only
//! Memory resources of a device, requested and mapped until its driver is unbound.
//!
//! C header: `include/linux/device.h`; `lib/devres.c`.

use core::ffi::{CStr, c_ulong};

use linux_driver_sys as sys;

use super::Mmio;
use crate::dev_err;
use crate::device::{Bound, Device};
use crate::error::{Error, Result, code::EINVAL, code::ENODEV};

/// A memory resource of a device, at least `SIZE` bytes, requested and mapped until the driver is
/// unbound.
///
/// # Invariants
///
/// `registers` is mapped until the end of the binding whose number is `binding`.
pub(crate) struct Mapped<const SIZE: usize> {
    registers: Mmio<SIZE>,
    binding: u64,
    /// The bus address of the resource.
    start: u64,
}

impl<const SIZE: usize> Mapped<SIZE> {
    /// Requests and maps the resource that the bus calls `name` and `number`: C's
    /// `devm_ioremap_resource`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the resource has no address, is smaller than `SIZE` bytes, or does not start
    /// at a multiple of 8. Otherwise as `devm_ioremap_resource`: `EBUSY` if it is requested
    /// already, `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The resource belongs to the device, and does not change while the device is bound.
    #[inline(always)]
    pub(crate) unsafe fn new(
        dev: &Device<Bound>,
        (name, number): (&'static CStr, u32),
        resource: *const sys::resource,
    ) -> Result<Self> {
        // SAFETY: the caller promises a valid resource that does not change.
        let start = unsafe { (*resource).start };
        // SAFETY: as above.
        let end = unsafe { (*resource).end };
        // SAFETY: as above.
        let flags = unsafe { (*resource).flags };
        // `end` is the address of the last byte, and 0 if the resource is empty.
        let length = if end == 0 {
            0
        } else {
            end.wrapping_sub(start).wrapping_add(1)
        };
        let length = usize::try_from(length).unwrap_or_default();
        // The mapping has the same offset within its page as the resource, and so the same
        // alignment.
        let unfit = length < SIZE
            || !start.is_multiple_of(8)
            || flags & sys::IORESOURCE_UNSET as c_ulong != 0;
        if unfit {
            // (A resource without an address starts at 0.)
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
        // SAFETY: `devm_ioremap_resource` requires
        // - a device that is bound, or being bound, so that devres releases the mapping: the device
        //   is `Bound`. (A devres entry of a device without a driver stays until the device is
        //   freed, and `really_probe` refuses every driver meanwhile.)
        // - a resource: the caller promises one of the device's.
        let base = unsafe { sys::devm_ioremap_resource(dev.as_raw(), resource) };
        let base = from_err_ptr(base)?;
        // INVARIANT: mapped until the current binding ends.
        // SAFETY: the whole resource was mapped: `length` bytes from a multiple of 8 on, as checked
        // above. `access` lends the registers only while they are mapped.
        let registers = unsafe { Mmio::new(base.cast(), length) };
        Ok(Self {
            registers,
            binding: dev.binding(),
            start,
        })
    }

    /// Returns the registers while the device is bound.
    ///
    /// # Errors
    ///
    /// [`ENODEV`] if they were mapped for another binding.
    #[inline]
    pub(crate) fn access<'a>(&'a self, dev: &'a Device<Bound>) -> Result<&'a Mmio<SIZE>> {
        // The registers are mapped for the current binding, which lasts as long as `dev` is
        // borrowed.
        if dev.binding() == self.binding {
            Ok(&self.registers)
        } else {
            Err(ENODEV)
        }
    }

    /// Returns the bus address of the resource and its size in bytes. [`ENODEV`] as in
    /// [`access`](Self::access).
    pub(crate) fn physical(&self, dev: &Device<Bound>) -> Result<(u64, u64)> {
        let registers = self.access(dev)?;
        Ok((self.start, registers.len() as u64))
    }
}

/// Converts a pointer that may hold a negated errno to a result: C's `IS_ERR` and `PTR_ERR`
/// (`include/linux/err.h`).
fn from_err_ptr<T>(pointer: *mut T) -> Result<*mut T> {
    let value = pointer.addr().cast_signed();
    if (-4095..0).contains(&value) {
        Err(Error::from_errno(value as core::ffi::c_int))
    } else {
        Ok(pointer)
    }
}
