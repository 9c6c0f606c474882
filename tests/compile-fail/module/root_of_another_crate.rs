// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

struct Lamp;

/// The macro that another crate needs to take the safe layer's place. Its `unsafe` is found.
#[macro_export]
macro_rules! __module {
    ($ty:ty, $infos:tt) => {
        fn entry(of: *const $ty) {
            unsafe { of.read() };
        }
    };
}

macro_rules! module {
    ($($fields:tt)*) => {
        linux_driver::macros::module! { $crate; $($fields)* }
    };
}

module! { //~ ERROR: usage of an `unsafe` block
    type: Lamp,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
