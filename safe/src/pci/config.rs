// SPDX-License-Identifier: GPL-2.0-only
//! Configuration space.
//!
//! C headers: `include/linux/pci.h`, `include/uapi/linux/pci_regs.h`; `drivers/pci/access.c`.
//!
//! An offset that is known at compile time is a const parameter and is checked at compile time. It
//! must be aligned, and inside the 256 bytes that every device has. For an offset that is known
//! only at run time, or that is in the extended space of PCI Express, use the `try_` methods. They
//! return [`EINVAL`] for an offset that is not aligned or is outside of the device's configuration
//! space. Registers that decide where a device answers (the BARs and the ROM's) belong to the bus,
//! and are not written here.
//!
//! # Examples
//!
//! ```no_run
//! # use linux_driver::pci;
//! # use linux_driver::prelude::*;
//! fn revision(dev: &pci::Device<Bound>) -> Result<u8> {
//!     dev.read_config_byte::<0x08>()
//! }
//!
//! /// Returns the errors in the device's status register and clears them. Writing a bit clears it.
//! fn take_errors(dev: &pci::Device<Bound>) -> Result<u16> {
//!     let errors = dev.read_config_word::<0x06>()? & 0xf900;
//!     dev.write_config_word::<0x06>(errors)?;
//!     Ok(errors)
//! }
//!
//! /// Reads the header of the first extended capability. `EINVAL` if there is no extended space.
//! fn first_extended(dev: &pci::Device<Bound>) -> Result<u32> {
//!     dev.try_read_config_dword(0x100)
//! }
//! ```

use core::ffi::c_int;

use linux_driver_sys as sys;

use super::Device;
use crate::device::Bound;
use crate::error::{Error, Result, code::EINVAL};

/// The size of the configuration space that every device has: `PCI_CFG_SPACE_SIZE`.
const CONVENTIONAL: usize = sys::PCI_CFG_SPACE_SIZE as usize;

/// Returns true if an access of `width` bytes is aligned and inside a space of `size` bytes.
const fn fits_in(offset: usize, width: usize, size: usize) -> bool {
    offset < size && width <= size - offset && offset.is_multiple_of(width)
}

/// Returns true if an access of `width` bytes touches a register that decides where the device
/// answers: the six BARs, and that of the ROM.
const fn belongs_to_bus(offset: usize, width: usize) -> bool {
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

/// Converts the result of an access: an errno, or a PCI BIOS error code (C's
/// `pcibios_err_to_errno`).
fn to_result(returned: c_int) -> Result {
    if returned == 0 {
        return Ok(());
    }
    // SAFETY: `pcibios_err_to_errno` accepts any number.
    Err(Error::from_errno(unsafe {
        sys::linux_driver_pcibios_err_to_errno(returned)
    }))
}

macro_rules! accessors {
    ($(
        $read:ident, $try_read:ident, $c_read:ident $c_read_name:literal,
        $write:ident, $try_write:ident, $c_write:ident $c_write_name:literal, $type:ty;
    )*) => {
        impl Device<Bound> {
            $(
                #[doc = concat!("Reads at the constant `OFFSET`: C's `", stringify!($c_read), "`.")]
                ///
                /// # Context
                ///
                /// Any.
                ///
                /// # Errors
                ///
                /// `ENODEV` if the device is gone.
                #[doc(alias = $c_read_name)]
                pub fn $read<const OFFSET: usize>(&self) -> Result<$type> {
                    const {
                        assert!(
                            fits_in(OFFSET, size_of::<$type>(), CONVENTIONAL),
                            "not aligned, or outside of the configuration space that every \
                             device has"
                        );
                    }
                    let mut value = 0;
                    let returned =
                        // SAFETY: C's function requires a device that exists, and its bus: both
                        // exist while the device is bound. The offset must be aligned and inside
                        // the configuration space, which was checked. The function takes
                        // `pci_lock` itself.
                        unsafe { sys::$c_read(self.as_raw(), OFFSET as c_int, &raw mut value) };
                    to_result(returned)?;
                    Ok(value)
                }

                #[doc = concat!("Reads at `offset`: C's `", stringify!($c_read), "`.")]
                ///
                /// # Context
                ///
                /// Any.
                ///
                /// # Errors
                ///
                /// [`EINVAL`] if `offset` is not aligned or is outside of the configuration space;
                /// `ENODEV` if the device is gone.
                pub fn $try_read(&self, offset: usize) -> Result<$type> {
                    if !fits_in(offset, size_of::<$type>(), self.cfg_size()) {
                        return Err(EINVAL);
                    }
                    let mut value = 0;
                    let returned =
                        // SAFETY: C's function requires a device that exists, and its bus: both
                        // exist while the device is bound. The offset must be aligned and inside
                        // the configuration space, which was checked. The function takes
                        // `pci_lock` itself.
                        unsafe { sys::$c_read(self.as_raw(), offset as c_int, &raw mut value) };
                    to_result(returned)?;
                    Ok(value)
                }

                #[doc = concat!(
                    "Writes at the constant `OFFSET`: C's `", stringify!($c_write), "`."
                )]
                ///
                /// # Context
                ///
                /// Any.
                ///
                /// # Errors
                ///
                /// `ENODEV` if the device is gone.
                #[doc(alias = $c_write_name)]
                pub fn $write<const OFFSET: usize>(&self, value: $type) -> Result {
                    const {
                        assert!(
                            fits_in(OFFSET, size_of::<$type>(), CONVENTIONAL),
                            "not aligned, or outside of the configuration space that every \
                             device has"
                        );
                        assert!(
                            !belongs_to_bus(OFFSET, size_of::<$type>()),
                            "a driver must not write a BAR: it belongs to the bus"
                        );
                    }
                    // SAFETY: C's function requires a device that exists, and its bus: both exist
                    // while the device is bound. The offset must be aligned and inside the
                    // configuration space, which was checked. The function takes `pci_lock` itself.
                    to_result(unsafe { sys::$c_write(self.as_raw(), OFFSET as c_int, value) })
                }

                #[doc = concat!("Writes at `offset`: C's `", stringify!($c_write), "`.")]
                ///
                /// # Context
                ///
                /// Any.
                ///
                /// # Errors
                ///
                /// [`EINVAL`] if `offset` is not aligned, is outside of the configuration space, or
                /// reaches a BAR or the ROM's; `ENODEV` if the device is gone.
                pub fn $try_write(&self, offset: usize, value: $type) -> Result {
                    let width = size_of::<$type>();
                    if !fits_in(offset, width, self.cfg_size()) || belongs_to_bus(offset, width) {
                        return Err(EINVAL);
                    }
                    // SAFETY: C's function requires a device that exists, and its bus: both exist
                    // while the device is bound. The offset must be aligned and inside the
                    // configuration space, which was checked. The function takes `pci_lock` itself.
                    to_result(unsafe { sys::$c_write(self.as_raw(), offset as c_int, value) })
                }
            )*
        }
    };
}

accessors! {
    read_config_byte, try_read_config_byte, pci_read_config_byte "pci_read_config_byte",
    write_config_byte, try_write_config_byte, pci_write_config_byte "pci_write_config_byte", u8;
    read_config_word, try_read_config_word, pci_read_config_word "pci_read_config_word",
    write_config_word, try_write_config_word, pci_write_config_word "pci_write_config_word", u16;
    read_config_dword, try_read_config_dword, pci_read_config_dword "pci_read_config_dword",
    write_config_dword, try_write_config_dword,
        pci_write_config_dword "pci_write_config_dword", u32;
}

impl Device<Bound> {
    /// Returns the size of the device's configuration space in bytes: 256, or 4096 with the
    /// extended space of PCI Express.
    #[doc(alias = "pci_dev.cfg_size")]
    pub fn cfg_size(&self) -> usize {
        // SAFETY: the device exists. The bus wrote the field when it found the device.
        let size = unsafe { (*self.as_raw()).cfg_size };
        usize::try_from(size).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_stay_inside_the_space() {
        assert!(
            fits_in(0, 4, 256)
                && fits_in(252, 4, 256)
                && fits_in(255, 1, 256)
                && fits_in(4092, 4, 4096)
        );
        assert!(
            !fits_in(253, 4, 256)
                && !fits_in(2, 4, 256)
                && !fits_in(256, 1, 256)
                && !fits_in(usize::MAX, 1, 256)
        );
        assert!(!fits_in(0, 1, 0));
    }

    #[test]
    fn bars_and_the_rom_belong_to_the_bus() {
        assert!(
            !belongs_to_bus(0x0c, 4)
                && !belongs_to_bus(0x28, 4)
                && !belongs_to_bus(0x34, 1)
                && !belongs_to_bus(0x2c, 4)
        );
        assert!(
            belongs_to_bus(0x10, 4)
                && belongs_to_bus(0x27, 1)
                && belongs_to_bus(0x30, 2)
                && belongs_to_bus(0x33, 1)
        );
    }
}
