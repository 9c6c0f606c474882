// SPDX-License-Identifier: GPL-2.0-only
//! The machine's sleep and wake-up (`Documentation/admin-guide/pm/sleep-states.rst`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use linux_driver_vm::{SuspendState, SuspendTest};

use crate::action::{Failure, Result, read, write};

const STATE: &str = "/sys/power/state";
/// The file with the stage at which a test stops.
const TEST: &str = "/sys/power/pm_test";
/// The file that selects the sleep state for `mem`.
const DEEP: &str = "/sys/power/mem_sleep";
/// The file that says whether the console sleeps too.
const CONSOLE: &str = "/sys/module/printk/parameters/console_suspend";
/// The clocks. A clock that is probed twice (`CONFIG_DEBUG_TEST_DRIVER_REMOVE`) is not called
/// `rtc0`.
const CLOCKS: &str = "/sys/class/rtc";
/// The file with a clock's alarm.
const ALARM: &str = "wakealarm";
/// The time until the clock wakes the machine. The devices must be suspended before it, under
/// emulation too.
const SECONDS: &str = "+4";

/// Returns the alarm of the first clock that has one.
fn alarm() -> std::result::Result<PathBuf, Failure> {
    let clocks = fs::read_dir(CLOCKS).into_iter().flatten().flatten();
    let mut alarms: Vec<PathBuf> = clocks.map(|clock| clock.path().join(ALARM)).collect();
    alarms.retain(|alarm| alarm.exists());
    alarms.sort();
    let none = || {
        Failure::new(format!(
            "no clock in {CLOCKS} has an alarm ({ALARM}) to wake the machine"
        ))
    };
    alarms.into_iter().next().ok_or_else(none)
}

/// Suspends the machine. Returns the duration as text.
pub(crate) fn suspend(state: SuspendState, test: Option<SuspendTest>) -> Result {
    let path = Path::new;
    // Messages must appear at once, in case the machine does not wake up.
    write(path(CONSOLE), "N")?;
    let start = Instant::now();
    if let Some(test) = test {
        write(path(TEST), test.name())?;
    } else {
        // An alarm must be cleared before it can be set again.
        let alarm = alarm()?;
        write(&alarm, "0")?;
        write(&alarm, SECONDS)?;
    }
    let word = match state {
        SuspendState::Freeze => "freeze",
        SuspendState::Mem => {
            write(path(DEEP), "deep")?;
            "mem"
        }
        SuspendState::Disk => "disk",
    };
    let slept = write(path(STATE), word);
    if test.is_some() {
        write(path(TEST), "none")?;
    }
    slept?;
    let how_often = read(path("/sys/power/suspend_stats/success"))?;
    Ok(format!(
        "resumed after {:.1} s; successful suspends so far: {how_often}",
        start.elapsed().as_secs_f64()
    ))
}
