// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::irq::IrqReturn;

pub fn wake() -> IrqReturn {
    IrqReturn::WakeThread
    //~^ ERROR: no variant or associated item named `WakeThread` found for enum `IrqReturn`
}
