// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::mem::MaybeUninit;

use linux_driver::init::*;
use linux_driver::prelude::*;
use linux_driver::workqueue::{DelayedWork, DelayedWorkItem};
use linux_driver::{device, new_delayed_work};

pub struct Item;

impl DelayedWorkItem for Item {
    fn run(_work: &DelayedWork<Self>, _dev: &device::Device<Bound>) {}
}

/// Initialises an item in a `MaybeUninit`. Its bytes could be overwritten while the timer is armed.
pub fn item(dev: &device::Device<Bound>) -> impl PinInit<MaybeUninit<DelayedWork<Item>>, Error> {
    MaybeUninit::pin_init(new_delayed_work!(dev, Item))
    //~^ ERROR: no function or associated item named `pin_init` found
}
