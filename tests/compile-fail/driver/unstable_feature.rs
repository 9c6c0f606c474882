// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]
#![feature(custom_mir, core_intrinsics)]
//~^ ERROR: the feature `custom_mir` is not in the list of allowed features
//~| ERROR: the feature `core_intrinsics` is not in the list
#![allow(internal_features, reason = "the lint would come first")]

use core::intrinsics::mir::*; //~ ERROR: use of unstable library feature `custom_mir`

use linux_driver as _;

/// Turns an integer into a reference, without `unsafe`.
#[custom_mir(dialect = "runtime", phase = "optimized")]
//~^ ERROR: the `#[custom_mir]` attribute is just used for
pub fn at(address: usize) -> &'static u64 {
    mir! {
        {
            RET = CastTransmute(address); //~ ERROR: use of unstable library feature `custom_mir`
            Return() //~ ERROR: use of unstable library feature `custom_mir`
        }
    }
}
