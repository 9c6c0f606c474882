// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::devres::Devres;

/// Sends a guard to another thread. An RCU reader must end in the thread in which it began.
pub fn sent(value: &Devres<u32>) -> impl Send { //~ ERROR: cannot be sent between threads safely
    value.try_access()
}
