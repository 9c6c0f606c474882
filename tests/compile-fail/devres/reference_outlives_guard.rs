// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::devres::Devres;

/// Returns a reference without the guard that keeps the value.
pub fn kept(value: &Devres<u32>) -> Option<&u32> {
    let guard = value.try_access()?;
    Some(&*guard) //~ ERROR: returns a value referencing data owned by the current function
}
