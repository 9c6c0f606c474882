// SPDX-License-Identifier: GPL-2.0-only
//! System calls on an open file with whatever arguments, right or wrong ones. The kernel must bear
//! any: an address is passed as a number, and is nobody's to read or write unless the caller says
//! so.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// Opens it as far as it lets us: to read and write, or only one of both; never waiting for data.
pub(crate) fn open(path: &str) -> io::Result<File> {
    let way = |read, write| {
        OpenOptions::new()
            .read(read)
            .write(write)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
    };
    way(true, true)
        .or_else(|_| way(true, false))
        .or_else(|first| way(false, true).map_err(|_| first))
}

/// The result of a system call: not negative, or an error number.
fn result(result: i64) -> Result<u64, i32> {
    u64::try_from(result).map_err(|_| io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// A system call with two numbers after the file.
fn call(number: libc::c_long, file: &File, first: u64, second: u64) -> Result<u64, i32> {
    // SAFETY: none of the calls below writes to or reads from memory of ours that the caller of
    // this module did not set aside for it: where an address is ours, it is that of a buffer which
    // holds the length, or the kernel refuses it.
    result(unsafe { libc::syscall(number, file.as_raw_fd(), first, second) })
}

/// ioctl(2) with any number and argument.
pub(crate) fn ioctl(file: &File, request: u32, argument: u64) -> Result<u64, i32> {
    call(libc::SYS_ioctl, file, request.into(), argument)
}

/// read(2) to any address.
pub(crate) fn read(file: &File, address: u64, length: u64) -> Result<u64, i32> {
    call(libc::SYS_read, file, address, length)
}

/// write(2) from any address.
pub(crate) fn write(file: &File, address: u64, length: u64) -> Result<u64, i32> {
    call(libc::SYS_write, file, address, length)
}

/// lseek(2).
pub(crate) fn lseek(file: &File, offset: u64, whence: u64) -> Result<u64, i32> {
    call(libc::SYS_lseek, file, offset, whence)
}

/// poll(2) for whatever there is, without waiting: the events that are there.
pub(crate) fn poll(file: &File, events: i16) -> Result<i16, i32> {
    let mut fd = libc::pollfd {
        fd: file.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: poll(2) reads and writes the one `pollfd` that it is given.
    result(unsafe { libc::poll(&raw mut fd, 1, 0) }.into()).map(|_| fd.revents)
}

/// Maps it and unmaps it again, without a look at it.
pub(crate) fn map(
    file: &File,
    length: usize,
    protection: i32,
    flags: i32,
    offset: i64,
) -> Result<(), i32> {
    // SAFETY: without MAP_FIXED a new mapping takes no memory away that is in use.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            protection,
            flags,
            file.as_raw_fd(),
            offset,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    // SAFETY: this is the mapping made just now, which nobody else knows.
    result(unsafe { libc::munmap(address, length) }.into()).map(drop)
}
