// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::completion::Completion;

/// Moves a completion. The completion of C contains pointers to itself.
pub fn moved(completion: Pin<&mut Completion>) -> &mut Completion {
    Pin::into_inner(completion) //~ ERROR: `PhantomPinned` cannot be unpinned
}
