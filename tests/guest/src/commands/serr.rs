// SPDX-License-Identifier: GPL-2.0-only
//! `serr DEVICE…`: enables the reporting of errors (SERR#) in these PCI functions, and their
//! forwarding in bridges. Firmware does that on real machines, but QEMU's does not.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use crate::args::Args;
use crate::outcome::{Failure, Result};

/// `PCI_COMMAND`, and its bit `PCI_COMMAND_SERR`.
const COMMAND: (u64, u16) = (0x04, 0x100);
/// `PCI_HEADER_TYPE`. The value 1 is that of a bridge.
const HEADER_TYPE: u64 = 0x0e;
/// `PCI_BRIDGE_CONTROL`, and its bit `PCI_BRIDGE_CTL_SERR`.
const BRIDGE_CONTROL: (u64, u16) = (0x3e, 0x2);

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let mut devices = 0;
    while args.end().is_err() {
        let device: String = args.next("a device")?;
        enable(&format!("/sys/bus/pci/devices/{device}/config"))
            .map_err(|e| Failure::new(format_args!("{device}: {e}")))?;
        devices += 1;
    }
    Ok(format!("{devices} functions report errors"))
}

fn enable(path: &str) -> std::io::Result<()> {
    let config = OpenOptions::new().read(true).write(true).open(path)?;
    let mut header = [0];
    config.read_exact_at(&mut header, HEADER_TYPE)?;
    let bridge = (header[0] & 0x7f == 1).then_some(BRIDGE_CONTROL);
    for (offset, bit) in [Some(COMMAND), bridge].into_iter().flatten() {
        let mut word = [0; 2];
        config.read_exact_at(&mut word, offset)?;
        let word = u16::from_le_bytes(word) | bit;
        config.write_all_at(&word.to_le_bytes(), offset)?;
    }
    Ok(())
}
