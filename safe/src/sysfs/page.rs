// SPDX-License-Identifier: GPL-2.0-only
//! The output of an attribute.

use core::ffi::c_int;

use crate::error::{Result, code::ENOSPC};

/// `PAGE_SIZE` of the architectures that have bindings.
const SIZE: usize = 4096;

/// The page that receives the output of an attribute, by [`sysfs_emit!`](crate::sysfs_emit): the
/// `char *buf` of C's `show`.
pub struct Page {
    bytes: &'static mut [u8; SIZE],
    length: usize,
}

impl Page {
    /// Makes a page of the buffer that C passes to `show`.
    ///
    /// # Safety
    ///
    /// `buf` must be the page that sysfs passes to `show`. Nothing else may use it while this value
    /// exists.
    pub(crate) unsafe fn new(buf: *mut u8) -> Self {
        // SAFETY: the caller promises a page of sysfs, which is zeroed.
        let bytes = unsafe { &mut *buf.cast() };
        Self { bytes, length: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Appends what `print` writes into the rest of the page.
    ///
    /// `print` returns the length of the whole text without its NUL, even if not all of it fits.
    /// `longest` is the maximum of that length, if it is known. Then the compiler can see that the
    /// text fits at the start of the page.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`] if the text does not fit. Then nothing is appended.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        longest: Option<usize>,
        print: impl FnOnce(&mut [u8]) -> c_int,
    ) -> Result {
        let rest = self.bytes.get_mut(self.length..).unwrap_or_default();
        let fits = longest.is_some_and(|longest| longest < rest.len());
        let printed = print(rest);
        if fits {
            self.length = self.length.wrapping_add(printed.cast_unsigned() as usize);
            return Ok(());
        }
        let length = usize::try_from(printed).unwrap_or(usize::MAX);
        if length < rest.len() {
            self.length += length;
            return Ok(());
        }
        if let Some(end) = rest.first_mut() {
            *end = 0;
        }
        Err(ENOSPC)
    }
}

/// Appends text to the output of an attribute: C's `sysfs_emit` for the first text, and
/// `sysfs_emit_at` for later ones.
///
/// The format string is one of [`print`](mod@crate::print). No newline is added: end the output
/// with one.
///
/// # Context
///
/// May sleep, as `show` may.
///
/// # Errors
///
/// [`ENOSPC`](crate::error::code::ENOSPC) if the page is full. Then nothing is appended.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::sysfs::Page;
/// use linux_driver::{error::Result, sysfs_emit};
///
/// fn show(page: &mut Page, name: &str, runs: u32) -> Result {
///     sysfs_emit!(page, "{name}: {runs}\n")
/// }
/// ```
#[doc(alias = "sysfs_emit_at")]
#[macro_export]
macro_rules! sysfs_emit {
    ($page:expr, $($arg:tt)*) => {
        $crate::print::__printk!($crate, emit $page, $($arg)*)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_does_not_fit_into_the_page_is_refused() {
        let mut memory = [0; SIZE];
        // SAFETY: the memory belongs to the test, which uses it through `page` only.
        let mut page = unsafe { Page::new(memory.as_mut_ptr()) };
        sysfs_emit!(&mut page, "{} ", 0u32).unwrap();
        sysfs_emit!(&mut page, "{}", u64::MAX).unwrap();
        let value = 16;
        sysfs_emit!(&mut page, " {value:#x}").unwrap();
        assert_eq!(&page.bytes[..page.len()], b"0 18446744073709551615 0x10");
        let rest = "x".repeat(SIZE - 1 - page.len());
        let rest = rest.as_str();
        assert_eq!(sysfs_emit!(&mut page, "{rest}y"), Err(ENOSPC));
        assert_eq!(page.bytes[page.len()], 0);
        sysfs_emit!(&mut page, "{rest}").unwrap();
        assert_eq!(sysfs_emit!(&mut page, "y"), Err(ENOSPC));
        assert_eq!((page.len(), page.bytes[SIZE - 1]), (SIZE - 1, 0));
    }
}
