// SPDX-License-Identifier: GPL-2.0-only
//! Reads and writes.

use linux_driver::pci;
use linux_driver::prelude::*;

use crate::{Kind, error};

/// `PCI_INTERRUPT_LINE`: a byte for the firmware, which the kernel no longer reads.
const LINE: usize = 0x3c;

pub(crate) fn try_out(dev: &pci::Device<Bound>, kind: Kind) -> Result {
    let (vendor, device) = (dev.vendor(), dev.device());
    dev_info!(
        dev,
        "{:04x}:{:04x} has {} bytes",
        vendor,
        device,
        dev.cfg_size()
    );
    let bytes = [
        dev.read_config_byte::<0>()?,
        dev.read_config_byte::<1>()?,
        dev.try_read_config_byte(2)?,
        dev.try_read_config_byte(3)?,
    ];
    let words =
        u32::from(dev.read_config_word::<0>()?) | u32::from(dev.try_read_config_word(2)?) << 16;
    dev_info!(
        dev,
        "{:04x}:{:04x}: by byte, word and dword: {:x}, {:x}, {:x}",
        vendor,
        device,
        u32::from_le_bytes(bytes),
        words,
        dev.read_config_dword::<0>()?,
    );
    if kind != Kind::Edu {
        return Ok(());
    }
    dev_info!(
        dev,
        "{:04x}:{:04x}: past the end: {}, {} and {}, unaligned: {} and {}",
        vendor,
        device,
        error(dev.try_read_config_byte(dev.cfg_size())),
        error(dev.try_read_config_dword(usize::MAX - 3)),
        error(dev.try_write_config_word(4096, 0)),
        error(dev.try_read_config_word(1)),
        error(dev.try_write_config_dword(0x42, 0)),
    );
    dev_info!(
        dev,
        "{:04x}:{:04x}: a BAR: {}, {} and {}",
        vendor,
        device,
        error(dev.try_write_config_dword(0x10, 0)),
        error(dev.try_write_config_byte(0x27, 0)),
        error(dev.try_write_config_word(0x30, 0)),
    );
    let before = dev.read_config_dword::<LINE>()?;
    dev.write_config_byte::<LINE>(0xa5)?;
    let line = dev.read_config_byte::<LINE>()?;
    dev.try_write_config_dword(LINE, before)?;
    let restored = dev.read_config_dword::<LINE>()? == before;
    dev_info!(
        dev,
        "{:04x}:{:04x}: line {:#x}, then as before: {}",
        vendor,
        device,
        line,
        restored
    );
    Ok(())
}
