// SPDX-License-Identifier: GPL-2.0-only
//! The name of a device: of its node in `/dev`.

use core::ffi::{CStr, c_char};

use crate::decimal::{Digits, decimal};
use crate::error::{Result, code::EINVAL};

/// How many bytes a name has at most, with the NUL at its end.
const SIZE: usize = 32;

/// The name of a misc device, up to 31 bytes: made of a C string, and of a number where a driver has several devices.
///
/// ```
/// use linux_driver_safe::miscdevice::Name;
///
/// let one = Name::from(c"edu");
/// let third = Name::numbered(c"edu", 2);
/// assert_eq!((one.as_c_str(), third.as_c_str()), (Some(c"edu"), Some(c"edu2")));
/// assert_eq!(Name::from(c"a name of more than thirty-one bytes").as_c_str(), None);
/// ```
#[derive(Clone, Copy)]
pub struct Name {
    /// The name and its NUL; none at all where it was too long.
    bytes: [u8; SIZE],
    length: usize,
}

impl Name {
    /// The name `prefix` with a number after it, in decimal digits.
    pub fn numbered(prefix: &CStr, number: u32) -> Self {
        let mut digits = Digits::default();
        Self::of(prefix.to_bytes(), decimal(number.into(), &mut digits))
    }

    fn of(first: &[u8], second: &[u8]) -> Self {
        let mut name = Self {
            bytes: [0; SIZE],
            length: 0,
        };
        let bytes = first.iter().chain(second);
        // The last byte stays 0.
        for (place, &byte) in name.bytes.iter_mut().take(SIZE - 1).zip(bytes) {
            *place = byte;
        }
        name.length = first.len().saturating_add(second.len());
        name
    }

    /// The name, or nothing if it is too long or empty.
    pub fn as_c_str(&self) -> Option<&CStr> {
        if self.length == 0 || self.length >= SIZE {
            return None;
        }
        CStr::from_bytes_until_nul(&self.bytes).ok()
    }

    /// The name for C: [`EINVAL`] if it is too long or empty.
    pub(super) fn as_ptr(&self) -> Result<*const c_char> {
        // No byte of the name is a NUL, and one follows it.
        if self.length == 0 || self.length >= SIZE {
            return Err(EINVAL);
        }
        Ok(self.bytes.as_ptr().cast())
    }
}

impl From<&CStr> for Name {
    fn from(name: &CStr) -> Self {
        Self::of(name.to_bytes(), &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_or_is_none() {
        assert_eq!(Name::numbered(c"edu", 0).as_c_str(), Some(c"edu0"));
        assert_eq!(Name::numbered(c"x", u32::MAX).as_c_str(), Some(c"x4294967295"));
        let long = c"0123456789012345678901234567890";
        assert_eq!(Name::from(long).as_c_str(), Some(long));
        assert_eq!(Name::numbered(long, 1).as_c_str(), None);
        assert_eq!(Name::from(c"").as_ptr(), Err(EINVAL));
    }
}
