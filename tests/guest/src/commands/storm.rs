// SPDX-License-Identifier: GPL-2.0-only
//! `storm PATH [--processes N] [--calls N] [--seed S] [--unbind DEVICE DRIVER] [--times N]`: makes
//! several processes open, use and close a file at once. Meanwhile, one process unbinds and binds
//! the file's device. `DEVICE` and `DRIVER` are folders of sysfs.
//!
//! The kernel may refuse a call, but only with an error that has a possible reason. The storm ends
//! when each process has made its calls and the device was unbound and bound `--times` times (3
//! without this option). So a fast machine tests no less than a slow one. A failed `open` is not
//! counted as a call. The device stays bound until the processes have made a random number of
//! calls, so that it is used before it is unbound again.

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
/// The maximum time that a process without an open file waits after `open` has failed, as a
/// multiple of the time that `open` took. So the device's driver gets a share of the processors on
/// any kernel.
const GONE: usize = 16;
/// The interval between two looks at the number of calls.
const LOOK: Duration = Duration::from_millis(1);
/// The time without a call after which the device is unbound again.
const QUIET: Duration = Duration::from_millis(300);
/// The default of `--times`.
const TIMES: u64 = 3;
/// The time limit for the next call of any process, and for the next unbind and bind.
const LIMIT: Duration = Duration::from_secs(60);
/// The time limit for the driver to bind the device again at the end.
const BACK: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let processes: usize = args.option("--processes")?.unwrap_or(4);
    let calls: u64 = args.option("--calls")?.unwrap_or(1000);
    let seed: u64 = args.option("--seed")?.unwrap_or(1);
    let moving = args.pair("--unbind")?;
    let times: u64 = args.option("--times")?.unwrap_or(TIMES);
    let path: String = args.next("the path")?;
    args.end()?;
    let shared = Shared::new(processes)?;
    shared.order(if moving.is_some() {
        Order::GoOn
    } else {
        Order::Calls
    });
    let mut children = Vec::new();
    for number in 0..processes {
        let seed = seed.wrapping_add((number as u64) << 32);
        let of = Process {
            path: &path,
            calls,
            shared: &shared,
            number,
        };
        children.push(fork(|| of.run(&mut Random::new(seed)))?);
    }
    // Twice the number of calls that each time of the device has on average.
    let most = 2 * calls.saturating_mul(processes as u64) / times.max(1);
    let mut moved = 0;
    let mut wrong = Vec::new();
    let mut random = Random::new(!seed);
    let (mut last_call, mut last_move) = (Instant::now(), Instant::now());
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
        let more = random.next() % (most + 1);
        if shared.wait_for_calls(more) {
            last_call = Instant::now();
        }
        if let Some((device, driver)) = moving {
            let done = cycle(device, driver, &mut random)?;
            if done > 0 {
                last_move = Instant::now();
            }
            moved += done;
            if moved < times && last_move.elapsed() >= LIMIT {
                wrong.push(format!(
                    "the device was unbound and bound only {moved} times, not {times}"
                ));
            }
        }
        if !children.is_empty() && last_call.elapsed() >= LIMIT {
            let made = shared.calls();
            wrong.push(format!("no process made a call after the first {made}"));
        }
        if !wrong.is_empty() {
            shared.order(Order::Stop);
            wait(children)?;
            break;
        }
        if moved >= times {
            shared.order(Order::Calls);
        }
    }
    if let Some((device, driver)) = moving {
        bound_again(device, driver)?;
    }
    if !wrong.is_empty() {
        return Err(Failure::new(wrong.join(", ")));
    }
    Ok(format!(
        "{processes} processes with at least {calls} calls each; {moved} unbinds and binds"
    ))
}

/// The time at which a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// A process goes on until there is another order.
    GoOn,
    /// A process ends when it has made its calls.
    Calls,
    /// A process ends at once.
    Stop,
}

/// Memory that all processes share: a word with the order, and one for each process with the number
/// of calls that it made.
struct Shared {
    area: Area,
    processes: usize,
}

impl Shared {
    /// The size of a word.
    const WORD: usize = 4;

    fn new(processes: usize) -> Result<Self> {
        // A shared mapping of this file is memory that a child shares with its parent.
        let path = "/dev/zero";
        let zero = file::open(path).map_err(failed(path))?;
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let length = ((processes + 1) * Self::WORD).next_multiple_of(PAGE);
        let area = Area::of(&zero, length, both, libc::MAP_SHARED, 0)
            .map_err(|errno| failed("mmap")(io::Error::from_raw_os_error(errno)))?;
        Ok(Self { area, processes })
    }

    fn order(&self, order: Order) {
        self.area.write(0, order as u32);
    }

    /// Returns whether a process that has made this many of its calls ends.
    fn ends(&self, made: u32, calls: u64) -> bool {
        let order = self.area.read(0);
        order == Order::Stop as u32 || order == Order::Calls as u32 && u64::from(made) >= calls
    }

    fn made(&self, number: usize, made: u32) {
        self.area.write((number + 1) * Self::WORD, made);
    }

    /// Returns the number of calls of all processes.
    fn calls(&self) -> u64 {
        let made = |number| u64::from(self.area.read((number + 1) * Self::WORD));
        (0..self.processes).map(made).sum()
    }

    /// Waits until the processes have made this many more calls, or make none for some time.
    /// Returns whether they made any.
    fn wait_for_calls(&self, more: u64) -> bool {
        let before = self.calls();
        let mut last = (before, Instant::now());
        loop {
            std::thread::sleep(LOOK);
            let calls = self.calls();
            if calls > last.0 {
                last = (calls, Instant::now());
            }
            if calls - before >= more || last.1.elapsed() >= QUIET {
                return calls > before;
            }
        }
    }
}

/// One of the processes.
struct Process<'a> {
    path: &'a str,
    calls: u64,
    shared: &'a Shared,
    number: usize,
}

impl Process<'_> {
    /// Uses the file until the process ends. Errors go to the standard error, which all processes
    /// share.
    fn run(&self, random: &mut Random) -> Result<()> {
        let mut held: Vec<fs::File> = Vec::new();
        let mut made = 0;
        while !self.shared.ends(made, self.calls) {
            let start = Instant::now();
            if self.one(&mut held, random)? {
                made += 1;
                self.shared.made(self.number, made);
            } else if held.is_empty() {
                std::thread::sleep(start.elapsed() * random.below(GONE) as u32);
            }
        }
        Ok(())
    }

    /// Makes one call. Returns `false` if the file cannot be opened.
    fn one(&self, held: &mut Vec<fs::File>, random: &mut Random) -> Result<bool> {
        let mut buffer = [0u8; 256];
        let address = buffer.as_mut_ptr() as u64;
        let length = random.next() % buffer.len() as u64;
        let choice = random.below(8);
        if held.is_empty() || choice == 0 {
            let opened = match file::open(self.path) {
                Ok(file) => {
                    held.push(file);
                    true
                }
                Err(error) => {
                    allowed("open", error.raw_os_error().unwrap_or(0), &OPENING)?;
                    false
                }
            };
            if held.len() > 16 {
                held.remove(0);
            }
            return Ok(opened);
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
        Ok(true)
    }
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

/// Waits until all these children have ended.
fn wait(mut children: Vec<libc::pid_t>) -> Result<()> {
    while let Some(&child) = children.last() {
        match ended(child)? {
            Some(_) => drop(children.pop()),
            None => std::thread::sleep(LOOK),
        }
    }
    Ok(())
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
    }

    fn process<'a>(path: &'a str, shared: &'a Shared) -> Process<'a> {
        Process {
            path,
            calls: 500,
            shared,
            number: 1,
        }
    }

    #[test]
    fn a_process_ends_after_its_calls() {
        let shared = Shared::new(2).unwrap();
        shared.order(Order::Calls);
        process("/dev/null", &shared)
            .run(&mut Random::new(3))
            .unwrap();
        assert_eq!(shared.calls(), 500);
        assert!(!shared.wait_for_calls(1), "no process runs");
        assert!(
            process("/", &shared).run(&mut Random::new(3)).is_err(),
            "EISDIR is none that a device gives"
        );
    }

    #[test]
    fn a_failed_open_is_not_counted() {
        let shared = Shared::new(2).unwrap();
        let absent = process("/no/such/file", &shared);
        let (mut held, mut random) = (Vec::new(), Random::new(3));
        assert!(!absent.one(&mut held, &mut random).unwrap());
        assert!(held.is_empty());
        // Without the order to stop, such a process would wait for its device.
        shared.order(Order::Stop);
        absent.run(&mut random).unwrap();
        assert_eq!(shared.calls(), 0);
    }

    #[test]
    fn processes_go_on_until_the_device_was_moved_often_enough() {
        let shared = Shared::new(2).unwrap();
        assert!(!shared.ends(501, 500));
        shared.order(Order::Calls);
        assert!(shared.ends(500, 500));
        assert!(!shared.ends(499, 500));
        shared.order(Order::Stop);
        assert!(shared.ends(0, 500));
    }
}
