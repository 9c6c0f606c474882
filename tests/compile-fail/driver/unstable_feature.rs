//~ ERROR the feature `custom_mir` is not in the list of allowed features
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]
#![feature(custom_mir, core_intrinsics)]
#![allow(internal_features, reason = "the lint would come first")]

use core::intrinsics::mir::*;

use linux_driver as _;

/// A reference of an integer, without `unsafe`.
#[custom_mir(dialect = "runtime", phase = "optimized")]
pub fn at(address: usize) -> &'static u64 {
    mir! {
        {
            RET = CastTransmute(address);
            Return()
        }
    }
}
