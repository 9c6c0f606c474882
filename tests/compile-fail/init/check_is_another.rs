// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

extern crate core as real;
extern crate linux_driver as safe_layer;
extern crate self as core;
extern crate self as linux_driver;

pub use real::{clone, convert, mem, ops, pin, ptr, result};
pub use safe_layer::{__for_its_own_macros_and_unsound_by_hand, __may_move, __pin_data_unsound_by_hand, init};

/// A replacement for the check that checks nothing.
#[macro_export]
macro_rules! __core_is_core {
    () => {};
}

/// A module of a false `core` in which `Unpin` is another trait.
pub mod marker {
    pub use real::marker::*;

    pub trait Unpin {}
}

use safe_layer::prelude::*;
use safe_layer::sync::Mutex;

#[pin_data] //~ ERROR: `Unpin` is ambiguous
pub struct Data {
    #[pin]
    pub lock: Mutex<u32>,
}

impl real::marker::Unpin for Data {}

/// Swaps pinned values.
pub fn swap(mut one: Pin<&mut Data>, mut other: Pin<&mut Data>) {
    real::mem::swap(&mut *one, &mut *other);
}
