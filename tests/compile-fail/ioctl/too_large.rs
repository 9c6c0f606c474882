// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::ioctl::_IOW;

pub const LARGE: u32 = _IOW::<[u8; 16384]>(b'L', 0);
//~^ ERROR: the data of an ioctl command is larger than 16383 bytes
