// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::cell::Cell;

use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

pub struct State {
    pub count: Cell<u8>,
}

impl Module for State { //~ ERROR: cannot be shared between threads safely
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(State { count: Cell::new(0) })
    }
}

linux_driver::module! { //~ ERROR: is used by several tasks
    type: State,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
