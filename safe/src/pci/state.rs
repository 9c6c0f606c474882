// SPDX-License-Identifier: GPL-2.0-only
//! What the kernel remembers of a device's configuration space, for when a reset has wiped it out.
//!
//! C header: `include/linux/pci.h`; `drivers/pci/pci.c`.

use linux_driver_sys as sys;

use super::Device;
use crate::device::Core;
use crate::error::{Result, to_result};

/// The state that is kept: the header, and the capabilities that the kernel knows (PCI Express, AER, MSI, …).
impl Device<Core> {
    /// Remembers the configuration space as it is: C's `pci_save_state`. What was remembered before is forgotten.
    ///
    /// `ENOMEM` if the kernel found no memory for a capability when it found the device. Context: may sleep.
    #[doc(alias = "pci_save_state")]
    pub fn save_state(&self) -> Result {
        // SAFETY: the device is there and bound, and its lock is held, under which the core saves and restores too.
        to_result(unsafe { sys::pci_save_state(self.as_raw()) })
    }

    /// Writes what [`save_state`](Self::save_state) remembered last back: C's `pci_restore_state`. After that it counts as used up, in
    /// older kernels: save it again.
    ///
    /// A driver's [`slot_reset`](super::ErrorHandlers::slot_reset) starts with this:
    ///
    /// ```
    /// use linux_driver_safe::pci::{self, ErsResult};
    /// use linux_driver_safe::prelude::*;
    ///
    /// struct Nic;
    ///
    /// #[vtable]
    /// impl pci::ErrorHandlers for Nic {
    ///     fn slot_reset(dev: &pci::Device<Core>, _this: Pin<&Self>) -> ErsResult {
    ///         dev.restore_state();
    ///         match dev.save_state() {
    ///             Ok(()) => ErsResult::Recovered,
    ///             Err(_) => ErsResult::Disconnect,
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// Context: may sleep.
    #[doc(alias = "pci_restore_state")]
    pub fn restore_state(&self) {
        // SAFETY: as for saving.
        unsafe { sys::pci_restore_state(self.as_raw()) };
    }
}
