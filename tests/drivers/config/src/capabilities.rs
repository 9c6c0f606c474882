// SPDX-License-Identifier: GPL-2.0-only
//! Capabilities.

use linux_driver::pci::{
    self, PCI_CAP_ID_EXP, PCI_CAP_ID_MSI, PCI_CAP_ID_MSIX, PCI_CAP_ID_PM, PCI_EXT_CAP_ID_DSN,
    PCI_EXT_CAP_ID_ERR,
};
use linux_driver::prelude::*;

use crate::Kind;

/// The offset of the pointer to the capability list: `PCI_CAPABILITY_LIST`.
const LIST: usize = 0x34;

/// Walks the list by hand. The first 256 bytes of the configuration space have room for 48 entries.
fn by_hand(dev: &pci::Device<Bound>, id: u8) -> Result<Option<usize>> {
    let mut at = usize::from(dev.read_config_byte::<LIST>()?);
    for _ in 0..48 {
        if at < 0x40 {
            break;
        }
        if dev.try_read_config_byte(at)? == id {
            return Ok(Some(at));
        }
        at = usize::from(dev.try_read_config_byte(at.wrapping_add(1))?);
    }
    Ok(None)
}

pub(crate) fn try_out(dev: &pci::Device<Bound>, kind: Kind) -> Result {
    let (vendor, device) = (dev.vendor(), dev.device());
    match kind {
        Kind::E1000e => {
            let first = [
                PCI_CAP_ID_PM,
                PCI_CAP_ID_MSI,
                PCI_CAP_ID_MSIX,
                PCI_CAP_ID_EXP,
            ];
            let there = first.iter().all(|id| dev.find_capability(*id).is_some());
            let extended = [PCI_EXT_CAP_ID_ERR, PCI_EXT_CAP_ID_DSN];
            let headers = extended.iter().all(|id| {
                let at = dev.find_ext_capability(*id);
                at.is_some_and(|at| dev.try_read_config_word(at) == Ok(id.0))
            });
            dev_info!(
                dev,
                "{:04x}:{:04x}: power, MSI and MSI-X: {}, errors and serial number: {}",
                vendor,
                device,
                there,
                headers,
            );
            let mut same = true;
            let mut none = true;
            for id in first {
                let at = dev.find_capability(id);
                same &= at == by_hand(dev, id.0)?;
                none &= at.is_some_and(|at| dev.find_next_capability(at, id).is_none());
            }
            let last = dev.find_ext_capability(PCI_EXT_CAP_ID_ERR);
            none &= last.is_some_and(|at| {
                dev.find_next_ext_capability(at, PCI_EXT_CAP_ID_ERR)
                    .is_none()
            });
            none &= dev
                .find_next_ext_capability(usize::MAX, PCI_EXT_CAP_ID_ERR)
                .is_none();
            dev_info!(
                dev,
                "{:04x}:{:04x}: after the last: none: {}, by hand the same: {}",
                vendor,
                device,
                none,
                same
            );
        }
        Kind::Edu => {
            let none = dev.find_ext_capability(PCI_EXT_CAP_ID_ERR).is_none()
                && dev
                    .find_next_ext_capability(0x100, PCI_EXT_CAP_ID_ERR)
                    .is_none();
            dev_info!(
                dev,
                "{:04x}:{:04x}: extended: none: {}",
                vendor,
                device,
                none
            );
        }
        Kind::Nvme => {}
    }
    Ok(())
}
