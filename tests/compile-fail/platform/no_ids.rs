// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform;

pub const TABLE: platform::IdTable<()> = platform::id_table![];
//~^ ERROR: an ID table must name at least one device
