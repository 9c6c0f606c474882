// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::Mutex;

/// Keeps a reference for longer than its guard.
pub fn outlives(mutex: &Mutex<u32>) -> u32 {
    let data: &u32 = {
        let guard = mutex.lock();
        &*guard //~ ERROR: does not live long enough
    };
    *data
}
