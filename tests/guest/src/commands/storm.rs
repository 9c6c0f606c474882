// SPDX-License-Identifier: GPL-2.0-only
//! `storm PATH [--processes N] [--calls N] [--seed S] [--unbind DEVICE DRIVER] [--times N]`: makes
//! several processes open, use and close a file at once. Meanwhile, one process unbinds and binds
//! the file's device. `DEVICE` and `DRIVER` are folders of sysfs.
//!
//! The kernel may refuse a call, but only with an error that has a possible reason. The storm ends
//! when each process has made its calls and the device was unbound and bound `--times` times (3
//! without this option). So a fast machine tests no less than a slow one.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::pages::{Area, PAGE};
use crate::random::Random;

/// The errors that opening may end in: the device is gone, is coming or going, or is used by
/// another process.
const OPENING: [i32; 7] = [
    libc::ENOENT,
    libc::ENODEV,
    libc::ENXIO,
    libc::EBUSY,
    libc::EAGAIN,
    libc::EINTR,
    libc::EIO,
];
/// The errors that a use may end in.
const USING: [i32; 15] = [
    libc::ENODEV,
    libc::ENXIO,
    libc::EBUSY,
    libc::EAGAIN,
    libc::EINTR,
    libc::EIO,
    libc::EINVAL,
    libc::ENOTTY,
    libc::EBADF,
    libc::EFAULT,
    libc::ESPIPE,
    libc::EPERM,
    libc::EACCES,
    libc::ERANGE,
    libc::ETIMEDOUT,
];
/// The errors that unbinding and binding may end in: another process, or the driver, was faster.
const MOVING: [i32; 4] = [libc::ENODEV, libc::EBUSY, libc::ENOENT, libc::EAGAIN];
/// The maximum time in milliseconds that the device stays unbound while the others use it.
const PAUSE: usize = 3;
/// The default of `--times`.
const TIMES: u64 = 3;
/// The time limit for the storm.
const LIMIT: Duration = Duration::from_secs(60);
/// The time limit for the driver to bind the device again at the end.
const BACK: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let processes: u64 = args.option("--processes")?.unwrap_or(4);
    let calls: u64 = args.option("--calls")?.unwrap_or(1000);
    let seed: u64 = args.option("--seed")?.unwrap_or(1);
    let moving = args.pair("--unbind")?;
    let times: u64 = args.option("--times")?.unwrap_or(TIMES);
    let path: String = args.next("the path")?;
    args.end()?;
    let enough = Enough::new()?;
    if moving.is_none() {
        enough.say();
    }
    let mut children = Vec::new();
    for number in 0..processes {
        let seed = seed.wrapping_add(number << 32);
        children.push(fork(|| {
            use_it(&path, calls, &enough, &mut Random::new(seed))
        })?);
    }
    let mut moved = 0;
    let mut wrong = Vec::new();
    let mut random = Random::new(!seed);
    let start = Instant::now();
    while !children.is_empty() {
        let mut running = Vec::new();
        for child in children {
            match ended(child)? {
                Some(0) => {}
                Some(code) => wrong.push(format!("a process ended with {code}")),
                None => running.push(child),
            }
        }
        children = running;
        match moving {
            Some((device, driver)) => moved += cycle(device, driver, &mut random)?,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
        if moved >= times || !wrong.is_empty() || start.elapsed() >= LIMIT {
            enough.say();
        }
    }
    if let Some((device, driver)) = moving {
        bound_again(device, driver)?;
        if moved < times {
            wrong.push(format!(
                "the device was unbound and bound only {moved} times, not {times}"
            ));
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::new(wrong.join(", ")));
    }
    Ok(format!(
        "{processes} processes with at least {calls} calls each; {moved} unbinds and binds"
    ))
}

/// A word in memory that all processes share. It is set when they may end.
struct Enough(Area);

impl Enough {
    fn new() -> Result<Self> {
        // A shared mapping of this file is memory that a child shares with its parent.
        let path = "/dev/zero";
        let zero = file::open(path).map_err(failed(path))?;
        let both = libc::PROT_READ | libc::PROT_WRITE;
        Area::of(&zero, PAGE, both, libc::MAP_SHARED, 0)
            .map(Self)
            .map_err(|errno| failed("mmap")(io::Error::from_raw_os_error(errno)))
    }

    fn say(&self) {
        self.0.write(0, 1);
    }

    fn said(&self) -> bool {
        self.0.read(0) != 0
    }
}

/// Runs one of the processes. Errors go to the standard error, which all processes share.
fn use_it(path: &str, calls: u64, enough: &Enough, random: &mut Random) -> Result<()> {
    let mut held: Vec<fs::File> = Vec::new();
    let mut buffer = [0u8; 256];
    let mut made = 0;
    while made < calls || !enough.said() {
        made += 1;
        let address = buffer.as_mut_ptr() as u64;
        let length = random.next() % buffer.len() as u64;
        let choice = random.below(8);
        if held.is_empty() || choice == 0 {
            match file::open(path) {
                Ok(file) => held.push(file),
                Err(error) => allowed("open", error.raw_os_error().unwrap_or(0), &OPENING)?,
            }
            if held.len() > 16 {
                held.remove(0);
            }
            continue;
        }
        let at = random.below(held.len());
        let outcome = match choice {
            1 => {
                held.remove(at);
                Ok(0)
            }
            2 | 3 => file::ioctl(&held[at], random.next() as u32 & 0xc01f_ff0f, address),
            4 | 5 => file::read(&held[at], address, length),
            6 => file::poll(&held[at], libc::POLLIN | libc::POLLOUT).map(|_| 0),
            _ => file::lseek(&held[at], 0, 0),
        };
        match outcome {
            Ok(done) if (4..6).contains(&choice) && done > length => {
                return Err(Failure::new(format_args!(
                    "read of {length} bytes returns {done}"
                )));
            }
            Ok(_) => {}
            Err(errno) => allowed("a call", errno, &USING)?,
        }
    }
    Ok(())
}

fn allowed(what: &str, errno: i32, by: &[i32]) -> Result<()> {
    if by.contains(&errno) {
        return Ok(());
    }
    Err(Failure {
        errno: Some(errno),
        text: format!("{what}: {}", io::Error::from_raw_os_error(errno)),
    })
}

/// Unbinds the device and binds it again. Returns how often this was done: once or not at all.
fn cycle(device: &str, driver: &str, random: &mut Random) -> Result<u64> {
    let name = Path::new(device).file_name().unwrap_or_default();
    let write = |file: &str| match fs::write(Path::new(driver).join(file), name.as_encoded_bytes())
    {
        Ok(()) => Ok(1),
        Err(error) => allowed(file, error.raw_os_error().unwrap_or(0), &MOVING).map(|()| 0),
    };
    let pause =
        |random: &mut Random| std::thread::sleep(Duration::from_millis(random.below(PAUSE) as u64));
    let unbound = write("unbind")?;
    pause(random);
    let bound = write("bind")?;
    pause(random);
    Ok(unbound.min(bound))
}

/// Waits until the device is bound again at the end.
fn bound_again(device: &str, driver: &str) -> Result<()> {
    let name = Path::new(device).file_name().unwrap_or_default();
    let start = Instant::now();
    while fs::read_link(Path::new(device).join("driver")).is_err() {
        let bound = fs::write(Path::new(driver).join("bind"), name.as_encoded_bytes());
        if start.elapsed() >= BACK {
            return bound.map_err(failed(format_args!("{device} cannot be bound again")));
        }
    }
    Ok(())
}

/// Runs `work` in a new process.
fn fork(work: impl FnOnce() -> Result<()>) -> Result<libc::pid_t> {
    // SAFETY: after fork(2), the child of a process with threads may only make async-signal-safe
    // calls. This process has no other threads.
    match unsafe { libc::fork() } {
        -1 => Err(failed("fork")(io::Error::last_os_error())),
        0 => {
            let code = match work() {
                Ok(()) => 0,
                Err(failure) => {
                    eprintln!("{}", failure.text);
                    failure.code()
                }
            };
            std::process::exit(code.into())
        }
        child => Ok(child),
    }
}

/// Returns the exit code of a child, if it has ended. A signal counts as code 256 and more.
fn ended(child: libc::pid_t) -> Result<Option<i32>> {
    let mut status = 0;
    // SAFETY: waitpid(2) writes one integer, for which `status` has room.
    match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
        -1 => Err(failed("waitpid")(io::Error::last_os_error())),
        0 => Ok(None),
        _ if libc::WIFEXITED(status) => Ok(Some(libc::WEXITSTATUS(status))),
        _ => Ok(Some(256 + libc::WTERMSIG(status))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_outside_the_list_is_told() {
        allowed("open", libc::ENODEV, &OPENING).unwrap();
        let failure = allowed("open", libc::ENOMEM, &OPENING).unwrap_err();
        assert_eq!(failure.errno, Some(libc::ENOMEM));
        let enough = Enough::new().unwrap();
        enough.say();
        use_it("/dev/null", 500, &enough, &mut Random::new(3)).unwrap();
        assert!(
            use_it("/", 500, &enough, &mut Random::new(3)).is_err(),
            "EISDIR is none that a device gives"
        );
    }
}
