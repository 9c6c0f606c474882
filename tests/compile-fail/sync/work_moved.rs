//~ ERROR cannot be unpinned
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::workqueue::{Work, WorkItem};

/// C has a pointer to it.
pub fn moved<H: WorkItem>(work: Pin<&mut Work<H>>) -> &mut Work<H> {
    Pin::into_inner(work)
}
