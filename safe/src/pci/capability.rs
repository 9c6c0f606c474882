// SPDX-License-Identifier: GPL-2.0-only
//! Capabilities: features that a device lists in its configuration space.
//!
//! C headers: `include/linux/pci.h`, `include/uapi/linux/pci_regs.h`; `drivers/pci/pci.c`.
//!
//! ```
//! use linux_driver::device::Bound;
//! use linux_driver::error::{Result, code::ENODEV};
//! use linux_driver::pci::{self, PCI_CAP_ID_PM};
//!
//! /// Reads the flags of the power management capability, two bytes after its header.
//! fn flags(dev: &pci::Device<Bound>) -> Result<u16> {
//!     let position = dev.find_capability(PCI_CAP_ID_PM).ok_or(ENODEV)?;
//!     dev.try_read_config_word(position + 2)
//! }
//! # fn main() {}
//! ```

use core::ffi::c_int;

use linux_driver_sys as sys;

use super::Device;
use crate::device::Bound;

/// The ID of a capability in the first 256 bytes of configuration space: `PCI_CAP_ID_*`. An ID
/// without a constant here is made from its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CapId(pub u8);

/// The ID of a capability in the extended configuration space: `PCI_EXT_CAP_ID_*`. An ID without a
/// constant here is made from its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ExtCapId(pub u16);

macro_rules! ids {
    ($($id:ident, $width:ty: $($(#[$doc:meta])* $name:ident;)*)*) => { $($(
        $(#[$doc])*
        pub const $name: $id = $id(sys::$name as $width);
    )*)* };
}

ids! {
    CapId, u8:
    /// Power management.
    PCI_CAP_ID_PM;
    /// Message signalled interrupts (MSI).
    PCI_CAP_ID_MSI;
    /// Vendor-specific.
    PCI_CAP_ID_VNDR;
    /// PCI Express.
    PCI_CAP_ID_EXP;
    /// Message signalled interrupts through a table (MSI-X).
    PCI_CAP_ID_MSIX;
    /// Advanced features of conventional PCI.
    PCI_CAP_ID_AF;
}

ids! {
    ExtCapId, u16:
    /// Advanced error reporting.
    PCI_EXT_CAP_ID_ERR;
    /// The device's serial number.
    PCI_EXT_CAP_ID_DSN;
    /// Vendor-specific.
    PCI_EXT_CAP_ID_VNDR;
    /// Single root I/O virtualisation: virtual functions.
    PCI_EXT_CAP_ID_SRIOV;
}

impl Device<Bound> {
    /// Returns the offset of the first capability with this ID, or `None` if the device has none:
    /// C's `pci_find_capability`.
    ///
    /// # Context
    ///
    /// Any.
    #[doc(alias = "pci_find_capability")]
    pub fn find_capability(&self, id: CapId) -> Option<usize> {
        // SAFETY: `pci_find_capability` requires a device that exists, and its bus: both exist
        // while the device is bound. It accepts any number as the ID.
        found(unsafe { sys::pci_find_capability(self.as_raw(), c_int::from(id.0)) }.into())
    }

    /// Returns the offset of the next capability with this ID after the one at `position`: C's
    /// `pci_find_next_capability`. Returns `None` if there is none, or if `position` is outside of
    /// the first 256 bytes.
    ///
    /// # Context
    ///
    /// Any.
    #[doc(alias = "pci_find_next_capability")]
    pub fn find_next_capability(&self, position: usize, id: CapId) -> Option<usize> {
        let position = u8::try_from(position)
            .ok()
            .filter(|position| *position != u8::MAX)?;
        // SAFETY: `pci_find_next_capability` requires a device that exists, which a bound device
        // does, and an offset in its configuration space, which was checked.
        found(
            unsafe { sys::pci_find_next_capability(self.as_raw(), position, c_int::from(id.0)) }
                .into(),
        )
    }

    /// Returns the offset of the first capability with this ID in the extended configuration space,
    /// or `None` if the device has none: C's `pci_find_ext_capability`.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use linux_driver::device::Bound;
    /// use linux_driver::error::Result;
    /// use linux_driver::pci::{self, PCI_EXT_CAP_ID_DSN};
    ///
    /// /// Reads the serial number, if there is one: two words after the header, low word first.
    /// fn serial_number(dev: &pci::Device<Bound>) -> Result<Option<u64>> {
    ///     let Some(position) = dev.find_ext_capability(PCI_EXT_CAP_ID_DSN) else {
    ///         return Ok(None);
    ///     };
    ///     let low = dev.try_read_config_dword(position + 4)?;
    ///     let high = dev.try_read_config_dword(position + 8)?;
    ///     Ok(Some(u64::from(high) << 32 | u64::from(low)))
    /// }
    /// ```
    #[doc(alias = "pci_find_ext_capability")]
    pub fn find_ext_capability(&self, id: ExtCapId) -> Option<usize> {
        // SAFETY: `pci_find_ext_capability` requires a device that exists, and its bus: both exist
        // while the device is bound. It accepts any number as the ID.
        found(unsafe { sys::pci_find_ext_capability(self.as_raw(), c_int::from(id.0)) })
    }

    /// Returns the offset of the next capability with this ID in the extended configuration space,
    /// after the one at `position`: C's `pci_find_next_ext_capability`. Returns `None` if there is
    /// none, or if `position` is not an offset in the extended space.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use linux_driver::device::Bound;
    /// use linux_driver::error::{Result, code::ENODEV};
    /// use linux_driver::pci::{self, PCI_EXT_CAP_ID_VNDR};
    ///
    /// /// Finds the vendor's capability with this vendor-specific ID, which follows the header.
    /// fn find_vendor_capability(dev: &pci::Device<Bound>, id: u16) -> Result<usize> {
    ///     let mut next = dev.find_ext_capability(PCI_EXT_CAP_ID_VNDR);
    ///     while let Some(position) = next {
    ///         if dev.try_read_config_word(position + 4)? == id {
    ///             return Ok(position);
    ///         }
    ///         next = dev.find_next_ext_capability(position, PCI_EXT_CAP_ID_VNDR);
    ///     }
    ///     Err(ENODEV)
    /// }
    /// ```
    #[doc(alias = "pci_find_next_ext_capability")]
    pub fn find_next_ext_capability(&self, position: usize, id: ExtCapId) -> Option<usize> {
        let in_extended = sys::PCI_CFG_SPACE_SIZE as usize..self.cfg_size();
        let position = u16::try_from(position)
            .ok()
            .filter(|_| in_extended.contains(&position) && position.is_multiple_of(4))?;
        // SAFETY: `pci_find_next_ext_capability` requires a device that exists, which a bound
        // device does, and an offset in its configuration space, which was checked.
        found(unsafe {
            sys::pci_find_next_ext_capability(self.as_raw(), position, c_int::from(id.0))
        })
    }
}

/// Returns an offset that C's functions found; they return 0 for none.
fn found(position: u16) -> Option<usize> {
    (position != 0).then_some(usize::from(position))
}
