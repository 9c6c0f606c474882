// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::SpinLock;

/// The data is reached through a guard.
pub fn data(lock: &SpinLock<u32>) -> u32 {
    **lock //~ ERROR: cannot be dereferenced
}
