// SPDX-License-Identifier: GPL-2.0-only
//! `open-hold PATH`: opens a file and holds it while the plan removes the device. Every use of the
//! file must then end in ENODEV. The plan spawns this command.

use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::spawned::{ready, wait_for_join};

/// An ioctl number that no driver has.
const NO_IOCTL: u32 = 0xdead_beef;

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let path: String = args.next("the path")?;
    args.end()?;
    let held = file::open(&path).map_err(failed(&path))?;
    ready()?;
    wait_for_join()?;
    let mut buffer = [0u8; 64];
    let address = buffer.as_mut_ptr() as u64;
    let uses = [
        ("read", file::read(&held, address, buffer.len() as u64)),
        ("ioctl", file::ioctl(&held, NO_IOCTL, 0)),
    ];
    let mut said = Vec::new();
    for (name, result) in uses {
        match result {
            Err(libc::ENODEV) => said.push(format!("{name}: ENODEV")),
            // sysfs itself, not the driver, refuses an operation that the file never had.
            Err(libc::ENOTTY) if name == "ioctl" && path.starts_with("/sys/") => {}
            other => {
                return Err(Failure::new(format_args!(
                    "{path}: {name} returns {other:?}, not ENODEV"
                )));
            }
        }
    }
    Ok(said.join(", "))
}
