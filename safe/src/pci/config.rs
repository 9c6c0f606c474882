// SPDX-License-Identifier: GPL-2.0-only
//! Configuration space.
//!
//! C headers: `include/linux/pci.h`, `include/uapi/linux/pci_regs.h`; `drivers/pci/access.c`.
//!
//! An offset that is known at compile time is a const parameter, checked then: it lies in the 256
//! bytes that each device has, and is aligned. One that is known at run time only, or lies in the
//! extended space of PCI Express, has the `try_` methods, which return [`EINVAL`] for what is out
//! of the device's space or not aligned. What says where a device answers (the BARs and the ROM's)
//! is the bus's: it is not written here.
//!
//! ```no_run
//! # use linux_driver::pci;
//! # use linux_driver::prelude::*;
//! fn revision(dev: &pci::Device<Bound>) -> Result<u8> {
//!     dev.read_config_byte::<0x08>()
//! }
//!
//! /// Which errors the device has noted in its status register, where a bit is cleared by writing it.
//! fn take_errors(dev: &pci::Device<Bound>) -> Result<u16> {
//!     let errors = dev.read_config_word::<0x06>()? & 0xf900;
//!     dev.write_config_word::<0x06>(errors)?;
//!     Ok(errors)
//! }
//!
//! /// The head of the first capability in the extended space; `EINVAL` from a device that has no such space.
//! fn first_extended(dev: &pci::Device<Bound>) -> Result<u32> {
//!     dev.try_read_config_dword(0x100)
//! }
//! ```

use core::ffi::c_int;

use linux_driver_sys as sys;

use super::Device;
use crate::device::Bound;
use crate::error::{Error, Result, code::EINVAL};

/// What every device has: `PCI_CFG_SPACE_SIZE`.
const CONVENTIONAL: usize = sys::PCI_CFG_SPACE_SIZE as usize;

/// Whether an access of so many bytes lies in a space of `size`, and is aligned.
const fn lies_in(offset: usize, width: usize, size: usize) -> bool {
    offset < size && width <= size - offset && offset.is_multiple_of(width)
}

/// Whether an access of so many bytes reaches what says where the device answers: six BARs, and the
/// ROM's.
const fn is_the_buses(offset: usize, width: usize) -> bool {
    const fn reaches(offset: usize, width: usize, from: u32, to: u32) -> bool {
        offset < to as usize && offset + width > from as usize
    }
    reaches(
        offset,
        width,
        sys::PCI_BASE_ADDRESS_0,
        sys::PCI_BASE_ADDRESS_5 + 4,
    ) || reaches(
        offset,
        width,
        sys::PCI_ROM_ADDRESS,
        sys::PCI_ROM_ADDRESS + 4,
    )
}

/// The error of the result of an access: an errno, or a number of the BIOS's (C's
/// `pcibios_err_to_errno`).
fn to_result(returned: c_int) -> Result {
    if returned == 0 {
        return Ok(());
    }
    // SAFETY: any number may be given.
    Err(Error::from_errno(unsafe {
        sys::linux_driver_pcibios_err_to_errno(returned)
    }))
}

macro_rules! accessors {
    ($($read:ident, $try_read:ident, $c_read:ident $c_read_name:literal, $write:ident, $try_write:ident, $c_write:ident $c_write_name:literal, $type:ty;)*) => {
        impl Device<Bound> {
            $(
                #[doc = concat!("Reads at the constant `OFFSET`: C's `", stringify!($c_read), "`.")]
                ///
                /// `ENODEV` if the device is gone. Context: any.
                #[doc(alias = $c_read_name)]
                pub fn $read<const OFFSET: usize>(&self) -> Result<$type> {
                    const {
                        assert!(
                            lies_in(OFFSET, size_of::<$type>(), CONVENTIONAL),
                            "not aligned, or outside of the configuration space that each device has"
                        );
                    }
                    let mut value = 0;
                    // SAFETY: `pci_bus_read_config_*` and `_write_` demand a device that is there,
                    // with its bus, and an offset that is aligned and lies in its configuration
                    // space: a bound device is there, and the offset was checked. They take
                    // `pci_lock` themselves.
                    to_result(unsafe { sys::$c_read(self.as_raw(), OFFSET as c_int, &raw mut value) })?;
                    Ok(value)
                }

                #[doc = concat!("Reads at `offset`, or [`EINVAL`]: C's `", stringify!($c_read), "`.")]
                ///
                /// `ENODEV` if the device is gone. Context: any.
                pub fn $try_read(&self, offset: usize) -> Result<$type> {
                    if !lies_in(offset, size_of::<$type>(), self.cfg_size()) {
                        return Err(EINVAL);
                    }
                    let mut value = 0;
                    // SAFETY: `pci_bus_read_config_*` and `_write_` demand a device that is there,
                    // with its bus, and an offset that is aligned and lies in its configuration
                    // space: a bound device is there, and the offset was checked. They take
                    // `pci_lock` themselves.
                    to_result(unsafe { sys::$c_read(self.as_raw(), offset as c_int, &raw mut value) })?;
                    Ok(value)
                }

                #[doc = concat!("Writes at the constant `OFFSET`: C's `", stringify!($c_write), "`.")]
                ///
                /// `ENODEV` if the device is gone. Context: any.
                #[doc(alias = $c_write_name)]
                pub fn $write<const OFFSET: usize>(&self, value: $type) -> Result {
                    const {
                        assert!(
                            lies_in(OFFSET, size_of::<$type>(), CONVENTIONAL),
                            "not aligned, or outside of the configuration space that each device has"
                        );
                        assert!(!is_the_buses(OFFSET, size_of::<$type>()), "BARs are the bus's to write");
                    }
                    // SAFETY: `pci_bus_read_config_*` and `_write_` demand a device that is there,
                    // with its bus, and an offset that is aligned and lies in its configuration
                    // space: a bound device is there, and the offset was checked. They take
                    // `pci_lock` themselves.
                    to_result(unsafe { sys::$c_write(self.as_raw(), OFFSET as c_int, value) })
                }

                #[doc = concat!("Writes at `offset`, or [`EINVAL`]: C's `", stringify!($c_write), "`.")]
                ///
                /// `ENODEV` if the device is gone. Context: any.
                pub fn $try_write(&self, offset: usize, value: $type) -> Result {
                    let width = size_of::<$type>();
                    if !lies_in(offset, width, self.cfg_size()) || is_the_buses(offset, width) {
                        return Err(EINVAL);
                    }
                    // SAFETY: `pci_bus_read_config_*` and `_write_` demand a device that is there,
                    // with its bus, and an offset that is aligned and lies in its configuration
                    // space: a bound device is there, and the offset was checked. They take
                    // `pci_lock` themselves.
                    to_result(unsafe { sys::$c_write(self.as_raw(), offset as c_int, value) })
                }
            )*
        }
    };
}

accessors! {
    read_config_byte, try_read_config_byte, pci_read_config_byte "pci_read_config_byte", write_config_byte, try_write_config_byte, pci_write_config_byte "pci_write_config_byte", u8;
    read_config_word, try_read_config_word, pci_read_config_word "pci_read_config_word", write_config_word, try_write_config_word, pci_write_config_word "pci_write_config_word", u16;
    read_config_dword, try_read_config_dword, pci_read_config_dword "pci_read_config_dword", write_config_dword, try_write_config_dword, pci_write_config_dword "pci_write_config_dword", u32;
}

impl Device<Bound> {
    /// How many bytes of configuration space the device has: 256, or 4096 with the extended space
    /// of PCI Express.
    #[doc(alias = "pci_dev.cfg_size")]
    pub fn cfg_size(&self) -> usize {
        // SAFETY: the device is there; the field was written when the bus found it.
        let size = unsafe { (*self.as_raw()).cfg_size };
        usize::try_from(size).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert!(
            lies_in(0, 4, 256)
                && lies_in(252, 4, 256)
                && lies_in(255, 1, 256)
                && lies_in(4092, 4, 4096)
        );
        assert!(
            !lies_in(253, 4, 256)
                && !lies_in(2, 4, 256)
                && !lies_in(256, 1, 256)
                && !lies_in(usize::MAX, 1, 256)
        );
        assert!(!lies_in(0, 1, 0));
    }

    #[test]
    fn what_is_the_buses() {
        assert!(
            !is_the_buses(0x0c, 4)
                && !is_the_buses(0x28, 4)
                && !is_the_buses(0x34, 1)
                && !is_the_buses(0x2c, 4)
        );
        assert!(
            is_the_buses(0x10, 4)
                && is_the_buses(0x27, 1)
                && is_the_buses(0x30, 2)
                && is_the_buses(0x33, 1)
        );
    }
}
