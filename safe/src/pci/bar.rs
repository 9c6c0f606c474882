// SPDX-License-Identifier: GPL-2.0-only
//! A BAR of a PCI device, requested and mapped until the driver is unbound.
//!
//! C headers: `include/linux/pci.h`, `include/linux/device.h`; `lib/devres.c`.

use super::Device;
use crate::device::{self, Bound};
use crate::error::Result;
use crate::io::{Mapped, Mmio};

/// A BAR of which at least `SIZE` bytes are requested and mapped until the driver is unbound.
///
/// The mapping belongs to the binding, as all managed resources (devres) do: the driver core
/// releases it after `remove`, no matter whether this value was dropped. A driver keeps the value
/// in its data and reaches the registers with [`access`](Self::access) while the device is bound.
/// After a surprise removal and before the driver is unbound, all registers read as all ones.
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
        // SAFETY: the resource belongs to the device. The bus does not move the BARs of a bound
        // device.
        let mapped = unsafe { Mapped::new(device.as_ref(), (c"BAR", bar), resource) };
        Ok(Self(mapped?))
    }

    /// Returns the registers, while the device is bound.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`ENODEV`](crate::error::code::ENODEV) if the BAR was mapped for another device, or for an
    /// earlier binding of this device.
    #[inline]
    pub fn access<'a>(
        &'a self,
        device: &'a impl AsRef<device::Device<Bound>>,
    ) -> Result<&'a Mmio<SIZE>> {
        self.0.access(device.as_ref())
    }
}

impl<const SIZE: usize> Bar<SIZE> {
    /// Returns the BAR's address on the bus and its length in bytes, while the device is bound.
    /// Fails with [`ENODEV`] as [`access`](Self::access) does.
    pub(crate) fn physical(&self, dev: &device::Device<Bound>) -> Result<(u64, u64)> {
        self.0.physical(dev)
    }
}
