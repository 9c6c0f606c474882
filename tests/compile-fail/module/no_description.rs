// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

struct Hello;

impl Module for Hello {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        Ok(Hello)
    }
}

linux_driver::module! { //~ ERROR: `description` is missing
    type: Hello,
    license: "GPL",
    author: "The linux-driver developers",
}
