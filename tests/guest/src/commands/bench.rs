// SPDX-License-Identifier: GPL-2.0-only
//! `bench MODULE PREFIX MODULE PREFIX [--rounds N] [--calls N]`: measures the time that a driver
//! for edu and its twin need for the same operations, in turn. MODULE is the module's file, such as
//! `/edu.ko`. PREFIX is the start of its device file's name.
//!
//! The command prints one line of JSON. For each driver and each operation, it contains the
//! nanoseconds on the processor in each round: the median of the round's calls.
//!
//! The clock is that of the thread, which does not advance while the thread waits. The time that
//! the device itself needs is therefore not counted. (A transfer needs 100 ms. The time for a
//! factorial depends on the host's threads.)

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use super::edu::{IOC_ID, IOC_INTERRUPT, MEMORY, only};
use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};

/// The operations that are timed.
const OPERATIONS: [&str; 6] = ["load", "unbind", "bind", "id", "interrupt", "dma"];

/// A driver, and the times that it needed.
struct Driver {
    /// The module's file, such as `/edu.ko`.
    file: String,
    /// The name of the module and of the driver, such as `edu`.
    name: String,
    prefix: String,
    times: [Vec<u64>; OPERATIONS.len()],
}

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let rounds: u32 = args.option("--rounds")?.unwrap_or(15);
    let calls: u32 = args.option("--calls")?.unwrap_or(20);
    let mut drivers = [driver(args)?, driver(args)?];
    args.end()?;
    let device = device()?;
    for _ in 0..rounds {
        for driver in &mut drivers {
            driver.round(&device, calls)?;
        }
    }
    let drivers: Vec<String> = drivers.iter().map(Driver::json).collect();
    Ok(format!("[{}]", drivers.join(",")))
}

fn driver(args: &mut Args<'_>) -> Result<Driver> {
    let file: String = args.next("a module")?;
    let prefix = args.next("the start of its device file's name")?;
    let name = file
        .trim_start_matches('/')
        .trim_end_matches(".ko")
        .to_owned();
    Ok(Driver {
        file,
        name,
        prefix,
        times: Default::default(),
    })
}

/// Returns the name of the first edu device in sysfs.
fn device() -> Result {
    let path = "/sys/bus/pci/devices";
    let devices = fs::read_dir(path).map_err(failed(path))?;
    for entry in devices.flatten() {
        let vendor = fs::read_to_string(entry.path().join("vendor")).unwrap_or_default();
        let device = fs::read_to_string(entry.path().join("device")).unwrap_or_default();
        if (vendor.trim(), device.trim()) == ("0x1234", "0x11e8") {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Err(Failure::new("there is no edu device"))
}

/// Runs a function and returns the nanoseconds that it took on the processor.
fn timed(what: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
    let start = on_processor()?;
    let between = on_processor()?;
    what()?;
    let end = on_processor()?;
    // The time for reading the clock is subtracted.
    Ok(end
        .saturating_sub(between)
        .saturating_sub(between.saturating_sub(start)))
}

/// Returns how many nanoseconds this thread has been on a processor.
fn on_processor() -> io::Result<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime(2) needs a valid pointer for the time; `time` is a local variable.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(time.tv_sec.unsigned_abs().saturating_mul(1_000_000_000) + time.tv_nsec.unsigned_abs())
}

/// Returns the median.
fn median(mut times: Vec<u64>) -> Option<u64> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

impl Driver {
    /// Loads the module, uses the device, unbinds and binds it, and unloads the module.
    fn round(&mut self, device: &str, calls: u32) -> Result<()> {
        let module = File::open(&self.file).map_err(failed(&self.file))?;
        let load = timed(|| load(&module)).map_err(failed(&self.file))?;
        // Work that loading has queued (uevents, symbol tables) must be done before anything else
        // is timed.
        settle();
        let mut took: [Vec<u64>; OPERATIONS.len()] = Default::default();
        took[0].push(load);
        let folder = format!("/sys/bus/pci/drivers/{}", self.name);
        for _ in 0..calls {
            let unbind = timed(|| fs::write(format!("{folder}/unbind"), device))
                .map_err(failed("unbind"))?;
            settle();
            let bind =
                timed(|| fs::write(format!("{folder}/bind"), device)).map_err(failed("bind"))?;
            settle();
            took[1].push(unbind);
            took[2].push(bind);
        }
        let path = only(&self.prefix)?;
        let open = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed(&path))?;
        for _ in 0..calls {
            let mut id = 0u32;
            let address = (&raw mut id) as u64;
            took[3].push(
                timed(|| ioctl(&open, IOC_ID, address)).map_err(failed("the identification"))?,
            );
            took[4].push(timed(|| ioctl(&open, IOC_INTERRUPT, 0)).map_err(failed("an interrupt"))?);
        }
        let mut memory = vec![0x5a; MEMORY];
        let mut dma = || {
            open.write_all_at(&memory, 0)?;
            open.read_exact_at(&mut memory, 0)
        };
        for _ in 0..3 {
            took[5].push(timed(&mut dma).map_err(failed("DMA"))?);
        }
        drop(open);
        unload(&self.name).map_err(failed("unload"))?;
        settle();
        for (all, times) in self.times.iter_mut().zip(took) {
            all.extend(median(times));
        }
        Ok(())
    }

    fn json(&self) -> String {
        let operations = OPERATIONS.iter().zip(&self.times).map(|(name, times)| {
            let times: Vec<String> = times.iter().map(u64::to_string).collect();
            format!("\"{name}\":[{}]", times.join(","))
        });
        let operations: Vec<String> = operations.collect();
        format!("{{\"driver\":\"{}\",{}}}", self.name, operations.join(","))
    }
}

/// Gives the kernel's threads time to finish their queued work.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

fn ioctl(device: &File, request: u32, argument: u64) -> io::Result<()> {
    file::ioctl(device, request, argument)
        .map(drop)
        .map_err(io::Error::from_raw_os_error)
}

fn load(module: &File) -> io::Result<()> {
    // SAFETY: finit_module(2) reads the file and a NUL-terminated string, which is a literal here.
    let result =
        unsafe { libc::syscall(libc::SYS_finit_module, module.as_raw_fd(), c"".as_ptr(), 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn unload(name: &str) -> io::Result<()> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: delete_module(2) reads a NUL-terminated string, which `name` is.
    let result = unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
