// SPDX-License-Identifier: GPL-2.0-only
//! A panic ends in `BUG()`, with its message and place; one that comes while such a message is
//! formatted, with its place.
//!
//! C header: `include/asm-generic/bug.h`. What happens then is the kernel's policy: the task is
//! ended, or the kernel panics if it was in an interrupt or `panic_on_oops` is set.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver_sys as sys;

use crate::print::Buffer;

/// Long enough for a path, a line number and a sentence; what is longer is cut.
const LENGTH: usize = 256;

/// Whether a panic's message is being formatted, which runs the driver's own code: its `Display`
/// may panic in turn, for ever.
static FORMATTING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if FORMATTING.swap(true, Ordering::Relaxed) {
        // It may be another CPU's that is being formatted: then the message of this one is lost,
        // its place is not.
        FORMATTING.store(false, Ordering::Relaxed);
        again(info)
    }
    let mut text = Buffer::<LENGTH>::new();
    // A buffer that is full says so in its text; there is nobody else to tell.
    let _ = write!(text, "{info}");
    // SAFETY: `_printk` asks for a format string that ends in NUL, and for the arguments that its
    // conversions read: `%.*s` an int that is not negative and a pointer to as many bytes, which
    // the buffer has. It may be called in any context, NMI too.
    unsafe {
        sys::_printk(
            c"\x010rust: %.*s\n".as_ptr(),
            text.len() as core::ffi::c_int,
            text.as_ptr(),
        )
    };
    FORMATTING.store(false, Ordering::Relaxed);
    bug()
}

/// A panic while another one's message is formatted: its place, and its message if that is a text
/// and no more. Nothing of the driver's runs.
#[cold]
fn again(info: &PanicInfo<'_>) -> ! {
    let message = info
        .message()
        .as_str()
        .unwrap_or("(its message is not formatted)");
    let (file, line) = info
        .location()
        .map_or(("?", 0), |place| (place.file(), place.line()));
    // SAFETY: as above: two ints with pointers to as many bytes each, which are `str`s, and an
    // unsigned int for `%u`.
    unsafe {
        sys::_printk(
            c"\x010rust: panicked while a panic was printed, at %.*s:%u: %.*s\n".as_ptr(),
            file.len() as core::ffi::c_int,
            file.as_ptr(),
            line,
            message.len() as core::ffi::c_int,
            message.as_ptr(),
        )
    };
    bug()
}

/// C's `BUG()`: reports a bug with a stack trace, and ends the thread.
pub(crate) fn bug() -> ! {
    // SAFETY: `BUG()` asks for nothing and may be called in any context. It does not return: where
    // the kernel is built without `CONFIG_BUG` it loops.
    unsafe { sys::linux_driver_bug() };
    crate::io::arch::trap()
}
