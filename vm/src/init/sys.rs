// SPDX-License-Identifier: GPL-2.0-only
//! The system calls that the standard library has no function for.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use linux_driver_vm::Shutdown;

/// `MODULE_INIT_COMPRESSED_FILE` of `<linux/module.h>`: the kernel decompresses the module itself.
const COMPRESSED: libc::c_int = 4;

fn checked(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Mounts a file system of the kernel's own.
pub(crate) fn mount(kind: &str, place: &CStr) -> io::Result<()> {
    let kind = CString::new(kind)?;
    // SAFETY: mount(2) reads three strings that end with NUL, and no data where that is NULL.
    let result = unsafe {
        libc::mount(
            kind.as_ptr(),
            place.as_ptr(),
            kind.as_ptr(),
            0,
            std::ptr::null(),
        )
    };
    checked(result.into())
}

/// A module that is about to be loaded.
pub(crate) struct Module {
    file: File,
    params: CString,
    flags: libc::c_int,
}

impl Module {
    pub(crate) fn open(path: &str, params: &str) -> io::Result<Self> {
        let compressed = [".xz", ".zst", ".gz"].iter().any(|end| path.ends_with(end));
        Ok(Self {
            file: File::open(path)?,
            params: CString::new(params)?,
            flags: if compressed { COMPRESSED } else { 0 },
        })
    }

    /// Loads it with one system call.
    pub(crate) fn load(&self) -> io::Result<()> {
        let (file, params) = (self.file.as_raw_fd(), self.params.as_ptr());
        // SAFETY: finit_module(2) takes an open file, a string that ends with NUL, and flags.
        checked(unsafe { libc::syscall(libc::SYS_finit_module, file, params, self.flags) })
    }
}

/// Loads the module in this file.
pub(crate) fn load_module(path: &str, params: &str) -> io::Result<()> {
    Module::open(path, params)?.load()
}

/// Unloads this module; it fails at once if the module is in use.
pub(crate) fn unload_module(name: &str) -> io::Result<()> {
    // In file names a dash may stand for what is an underscore in the kernel.
    let name = CString::new(name.replace('-', "_"))?;
    // SAFETY: delete_module(2) takes a string that ends with NUL, and flags.
    checked(unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) })
}

/// Whether the text matches the pattern, as in a shell.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (Ok(pattern), Ok(text)) = (CString::new(pattern), CString::new(text)) else {
        return false;
    };
    // SAFETY: fnmatch(3) reads two strings that end with NUL.
    unsafe { libc::fnmatch(pattern.as_ptr(), text.as_ptr(), 0) == 0 }
}

/// The number of the calling thread.
pub(crate) fn thread_id() -> i32 {
    // SAFETY: gettid(2) takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// Has a serial line pass every byte as it is, and reads from it give up after a tenth of a second
/// with nothing.
pub(crate) fn make_raw(line: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `termios` is a plain C structure, for which all zeroes is a value.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: tcgetattr(3) takes an open file and writes one `termios`.
    checked(unsafe { libc::tcgetattr(line.as_raw_fd(), &raw mut settings) }.into())?;
    // SAFETY: cfmakeraw(3) changes the `termios` that it is given.
    unsafe { libc::cfmakeraw(&raw mut settings) };
    settings.c_cc[libc::VMIN] = 0;
    settings.c_cc[libc::VTIME] = 1;
    // SAFETY: tcsetattr(3) takes an open file and reads one `termios`.
    checked(unsafe { libc::tcsetattr(line.as_raw_fd(), libc::TCSANOW, &raw const settings) }.into())
}

/// Ends the machine.
pub(crate) fn shut_down(how: Shutdown) -> io::Result<()> {
    // SAFETY: sync(2) takes nothing and cannot fail.
    unsafe { libc::sync() };
    let how = match how {
        Shutdown::PowerOff => libc::RB_POWER_OFF,
        Shutdown::Reboot => libc::RB_AUTOBOOT,
    };
    // SAFETY: reboot(2) takes a number; process 1 may call it, and it does not come back if it
    // succeeds.
    checked(unsafe { libc::reboot(how) }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modalias_matches_as_modprobe_matches_it() {
        let modalias = "pci:v00001234d000011E8sv00001AF4sd00001100bc00scFFi00";
        assert!(matches("pci:v00001234d000011E8sv*sd*bc*sc*i*", modalias));
        assert!(matches("pci:v00001234d000011E[0-9]*", modalias));
        assert!(!matches("pci:v00001234d000011E9sv*sd*bc*sc*i*", modalias));
        assert!(!matches("pci:v00001234", modalias));
    }
}
