// SPDX-License-Identifier: GPL-2.0-only
//! What an attribute shows.

use crate::decimal::{Digits, decimal};
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
        self.append(text.as_bytes())
    }

    #[inline(never)]
    fn append(&mut self, text: &[u8]) -> Result {
        // The last byte stays 0: who reads the page as C's string finds its end.
        let end = self.length.checked_add(text.len()).filter(|&end| end < SIZE);
        let place = end.and_then(|end| self.bytes.get_mut(self.length..end));
        let (Some(end), Some(place)) = (end, place) else {
            return Err(ENOSPC);
        };
        for (to, from) in place.iter_mut().zip(text) {
            *to = *from;
        }
        self.length = end;
        Ok(())
    }

    /// Appends a number, in decimal digits. [`ENOSPC`] if the page is full.
    pub fn number(&mut self, number: impl Into<u64>) -> Result {
        let mut digits = Digits::default();
        self.append(decimal(number.into(), &mut digits))
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
