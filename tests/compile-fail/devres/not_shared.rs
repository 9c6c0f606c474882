// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::cell::Cell;

use linux_driver::devres::Devres;

/// It can be reached from any thread.
pub struct Driver {
    pub value: Devres<Cell<u32>>, //~ ERROR: cannot be shared between threads safely
}
