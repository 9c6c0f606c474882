// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform::{self, DeviceId};

pub const TABLE: platform::IdTable<()> = platform::id_table![DeviceId::new(c""), DeviceId::new(c"lamp")];
//~^ ERROR: an empty name would end the table
