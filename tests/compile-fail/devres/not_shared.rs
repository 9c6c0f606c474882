// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::cell::Cell;

use linux_driver::devres::Devres;

/// A value that any thread can access, although its type does not allow that.
pub struct Driver {
    pub value: Devres<Cell<u32>>, //~ ERROR: cannot be shared between threads safely
}
