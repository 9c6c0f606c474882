//~ ERROR cannot be unpinned
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::driver::{Registration, RegistrationOps};
use linux_driver::prelude::*;

/// A registration stays where it is: a pinned one gives no `&mut` to move it by.
pub fn moved<T: RegistrationOps>(registration: Pin<&mut Registration<T>>) -> &mut Registration<T> {
    Pin::into_inner(registration)
}
