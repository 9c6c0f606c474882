// SPDX-License-Identifier: GPL-2.0-only
//! The panic handler. It logs the message and the source location of a panic, and ends in `BUG()`.
//! If a panic occurs while such a message is formatted, it logs the location of the second panic.
//!
//! C header: `include/asm-generic/bug.h`. The kernel's policy decides what happens then. The task
//! is ended; or the kernel panics, if this was in an interrupt handler or if `panic_on_oops` is
//! set.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver_sys as sys;

use crate::print::Buffer;

/// The maximum length of a message: enough for a path, a line number and a sentence. A longer
/// message is truncated.
const LENGTH: usize = 256;

/// True while the message of a panic is formatted. Formatting runs the driver's code: its `Display`
/// may panic too, without end.
static FORMATTING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if FORMATTING.swap(true, Ordering::Relaxed) {
        // The message may be one that another CPU formats. Then the message of this panic is lost,
        // but not its location.
        FORMATTING.store(false, Ordering::Relaxed);
        again(info)
    }
    let mut text = Buffer::<LENGTH>::new();
    // The text shows if the buffer was full. Nothing else can report that.
    let _ = write!(text, "{info}");
    // SAFETY: `_printk` requires a format string that ends in NUL, and arguments that match its
    // conversions. `%.*s` requires an int that is not negative, and a pointer to as many bytes,
    // which the buffer has. `_printk` may be called in any context, including NMI.
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

/// Handles a panic that occurs while the message of another one is formatted. Logs its location,
/// and its message if that is a plain string. No code of the driver runs.
#[cold]
fn again(info: &PanicInfo<'_>) -> ! {
    let message = info
        .message()
        .as_str()
        .unwrap_or("(its message is not formatted)");
    let (file, line) = info
        .location()
        .map_or(("?", 0), |location| (location.file(), location.line()));
    // SAFETY: same preconditions as above. There are two ints, each with a pointer to as many bytes
    // of a `str`, and an unsigned int for `%u`.
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

/// Reports a bug with a stack trace, and ends the thread: C's `BUG()`.
pub(crate) fn bug() -> ! {
    // SAFETY: `BUG()` has no preconditions, and may be called in any context. It does not return:
    // in a kernel without `CONFIG_BUG` it loops.
    unsafe { sys::linux_driver_bug() };
    crate::io::arch::trap()
}
