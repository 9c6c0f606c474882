// SPDX-License-Identifier: GPL-2.0-only
//! A bus without hardware, its devices, and a driver for them.
//!
//! Devices are created and removed at run time: `echo ball > /sys/bus/rust_toys/new_device`,
//! `echo 0 > /sys/bus/rust_toys/delete_device`.
#![no_std]
#![forbid(unsafe_code)]

mod bus;
mod player;

use linux_driver::bus::Registration;
use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

/// The module: the bus, which contains everything else.
#[pin_data]
struct VirtualBus {
    #[pin]
    _bus: Registration<bus::Toys>,
}

impl Module for VirtualBus {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self { _bus <- Registration::new(module) })
    }
}

linux_driver::module! {
    type: VirtualBus,
    license: "GPL",
    author: "The linux-driver developers",
    description: "A bus of toys",
}
