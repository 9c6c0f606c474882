// SPDX-License-Identifier: GPL-2.0-only
//! `struct file`: an open file.
//!
//! C header: `include/linux/fs.h`; `fs/open.c`, `fs/file_table.c`.
//!
//! ```no_run
//! use linux_driver::ioctl::{self, _IO};
//! use linux_driver::miscdevice::{self, Call};
//! use linux_driver::prelude::*;
//! use linux_driver::sync::atomic::{AtomicU32, Ordering};
//! use linux_driver::uaccess::Writer;
//! use linux_driver::wait::WaitQueue;
//!
//! #[pin_data]
//! struct Button {
//!     /// The number of presses since the last read.
//!     presses: AtomicU32,
//!     #[pin]
//!     pressed: WaitQueue,
//! }
//!
//! const RESET: u32 = _IO(b'B', 0);
//!
//! #[vtable]
//! impl miscdevice::Operations for Button {
//!     type File = ();
//!
//!     fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
//!         Ok(())
//!     }
//!
//!     /// Waits until the button is pressed, but not on a file that was opened with `O_NONBLOCK`.
//!     fn read(
//!         this: Pin<&Self>,
//!         call: &Call<'_>,
//!         _file: Pin<&()>,
//!         to: &mut Writer<'_>,
//!         _offset: &mut i64,
//!     ) -> Result<usize> {
//!         loop {
//!             let presses = this.presses.swap(0, Ordering::Relaxed);
//!             if presses != 0 {
//!                 to.write(&presses)?;
//!                 return Ok(size_of::<u32>());
//!             }
//!             if call.file().is_nonblocking() {
//!                 return Err(EAGAIN);
//!             }
//!             let is_pressed = || this.presses.load(Ordering::Relaxed) != 0;
//!             call.wait_event_interruptible(&this.pressed, is_pressed)?;
//!         }
//!     }
//!
//!     /// Resets the count, on a file that was opened for writing.
//!     fn ioctl(
//!         this: Pin<&Self>,
//!         call: &Call<'_>,
//!         _file: Pin<&()>,
//!         cmd: u32,
//!         _argument: ioctl::Argument<'_>,
//!     ) -> Result<u32> {
//!         match cmd {
//!             RESET if !call.file().is_writable() => Err(EBADF),
//!             RESET => {
//!                 this.presses.store(0, Ordering::Relaxed);
//!                 Ok(0)
//!             }
//!             _ => Err(ENOTTY),
//!         }
//!     }
//! }
//! ```

use linux_driver_sys as sys;

use crate::types::Opaque;

/// An open file: C's `struct file`. One call of `open` makes it. Processes share it through `dup`
/// and `fork`, and can pass it to other processes.
///
/// # Invariants
///
/// This is an open file, and it stays open as long as the reference lives.
#[repr(transparent)]
#[doc(alias = "file")]
pub struct File(Opaque<sys::file>);

// SAFETY: the methods of a shared file read fields that do not change, or single words that C may
// change at any time.
unsafe impl Sync for File {}

impl File {
    /// Returns the file that a C pointer points to.
    ///
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    pub(crate) unsafe fn from_raw<'a>(file: *mut sys::file) -> &'a Self {
        // SAFETY: by the caller's promise the pointer is valid for `'a`; the type has the layout of
        // C's structure.
        unsafe { &*file.cast() }
    }

    /// Returns the pointer to C's structure.
    pub(crate) fn as_raw(&self) -> *mut sys::file {
        self.0.get()
    }

    /// Returns the flags that were given to `open`, or that `fcntl` has set since: `file.f_flags`.
    #[doc(alias = "file.f_flags")]
    pub fn flags(&self) -> u32 {
        // SAFETY: the file exists, and only the field's address is taken.
        let flags = unsafe { &raw const (*self.as_raw()).f_flags };
        // SAFETY: the file exists by the type's invariant. `setfl` changes the word with one store
        // under `f_lock`. It is read once and as one word, as C reads it without the lock.
        unsafe { flags.read_volatile() }
    }

    /// Returns whether operations must return [`EAGAIN`](crate::error::code::EAGAIN) instead of
    /// waiting: `O_NONBLOCK`.
    #[doc(alias = "O_NONBLOCK")]
    pub fn is_nonblocking(&self) -> bool {
        self.flags() & sys::O_NONBLOCK != 0
    }

    /// Returns whether the file was opened for reading: `FMODE_READ`. (`read` is only called on
    /// such a file.)
    #[doc(alias = "FMODE_READ")]
    pub fn is_readable(&self) -> bool {
        self.mode() & sys::LINUX_DRIVER_FMODE_READ != 0
    }

    /// Returns whether the file was opened for writing: `FMODE_WRITE`. (`write` is only called on
    /// such a file; `ioctl` is called on any.)
    #[doc(alias = "FMODE_WRITE")]
    pub fn is_writable(&self) -> bool {
        self.mode() & sys::LINUX_DRIVER_FMODE_WRITE != 0
    }

    #[doc(alias = "file.f_mode")]
    fn mode(&self) -> sys::fmode_t {
        // SAFETY: the file exists, and only the field's address is taken.
        let mode = unsafe { &raw const (*self.as_raw()).f_mode };
        // SAFETY: the file exists. The bits of the access mode do not change after `open`; other
        // bits of the word may.
        unsafe { mode.read_volatile() }
    }
}
