// SPDX-License-Identifier: GPL-2.0-only
//! `edu PREFIX`: uses the operations of samples/edu or its twin in C, through the only device file
//! whose name starts with PREFIX. It compares the results with those that the device must return.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::random::Random;

/// `_IOR('e', 0, u32)`: the identification register.
pub(crate) const IOC_ID: u32 = 0x8004_6500;
/// `_IOWR('e', 1, u32)`: a factorial.
pub(crate) const IOC_FACTORIAL: u32 = 0xc004_6501;
/// `_IO('e', 2)`: an interrupt, raised and waited for.
pub(crate) const IOC_INTERRUPT: u32 = 0x6502;
/// The number of bytes that the device stores: 4096, except the last one, which QEMU refuses.
pub(crate) const MEMORY: usize = 4095;

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let prefix: String = args.next("the start of the device file's name")?;
    args.end()?;
    let path = only(&prefix)?;
    let device = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(failed(&path))?;
    identification(&device)?;
    for (n, factorial) in [(0, 1), (1, 1), (5, 120), (12, 479_001_600)] {
        let computed = computed(&device, n)?;
        expect(&format!("{n}!"), computed, factorial)?;
    }
    ioctl(&device, IOC_INTERRUPT, 0)
        .map_err(|e| Failure::new(format_args!("an interrupt: {e}")))?;
    memory(&device)?;
    refusals(&device)?;
    Ok(format!(
        "{path}: identification, factorials, interrupt, memory, invalid calls"
    ))
}

/// Returns the path of the only file in `/dev` whose name starts with `prefix`.
pub(crate) fn only(prefix: &str) -> Result {
    let names = fs::read_dir("/dev").map_err(failed("/dev"))?;
    let mut names = names
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix));
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(format!("/dev/{name}")),
        (None, _) => Err(Failure::new(format_args!(
            "no file in /dev has a name that starts with {prefix:?}"
        ))),
        (Some(one), Some(other)) => Err(Failure::new(format_args!("/dev has {one} and {other}"))),
    }
}

/// Calls an ioctl whose argument is the address of a number, or unused.
fn ioctl(device: &File, request: u32, argument: u64) -> io::Result<()> {
    file::ioctl(device, request, argument)
        .map(drop)
        .map_err(io::Error::from_raw_os_error)
}

fn identification(device: &File) -> Result<()> {
    let mut id = 0u32;
    ioctl(device, IOC_ID, (&raw mut id) as u64).map_err(failed("the identification"))?;
    expect("the identification", id & 0xffff, 0xed)
}

fn computed(device: &File, n: u32) -> Result<u32> {
    let mut number = n;
    ioctl(device, IOC_FACTORIAL, (&raw mut number) as u64).map_err(failed("a factorial"))?;
    Ok(number)
}

/// Checks that written data is read back, whole and in part, and that nothing follows the end.
fn memory(device: &File) -> Result<()> {
    let mut random = Random::new(7);
    let mut written = vec![0; MEMORY];
    written.fill_with(|| random.next() as u8);
    let count = device.write_at(&written, 0).map_err(failed("a write"))?;
    expect("the number of written bytes", count, MEMORY)?;
    let mut read = vec![0; MEMORY + 100];
    let count = device.read_at(&mut read, 0).map_err(failed("a read"))?;
    expect("the number of read bytes", count, MEMORY)?;
    if read.get(..MEMORY) != Some(&written[..]) {
        return Err(Failure::new(
            "the device's memory differs from the written bytes",
        ));
    }
    let count = device
        .read_at(&mut read, 4000)
        .map_err(failed("a read near the end"))?;
    expect("the number of bytes read near the end", count, 95)?;
    if read.get(..95) != written.get(4000..) {
        return Err(Failure::new(
            "the device's memory near its end differs from the written bytes",
        ));
    }
    let count = device
        .read_at(&mut read, MEMORY as u64)
        .map_err(failed("a read after the end"))?;
    expect("the number of bytes read after the end", count, 0)?;
    match device.write_at(&[1], MEMORY as u64) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => Ok(()),
        other => Err(Failure::new(format_args!(
            "a write after the end: returned {other:?}, not ENOSPC"
        ))),
    }
}

/// Checks which calls the driver refuses, and with which errors.
fn refusals(device: &File) -> Result<()> {
    let mut large = 13u32;
    for (what, request, argument, errno) in [
        (
            "a factorial that is too large",
            IOC_FACTORIAL,
            (&raw mut large) as u64,
            libc::EINVAL,
        ),
        ("an unknown ioctl", 0x6503, 0, libc::ENOTTY),
        ("another size", 0x8008_6500, 0, libc::ENOTTY),
        ("the identification to nowhere", IOC_ID, 8, libc::EFAULT),
        ("a factorial of nowhere", IOC_FACTORIAL, 8, libc::EFAULT),
        (
            "a factorial of a kernel address",
            IOC_FACTORIAL,
            0xffff_8880_0000_0000,
            libc::EFAULT,
        ),
    ] {
        match file::ioctl(device, request, argument) {
            Err(found) if found == errno => {}
            other => {
                return Err(Failure::new(format_args!(
                    "{what}: returned {other:?}, not error {errno}"
                )));
            }
        }
    }
    Ok(())
}

fn expect<T: PartialEq + std::fmt::Display>(what: &str, found: T, expected: T) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "{what} is {found}, not {expected}"
    )))
}
