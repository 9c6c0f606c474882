// SPDX-License-Identifier: GPL-2.0-only
//! `all-ones DEVICE OTHER`: makes every register of BAR 0 of a device read as all ones, like the
//! registers of a device that was pulled out. Both arguments are folders of sysfs.
//!
//! OTHER is an `ivshmem-plain`, whose BAR 2 is memory. The command fills it with ones, disables
//! DEVICE's BAR 0, and moves the memory to that address. (Without OTHER, reads from QEMU's unused
//! addresses would return zeroes.)

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::args::Args;
use crate::outcome::{Failure, Result, failed};
use crate::pages::Area;

/// Offsets in configuration space: `PCI_COMMAND` with its bit `PCI_COMMAND_MEMORY`,
/// `PCI_BASE_ADDRESS_0` and `PCI_BASE_ADDRESS_2`.
const COMMAND: u64 = 0x04;
const MEMORY: u16 = 0x2;
const BAR_0: u64 = 0x10;
const BAR_2: u64 = 0x18;
/// The bits of a BAR that do not belong to the address.
const FLAGS: u32 = 0xf;

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let device: String = args.next("the device's folder in sysfs")?;
    let other: String = args.next("the other's folder in sysfs")?;
    args.end()?;
    let length = fill(&format!("{other}/resource2"))?;
    let (device, other) = (Config::open(&device)?, Config::open(&other)?);
    let address = device.long(BAR_0)? & !FLAGS;
    if !u64::from(address).is_multiple_of(length) {
        return Err(Failure::new(format_args!(
            "BAR 0 at {address:#x} is not where {length:#x} bytes can be"
        )));
    }
    // A device claims its address as long as its memory is enabled.
    device.memory(false)?;
    other.memory(false)?;
    other.set_long(BAR_2, address)?;
    other.set_long(BAR_2 + 4, 0)?;
    other.memory(true)?;
    Ok(format!("{address:#x} reads as all ones"))
}

/// Fills the memory of a BAR with ones. Returns its length.
fn fill(path: &str) -> Result<u64> {
    let length = fs::metadata(path).map_err(failed(path))?.len();
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed(path))?;
    let bytes = usize::try_from(length).map_err(|_| Failure::new("a BAR too long to be mapped"))?;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let area = Area::of(&file, bytes, both, libc::MAP_SHARED, 0)
        .map_err(|errno| Failure::new(format_args!("{path} cannot be mapped: error {errno}")))?;
    for offset in (0..bytes).step_by(4) {
        area.write(offset, u32::MAX);
    }
    Ok(length)
}

/// The configuration space of a device.
struct Config(File, String);

impl Config {
    fn open(device: &str) -> Result<Self> {
        let path = format!("{device}/config");
        let file = File::options().read(true).write(true).open(&path);
        file.map(|file| Self(file, path.clone()))
            .map_err(failed(path))
    }

    fn long(&self, at: u64) -> Result<u32> {
        let mut bytes = [0; 4];
        self.0
            .read_exact_at(&mut bytes, at)
            .map_err(failed(&self.1))?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn set_long(&self, at: u64, value: u32) -> Result<()> {
        self.0
            .write_all_at(&value.to_le_bytes(), at)
            .map_err(failed(&self.1))
    }

    fn memory(&self, on: bool) -> Result<()> {
        let mut bytes = [0; 2];
        self.0
            .read_exact_at(&mut bytes, COMMAND)
            .map_err(failed(&self.1))?;
        let command = u16::from_le_bytes(bytes);
        let command = if on {
            command | MEMORY
        } else {
            command & !MEMORY
        };
        self.0
            .write_all_at(&command.to_le_bytes(), COMMAND)
            .map_err(failed(&self.1))
    }
}
