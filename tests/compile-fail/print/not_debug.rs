// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub struct Registers;

pub fn log(registers: &Registers) {
    pr_info!("{registers:?}"); //~ ERROR: `Registers` doesn't implement `core::fmt::Debug`
}
