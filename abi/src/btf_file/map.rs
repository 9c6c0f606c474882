// SPDX-License-Identifier: GPL-2.0-only
//! A file's bytes: mapped where the file can be, read where it cannot.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

use linux_driver_host::{Error, Result};
use memmap2::Mmap;

use super::UNPACKED;

/// The bytes of a file.
pub(super) enum Bytes {
    /// As the file's pages.
    Mapped(Mmap),
    /// In memory.
    Owned(Vec<u8>),
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// Opens a file of at most this many bytes. Files of sysfs can only be read under most kernels.
pub(super) fn open_up_to(path: &Path, most: u64) -> Result<Bytes> {
    open_of(path, most, "no kernel and no module is that large")
}

/// The same, with what an error says of a larger file.
pub(super) fn open_of(path: &Path, most: u64, why: &str) -> Result<Bytes> {
    let io = |error: std::io::Error| Error::io(path, "read", &error);
    // Before it is opened: a pipe would keep us waiting.
    let meta = std::fs::metadata(path).map_err(io)?;
    if !meta.is_file() {
        let found = if meta.is_dir() {
            "a folder"
        } else {
            "a device, pipe or socket"
        };
        return Err(Error::new(
            path.display(),
            "a file",
            found,
            "give the path of the file itself",
        ));
    }
    if meta.len() > most {
        return Err(Error::new(
            path.display(),
            format_args!("a file of at most {most} bytes"),
            format_args!("one of {} bytes", meta.len()),
            format_args!("check the path: {why}"),
        ));
    }
    let file = File::open(path).map_err(io)?;
    if meta.len() > 0 {
        // SAFETY: the pages are only read. Whoever writes to the file meanwhile changes what is
        // read, and whoever cuts it off ends the process with SIGBUS: a kernel's files are
        // replaced, not written to. No reader relies on bytes that it read before.
        if let Ok(map) = unsafe { Mmap::map(&file) } {
            return Ok(Bytes::Mapped(map));
        }
    }
    let mut bytes = Vec::new();
    let most = most.min(UNPACKED);
    file.take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(
            path.display(),
            format_args!("at most {most} bytes in a file that cannot be mapped"),
            "more",
            "copy the file to a disk",
        ));
    }
    Ok(Bytes::Owned(bytes))
}
