// SPDX-License-Identifier: GPL-2.0-only
//! The walk over the BARs.

use linux_driver::pci::{self, IORESOURCE_IO, IORESOURCE_MEM};
use linux_driver::prelude::*;

/// Logs the kind of each BAR.
pub(crate) fn walk(dev: &pci::Device<Bound>) -> Result {
    for bar in 0..6 {
        let start = dev.resource_start(bar)?;
        let length = dev.resource_len(bar)?;
        let flags = dev.resource_flags(bar)?;
        if length == 0 {
            dev_info!(dev, "BAR {}: none", bar);
        } else if flags & IORESOURCE_IO != 0 {
            dev_info!(dev, "BAR {}: {} ports at {:#x}", bar, length, start);
        } else if flags & IORESOURCE_MEM != 0 {
            dev_info!(
                dev,
                "BAR {}: {} bytes of memory at {:#x}",
                bar,
                length,
                start
            );
        } else {
            dev_warn!(dev, "BAR {}: neither memory nor ports: {:#x}", bar, flags);
        }
    }
    Ok(())
}
