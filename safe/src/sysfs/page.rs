// SPDX-License-Identifier: GPL-2.0-only
//! What an attribute shows.

use core::ffi::c_int;

use crate::error::{Result, code::ENOSPC};

/// `PAGE_SIZE` of the architectures that there are bindings for.
const SIZE: usize = 4096;

/// The page that an attribute writes what it shows into, with [`sysfs_emit!`](crate::sysfs_emit):
/// the `char *buf` of C's `show`.
pub struct Page {
    bytes: &'static mut [u8; SIZE],
    length: usize,
}

impl Page {
    /// # Safety
    ///
    /// `buf` is the page that sysfs hands to `show`, and nobody else uses it while this value is
    /// there.
    pub(crate) unsafe fn new(buf: *mut u8) -> Self {
        // SAFETY: sysfs hands over a page, zeroed, by the caller's promise.
        let bytes = unsafe { &mut *buf.cast() };
        Self { bytes, length: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Appends what `print` puts into the rest of the page, which returns how long that is, or
    /// would be if it all fitted, without its NUL. [`ENOSPC`] if it does not fit; nothing is
    /// appended then. `longest` is how long it can be, where that is known: the compiler knows then
    /// that it fits at the page's start.
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

/// Appends text to what an attribute shows: C's `sysfs_emit`, and `sysfs_emit_at` where it is not
/// the first.
///
/// The format string is one of [`print`](mod@crate::print), with no newline that is not there: end
/// what is shown with one. Returns [`ENOSPC`](crate::error::code::ENOSPC) if the page is full;
/// nothing is appended then. Context: may sleep, as `show` may.
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
    fn a_page_takes_what_fits_and_says_what_does_not() {
        let mut memory = [0; SIZE];
        // SAFETY: the memory is the test's own.
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
