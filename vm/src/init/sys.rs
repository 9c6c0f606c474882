// SPDX-License-Identifier: GPL-2.0-only
//! The system calls that the standard library has no function for.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

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
    let result = unsafe { libc::mount(kind.as_ptr(), place.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
    checked(result.into())
}

/// Loads the module in this file.
pub(crate) fn load_module(path: &str, params: &str) -> io::Result<()> {
    let file = File::open(path)?;
    let params = CString::new(params)?;
    let compressed = [".xz", ".zst", ".gz"].iter().any(|end| path.ends_with(end));
    let flags = if compressed { COMPRESSED } else { 0 };
    // SAFETY: finit_module(2) takes an open file, a string that ends with NUL, and flags.
    checked(unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), params.as_ptr(), flags) })
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

/// Powers the machine off.
pub(crate) fn power_off() -> io::Result<()> {
    // SAFETY: sync(2) takes nothing and cannot fail.
    unsafe { libc::sync() };
    // SAFETY: reboot(2) takes a number; process 1 may call it, and it does not come back if it succeeds.
    checked(unsafe { libc::reboot(libc::RB_POWER_OFF) }.into())
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
