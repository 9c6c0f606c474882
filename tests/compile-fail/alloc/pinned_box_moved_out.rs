// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::alloc::KBox;

/// Moves a value out of a pinned box.
pub fn moved<T>(pinned: Pin<KBox<T>>) -> T {
    KBox::into_inner(pinned) //~ ERROR: expected `KBox<T>`, found `Pin<KBox<T>>`
}
