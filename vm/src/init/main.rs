// SPDX-License-Identifier: GPL-2.0-only
//! The program inside the machine: process 1 of the guest. It reads its job, runs the steps one after the other, says on
//! the kernel's log what comes of each, and powers the machine off.
//!
//! It is statically linked and does everything itself: there is nothing else in the guest.

mod action;
mod kmsg;
mod step;
mod sys;

use std::fs;
use std::io;

use linux_driver_vm::protocol::{JOB_PATH, Job, Record};

use crate::kmsg::Log;

fn main() {
    // A panic of process 1 is a panic of the kernel: the host sees it, with our message before it.
    if let Err(error) = work() {
        panic!("{error}");
    }
}

fn work() -> Result<(), String> {
    for (kind, place) in [("devtmpfs", c"/dev"), ("proc", c"/proc"), ("sysfs", c"/sys")] {
        sys::mount(kind, place).map_err(|e| format!("mount {kind}: {e}"))?;
    }
    // A kernel may be built without it.
    let _ = sys::mount("debugfs", c"/sys/kernel/debug");
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
    for (number, step) in job.steps.iter().enumerate() {
        if !step::run(&mut log, number, step, &job.aliases).map_err(failed)? {
            break;
        }
    }
    log.say(&Record::Done { tainted: tainted()? }).map_err(failed)?;
    sys::power_off().map_err(|e| format!("reboot: {e}"))
}

fn tainted() -> Result<u64, String> {
    let path = "/proc/sys/kernel/tainted";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    text.trim().parse().map_err(|e| format!("{path}: {text:?}: {e}"))
}
