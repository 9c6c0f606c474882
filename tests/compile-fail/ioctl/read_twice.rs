// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::ioctl::Argument;
use linux_driver::prelude::*;

/// Reads an argument twice. User space may write another length in between.
pub fn checked(argument: Argument<'_>) -> Result<usize> {
    let length: u32 = argument.read()?;
    if length > 64 {
        return Err(EINVAL);
    }
    let length: u32 = argument.read()?; //~ ERROR: use of moved value: `argument`
    Ok(length as usize)
}
