// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

/// A module in the place of the safe layer.
mod own {
    pub use linux_driver::module;
}

struct Lamp;

linux_driver::macros::module! {
    own;
    //~^ ERROR: this is called by the macro of the same name in `linux_driver`, with its `$crate`
    type: Lamp,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
