// SPDX-License-Identifier: GPL-2.0-only
//! System calls on an open file with arbitrary arguments, correct or wrong. The kernel must handle
//! any argument. An address is passed as a number, so that the kernel may refuse it. A caller that
//! passes an address of its own memory must allow the kernel to read or write there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// Opens a file with the access that it allows: for reading and writing, or for one of both. Never
/// waits for data.
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

/// Converts the result of a system call: it is either not negative, or an error number is set.
fn result(result: i64) -> Result<u64, i32> {
    u64::try_from(result).map_err(|_| io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Makes a system call with two numbers after the file.
fn call(number: libc::c_long, file: &File, first: u64, second: u64) -> Result<u64, i32> {
    // SAFETY: a system call must not access memory that the process uses for something else. An
    // address that is not in this process's memory is refused by the kernel. For any other address,
    // the callers of this module pass a buffer that has room for the length.
    result(unsafe { libc::syscall(number, file.as_raw_fd(), first, second) })
}

/// Calls ioctl(2) with any number and argument.
pub(crate) fn ioctl(file: &File, request: u32, argument: u64) -> Result<u64, i32> {
    call(libc::SYS_ioctl, file, request.into(), argument)
}

/// Calls read(2) with any address.
pub(crate) fn read(file: &File, address: u64, length: u64) -> Result<u64, i32> {
    call(libc::SYS_read, file, address, length)
}

/// Calls write(2) with any address.
pub(crate) fn write(file: &File, address: u64, length: u64) -> Result<u64, i32> {
    call(libc::SYS_write, file, address, length)
}

/// Calls lseek(2).
pub(crate) fn lseek(file: &File, offset: u64, whence: u64) -> Result<u64, i32> {
    call(libc::SYS_lseek, file, offset, whence)
}

/// Calls poll(2) without waiting. Returns the events that are pending.
pub(crate) fn poll(file: &File, events: i16) -> Result<i16, i32> {
    let mut fd = libc::pollfd {
        fd: file.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: poll(2) reads and writes one `pollfd`, which `fd` is.
    result(unsafe { libc::poll(&raw mut fd, 1, 0) }.into()).map(|_| fd.revents)
}

/// Maps the file and unmaps it again, without accessing the memory.
pub(crate) fn map(
    file: &File,
    length: usize,
    protection: i32,
    flags: i32,
    offset: i64,
) -> Result<(), i32> {
    // SAFETY: without MAP_FIXED, mmap(2) does not replace a mapping that is in use.
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
    // SAFETY: `address` and `length` are those of the mapping made above, and nothing refers to it.
    result(unsafe { libc::munmap(address, length) }.into()).map(drop)
}
