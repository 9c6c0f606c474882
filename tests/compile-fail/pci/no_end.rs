// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{DeviceId, IdTable, raw_table};
use linux_driver::sys;

static RAW: [sys::pci_device_id; 2] = raw_table([DeviceId::new(0x1234, 0x11e8)], false);

/// A table without its last entry.
pub const TABLE: IdTable<()> = IdTable::new(RAW.split_at(1).0, &[]);
//~^ ERROR: an ID table must end with an entry of zeroes
