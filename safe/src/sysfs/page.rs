// SPDX-License-Identifier: GPL-2.0-only
//! What an attribute shows.

use crate::error::{Result, code::ENOSPC};

/// `PAGE_SIZE` of the architectures that there are bindings for.
const SIZE: usize = 4096;

/// The page that an attribute writes what it shows into: the `char *buf` of C's `show`.
pub struct Page {
    bytes: &'static mut [u8],
    length: usize,
}

impl Page {
    /// # Safety
    ///
    /// `buf` is the page that sysfs hands to `show`, and nobody else uses it while this value is there.
    pub(crate) unsafe fn new(buf: *mut u8) -> Self {
        // SAFETY: sysfs hands over a page, zeroed, by the caller's promise.
        let bytes = unsafe { core::slice::from_raw_parts_mut(buf, SIZE) };
        Self { bytes, length: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Appends text. [`ENOSPC`] if the page is full; nothing is appended then.
    pub fn text(&mut self, text: &str) -> Result {
        // The last byte stays 0: who reads the page as C's string finds its end.
        let room = self.bytes.len() - 1 - self.length;
        if text.len() > room {
            return Err(ENOSPC);
        }
        let end = self.length + text.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(text.as_bytes());
            self.length = end;
        }
        Ok(())
    }

    /// Appends a number, in decimal digits. [`ENOSPC`] if the page is full.
    pub fn number(&mut self, number: impl Into<u64>) -> Result {
        let mut rest = number.into();
        let mut digits = [0; 20];
        let mut at = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            at -= 1;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.get(at..).unwrap_or_default();
        self.text(core::str::from_utf8(digits).unwrap_or_default())
    }
}

/// For `write!`, which brings `core::fmt` into the module; the methods do without.
impl core::fmt::Write for Page {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.text(text).map_err(|_| core::fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    #[test]
    fn a_page_takes_what_fits_and_says_what_does_not() {
        let mut memory = [0; SIZE];
        // SAFETY: the memory is the test's own.
        let mut page = unsafe { Page::new(memory.as_mut_ptr()) };
        page.number(0u32).unwrap();
        page.text(" ").unwrap();
        page.number(u64::MAX).unwrap();
        write!(page, " {:#x}", 16).unwrap();
        assert_eq!(&page.bytes[..page.len()], b"0 18446744073709551615 0x10");
        let rest = SIZE - 1 - page.len();
        page.text(&"x".repeat(rest)).unwrap();
        assert_eq!(page.text("y"), Err(ENOSPC));
        assert_eq!((page.len(), page.bytes[SIZE - 1]), (SIZE - 1, 0));
    }
}
