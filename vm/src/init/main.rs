// SPDX-License-Identifier: GPL-2.0-only
//! The program inside the machine: process 1 of the guest. It reads its job and runs the steps one
//! after the other. It writes each result to the kernel's log, and finally powers the machine off.
//!
//! The program is linked statically and needs nothing else, because the guest contains nothing
//! else.

mod action;
mod allocations;
mod kmemleak;
mod kmsg;
mod outside;
mod port;
mod power;
mod programs;
mod quiet;
mod step;
mod sys;
mod tracing;
mod waiting;
mod world;

use std::fs;
use std::io;
use std::sync::Arc;

use linux_driver_vm::paths::JOB_PATH;
use linux_driver_vm::protocol::{Job, Record};
use linux_driver_vm::{Action, Shutdown, Step};

use crate::kmsg::Log;
use crate::world::World;

fn main() {
    // If process 1 panics, the kernel panics. The host sees that, and the error message before it.
    if let Err(error) = work() {
        panic!("{error}");
    }
}

fn work() -> Result<(), String> {
    for (kind, place) in [
        ("devtmpfs", c"/dev"),
        ("proc", c"/proc"),
        ("sysfs", c"/sys"),
    ] {
        sys::mount(kind, place).map_err(|e| format!("mount {kind}: {e}"))?;
    }
    // Not every kernel has these file systems.
    let _ = sys::mount("debugfs", c"/sys/kernel/debug");
    let _ = sys::mount("tracefs", c"/sys/kernel/tracing");
    waiting::wait()?;
    let job = fs::read(JOB_PATH).map_err(|e| format!("{JOB_PATH}: {e}"))?;
    let job: Job = serde_json::from_slice(&job).map_err(|e| format!("{JOB_PATH}: {e}"))?;
    let mut log = Log::open(job.token.clone()).map_err(|e| format!("/dev/kmsg: {e}"))?;

    let failed = |e: io::Error| format!("/dev/kmsg: {e}");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .to_owned();
    log.say(&Record::Hello {
        release,
        tainted: tainted()?,
    })
    .map_err(failed)?;
    let world = Arc::new(
        World::new(job.aliases, job.asks_host)
            .map_err(|e| format!("the connection to the host: {e}"))?,
    );
    // After a sleep, a q35 cannot power itself off: its firmware does not set up the needed
    // registers again.
    let sleeps = |step: &Step| step.action.any(&Action::suspends_to_ram);
    let mut how = if job.steps.iter().any(sleeps) {
        Shutdown::Reboot
    } else {
        Shutdown::PowerOff
    };
    for (number, step) in job.steps.iter().enumerate() {
        if let Action::Shutdown { how: last } = step.action
            && last != Shutdown::Reset
        {
            // After this step the program cannot report the result any more. The host observes it.
            log.say(&Record::Begin { step: number }).map_err(failed)?;
            how = last;
            break;
        }
        if !step::run(&mut log, number, step, &world).map_err(failed)? {
            break;
        }
    }
    log.say(&Record::Done {
        tainted: tainted()?,
    })
    .map_err(failed)?;
    sys::shut_down(how).map_err(|e| format!("reboot: {e}"))
}

fn tainted() -> Result<u64, String> {
    let path = "/proc/sys/kernel/tainted";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    text.trim()
        .parse()
        .map_err(|e| format!("{path}: {text:?}: {e}"))
}
