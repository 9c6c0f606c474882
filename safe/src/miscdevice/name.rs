// SPDX-License-Identifier: GPL-2.0-only
//! The name of a misc device, which is the name of its node in `/dev`.

use core::ffi::{CStr, c_char, c_int};

use linux_driver_sys as sys;

use crate::device::{Bound, Device};
use crate::error::{Result, code::EINVAL};

/// The maximum size of a name in bytes, including the NUL.
const SIZE: usize = 32;

/// The maximum number of digits of a number.
const DIGITS: usize = 10;

/// The name of a misc device: a C string, with a number after it if a driver has several devices.
/// It has at most 31 bytes.
///
/// # Examples
///
/// ```
/// use linux_driver::miscdevice::Name;
///
/// let one = Name::from(c"edu");
/// let third = Name::numbered(c"edu", 2); // /dev/edu2
/// ```
#[derive(Clone, Copy)]
pub struct Name<'a> {
    prefix: &'a CStr,
    number: Option<u32>,
}

/// A name as C has it.
pub(super) type Written = [c_char; SIZE];

impl<'a> Name<'a> {
    /// Returns the name `name`. If it is known only at run time, use
    /// [`From<&CStr>`](#impl-From<%26CStr>-for-Name<'a>), with which the registration checks the
    /// name.
    ///
    /// # Panics
    ///
    /// If the name is empty or too long. In a constant, that is a compile error.
    /// ```compile_fail
    /// use linux_driver::miscdevice::Name;
    ///
    /// const NAME: Name<'static> = Name::new(c"thirty-two-bytes-are-one-too-many");
    /// ```
    pub const fn new(name: &'a CStr) -> Self {
        assert!(!name.is_empty(), "the name of a misc device is empty");
        assert!(
            name.count_bytes() < SIZE,
            "the name of a misc device has at most 31 bytes"
        );
        Self {
            prefix: name,
            number: None,
        }
    }

    /// Logs why [`write`](Self::write) failed.
    #[cold]
    pub(super) fn refused(self, dev: &Device<Bound>) {
        crate::dev_err!(
            dev,
            "misc device \"{}\": a name must have 1 to {} bytes with its number: choose another",
            self.prefix,
            SIZE - 1
        );
    }

    /// Returns the name `prefix` followed by a number in decimal digits.
    pub fn numbered(prefix: &'a CStr, number: u32) -> Self {
        Self {
            prefix,
            number: Some(number),
        }
    }

    /// Returns true if the name fits with any number. For a constant prefix the compiler knows the
    /// result, and the code that refuses a name disappears.
    #[inline(always)]
    const fn surely_fits(&self) -> bool {
        let prefix = self.prefix.count_bytes();
        let digits = if self.number.is_some() { DIGITS } else { 0 };
        prefix != 0 && prefix < SIZE - digits
    }

    /// Writes the name for C, and returns its address.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the name is too long or empty.
    ///
    /// # Safety
    ///
    /// `to` must be valid for writes.
    pub(super) unsafe fn write(self, to: *mut Written) -> Result<*const c_char> {
        let (to, prefix) = (to.cast::<c_char>(), self.prefix.as_ptr());
        let length = match self.number {
            // SAFETY: `snprintf` requires `SIZE` bytes of memory, and arguments that match the
            // format. The prefix ends with NUL.
            Some(number) => unsafe {
                sys::snprintf(to, SIZE as _, c"%s%u".as_ptr(), prefix, number)
            },
            // SAFETY: as above.
            None => unsafe { sys::snprintf(to, SIZE as _, c"%s".as_ptr(), prefix) },
        };
        // If the length is `SIZE` or more, the name was truncated.
        if !self.surely_fits() && (length <= 0 || length >= SIZE as c_int) {
            return Err(EINVAL);
        }
        Ok(to)
    }
}

impl<'a> From<&'a CStr> for Name<'a> {
    fn from(prefix: &'a CStr) -> Self {
        Self {
            prefix,
            number: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: Name<'_>) -> Result<String> {
        let mut to: Written = [-1; SIZE];
        // SAFETY: the memory exists.
        let written = unsafe { name.write(&mut to)? };
        // SAFETY: the name ends with NUL.
        Ok(unsafe { CStr::from_ptr(written) }
            .to_str()
            .unwrap()
            .to_owned())
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        assert_eq!(written(Name::numbered(c"edu", 0)), Ok("edu0".into()));
        assert_eq!(
            written(Name::numbered(c"x", u32::MAX)),
            Ok("x4294967295".into())
        );
        let long = c"0123456789012345678901234567890";
        assert_eq!(written(Name::from(long)), Ok(long.to_str().unwrap().into()));
        assert_eq!(written(Name::numbered(long, 1)), Err(EINVAL));
        // The longest prefix to which any number can be appended, and one that is one byte longer.
        let most = c"012345678901234567890";
        assert_eq!(
            written(Name::numbered(most, u32::MAX)),
            Ok("0123456789012345678904294967295".into())
        );
        let more = c"0123456789012345678901";
        assert_eq!(
            written(Name::numbered(more, 123_456_789)).map(|name| name.len()),
            Ok(31)
        );
        assert_eq!(written(Name::numbered(more, u32::MAX)), Err(EINVAL));
        assert_eq!(written(Name::from(c"")), Err(EINVAL));
    }
}
