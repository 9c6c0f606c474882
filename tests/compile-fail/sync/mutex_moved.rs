// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::sync::Mutex;

/// Moves a mutex. The lock of C contains pointers to itself.
pub fn moved(mutex: Pin<&mut Mutex<u32>>) -> &mut Mutex<u32> {
    Pin::into_inner(mutex) //~ ERROR: `PhantomPinned` cannot be unpinned
}
