// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts of a PCI device: INTx, MSI, MSI-X.
//!
//! C header: `include/linux/pci.h`; `drivers/pci/msi/api.c`.
//!
//! ```
//! use linux_driver::device::Core;
//! use linux_driver::error::Result;
//! use linux_driver::irq::Line;
//! use linux_driver::pci::{self, IrqTypes, PCI_IRQ_MSI, PCI_IRQ_MSIX};
//!
//! /// Up to four messages of their own, of the table or not; else the pin.
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

/// Kinds of interrupts: the `flags` of C's `pci_alloc_irq_vectors`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "pci_alloc_irq_vectors_affinity")]
pub struct IrqTypes(c_uint);

/// The pin, on a line that is shared with other devices: `IRQF_SHARED` must be given for it.
/// (`PCI_IRQ_LEGACY` in older kernels.)
#[doc(alias = "PCI_IRQ_LEGACY")]
pub const PCI_IRQ_INTX: IrqTypes = IrqTypes(sys::LINUX_DRIVER_PCI_IRQ_INTX);
/// Message signalled interrupts, of which there are 32 at most.
pub const PCI_IRQ_MSI: IrqTypes = IrqTypes(sys::PCI_IRQ_MSI);
/// Message signalled interrupts by a table in a BAR, of which there are 2048 at most.
pub const PCI_IRQ_MSIX: IrqTypes = IrqTypes(sys::PCI_IRQ_MSIX);

/// What a table of MSI-X can hold at most (PCI Local Bus Specification 3.0, 6.8.2.3).
const MOST: u32 = 2048;

impl IrqTypes {
    /// Any of the three.
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
    /// Allocates at least `min_vecs` interrupts, at most `max_vecs`, of the best of these types
    /// that the device has: MSI-X, else MSI, else INTx. Returns how many there are: C's
    /// `pci_alloc_irq_vectors`. They are the device's until the driver is unbound: the PCI core
    /// frees them, after `remove`.
    ///
    /// [`EINVAL`] unless 1 ≤ `min_vecs` ≤ `max_vecs`, and unless the device was enabled by
    /// [`pcim_enable_device`](Self::pcim_enable_device), on which it hangs that they are freed;
    /// [`EBUSY`] if it has MSIs already; `ENOSPC` if there are not so many. Context: may sleep.
    #[doc(alias = "pci_alloc_irq_vectors")]
    #[doc(alias = "pci_alloc_irq_vectors_affinity")]
    #[doc(alias = "pci_free_irq_vectors")]
    pub fn alloc_irq_vectors(&self, min_vecs: u32, max_vecs: u32, types: IrqTypes) -> Result<u32> {
        let max_vecs = max_vecs.min(MOST);
        // C: `pci_is_managed`.
        // SAFETY: the device is there; its lock, under which the field is written, is held.
        let managed = unsafe { sys::pci_dev::is_managed_raw(self.as_raw()) } != 0;
        // Before 6.11 the flag outlives the binding. C: `pci_is_enabled`.
        // SAFETY: as above; only the field's address is taken.
        let enabled = unsafe { &raw mut (*self.as_raw()).enable_cnt };
        // SAFETY: an `atomic_t` is an `int` that C changes with atomic instructions alone.
        let enabled = unsafe { AtomicI32::from_ptr(enabled.cast()) }.load(Ordering::Relaxed) > 0;
        let managed = managed && enabled;
        if min_vecs == 0 || max_vecs < min_vecs || !managed {
            return Err(EINVAL);
        }
        // C: `pci_dev_msi_enabled`.
        // SAFETY: as above.
        let msi = unsafe { sys::pci_dev::msi_enabled_raw(self.as_raw()) };
        // SAFETY: as above.
        let msix = unsafe { sys::pci_dev::msix_enabled_raw(self.as_raw()) };
        if msi | msix != 0 {
            return Err(EBUSY);
        }
        let affinity = core::ptr::null_mut();
        // SAFETY: `pci_alloc_irq_vectors_affinity` demands that nobody else enables or frees
        // vectors of the device, a context that may sleep, and that the vectors are freed when no
        // handler is left: the device's lock is held, it is managed, so that devres frees them
        // after `remove`, where handlers went. No affinity is asked for.
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
    /// The interrupt of this number, of those that [`alloc_irq_vectors`](Device::alloc_irq_vectors)
    /// gave: C's `pci_irq_vector`. [`EINVAL`] if there is no such.
    ///
    /// Context: may sleep.
    #[doc(alias = "pci_irq_vector")]
    pub fn irq_vector(&self, nr: u32) -> Result<irq::Line> {
        // SAFETY: `pci_irq_vector` demands a device whose vectors are not freed meanwhile, and a
        // context that may sleep: devres frees them when the device is not bound any more, and it
        // is `Bound`.
        let number = unsafe { sys::pci_irq_vector(self.as_raw(), nr) };
        match u32::try_from(number) {
            // 0 is no interrupt of a device.
            Ok(0) => Err(EINVAL),
            Ok(number) => Ok(irq::Line::new(number, self.as_ref())),
            Err(_) => Err(Error::from_errno(number)),
        }
    }
}
