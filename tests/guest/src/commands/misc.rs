// SPDX-License-Identifier: GPL-2.0-only
//! `misc PATH`: tries every operation of a device of the test driver `misc` (`tests/drivers/misc`),
//! with correct and with wrong arguments.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::pages::{Area, PAGE};

/// Returns the value of the device's register 0.
pub(crate) const ID: u32 = 0x8004_4d00;
/// Adds two numbers.
const ADD: u32 = 0xc010_4d01;
/// Sleeps until a signal or the end of the device: nobody ever wakes it.
pub(crate) const SLEEP: u32 = 0x4d02;
/// Takes a string of up to 15 bytes, and returns its length.
const TEXT: u32 = 0x4010_4d03;
/// Returns the number of bytes that this file has written.
const WRITTEN: u32 = 0x4d04;
/// Takes values of 1, 2, 4, 8 and 3 bytes, and returns them in reverse order.
const TURN: u32 = 0xc012_4d05;
/// The number of bytes that the device stores.
const ROOM: usize = 64;
/// The register that reads as the complement of the value that was written last.
const LIVENESS: usize = 4;
/// The identification of QEMU's `edu` device, with its version.
const EDU: u32 = 0x0100_00ed;
/// The size of BAR 0 of `edu`.
const BAR: usize = 1 << 20;
/// An address in the kernel's half.
const KERNEL: u64 = 0xffff_8880_0000_0000;

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let path: String = args.next("the path")?;
    args.end()?;
    let mode = std::fs::metadata(&path).map_err(failed(&path))?.mode() & 0o777;
    same("the node's mode", mode, 0o640)?;
    refused_open(&path)?;
    let opened = file::open(&path).map_err(failed(&path))?;
    read_and_write(&opened)?;
    ioctls(&opened)?;
    bad_addresses(&opened)?;
    polled(&opened)?;
    mapped(&path, &opened)?;
    blocked(&path)?;
    Ok("read, write, ioctl, poll, mmap".into())
}

/// Checks that a value is the expected one.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: T,
    expected: T,
) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(Failure::new(format_args!(
            "{what}: {found:x?}, expected {expected:x?}"
        )))
    }
}

fn refused_open(path: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let refused = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOCTTY)
        .open(path)
        .err()
        .and_then(|error| error.raw_os_error());
    same("open that the driver refuses", refused, Some(libc::EBUSY))
}

fn read_and_write(mut opened: &File) -> Result<()> {
    let mut buffer = [0; 2 * ROOM];
    let address = buffer.as_mut_ptr() as u64;
    same(
        "read of 0 bytes",
        file::read(opened, address, 8),
        Err(libc::EAGAIN),
    )?;
    opened.write_all(b"hello").map_err(failed("write"))?;
    let count = opened.read(&mut buffer[..2]).map_err(failed("read"))?;
    same("read of two bytes", &buffer[..count], &b"he"[..])?;
    let count = opened
        .read_at(&mut buffer, 1 << 40)
        .map_err(failed("pread"))?;
    same("read of the rest", &buffer[..count], &b"llo"[..])?;
    same(
        "write of more bytes than fit",
        opened.write(&[7; 2 * ROOM]).ok(),
        Some(ROOM),
    )?;
    let full = opened
        .write(&[7])
        .err()
        .and_then(|error| error.raw_os_error());
    same("write to a full buffer", full, Some(libc::EAGAIN))?;
    same("write of 0 bytes", opened.write(&[]).ok(), Some(0))?;
    same("read of all", opened.read(&mut buffer).ok(), Some(ROOM))?;
    same("lseek", file::lseek(opened, 0, 0), Err(libc::ESPIPE))?;
    same(
        "bytes written",
        file::ioctl(opened, WRITTEN, 0),
        Ok(5 + ROOM as u64),
    )
}

fn ioctls(opened: &File) -> Result<()> {
    let mut id = 0u32;
    same(
        "MISC_ID",
        file::ioctl(opened, ID, &raw mut id as u64),
        Ok(0),
    )?;
    same("the device's identification", id, EDU)?;
    let mut sum = [u64::from(u32::MAX) << 32 | 2, 0];
    same(
        "MISC_ADD",
        file::ioctl(opened, ADD, &raw mut sum as u64),
        Ok(0),
    )?;
    same("a sum", sum[1], u64::from(u32::MAX) + 2)?;
    let text = *b"fifteen letters\0";
    same(
        "MISC_TEXT",
        file::ioctl(opened, TEXT, &raw const text as u64),
        Ok(15),
    )?;
    let text = *b"without an end..";
    same(
        "a text without an end",
        file::ioctl(opened, TEXT, &raw const text as u64),
        Err(libc::E2BIG),
    )?;
    let mut values: [u8; 19] = std::array::from_fn(|at| at as u8);
    let address = &raw mut values[1] as u64;
    same("MISC_TURN", file::ioctl(opened, TURN, address), Ok(0))?;
    let turned = [
        0, 16, 17, 18, 8, 9, 10, 11, 12, 13, 14, 15, 4, 5, 6, 7, 2, 3, 1,
    ];
    same("values of each size", values, turned)?;
    for unknown in [ID + 1, ID ^ 0x4000_0000, SLEEP | 0x4_0000, 0, u32::MAX] {
        same(
            "an unknown ioctl",
            file::ioctl(opened, unknown, 0),
            Err(libc::ENOTTY),
        )?;
    }
    Ok(())
}

/// Checks addresses that are not mapped, that are the kernel's, or that are not canonical.
fn bad_addresses(opened: &File) -> Result<()> {
    let area = Area::with_tail()?;
    let tail = area.end() - 2;
    for address in [0, 1, tail, KERNEL, u64::MAX, u64::MAX - 1, 1 << 63, 1 << 47] {
        for cmd in [ID, ADD, TEXT, TURN] {
            let what = format!("ioctl {cmd:#x} with {address:#x}");
            same(&what, file::ioctl(opened, cmd, address), Err(libc::EFAULT))?;
        }
        let what = format!("write from {address:#x}");
        same(&what, file::write(opened, address, 8), Err(libc::EFAULT))?;
        file::write(opened, area.start(), 8)
            .map_err(|errno| Failure::new(format_args!("write: {errno}")))?;
        let what = format!("read to {address:#x}");
        same(&what, file::read(opened, address, 8), Err(libc::EFAULT))?;
        same(
            "bytes that could not be read stay in the buffer",
            file::read(opened, area.start(), 64),
            Ok(8),
        )?;
    }
    Ok(())
}

fn polled(opened: &File) -> Result<()> {
    let events = libc::POLLIN | libc::POLLOUT;
    same(
        "poll of an empty buffer",
        file::poll(opened, events),
        Ok(libc::POLLOUT),
    )?;
    let bytes = [1u8; ROOM];
    let address = bytes.as_ptr() as u64;
    same("write", file::write(opened, address, 1), Ok(1))?;
    same("poll with one byte", file::poll(opened, events), Ok(events))?;
    same(
        "write",
        file::write(opened, address, ROOM as u64),
        Ok(ROOM as u64 - 1),
    )?;
    same(
        "poll of a full buffer",
        file::poll(opened, events),
        Ok(libc::POLLIN),
    )?;
    let mut buffer = [0u8; ROOM];
    same(
        "read",
        file::read(opened, buffer.as_mut_ptr() as u64, ROOM as u64),
        Ok(ROOM as u64),
    )
}

fn mapped(path: &str, opened: &File) -> Result<()> {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let area = Area::of(opened, BAR, both, libc::MAP_SHARED, 0)
        .map_err(|errno| Failure::new(format_args!("mmap: {errno}")))?;
    same("register 0, mapped", area.read(0), EDU)?;
    area.write(LIVENESS, 0x1234_5678);
    same(
        "the liveness register, mapped",
        area.read(LIVENESS),
        !0x1234_5678,
    )?;
    let last = Area::of(opened, PAGE, both, libc::MAP_SHARED, BAR - PAGE)
        .map_err(|errno| Failure::new(format_args!("mmap: {errno}")))?;
    drop(last);
    let shown = Area::of(opened, PAGE, libc::PROT_READ, libc::MAP_SHARED, 2 * PAGE)
        .map_err(|errno| Failure::new(format_args!("mmap: {errno}")))?;
    same(
        "a read-only mapping, made writable",
        shown.protect(both),
        Err(libc::EACCES),
    )?;
    let refusals = [
        (
            "a read-only file, mapped for writing",
            PAGE,
            both,
            libc::MAP_SHARED,
            2 * PAGE,
            libc::EPERM,
        ),
        (
            "a mapping beyond the BAR",
            BAR + PAGE,
            both,
            libc::MAP_SHARED,
            0,
            libc::EINVAL,
        ),
        (
            "a mapping across the BAR's end",
            2 * PAGE,
            both,
            libc::MAP_SHARED,
            BAR - PAGE,
            libc::EINVAL,
        ),
        (
            "a mapping after the BAR's end",
            PAGE,
            both,
            libc::MAP_SHARED,
            BAR,
            libc::EINVAL,
        ),
        (
            "a mapping at a large offset",
            PAGE,
            both,
            libc::MAP_SHARED,
            1 << 40,
            libc::EINVAL,
        ),
        (
            "a private mapping",
            PAGE,
            both,
            libc::MAP_PRIVATE,
            0,
            libc::EINVAL,
        ),
        (
            "an executable mapping",
            PAGE,
            libc::PROT_READ | libc::PROT_EXEC,
            libc::MAP_SHARED,
            0,
            libc::EPERM,
        ),
    ];
    for (what, length, protection, flags, offset, errno) in refusals {
        let refused = Area::of(opened, length, protection, flags, offset).err();
        same(&format!("mmap, {what}"), refused, Some(errno))?;
    }
    same(
        "a mapping, made executable",
        area.protect(libc::PROT_READ | libc::PROT_EXEC),
        Err(libc::EACCES),
    )?;
    let reader = File::open(path).map_err(failed(path))?;
    let seen = Area::of(&reader, PAGE, libc::PROT_READ, libc::MAP_SHARED, 0)
        .map_err(|errno| Failure::new(format_args!("mmap: {errno}")))?;
    same("register 0, mapped to be read", seen.read(0), EDU)?;
    same(
        "a read-only mapping, made writable",
        seen.protect(both),
        Err(libc::EACCES),
    )
}

/// Checks that a waiting reader is woken by a writer.
fn blocked(path: &str) -> Result<()> {
    let mut reader = File::open(path).map_err(failed(path))?;
    let waits = std::thread::spawn(move || {
        let mut buffer = [0; 8];
        reader
            .read(&mut buffer)
            .map(|count| buffer[..count].to_vec())
    });
    let opened = file::open(path).map_err(failed(path))?;
    std::thread::sleep(Duration::from_millis(100));
    same("the reader waits", waits.is_finished(), false)?;
    (&opened).write_all(b"woken").map_err(failed("write"))?;
    let read = waits
        .join()
        .map_err(|_| Failure::new("the reader panicked"))?
        .map_err(failed("read"))?;
    same("what the reader got", &read[..], &b"woken"[..])?;
    interrupted(opened.as_raw_fd())
}

/// Checks that a signal ends a wait.
fn interrupted(fd: i32) -> Result<()> {
    extern "C" fn nothing(_signal: i32) {}
    let handler: extern "C" fn(i32) = nothing;
    // SAFETY: all bits zero is a valid `sigaction`: the empty action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    // SAFETY: sigaction(2) needs a valid action, which `action` is. The handler does nothing, so it
    // is async-signal-safe. Without SA_RESTART, the interrupted call returns.
    unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
    // SAFETY: alarm(2) takes no pointer. The signal that it requests has a handler.
    unsafe { libc::alarm(1) };
    // SAFETY: ioctl(2) accesses memory only through its argument, which this command does not use.
    let result = unsafe { libc::syscall(libc::SYS_ioctl, fd, SLEEP, 0) };
    let errno = std::io::Error::last_os_error().raw_os_error();
    same(
        "a wait that a signal ends",
        (result, errno),
        (-1, Some(libc::EINTR)),
    )
}
