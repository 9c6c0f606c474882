// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::Mutex;

/// Reads the data without a guard.
pub fn data(mutex: &Mutex<u32>) -> u32 {
    read(&mutex.data) //~ ERROR: field `data` of struct `Mutex` is private
}

fn read<T>(_: &T) -> u32 {
    0
}
