// SPDX-License-Identifier: GPL-2.0-only
//! The kinds of files that contain BTF, told apart by their first bytes.

use std::fmt::{self, Display};

use linux_driver_host::Error;

/// The kind of file in which BTF was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container {
    /// The kind of file.
    pub form: Form,
    /// The compression of the file or of its payload.
    pub compression: Option<Compression>,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// BTF and nothing else, such as `/sys/kernel/btf/vmlinux`.
    Raw,
    /// `vmlinux`.
    Elf,
    /// A module. Its BTF continues its kernel's.
    Module,
    /// `Image` of arm64 or riscv: the kernel as it is in memory.
    Image,
    /// `bzImage` of x86.
    Bzimage,
    /// An EFI program that unpacks an `Image` (`arch/*/boot/vmlinuz.efi`).
    EfiZboot,
}

/// A compression that this reader supports.
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
    /// Returns the kind of file that bytes without outer compression are.
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
    /// Returns the compression that bytes start with.
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

/// Returns the name of a compression that this reader does not support.
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

/// Describes an image for a machine whose kernels this reader does not support.
fn other_machine(bytes: &[u8]) -> Option<&'static str> {
    const SIGNS: [(usize, &[u8], &str); 3] = [
        (0x10008, b"S390EP", "a big-endian kernel of s390x"),
        (0x24, &[0x18, 0x28, 0x6f, 0x01], "a zImage of 32-bit ARM"),
        (
            0x24,
            &[0x01, 0x6f, 0x28, 0x18],
            "a big-endian zImage of 32-bit ARM",
        ),
    ];
    SIGNS
        .iter()
        .find(|(at, sign, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(sign)))
        .map(|(.., it)| *it)
}

/// Creates the error for a file of an unsupported kind.
pub(super) fn unknown(bytes: &[u8], location: &str) -> Error {
    let (found, remedy) =
        if bytes.is_empty() {
            ("an empty file".to_owned(), "get it again".to_owned())
        } else if let Some(name) = other_compression(bytes) {
            (
                format!("a file compressed with {name}, which is not supported"),
                format!(
                    "unpack it with {}, and give the unpacked file",
                    name.split(' ').next().unwrap_or(name)
                ),
            )
        } else if let Some(machine) = other_machine(bytes) {
            (
                machine.to_owned(),
                "give the kernel of a 64-bit little-endian machine, such as x86 or arm64"
                    .to_owned(),
            )
        } else if bytes.starts_with(b"!<arch>\n") {
            (
                "an archive, such as a .deb".to_owned(),
                "unpack it (dpkg-deb -x FILE.deb DIR), and give the kernel that it contains"
                    .to_owned(),
            )
        } else {
            let start: Vec<String> = bytes
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            (
            format!("a file of {} bytes that starts with {}", bytes.len(), start.join(" ")),
            "give the running kernel's /sys/kernel/btf/vmlinux, or the vmlinux, vmlinuz, Image or \
             .ko that holds the BTF"
                .to_owned(),
        )
        };
    let expected = "BTF, a kernel (vmlinux, vmlinuz or bzImage, Image, vmlinuz.efi) or a module, \
                    plain or compressed with \
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
