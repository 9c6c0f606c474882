// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's errors: errno.
//!
//! C headers: `include/linux/errno.h`, `include/linux/err.h`.

use core::convert::Infallible;
use core::ffi::c_int;
use core::fmt;
use core::num::NonZeroI32;

use linux_driver_sys as sys;

use crate::print::{self, ErrorName, Layout, Native};

/// The largest errno: `MAX_ERRNO` in `include/linux/err.h`.
const MAX_ERRNO: i32 = 4095;

/// An error of the kernel, which C returns as a negative `int`.
///
/// # Invariants
///
/// The value is in `-MAX_ERRNO..=-1`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(NonZeroI32);

/// A result whose error is an error of the kernel.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

impl Error {
    /// Returns the error for a negated errno, as C functions return it. For any other value it
    /// returns [`code::EINVAL`]: the C function did not keep to the convention.
    ///
    /// # Examples
    ///
    /// ```
    /// use linux_driver::error::{Error, code::*};
    /// assert_eq!(Error::from_errno(-19), ENODEV);
    /// assert_eq!(Error::from_errno(19), EINVAL);
    /// ```
    pub const fn from_errno(errno: c_int) -> Self {
        // INVARIANT: the range is checked here.
        match NonZeroI32::new(errno) {
            Some(value) if errno >= -MAX_ERRNO && errno < 0 => Self(value),
            _ => code::EINVAL,
        }
    }

    /// Returns the negated errno, as C functions return it.
    pub const fn to_errno(self) -> c_int {
        self.0.get()
    }

    /// Returns C's name of the error, if [`code`] contains it.
    pub fn name(self) -> Option<&'static str> {
        code::NAMES
            .iter()
            .find(|(error, _)| *error == self)
            .map(|(_, name)| *name)
    }
}

/// Converts the return value of a C function: a negative value is an error, any other is success.
pub const fn to_result(returned: c_int) -> Result {
    if returned < 0 {
        Err(Error::from_errno(returned))
    } else {
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Error({})", self.0),
        }
    }
}

/// Prints the error as the kernel's `%pe` does: "-ENODEV".
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "-{name}"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Native<print::Display> for Error {
    type Slot = ();
    type Arg<'a> = ErrorName;

    #[inline(always)]
    fn arg<'a>(&'a self, _: Layout, (): &'a mut ()) -> ErrorName {
        ErrorName::new(self.to_errno())
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The errnos, under C's names.
pub mod code {
    use super::{Error, MAX_ERRNO, NonZeroI32, sys};

    macro_rules! codes {
        ($($name:ident: $doc:literal,)*) => {
            $(
                #[doc = $doc]
                pub const $name: Error = {
                    assert!(sys::$name > 0 && sys::$name <= MAX_ERRNO as u32);
                    // INVARIANT: the range is checked above, at compile time.
                    match NonZeroI32::new(-(sys::$name as i32)) {
                        Some(value) => Error(value),
                        None => unreachable!(),
                    }
                };
            )*
            /// Each error with its name.
            pub(super) const NAMES: &[(Error, &str)] = &[$(($name, stringify!($name)),)*];
        };
    }

    codes! {
        EPERM: "Operation not permitted.",
        ENOENT: "No such file or directory.",
        EINTR: "Interrupted system call.",
        EIO: "I/O error.",
        ENXIO: "No such device or address.",
        E2BIG: "Argument list too long.",
        EBADF: "Bad file number.",
        EAGAIN: "Try again.",
        ENOMEM: "Out of memory.",
        EACCES: "Permission denied.",
        EFAULT: "Bad address.",
        EBUSY: "Device or resource busy.",
        EEXIST: "File exists.",
        ENODEV: "No such device.",
        ENOTDIR: "Not a directory.",
        EINVAL: "Invalid argument.",
        ENOTTY: "Not a typewriter: no such ioctl.",
        ENOSPC: "No space left on device.",
        EROFS: "Read-only file system.",
        EPIPE: "Broken pipe.",
        ERANGE: "Result not representable.",
        EDEADLK: "Resource deadlock would occur: the caller would wait for itself.",
        ENOSYS: "Invalid system call number.",
        ENODATA: "No data available.",
        ETIME: "Timer expired.",
        EPROTO: "Protocol error.",
        EOVERFLOW: "Value too large for its type.",
        EOPNOTSUPP: "Operation not supported.",
        ETIMEDOUT: "Connection timed out.",
        EALREADY: "Operation already in progress.",
        ECANCELED: "Operation cancelled.",
        ERESTARTSYS: "Restart the system call.",
        EPROBE_DEFER: "The driver asks the core to probe again later.",
    }
}
