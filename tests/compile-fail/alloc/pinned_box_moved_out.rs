// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::alloc::KBox;

/// A pinned value stays where it is.
pub fn moved<T>(pinned: Pin<KBox<T>>) -> T {
    KBox::into_inner(pinned) //~ ERROR: expected `KBox<T>`, found `Pin<KBox<T>>`
}
