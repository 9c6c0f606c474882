// SPDX-License-Identifier: GPL-2.0-only
//! The files that hold BTF, as their first bytes tell them apart.

use std::fmt::{self, Display};

use linux_driver_host::Error;

/// What BTF was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container {
    /// The kind of file.
    pub form: Form,
    /// How it, or its payload, is compressed.
    pub compression: Option<Compression>,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// BTF and nothing else: `/sys/kernel/btf/vmlinux`.
    Raw,
    /// `vmlinux`.
    Elf,
    /// A module, whose BTF goes on where its kernel's ends.
    Module,
    /// `Image` of arm64 or riscv: the kernel as it stands in memory.
    Image,
    /// `bzImage` of x86.
    Bzimage,
    /// An EFI program that unpacks an `Image` (`arch/*/boot/vmlinuz.efi`).
    EfiZboot,
}

/// A compression that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip
    Gzip,
    /// xz
    Xz,
    /// lz4, in the form that `lz4 -l` writes
    Lz4,
    /// zstd
    Zstd,
}

impl Container {
    pub(super) fn plain(form: Form) -> Self {
        Self {
            form,
            compression: None,
        }
    }
}

impl Form {
    /// What bytes that are not compressed as a whole are.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let has =
            |at: usize, sign: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(sign));
        Some(if has(0, &[0x9f, 0xeb]) || has(0, &[0xeb, 0x9f]) {
            Self::Raw
        } else if has(0, b"\x7fELF") {
            // ET_REL: what `ld -r` makes.
            if has(16, &[1, 0]) {
                Self::Module
            } else {
                Self::Elf
            }
        } else if has(4, b"zimg") {
            Self::EfiZboot
        } else if has(0x202, b"HdrS") {
            Self::Bzimage
        } else if has(0x38, b"ARM\x64") || has(0x38, b"RSC\x05") {
            Self::Image
        } else {
            return None;
        })
    }
}

impl Compression {
    /// What bytes are compressed with.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        const SIGNS: [(&[u8], Compression); 4] = [
            (&[0x1f, 0x8b, 8], Compression::Gzip),
            (b"\xfd7zXZ\0", Compression::Xz),
            (&[0x02, 0x21, 0x4c, 0x18], Compression::Lz4),
            (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
        ];
        SIGNS
            .iter()
            .find(|(sign, _)| bytes.starts_with(sign))
            .map(|(_, it)| *it)
    }
}

/// The name of a compression that is not read.
pub(super) fn other_compression(bytes: &[u8]) -> Option<&'static str> {
    const SIGNS: [(&[u8], &str); 4] = [
        (&[0x89, b'L', b'Z', b'O', 0], "lzo"),
        (b"BZh", "bzip2"),
        (&[0x5d, 0, 0], "lzma"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4 in frames"),
    ];
    SIGNS
        .iter()
        .find(|(sign, _)| bytes.starts_with(sign))
        .map(|(_, it)| *it)
}

/// What an image of a machine is whose kernels are not read.
fn other_machine(bytes: &[u8]) -> Option<&'static str> {
    const SIGNS: [(usize, &[u8], &str); 3] = [
        (0x10008, b"S390EP", "a kernel of s390x, in big-endian order"),
        (0x24, &[0x18, 0x28, 0x6f, 0x01], "a zImage of 32-bit ARM"),
        (
            0x24,
            &[0x01, 0x6f, 0x28, 0x18],
            "a zImage of 32-bit ARM, in big-endian order",
        ),
    ];
    SIGNS
        .iter()
        .find(|(at, sign, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(sign)))
        .map(|(.., it)| *it)
}

/// An error about a file that is none of those that are read.
pub(super) fn unknown(bytes: &[u8], location: &str) -> Error {
    let (found, remedy) = if bytes.is_empty() {
        ("an empty file".to_owned(), "get it again".to_owned())
    } else if let Some(name) = other_compression(bytes) {
        (
            format!("a file compressed with {name}, which is not read"),
            format!(
                "unpack it with {}, and give what comes out",
                name.split(' ').next().unwrap_or(name)
            ),
        )
    } else if let Some(machine) = other_machine(bytes) {
        (
            machine.to_owned(),
            "give the kernel of a machine of 64 bits in little-endian order, such as x86 or arm64"
                .to_owned(),
        )
    } else if bytes.starts_with(b"!<arch>\n") {
        (
            "an archive, such as a .deb".to_owned(),
            "unpack it (dpkg-deb -x FILE.deb DIR), and give the kernel in it".to_owned(),
        )
    } else {
        let start: Vec<String> = bytes
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        (
            format!("a file of {} bytes that starts with {}", bytes.len(), start.join(" ")),
            "give the running kernel's /sys/kernel/btf/vmlinux, or the vmlinux, vmlinuz, Image or .ko that holds the BTF"
                .to_owned(),
        )
    };
    let expected = "BTF, a kernel (vmlinux, vmlinuz or bzImage, Image, vmlinuz.efi) or a module, plain or compressed with \
                    gzip, xz, lz4 or zstd";
    Error::new(location, expected, found, remedy)
}

impl Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.form, f)?;
        match self.compression {
            Some(compression) => write!(f, ", compressed with {compression}"),
            None => Ok(()),
        }
    }
}

impl Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "BTF",
            Self::Elf => "vmlinux",
            Self::Module => "module",
            Self::Image => "Image",
            Self::Bzimage => "vmlinuz",
            Self::EfiZboot => "vmlinuz.efi",
        })
    }
}

impl Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}
