// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::ffi::c_char;

use linux_driver::platform;
use linux_driver::sys::platform_device_id;

/// Fills an array of any length. The length of a name differs between kernels.
const fn filled<const N: usize>(with: c_char) -> [c_char; N] {
    [with; N]
}

const UNENDED: platform_device_id = platform_device_id {
    name: filled(b'a' as c_char),
    driver_data: 0,
};
const END: platform_device_id = platform_device_id {
    name: filled(0),
    driver_data: 0,
};

pub const TABLE: platform::IdTable<()> = platform::IdTable::new(&[UNENDED, END], &[]);
//~^ ERROR: a name in an ID table must end with a NUL
