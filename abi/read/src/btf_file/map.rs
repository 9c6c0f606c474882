// SPDX-License-Identifier: GPL-2.0-only
//! The bytes of a file: mapped if possible, else read.

use std::fmt;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

use linux_driver_host::{Error, Result, fs};
use memmap2::Mmap;

use super::UNPACKED;

/// The bytes of a file.
pub(super) enum Bytes {
    /// A mapping of the file.
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

/// Opens a file of at most `most` bytes. Under most kernels, files of sysfs can be read but not
/// mapped.
pub(super) fn open_up_to(path: &Path, most: u64) -> Result<Bytes> {
    open_of(path, most, "no kernel and no module is that large")
}

/// Does the same; `why` is the reason for the limit in error messages.
pub(super) fn open_of(path: &Path, most: u64, why: &str) -> Result<Bytes> {
    // The check comes before the open, since opening a pipe blocks.
    let meta = fs::metadata(path)?;
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
    let file = fs::open(path)?;
    if meta.len() > 0 {
        // SAFETY: `Mmap::map` requires that the file does not change in a way that breaks the
        // reader.
        // - The pages are only read, and no reader relies on bytes that it read before, so a write
        //   to the file is harmless.
        // - Truncating the file ends this process with SIGBUS. Kernels' files are replaced, not
        //   truncated.
        if let Ok(map) = unsafe { Mmap::map(&file) } {
            return Ok(Bytes::Mapped(map));
        }
    }
    let mut bytes = Vec::new();
    let most = most.min(UNPACKED);
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(path, "read", &e))?;
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
