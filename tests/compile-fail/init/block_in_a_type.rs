// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;

/// Creates the value that only the end of an initialiser may create. With it, an initialiser could
/// end too early.
pub trait Make<Here> {
    fn make() -> Self;
}

pub struct Failed<const N: usize>;

pub struct Data {
    pub number: u32,
}

pub fn data() {
    let _ = try_init!(Data { number: 1 }? Failed<{
    //~^ ERROR: a type of an initialiser has no block and no macro in it
        struct Here;
        impl Make<Here> for __InitOk {
            fn make() -> Self {
                __InitOk
            }
        }
        1
    }>);
}
