// SPDX-License-Identifier: GPL-2.0-only
//! `edu-busy PATH [--but WAY]`: keeps an edu device busy in every way that its file offers, except
//! WAY, until the device is gone. Every use of an open file must then end in ENODEV. The plan
//! spawns this command, and joins it when the device is gone or about to go.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::edu::{IOC_FACTORIAL, IOC_ID, IOC_INTERRUPT};
use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::spawned::{ready, wait_for_join};

/// The errors of an operation whose device was pulled out. The driver waits for the device, which
/// never answers.
const PULLED: [i32; 2] = [libc::ETIMEDOUT, libc::EIO];
/// The maximum time after the join. A driver gives up after 2 s, and all threads wait for the
/// device one after the other.
const LATEST: Duration = Duration::from_secs(15);

/// One way to use the device.
type Way = fn(&File) -> io::Result<()>;
const WAYS: [(&str, Way); 5] = [
    ("identification", |device| number(device, IOC_ID, 0)),
    ("factorial", |device| number(device, IOC_FACTORIAL, 12)),
    ("interrupt", |device| {
        file::ioctl(device, IOC_INTERRUPT, 0)
            .map(drop)
            .map_err(io::Error::from_raw_os_error)
    }),
    ("read", |device| device.read_at(&mut [0; 64], 0).map(drop)),
    ("write", |device| device.write_at(&[0x55; 64], 64).map(drop)),
];

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let path: String = args.next("the path")?;
    let but: Option<String> = args.option("--but")?;
    args.end()?;
    let ways: Vec<_> = WAYS
        .into_iter()
        .filter(|(name, _)| but.as_deref() != Some(name))
        .collect();
    if but.is_some_and(|_| ways.len() == WAYS.len()) {
        return Err(Failure::new("--but: unknown operation"));
    }
    let open = || {
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed(&path))
    };
    let idle = open()?;
    let (done_once, at_work) = channel();
    let mut threads = Vec::new();
    for &(name, way) in &ways {
        let (device, done_once) = (open()?, done_once.clone());
        let work = move || {
            let result = work(name, &device, way, &|| {
                done_once.send(()).unwrap_or_default()
            });
            // A thread that fails at once is not waited for.
            done_once.send(()).unwrap_or_default();
            result
        };
        threads.push((name, thread::spawn(work)));
    }
    drop(done_once);
    // Each thread has finished its first use: from here on, all are busy.
    for _ in &ways {
        if at_work.recv().is_err() {
            break;
        }
    }
    ready()?;
    wait_for_join()?;
    let latest = Instant::now() + LATEST;
    let mut said = Vec::new();
    for (name, thread) in threads {
        while !thread.is_finished() {
            if Instant::now() > latest {
                return Err(Failure::new(format_args!(
                    "{name} did not return after the device was removed"
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
        let result = thread
            .join()
            .map_err(|_| Failure::new("a thread panicked"))?;
        said.push(format!("{name} {}", result?));
    }
    for (name, way) in ways {
        gone(name, way(&idle))?;
    }
    Ok(said.join(", "))
}

/// Uses the device until it is gone. Returns how often, and how many of the uses were interrupted
/// when the device was pulled out.
fn work(name: &str, device: &File, way: Way, done_once: &dyn Fn()) -> Result {
    let (mut done, mut pulled) = (0, 0);
    loop {
        match way(device) {
            Ok(()) => {
                if done == 0 {
                    done_once();
                }
                done += 1;
            }
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|errno| PULLED.contains(&errno)) =>
            {
                pulled += 1
            }
            Err(error) => {
                gone(name, Err(error))?;
                return Ok(if pulled > 0 {
                    format!("{done} ({pulled} aborted)")
                } else {
                    done.to_string()
                });
            }
        }
    }
}

/// Checks that a use of a device that is gone ended in ENODEV.
fn gone(name: &str, result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        Err(error) => Err(failed(format_args!("{name} does not return ENODEV"))(error)),
        Ok(()) => Err(Failure::new(format_args!(
            "{name} succeeds after the device was removed"
        ))),
    }
}

fn number(device: &File, request: u32, mut number: u32) -> io::Result<()> {
    file::ioctl(device, request, (&raw mut number) as u64)
        .map(drop)
        .map_err(io::Error::from_raw_os_error)
}
