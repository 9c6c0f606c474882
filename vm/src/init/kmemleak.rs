// SPDX-License-Identifier: GPL-2.0-only
//! The search for memory without references (`mm/kmemleak.c`,
//! `Documentation/dev-tools/kmemleak.rst`).

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use linux_driver_vm::LeakSearch;

use crate::action::{Failure, Result, read, write};

const FILE: &str = "/sys/kernel/debug/kmemleak";
/// An age below which kmemleak reports no object (`MSECS_MIN_AGE`, 5 s), and some reserve.
const AGE: Duration = Duration::from_millis(5500);

/// Searches, and fails with the leaks found; or makes kmemleak forget all leaks so far.
pub(crate) fn scan(task: LeakSearch, deadline: Instant) -> Result {
    let file = Path::new(FILE);
    if task == LeakSearch::Clear {
        write(file, "scan")?;
        write(file, "clear")?;
        return Ok(String::new());
    }
    if Instant::now() + AGE >= deadline {
        return Err(Failure::new(
            "a search takes more time than the step has: give it `timeout-s`",
        ));
    }
    thread::sleep(AGE);
    // A scan does not report objects that changed since the previous one, so it is done twice.
    write(file, "scan")?;
    write(file, "scan")?;
    let found = read(file)?;
    if found.is_empty() {
        Ok("no suspected leaks".to_owned())
    } else {
        Err(Failure::new(found))
    }
}
