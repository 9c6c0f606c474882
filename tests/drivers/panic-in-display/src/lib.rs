// SPDX-License-Identifier: GPL-2.0-only
//! Panics when it is loaded, with a value whose `Display` panics too.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

struct PanicInDisplay;

impl fmt::Display for PanicInDisplay {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no way to show it")
    }
}

impl Module for PanicInDisplay {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        if true {
            panic!("{}", PanicInDisplay);
        }
        Ok(PanicInDisplay)
    }
}

linux_driver::module! {
    type: PanicInDisplay,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Panics while it panics",
}
