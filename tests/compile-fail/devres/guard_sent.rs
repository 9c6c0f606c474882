// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::devres::Devres;

/// A reader of RCU is a thread.
pub fn sent(value: &Devres<u32>) -> impl Send { //~ ERROR: cannot be sent between threads safely
    value.try_access()
}
