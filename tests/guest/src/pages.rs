// SPDX-License-Identifier: GPL-2.0-only
//! Mapped pages.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::outcome::{Result, failed};

pub(crate) const PAGE: usize = 4096;

/// A mapping of memory. It is unmapped when it is dropped.
pub(crate) struct Area {
    start: *mut u8,
    length: usize,
    /// The number of bytes that may be used.
    usable: usize,
}

// SAFETY: a mapping belongs to the process, so any thread may use it.
unsafe impl Send for Area {}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

impl Area {
    /// Maps this many bytes of a file.
    pub(crate) fn of(
        file: &File,
        length: usize,
        protection: i32,
        flags: i32,
        offset: usize,
    ) -> std::result::Result<Self, i32> {
        Self::map(length, protection, flags, file.as_raw_fd(), offset as i64)
    }

    fn map(
        length: usize,
        protection: i32,
        flags: i32,
        fd: i32,
        offset: i64,
    ) -> std::result::Result<Self, i32> {
        // SAFETY: without MAP_FIXED, mmap(2) does not replace a mapping that is in use.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(errno());
        }
        Ok(Self {
            start: start.cast(),
            length,
            usable: length,
        })
    }

    /// Maps a page of memory, followed by one that cannot be accessed.
    pub(crate) fn with_tail() -> Result<Self> {
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let mut area = Self::map(2 * PAGE, both, anonymous, -1, 0)
            .map_err(|errno| failed("mmap")(io::Error::from_raw_os_error(errno)))?;
        // SAFETY: `add` must stay within the mapping, which has two pages.
        let tail = unsafe { area.start.add(PAGE) };
        // SAFETY: that page belongs to the mapping, and nothing refers to it.
        if unsafe { libc::mprotect(tail.cast(), PAGE, libc::PROT_NONE) } != 0 {
            return Err(failed("mprotect")(io::Error::last_os_error()));
        }
        area.usable = PAGE;
        Ok(area)
    }

    pub(crate) fn start(&self) -> u64 {
        self.start as u64
    }

    /// Returns the address after the last usable byte.
    pub(crate) fn end(&self) -> u64 {
        self.start as u64 + self.usable as u64
    }

    fn word(&self, offset: usize) -> *mut u32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.usable);
        self.start.wrapping_add(offset).cast()
    }

    /// Reads a word. If nothing backs the page, the process gets SIGBUS.
    pub(crate) fn read(&self, offset: usize) -> u32 {
        // SAFETY: `word` returns an aligned address within the mapping. Its memory is a device's,
        // or the access raises a signal. So the read must be volatile, which it is.
        unsafe { self.word(offset).read_volatile() }
    }

    /// Writes a word.
    pub(crate) fn write(&self, offset: usize, value: u32) {
        // SAFETY: as in `read`.
        unsafe { self.word(offset).write_volatile(value) };
    }

    /// Changes the protection of the pages.
    pub(crate) fn protect(&self, protection: i32) -> std::result::Result<(), i32> {
        // SAFETY: the mapping belongs to `self`, and only the methods above access its pages.
        if unsafe { libc::mprotect(self.start.cast(), self.length, protection) } == 0 {
            Ok(())
        } else {
            Err(errno())
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `map` made, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}
