// SPDX-License-Identifier: GPL-2.0-only
//! Files that contain BTF: a kernel, a module, or plain BTF.
//!
//! The kind of a file is known from its first bytes, never from its name. A compressed kernel is
//! unpacked as a stream, of which only the BTF is kept. The limits are far beyond any real kernel:
//!
//! - [`UNPACKED`]: the unpacked size of a compressed file;
//! - [`WINDOW`]: the distance that its compression may refer back, which costs memory. The
//!   strongest settings of `xz` and `zstd` need exactly this for a kernel;
//! - [`BTF`]: the size of the BTF itself;
//! - [`MODULE`]: the unpacked size of a compressed module, which is unpacked as a whole;
//! - [`FILE`] and [`KERNEL`]: the size of the file itself, which is checked before the file is
//!   opened.

mod container;
mod elf;
mod image;
mod map;
mod scan;
#[cfg(test)]
mod tests;
mod unpack;

use std::fmt::Display;
use std::ops::Range;
use std::path::Path;

use linux_driver_host::{Error, Result};

use crate::btf::Btf;

pub use self::container::{Compression, Container, Form};
use self::map::Bytes;

/// The largest unpacked size of a compressed file, in bytes.
pub const UNPACKED: u64 = 1 << 30;

/// The largest distance that a compression may refer back, in bytes.
pub const WINDOW: usize = 128 << 20;

/// The largest size of an image's BTF, in bytes.
pub const BTF: usize = 64 << 20;

/// The largest unpacked size of a compressed module, in bytes.
pub const MODULE: usize = 256 << 20;

/// The largest size of a module's file, in bytes. The largest stock modules, with debug
/// information, have some hundred megabytes.
pub const FILE: u64 = 1 << 30;

/// The largest size of a kernel's file, in bytes. A `vmlinux` with debug information has almost 1
/// GiB.
pub const KERNEL: u64 = 4 << 30;

/// A file that contains BTF.
#[derive(Debug)]
pub struct BtfFile {
    location: String,
    bytes: Bytes,
    found: Found,
}

/// The offsets of the BTF's parts in the file.
#[derive(Debug)]
struct Found {
    container: Container,
    btf: Range<usize>,
    base: Option<Range<usize>>,
    /// The release of the kernel that a module was built for.
    release: Option<String>,
}

/// Refuses BTF whose length no kernel has.
fn check_length(length: usize, location: &str) -> Result<()> {
    let (found, remedy) = match length {
        0 => (
            "empty BTF".to_owned(),
            "give the vmlinux that the build made, before it was stripped",
        ),
        _ if length > BTF => (format!("BTF of {length} bytes"), "get the file again"),
        _ => return Ok(()),
    };
    Err(Error::new(
        location,
        format_args!("BTF of at most {BTF} bytes"),
        found,
        remedy,
    ))
}

impl BtfFile {
    /// Opens a file of any supported kind.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(map::open_up_to(path, KERNEL)?, path.display())
    }

    /// Does the same for bytes in memory. `location` names them in error messages.
    pub fn from_bytes(bytes: Vec<u8>, location: impl Display) -> Result<Self> {
        Self::of(Bytes::Owned(bytes), location)
    }

    fn of(bytes: Bytes, location: impl Display) -> Result<Self> {
        let location = location.to_string();
        let (bytes, found) = match find(&bytes, &location)? {
            Where::There(found) => (bytes, found),
            Where::Unpacked(unpacked, found) => (Bytes::Owned(unpacked), found),
        };
        Ok(Self {
            location,
            bytes,
            found,
        })
    }

    /// Returns the BTF. A module's BTF needs its kernel's: [`crate::btf::Btf::open_module`].
    pub fn btf(&self) -> &[u8] {
        &self.bytes[self.found.btf.clone()]
    }

    /// Parses a kernel's BTF.
    ///
    /// # Errors
    ///
    /// The file is a module. Its BTF continues its kernel's and cannot be read alone.
    pub fn kernel(&self) -> Result<Btf<'_>> {
        if self.found.container.form == Form::Module {
            let release = self.found.release.as_deref();
            let kernel = release.map_or("the kernel that it was built for".to_owned(), |release| {
                format!("the kernel {release}, which it was built for")
            });
            return Err(Error::new(
                self.location(),
                "a kernel's BTF",
                "a module's BTF (split BTF), which continues the numbers and strings of its \
                 kernel's BTF",
                format_args!(
                    "give the BTF of {kernel}: it contains the types that the kernel and the \
                     module share"
                ),
            ));
        }
        Btf::open(self.btf(), self.location())
    }

    /// Returns the content of the section `.BTF.base`, if a module has it: a short form of its
    /// kernel's BTF. The module's BTF then continues this one instead of the kernel's.
    pub fn base(&self) -> Option<&[u8]> {
        self.found.base.clone().map(|range| &self.bytes[range])
    }

    /// Returns the kind of file that the BTF was found in.
    pub fn container(&self) -> Container {
        self.found.container
    }

    /// Returns the name of the file in error messages.
    pub fn location(&self) -> &str {
        &self.location
    }
}

/// Returns the bytes of a file that has at most `most` bytes. `why` is the remedy for a larger one.
pub(crate) fn small(path: &Path, most: u64, why: &str) -> Result<Vec<u8>> {
    map::open_of(path, most, why).map(|bytes| bytes.to_vec())
}

/// Returns the bytes of a module's file, unpacked if it is compressed.
///
/// # Errors
///
/// A pipe, a device, or a file larger than any module is refused before a byte is read.
pub fn read_module(path: &Path) -> Result<Vec<u8>> {
    let bytes = map::open_up_to(path, FILE)?;
    let Some(compression) = Compression::of(&bytes) else {
        return Ok(bytes.to_vec());
    };
    let location = path.display().to_string();
    let mut whole = Vec::new();
    unpack::unpack(compression, &bytes, &location, &mut |chunk| {
        if whole.len() + chunk.len() > MODULE {
            return Err(scan::too_large(&location));
        }
        whole.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(whole)
}

/// Returns the bytes of a kernel's file, unpacked if it unpacks itself: a `vmlinux`, or that in a
/// `vmlinuz`.
pub fn read_kernel(path: &Path) -> Result<Vec<u8>> {
    let bytes = map::open_up_to(path, KERNEL)?;
    let location = path.display().to_string();
    let payload = match Form::of(&bytes) {
        Some(form @ (Form::Bzimage | Form::EfiZboot)) => image::payload(&bytes, form, &location)?,
        _ => &bytes,
    };
    let Some(compression) = Compression::of(payload) else {
        return Ok(payload.to_vec());
    };
    let mut whole = Vec::new();
    unpack::unpack(compression, payload, &location, &mut |chunk| {
        whole.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(whole)
}

/// The bytes in which BTF was found.
enum Where {
    /// The bytes of the file.
    There(Found),
    /// Bytes that were unpacked from the file.
    Unpacked(Vec<u8>, Found),
}

fn find(bytes: &[u8], location: &str) -> Result<Where> {
    if let Some(compression) = Compression::of(bytes) {
        return unpacked(bytes, location, None, compression);
    }
    let form = Form::of(bytes).ok_or_else(|| container::unknown(bytes, location))?;
    match form {
        Form::Raw => {
            check_length(bytes.len(), location)?;
            Ok(Where::There(Found {
                container: Container::plain(form),
                btf: 0..bytes.len(),
                base: None,
                release: None,
            }))
        }
        Form::Elf | Form::Module => elf::find(bytes, location).map(Where::There),
        Form::Bzimage | Form::EfiZboot => {
            let payload = image::payload(bytes, form, location)?;
            match Compression::of(payload) {
                Some(compression) => unpacked(payload, location, Some(form), compression),
                None if image::is_plain(payload) => scanned(bytes, location, form),
                None => Err(image::unread(bytes, form, location)),
            }
        }
        Form::Image => scanned(bytes, location, form),
    }
}

/// Searches the bytes of a file for BTF.
fn scanned(bytes: &[u8], location: &str, form: Form) -> Result<Where> {
    let container = Container::plain(form);
    match scan::largest(bytes) {
        Ok(btf) => Ok(Where::There(Found {
            container,
            btf,
            base: None,
            release: None,
        })),
        Err(none) => Err(none.error(location, container)),
    }
}

/// Unpacks a stream, and keeps the BTF of a kernel or the whole of a module. `form` is the kind of
/// file around the compressed bytes, if there is one.
fn unpacked(
    packed: &[u8],
    location: &str,
    form: Option<Form>,
    compression: Compression,
) -> Result<Where> {
    let mut keeper = scan::Keeper::new(location);
    unpack::unpack(compression, packed, location, &mut |chunk| {
        keeper.push(chunk)
    })?;
    let (inner, kept) = keeper.finish()?;
    let container = Container {
        form: form.or(inner).unwrap_or(Form::Image),
        compression: Some(compression),
    };
    match kept {
        scan::Kept::Module(bytes) => {
            let mut found = elf::find(&bytes, location)?;
            found.container = container;
            Ok(Where::Unpacked(bytes, found))
        }
        scan::Kept::Btf(bytes, btf) => Ok(Where::Unpacked(
            bytes,
            Found {
                container,
                btf,
                base: None,
                release: None,
            },
        )),
        scan::Kept::None(none) if inner.is_none() && form.is_none() => Err(Error::new(
            location,
            format_args!("a kernel or a module, compressed with {compression}"),
            "other data",
            none.remedy(),
        )),
        scan::Kept::None(none) => Err(none.error(location, container)),
    }
}
