// SPDX-License-Identifier: GPL-2.0-only
//! A panic ends in `BUG()`, with its message and place.
//!
//! C header: `include/asm-generic/bug.h`. What happens then is the kernel's policy: the task is ended, or the kernel
//! panics if it was in an interrupt or `panic_on_oops` is set.

use core::fmt::Write;
use core::panic::PanicInfo;

use linux_driver_sys as sys;

use crate::print::Buffer;

/// Long enough for a path, a line number and a sentence; what is longer is cut.
const LENGTH: usize = 256;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text = Buffer::<LENGTH>::new();
    // A buffer that is full says so in its text; there is nobody else to tell.
    let _ = write!(text, "{info}");
    // SAFETY: the format takes an int and as many bytes, which are valid for the call. printk may be called anywhere.
    unsafe {
        sys::_printk(
            c"\x010rust: %.*s\n".as_ptr(),
            text.len() as core::ffi::c_int,
            text.as_ptr(),
        )
    };
    bug()
}

/// C's `BUG()`: reports a bug with a stack trace, and ends the thread.
pub(crate) fn bug() -> ! {
    // SAFETY: BUG() may be called anywhere; it does not come back.
    unsafe { sys::linux_driver_bug() };
    crate::io::arch::trap()
}
