// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::SpinLock;

/// Reads the data without a guard.
pub fn data(lock: &SpinLock<u32>) -> u32 {
    **lock //~ ERROR: cannot be dereferenced
}
