// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform::{self, DeviceId};

pub const TABLE: platform::IdTable<()> = platform::id_table![DeviceId::new(c"lamp"), DeviceId::new(c"lamp")];
//~^ ERROR: the same ID is in the table twice
