// SPDX-License-Identifier: GPL-2.0-only
//! `misc-held PATH`: holds files of a device of the test driver `misc` open, in every operation
//! that waits, while the plan unbinds the driver. The plan spawns this command. Each operation must
//! be woken with a result that says that the device is gone, and so must each later use.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::misc::{ID, SLEEP, same};
use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::pages::{Area, PAGE};
use crate::spawned::{ready, wait_for_join};

/// The result with which a waiting operation is woken: an error number, or events.
type Woken = JoinHandle<std::result::Result<u64, i32>>;

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let path: String = args.next("the path")?;
    args.end()?;
    let held = Arc::new(file::open(&path).map_err(failed(&path))?);
    let other = File::open(&path).map_err(failed(&path))?;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let mmap = |file: &File| Area::of(file, PAGE, both, libc::MAP_SHARED, 0);
    let area = mmap(&held).map_err(|errno| Failure::new(format_args!("mmap: {errno}")))?;
    let untouched = mmap(&held).map_err(|errno| Failure::new(format_args!("mmap: {errno}")))?;
    same("register 0", area.read(0), 0x0100_00ed)?;
    let waiting: Vec<(&str, Woken, std::result::Result<u64, i32>)> = vec![
        ("read", blocking_read(other), Err(libc::ENODEV)),
        ("ioctl", sleeping(&held), Err(libc::ENODEV)),
        (
            "poll",
            polling(&held),
            Ok((libc::POLLHUP | libc::POLLERR) as u64),
        ),
        (
            "epoll",
            epolling(&held)?,
            Ok((libc::EPOLLHUP | libc::EPOLLERR) as u64),
        ),
    ];
    // Both processes are forked while the device is bound, and touch the mapping when it is gone.
    let touched = Child::fork_to_touch(&area)?;
    thread::sleep(Duration::from_millis(200));
    for (name, woken, _) in &waiting {
        same(&format!("{name} waits"), woken.is_finished(), false)?;
    }
    ready()?;
    wait_for_join()?;
    for (name, woken, expected) in waiting {
        let until = Instant::now() + Duration::from_secs(5);
        while !woken.is_finished() {
            if Instant::now() > until {
                return Err(Failure::new(format_args!("{name} was not woken")));
            }
            thread::sleep(Duration::from_millis(5));
        }
        let found = woken
            .join()
            .map_err(|_| Failure::new("a thread panicked"))?;
        same(&format!("{name} is woken with"), found, expected)?;
    }
    same(
        "a mapping, in a child that was forked before",
        touched.looks()?,
        Some(libc::SIGBUS),
    )?;
    for (what, area) in [
        ("a mapping", &area),
        ("a mapping that was not used before", &untouched),
    ] {
        same(
            what,
            Child::fork_to_touch(area)?.looks()?,
            Some(libc::SIGBUS),
        )?;
    }
    gone(&held)?;
    let copy = held.try_clone().map_err(failed("dup"))?;
    gone(&copy)?;
    Ok("woken, and then refused: read, ioctl, poll, epoll, mmap".into())
}

/// Checks every use of a file whose device is gone.
fn gone(held: &File) -> Result<()> {
    let mut buffer = [0u8; 64];
    let address = buffer.as_mut_ptr() as u64;
    for (what, result) in [
        ("read", file::read(held, address, 64)),
        ("write", file::write(held, address, 64)),
        ("ioctl", file::ioctl(held, ID, address)),
        ("an unknown ioctl", file::ioctl(held, 0xdead_beef, address)),
        ("read to an invalid address", file::read(held, 8, 64)),
    ] {
        same(what, result, Err(libc::ENODEV))?;
    }
    same(
        "poll",
        file::poll(held, libc::POLLIN | libc::POLLOUT),
        Ok(libc::POLLHUP | libc::POLLERR),
    )?;
    let mapped = Area::of(held, PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).err();
    same("mmap", mapped, Some(libc::ENODEV))
}

fn blocking_read(mut file: File) -> Woken {
    thread::spawn(move || {
        let result = file.read(&mut [0; 8]);
        result
            .map(|count| count as u64)
            .map_err(|error| error.raw_os_error().unwrap_or(0))
    })
}

fn sleeping(file: &Arc<File>) -> Woken {
    let file = Arc::clone(file);
    thread::spawn(move || file::ioctl(&file, SLEEP, 0))
}

fn polling(file: &Arc<File>) -> Woken {
    let file = Arc::clone(file);
    thread::spawn(move || {
        let mut fd = libc::pollfd {
            fd: file.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: poll(2) reads and writes one `pollfd`, which `fd` is.
        unsafe { libc::poll(&raw mut fd, 1, -1) };
        Ok(fd.revents as u64)
    })
}

fn epolling(file: &Arc<File>) -> Result<Woken> {
    // SAFETY: epoll_create1(2) takes no pointer.
    let epoll = unsafe { libc::epoll_create1(0) };
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: 0,
    };
    // SAFETY: epoll_ctl(2) reads one event, which `event` is.
    if unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, file.as_raw_fd(), &raw mut event) } != 0
    {
        return Err(failed("epoll_ctl")(io::Error::last_os_error()));
    }
    Ok(thread::spawn(move || {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: epoll_wait(2) writes at most one event, for which `event` has room.
        unsafe { libc::epoll_wait(epoll, &raw mut event, 1, -1) };
        Ok(event.events.into())
    }))
}

/// A child process that touches a mapping when it is told to.
struct Child {
    pid: i32,
    /// The pipe's write end. Closing it tells the child to touch the mapping.
    tell: i32,
}

impl Child {
    fn fork_to_touch(area: &Area) -> Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: pipe(2) writes two numbers, for which `ends` has room.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
            return Err(failed("pipe")(io::Error::last_os_error()));
        }
        let [wait, tell] = ends;
        // SAFETY: after fork(2) in a process with threads, the child may only make
        // async-signal-safe calls. It makes system calls and touches memory, nothing else.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: the child owns its copy of the other end, and does not use it again.
            unsafe { libc::close(tell) };
            let mut byte = 0u8;
            // SAFETY: read(2) writes at most one byte, for which `byte` has room. It returns when
            // the parent closes its end.
            unsafe { libc::read(wait, (&raw mut byte).cast(), 1) };
            let value = area.read(0);
            // SAFETY: _exit(2) takes no pointer, and ends the child only.
            unsafe { libc::_exit(i32::from(value == 0)) };
        }
        // SAFETY: the parent owns the child's end too, and does not use it again.
        unsafe { libc::close(wait) };
        Ok(Self { pid, tell })
    }

    /// Tells the child to touch the mapping. Returns the signal that ended the child, if one did.
    fn looks(self) -> Result<Option<i32>> {
        // SAFETY: `self` owns the parent's end, and this method consumes `self`: it is closed once.
        unsafe { libc::close(self.tell) };
        let mut status = 0;
        // SAFETY: waitpid(2) writes the status, for which `status` has room.
        if unsafe { libc::waitpid(self.pid, &raw mut status, 0) } != self.pid {
            return Err(failed("waitpid")(io::Error::last_os_error()));
        }
        Ok(libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)))
    }
}
