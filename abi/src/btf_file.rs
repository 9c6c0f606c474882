// SPDX-License-Identifier: GPL-2.0-only
//! Where BTF is found: in a kernel, a module, or as it is.
//!
//! A file is known by its first bytes, never by its name. What is compressed is unpacked as a
//! stream, of which only the BTF is kept. The limits, which no real kernel comes near:
//!
//! - [`UNPACKED`]: what a compressed file may unpack to;
//! - [`WINDOW`]: how far back its compression may refer, which is memory. `xz` and `zstd` at their
//!   strongest ask for just that for a kernel;
//! - [`BTF`]: the size of the BTF itself;
//! - [`MODULE`]: the size of a compressed module, which is unpacked as a whole;
//! - [`FILE`] and [`KERNEL`]: the size of the file itself, which is asked for before it is opened.

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

/// How many bytes a compressed file may unpack to.
pub const UNPACKED: u64 = 1 << 30;

/// How many bytes back a compression may refer.
pub const WINDOW: usize = 128 << 20;

/// How many bytes of BTF there may be in an image.
pub const BTF: usize = 64 << 20;

/// How many bytes a compressed module may unpack to.
pub const MODULE: usize = 256 << 20;

/// How many bytes the file of a module may have: the largest stock ones, with debug information,
/// have some hundred megabytes.
pub const FILE: u64 = 1 << 30;

/// How many bytes the file of a kernel may have: a `vmlinux` with debug information comes near 1
/// GiB.
pub const KERNEL: u64 = 4 << 30;

/// A file that holds BTF.
#[derive(Debug)]
pub struct BtfFile {
    location: String,
    bytes: Bytes,
    found: Found,
}

/// What is where in the bytes.
#[derive(Debug)]
struct Found {
    container: Container,
    btf: Range<usize>,
    base: Option<Range<usize>>,
    /// The release of the kernel that a module was built for.
    release: Option<String>,
}

/// Refuses BTF of a length that no kernel's has.
fn check_length(length: usize, location: &str) -> Result<()> {
    let (found, remedy) = match length {
        0 => (
            "an empty one".to_owned(),
            "give the vmlinux that the build made, before it was stripped",
        ),
        _ if length > BTF => (format!("one of {length} bytes"), "get the file again"),
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
    /// Opens a file, whatever holds the BTF in it.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(map::open_up_to(path, KERNEL)?, path.display())
    }

    /// The same for bytes that are at hand. `location` is what an error calls them.
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

    /// The BTF. A module's goes with its kernel's: [`crate::btf::Btf::open_module`].
    pub fn btf(&self) -> &[u8] {
        &self.bytes[self.found.btf.clone()]
    }

    /// A kernel's BTF, opened. A module's is refused: it goes on where its kernel's ends.
    pub fn kernel(&self) -> Result<Btf<'_>> {
        if self.found.container.form == Form::Module {
            let release = self.found.release.as_deref();
            let kernel = release.map_or("the kernel that it was built for".to_owned(), |release| {
                format!("the kernel {release}, which it was built for")
            });
            return Err(Error::new(
                self.location(),
                "a kernel's BTF",
                "a module's (split BTF), whose types and strings go on where its kernel's end",
                format_args!("give the BTF of {kernel}: that has what they share"),
            ));
        }
        Btf::open(self.btf(), self.location())
    }

    /// What a module was built over, if it brings that along (its section `.BTF.base`): a short
    /// form of its kernel's BTF, whose numbers and strings the module's go on from in place of the
    /// kernel's.
    pub fn base(&self) -> Option<&[u8]> {
        self.found.base.clone().map(|range| &self.bytes[range])
    }

    /// What the BTF was found in.
    pub fn container(&self) -> Container {
        self.found.container
    }

    /// What an error calls it.
    pub fn location(&self) -> &str {
        &self.location
    }
}

/// The bytes of a file of at most this many. `why` is what an error says of a larger one.
pub(crate) fn small(path: &Path, most: u64, why: &str) -> Result<Vec<u8>> {
    map::open_of(path, most, why).map(|bytes| bytes.to_vec())
}

/// The bytes of a module's file, unpacked where it is compressed.
///
/// A pipe, a device and a file larger than any module are refused before a byte is read.
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

/// Where BTF was found.
enum Where {
    /// In the bytes of the file.
    There(Found),
    /// In these bytes, unpacked from it.
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

/// Looks for the BTF in the bytes of a file.
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

/// Unpacks, and keeps the BTF, or the whole of a module. `form` is what the compressed bytes stand
/// in, if in anything.
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
            "something else",
            none.remedy(),
        )),
        scan::Kept::None(none) => Err(none.error(location, container)),
    }
}
