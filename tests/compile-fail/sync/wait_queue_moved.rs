// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::wait::WaitQueue;

/// Moves a wait queue. The queue of C contains pointers to itself.
pub fn moved(queue: Pin<&mut WaitQueue>) -> &mut WaitQueue {
    Pin::into_inner(queue) //~ ERROR: `PhantomPinned` cannot be unpinned
}
