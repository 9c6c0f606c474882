// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, PCI_IRQ_MSI};
use linux_driver::prelude::*;

pub fn later(dev: &pci::Device<Bound>) -> Result<u32> {
    dev.alloc_irq_vectors(1, 1, PCI_IRQ_MSI) //~ ERROR: no method named `alloc_irq_vectors` found
}
