// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::workqueue::{Work, WorkItem};
use linux_driver::{device, new_work};

pub struct Item;

impl WorkItem for Item {
    fn run(_work: &Work<Self>, _dev: &device::Device<Bound>) {}
}

/// A struct whose field lacks `#[pin]`.
#[pin_data] //~ ERROR: `work` must not move: write `#[pin]` before the field
pub struct Data {
    pub work: Work<Item>,
}

pub fn data(dev: &device::Device<Bound>) -> impl PinInit<Data, Error> {
    try_pin_init!(Data { work <- new_work!(dev, Item) })
    //~^ ERROR: Init<Work<Item>, _>` is not satisfied
}
