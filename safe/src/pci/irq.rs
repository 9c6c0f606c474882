// SPDX-License-Identifier: GPL-2.0-only
//! The interrupts of a PCI device: INTx, MSI, MSI-X.
//!
//! C header: `include/linux/pci.h`; `drivers/pci/msi/api.c`.
//!
//! ```
//! use linux_driver::device::Core;
//! use linux_driver::error::Result;
//! use linux_driver::irq::Line;
//! use linux_driver::pci::{self, IrqTypes, PCI_IRQ_MSI, PCI_IRQ_MSIX};
//!
//! /// Allocates two to four MSI-X or MSI vectors, or else one interrupt of any type.
//! fn lines(dev: &pci::Device<Core>) -> Result<(u32, Line)> {
//!     dev.pcim_enable_device()?;
//!     let count = match dev.alloc_irq_vectors(2, 4, PCI_IRQ_MSIX | PCI_IRQ_MSI) {
//!         Ok(count) => count,
//!         Err(_) => dev.alloc_irq_vectors(1, 1, IrqTypes::ALL)?,
//!     };
//!     Ok((count, dev.irq_vector(0)?))
//! }
//! # fn main() {}
//! ```

use core::ffi::c_uint;
use core::ops::BitOr;
use core::sync::atomic::{AtomicI32, Ordering};

use linux_driver_sys as sys;

use super::Device;
use crate::device::{Bound, Core};
use crate::error::{Error, Result, code::EBUSY, code::EINVAL};
use crate::irq;

/// The types of interrupts to allocate: the `flags` of C's `pci_alloc_irq_vectors`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "pci_alloc_irq_vectors_affinity")]
pub struct IrqTypes(c_uint);

/// INTx: an interrupt line that is shared with other devices, so the handler must be registered
/// with `IRQF_SHARED`. (`PCI_IRQ_LEGACY` in older kernels.)
#[doc(alias = "PCI_IRQ_LEGACY")]
pub const PCI_IRQ_INTX: IrqTypes = IrqTypes(sys::LINUX_DRIVER_PCI_IRQ_INTX);
/// MSI: message signalled interrupts, at most 32.
pub const PCI_IRQ_MSI: IrqTypes = IrqTypes(sys::PCI_IRQ_MSI);
/// MSI-X: message signalled interrupts through a table in a BAR, at most 2048.
pub const PCI_IRQ_MSIX: IrqTypes = IrqTypes(sys::PCI_IRQ_MSIX);

/// The maximum size of an MSI-X table (PCI Local Bus Specification 3.0, 6.8.2.3).
const MOST: u32 = 2048;

impl IrqTypes {
    /// All three types.
    #[doc(alias = "PCI_IRQ_ALL_TYPES")]
    pub const ALL: Self = Self(PCI_IRQ_INTX.0 | PCI_IRQ_MSI.0 | PCI_IRQ_MSIX.0);
}

impl BitOr for IrqTypes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Device<Core> {
    /// Allocates between `min_vecs` and `max_vecs` interrupts: C's `pci_alloc_irq_vectors`. Uses
    /// the best type in `types` that the device supports: MSI-X, else MSI, else INTx. Returns the
    /// number of allocated interrupts. They belong to the device until the driver is unbound; the
    /// PCI core frees them after `remove`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] unless 1 ≤ `min_vecs` ≤ `max_vecs`;
    /// - [`EINVAL`] unless [`pcim_enable_device`](Self::pcim_enable_device) has enabled the device:
    ///   only then does the PCI core free the interrupts;
    /// - [`EBUSY`] if the device has MSI or MSI-X enabled already;
    /// - `ENOSPC` if fewer than `min_vecs` are available.
    #[doc(alias = "pci_alloc_irq_vectors")]
    #[doc(alias = "pci_alloc_irq_vectors_affinity")]
    #[doc(alias = "pci_free_irq_vectors")]
    pub fn alloc_irq_vectors(&self, min_vecs: u32, max_vecs: u32, types: IrqTypes) -> Result<u32> {
        let max_vecs = max_vecs.min(MOST);
        // C's `pci_is_managed`.
        // SAFETY: the device exists. Its lock, under which the field is written, is held.
        let managed = unsafe { sys::pci_dev::is_managed_raw(self.as_raw()) } != 0;
        // C's `pci_is_enabled`. Before 6.11 `is_managed` stays set after the binding ends.
        // SAFETY: the device exists. Only the address of the field is taken.
        let enabled = unsafe { &raw mut (*self.as_raw()).enable_cnt };
        // SAFETY: an `atomic_t` is an `int` that C changes with atomic instructions only.
        let enabled = unsafe { AtomicI32::from_ptr(enabled.cast()) }.load(Ordering::Relaxed) > 0;
        let managed = managed && enabled;
        if min_vecs == 0 || max_vecs < min_vecs || !managed {
            return Err(EINVAL);
        }
        // C's `pci_dev_msi_enabled`.
        // SAFETY: as for `is_managed`.
        let msi = unsafe { sys::pci_dev::msi_enabled_raw(self.as_raw()) };
        // SAFETY: as for `is_managed`.
        let msix = unsafe { sys::pci_dev::msix_enabled_raw(self.as_raw()) };
        if msi | msix != 0 {
            return Err(EBUSY);
        }
        let affinity = core::ptr::null_mut();
        // SAFETY: `pci_alloc_irq_vectors_affinity` requires:
        // - that nothing else allocates or frees vectors of the device: the device's lock is held;
        // - a context that may sleep: the caller has one;
        // - that the vectors are freed only when no handler is left: the device is managed, so
        //   devres frees them after `remove`, and the handlers are unregistered before that;
        // - no affinity descriptor without `PCI_IRQ_AFFINITY`: NULL is passed.
        let count = unsafe {
            sys::pci_alloc_irq_vectors_affinity(
                self.as_raw(),
                min_vecs,
                max_vecs,
                types.0,
                affinity,
            )
        };
        u32::try_from(count).map_err(|_| Error::from_errno(count))
    }
}

impl Device<Bound> {
    /// Returns the interrupt number `nr` of those that
    /// [`alloc_irq_vectors`](Device::alloc_irq_vectors) allocated, counted from 0: C's
    /// `pci_irq_vector`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there is no such interrupt.
    #[doc(alias = "pci_irq_vector")]
    pub fn irq_vector(&self, nr: u32) -> Result<irq::Line> {
        // SAFETY: `pci_irq_vector` requires a context that may sleep, and a device whose vectors
        // are not freed meanwhile. The device is `Bound`, and devres frees the vectors only after
        // it is unbound.
        let number = unsafe { sys::pci_irq_vector(self.as_raw(), nr) };
        match u32::try_from(number) {
            // 0 is never the interrupt of a device.
            Ok(0) => Err(EINVAL),
            Ok(number) => Ok(irq::Line::new(number, self.as_ref())),
            Err(_) => Err(Error::from_errno(number)),
        }
    }
}
