// SPDX-License-Identifier: GPL-2.0-only
//! System calls for which the standard library has no function.

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

/// Mounts one of the kernel's own file systems.
pub(crate) fn mount(kind: &str, place: &CStr) -> io::Result<()> {
    let kind = CString::new(kind)?;
    // SAFETY: mount(2) requires three strings that end with NUL. `kind` and `place` are such
    // strings, and outlive the call. The data may be NULL.
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

    /// Loads the module with a single system call.
    pub(crate) fn load(&self) -> io::Result<()> {
        let (file, params) = (self.file.as_raw_fd(), self.params.as_ptr());
        // SAFETY: finit_module(2) requires an open file, a string that ends with NUL, and flags.
        // `self` owns the file and the string, so both outlive the call.
        checked(unsafe { libc::syscall(libc::SYS_finit_module, file, params, self.flags) })
    }
}

/// Loads the module in this file.
pub(crate) fn load_module(path: &str, params: &str) -> io::Result<()> {
    Module::open(path, params)?.load()
}

/// Unloads this module. Fails at once if the module is in use.
pub(crate) fn unload_module(name: &str) -> io::Result<()> {
    // In file names a dash may replace an underscore of the module's name.
    let name = CString::new(name.replace('-', "_"))?;
    // SAFETY: delete_module(2) requires a string that ends with NUL, and flags. `name` is such a
    // string, and outlives the call.
    checked(unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) })
}

/// Returns whether the text matches the pattern, as in a shell.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (Ok(pattern), Ok(text)) = (CString::new(pattern), CString::new(text)) else {
        return false;
    };
    // SAFETY: fnmatch(3) requires two strings that end with NUL. `pattern` and `text` are such
    // strings, and outlive the call.
    unsafe { libc::fnmatch(pattern.as_ptr(), text.as_ptr(), 0) == 0 }
}

/// Returns the number of the calling thread.
pub(crate) fn thread_id() -> i32 {
    // SAFETY: gettid(2) has no arguments and no preconditions.
    unsafe { libc::gettid() }
}

/// Makes a serial line pass every byte unchanged. A read from it then returns after a tenth of a
/// second without data.
pub(crate) fn make_raw(line: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: All-zero bytes must be a valid value. They are, because `termios` is a C structure of
    // integers.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: tcgetattr(3) requires an open file and a `termios` to write to. `line` borrows the
    // file, and `settings` is a local variable.
    checked(unsafe { libc::tcgetattr(line.as_raw_fd(), &raw mut settings) }.into())?;
    // SAFETY: cfmakeraw(3) requires a `termios` to change: `settings` is a local variable.
    unsafe { libc::cfmakeraw(&raw mut settings) };
    settings.c_cc[libc::VMIN] = 0;
    settings.c_cc[libc::VTIME] = 1;
    // SAFETY: tcsetattr(3) requires an open file and a `termios` to read. `line` borrows the file,
    // and `settings` is initialised.
    checked(unsafe { libc::tcsetattr(line.as_raw_fd(), libc::TCSANOW, &raw const settings) }.into())
}

/// Ends the machine.
pub(crate) fn shut_down(how: Shutdown) -> io::Result<()> {
    // SAFETY: sync(2) has no arguments and no preconditions.
    unsafe { libc::sync() };
    let how = match how {
        // After a reset that did not come, the machine powers off.
        Shutdown::PowerOff | Shutdown::Reset => libc::RB_POWER_OFF,
        Shutdown::Reboot => libc::RB_AUTOBOOT,
    };
    // SAFETY: reboot(2) requires a valid command: `how` is one. The caller must have the right to
    // reboot, which process 1 has; otherwise the call only fails. It does not return if it
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
