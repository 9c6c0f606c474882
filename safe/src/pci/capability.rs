// SPDX-License-Identifier: GPL-2.0-only
//! Capabilities: what a device has in its configuration space, and where.
//!
//! C headers: `include/linux/pci.h`, `include/uapi/linux/pci_regs.h`; `drivers/pci/pci.c`.
//!
//! ```
//! use linux_driver::device::Bound;
//! use linux_driver::error::{Result, code::ENODEV};
//! use linux_driver::pci::{self, PCI_CAP_ID_PM};
//!
//! /// The power management capability's own flags, two bytes after its head.
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

/// The number of a capability in the first 256 bytes: `PCI_CAP_ID_*`. Those that are not here are
/// made of their number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CapId(pub u8);

/// The number of a capability in the extended space: `PCI_EXT_CAP_ID_*`. Those that are not here
/// are made of their number.
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
    /// Message signalled interrupts.
    PCI_CAP_ID_MSI;
    /// What its vendor likes.
    PCI_CAP_ID_VNDR;
    /// PCI Express.
    PCI_CAP_ID_EXP;
    /// Message signalled interrupts by a table.
    PCI_CAP_ID_MSIX;
    /// Advanced features, of conventional PCI.
    PCI_CAP_ID_AF;
}

ids! {
    ExtCapId, u16:
    /// Advanced error reporting.
    PCI_EXT_CAP_ID_ERR;
    /// The device's serial number.
    PCI_EXT_CAP_ID_DSN;
    /// What its vendor likes.
    PCI_EXT_CAP_ID_VNDR;
    /// Virtual functions.
    PCI_EXT_CAP_ID_SRIOV;
}

impl Device<Bound> {
    /// Where the first capability of this number is; `None` if the device has none: C's
    /// `pci_find_capability`. Context: any.
    #[doc(alias = "pci_find_capability")]
    pub fn find_capability(&self, id: CapId) -> Option<usize> {
        // SAFETY: the function demands a device that is there, with its bus, which a bound one is;
        // it looks for any number.
        found(unsafe { sys::pci_find_capability(self.as_raw(), c_int::from(id.0)) }.into())
    }

    /// Where the next capability of this number is, after the one at `position`; `None` if there is
    /// none, or `position` is outside of the first 256 bytes: C's `pci_find_next_capability`.
    /// Context: any.
    #[doc(alias = "pci_find_next_capability")]
    pub fn find_next_capability(&self, position: usize, id: CapId) -> Option<usize> {
        let position = u8::try_from(position)
            .ok()
            .filter(|position| *position != u8::MAX)?;
        // SAFETY: the function demands a device that is there, which a bound one is, and a position
        // in its configuration space.
        found(
            unsafe { sys::pci_find_next_capability(self.as_raw(), position, c_int::from(id.0)) }
                .into(),
        )
    }

    /// Where the first capability of this number is in the extended space; `None` if the device has
    /// none: C's `pci_find_ext_capability`. Context: any.
    ///
    /// ```no_run
    /// use linux_driver::device::Bound;
    /// use linux_driver::error::Result;
    /// use linux_driver::pci::{self, PCI_EXT_CAP_ID_DSN};
    ///
    /// /// The device's serial number, if it has one: two words after the capability's head, the lower one first.
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
        // SAFETY: the function demands a device that is there, with its bus, which a bound one is;
        // it looks for any number.
        found(unsafe { sys::pci_find_ext_capability(self.as_raw(), c_int::from(id.0)) })
    }

    /// Where the next capability of this number is in the extended space, after the one at
    /// `position`; `None` if there is none, or `position` is not one of the extended space: C's
    /// `pci_find_next_ext_capability`. Context: any.
    ///
    /// ```no_run
    /// use linux_driver::device::Bound;
    /// use linux_driver::error::{Result, code::ENODEV};
    /// use linux_driver::pci::{self, PCI_EXT_CAP_ID_VNDR};
    ///
    /// /// Where the vendor's capability of this ID is. There may be several, each with its ID after its head.
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
        // SAFETY: the function demands a device that is there, which a bound one is, and a position
        // in its configuration space.
        found(unsafe {
            sys::pci_find_next_ext_capability(self.as_raw(), position, c_int::from(id.0))
        })
    }
}

/// A position that is not 0.
fn found(position: u16) -> Option<usize> {
    (position != 0).then_some(usize::from(position))
}
