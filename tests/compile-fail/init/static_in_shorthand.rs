// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::prelude::*;

static mut SHARED: &mut u64 = &mut 0;

#[allow(non_snake_case, reason = "the shorthand takes the static's name")]
pub struct Take {
    pub SHARED: &'static mut u64,
}

/// Returns the only mutable reference, as often as it is called.
pub fn take() -> Result<KBox<Take>> {
    KBox::init(init!(Take { SHARED }), GFP_KERNEL) //~ ERROR: let bindings cannot shadow statics
    //~^ ERROR: use of mutable static is unsafe
    //~| ERROR: cannot move out of static item `SHARED`
}
