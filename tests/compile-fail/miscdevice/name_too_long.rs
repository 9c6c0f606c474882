// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::miscdevice::Name;

pub const NAME: Name<'static> = Name::new(c"thirty-two-bytes-are-one-too-many");
//~^ ERROR: the name of a misc device has at most 31 bytes
