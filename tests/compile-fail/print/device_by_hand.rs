// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::print::Printable;
use linux_driver::sys;

pub struct Fake;

unsafe impl Printable for Fake { //~ ERROR: implementation of an `unsafe` trait
    fn raw(&self) -> *const sys::device {
        8 as *const sys::device
    }
}
