// SPDX-License-Identifier: GPL-2.0-only
//! A BAR of a PCI device, requested and mapped until the driver is unbound.
//!
//! C headers: `include/linux/pci.h`, `include/linux/device.h`; `lib/devres.c`.

use super::Device;
use crate::device::{self, Bound};
use crate::error::Result;
use crate::io::{Mapped, Mmio};

/// A BAR, requested and mapped, at least `SIZE` bytes of it, until the driver is unbound.
///
/// The mapping belongs to the binding, as all that is managed (devres): the core releases it after
/// `remove`, whatever became of this value. A driver keeps the value in its data and gets at the
/// registers while the device is bound: [`access`](Self::access). After a surprise removal, before
/// the driver is unbound, registers read all ones.
///
/// ```
/// use linux_driver::device::Bound;
/// use linux_driver::error::Result;
/// use linux_driver::pci::{self, Bar};
///
/// fn start(dev: &pci::Device<Bound>) -> Result<Bar<0x100>> {
///     let bar: Bar<0x100> = dev.iomap_region(0)?;
///     let registers = bar.access(dev)?;
///     registers.writel::<0x20>(1);
///     Ok(bar)
/// }
/// # fn main() {}
/// ```
#[doc(alias = "pcim_iomap_region")]
#[doc(alias = "devm_ioremap_resource")]
pub struct Bar<const SIZE: usize>(Mapped<SIZE>);

impl<const SIZE: usize> Bar<SIZE> {
    pub(super) fn new(device: &Device<Bound>, bar: u32) -> Result<Self> {
        let resource = device.resource(bar)?;
        // SAFETY: the resource is one of the device's; the bus does not move the BARs of a device
        // that is bound.
        let mapped = unsafe { Mapped::new(device.as_ref(), (c"BAR", bar), resource) };
        Ok(Self(mapped?))
    }

    /// The registers, while the device is bound. [`ENODEV`](crate::error::code::ENODEV) if the BAR
    /// was mapped for another device, or for this one when it was bound before.
    ///
    /// Context: any.
    #[inline]
    pub fn access<'a>(
        &'a self,
        device: &'a impl AsRef<device::Device<Bound>>,
    ) -> Result<&'a Mmio<SIZE>> {
        self.0.access(device.as_ref())
    }
}

impl<const SIZE: usize> Bar<SIZE> {
    /// Where the bus has it, and how many bytes it is, while the device is bound. [`ENODEV`] as in
    /// [`access`](Self::access).
    pub(crate) fn physical(&self, dev: &device::Device<Bound>) -> Result<(u64, u64)> {
        self.0.physical(dev)
    }
}
