// SPDX-License-Identifier: GPL-2.0-only
//! `edu-raise DEVICE`: makes an edu device raise interrupts until the command is joined, no matter
//! what the driver does. It writes to the registers, which sysfs maps. The plan spawns this
//! command. The kernel must allow the mapping: `iomem=relaxed` on its command line.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::args::Args;
use crate::outcome::{Failure, Result, failed};
use crate::pages::{Area, PAGE};
use crate::spawned::{ready, wait_for_join};

/// The register that raises an interrupt, and an interrupt reason that no driver knows.
const RAISE: usize = 0x60;
const REASON: u32 = 0x8000;
/// The time between two interrupts.
const PAUSE: Duration = Duration::from_micros(500);

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let device: String = args.next("the device's folder in sysfs")?;
    args.end()?;
    let path = format!("{device}/resource0");
    let resource = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(failed(&path))?;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let registers = Area::of(&resource, PAGE, both, libc::MAP_SHARED, 0)
        .map_err(|errno| Failure::new(format_args!("{path} cannot be mapped: error {errno}")))?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let raising = scope.spawn(|| {
            // Moves the whole Area into this thread: it is `Send`, but not `Sync`.
            let registers = registers;
            let mut times = 0u64;
            while !over.load(Ordering::Relaxed) {
                registers.write(RAISE, REASON);
                times += 1;
                thread::sleep(PAUSE);
            }
            times
        });
        let joined = ready().and_then(|()| wait_for_join());
        over.store(true, Ordering::Relaxed);
        let times = raising
            .join()
            .map_err(|_| Failure::new("the thread panicked"))?;
        joined.map(|()| format!("raised {times} times"))
    })
}
