// SPDX-License-Identifier: GPL-2.0-only
//! The kernel itself, as a virtual machine boots it without unpacking it first.
//!
//! A `vmlinuz` unpacks itself when it boots. On an emulated processor, this takes up to three fifths
//! of the boot. QEMU boots the ELF file inside directly if the kernel has an entry for that (`CONFIG_PVH`,
//! which Debian's kernels have): `Documentation/arch/x86/boot.rst` and
//! `arch/x86/platform/pvh/head.S`. So the file is unpacked once, when the kernel is fetched.

use std::path::{Path, PathBuf};

use linux_driver_abi::btf_file;
use linux_driver_host::{Result, fs};

/// The name of the unpacked kernel in an entry of the cache.
const FILE: &str = "vmlinux";

/// The type of the ELF note that holds the entry's address (`XEN_ELFNOTE_PHYS32_ENTRY`,
/// `include/xen/interface/elfnote.h`).
const PHYS32_ENTRY: u32 = 18;
/// The name of that note.
const XEN: &[u8] = b"Xen\0";
/// The type of a segment with notes (`PT_NOTE`, `include/uapi/linux/elf.h`).
const PT_NOTE: u32 = 4;

/// Unpacks the kernel `image` of an entry. Returns the name of the unpacked file, or `None` if a
/// machine has to boot the image itself.
pub(crate) fn unpack(entry: &Path, image: &Path) -> Result<Option<PathBuf>> {
    // An image that cannot be unpacked here may still boot. Reading its type information gives the
    // error that says what is wrong with it.
    let Ok(kernel) = btf_file::read_kernel(&entry.join(image)) else {
        return Ok(None);
    };
    if !boots_directly(&kernel) {
        return Ok(None);
    }
    fs::write(entry.join(FILE), kernel)?;
    Ok(Some(FILE.into()))
}

/// Returns whether this is a 64-bit ELF file with an entry for direct boot.
fn boots_directly(elf: &[u8]) -> bool {
    notes(elf).is_some_and(|mut notes| notes.any(|note| note == (XEN, PHYS32_ENTRY)))
}

/// Returns the name and the type of each note of a 64-bit little-endian ELF file. Returns `None`
/// for any other file.
fn notes(elf: &[u8]) -> Option<impl Iterator<Item = (&[u8], u32)>> {
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = usize::try_from(number(elf, 32, 8)?).ok()?;
    let size = usize::try_from(number(elf, 54, 2)?).ok()?;
    let count = usize::try_from(number(elf, 56, 2)?).ok()?;
    let segments = (0..count).filter_map(move |index| {
        let header = elf.get(table.checked_add(index * size)?..)?;
        (number(header, 0, 4)? == u64::from(PT_NOTE)).then_some(())?;
        let start = usize::try_from(number(header, 8, 8)?).ok()?;
        let length = usize::try_from(number(header, 32, 8)?).ok()?;
        elf.get(start..start.checked_add(length)?)
    });
    Some(segments.flat_map(|mut rest| {
        std::iter::from_fn(move || {
            let name = usize::try_from(number(rest, 0, 4)?).ok()?;
            let content = usize::try_from(number(rest, 4, 4)?).ok()?;
            let kind = u32::try_from(number(rest, 8, 4)?).ok()?;
            let content_at = 12 + name.checked_next_multiple_of(4)?;
            let end = content_at.checked_add(content.checked_next_multiple_of(4)?)?;
            let note = (rest.get(12..12 + name)?, kind);
            rest = rest.get(end.min(rest.len())..)?;
            Some(note)
        })
    }))
}

/// Returns the little-endian number of `width` bytes at `at`, if the bytes reach that far.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |all, byte| all << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes an ELF file with one segment of notes.
    fn elf(notes: &[(&[u8], u32, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        let mut segment = Vec::new();
        for (name, kind, content) in notes {
            for number in [name.len() as u32, content.len() as u32, *kind] {
                segment.extend(number.to_le_bytes());
            }
            for part in [name, content] {
                segment.extend(*part);
                segment.resize(segment.len().next_multiple_of(4), 0);
            }
        }
        file[64] = PT_NOTE as u8;
        file[64 + 8] = 120;
        file[64 + 32..][..8].copy_from_slice(&(segment.len() as u64).to_le_bytes());
        file.extend(segment);
        file
    }

    #[test]
    fn the_entry_is_found_among_the_notes() {
        let other = (b"GNU\0".as_slice(), 3, b"12345".as_slice());
        let version = (XEN, 5, b"xen-3.0\0".as_slice());
        let entry = (XEN, PHYS32_ENTRY, b"\0\0\0\x01".as_slice());
        assert!(boots_directly(&elf(&[other, version, entry])));
        assert!(!boots_directly(&elf(&[other, version])));
        let elsewhere = (b"GNU\0".as_slice(), PHYS32_ENTRY, b"".as_slice());
        assert!(!boots_directly(&elf(&[elsewhere])));
    }

    #[test]
    fn a_damaged_file_has_no_entry() {
        let whole = elf(&[(XEN, PHYS32_ENTRY, b"\0\0\0\x01")]);
        assert!(boots_directly(&whole));
        for length in 0..whole.len() {
            // The content of the last note may be cut off, but not the segment.
            assert!(!boots_directly(&whole[..length]), "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] = 0xff;
            // It must end without a panic.
            boots_directly(&damaged);
        }
    }

    #[test]
    fn an_image_without_a_kernel_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let image = Path::new("vmlinuz");
        for (contents, expected) in [
            (b"text".to_vec(), None),
            (elf(&[]), None),
            (
                elf(&[(XEN, PHYS32_ENTRY, b"\0\0\0\x01")]),
                Some(PathBuf::from(FILE)),
            ),
        ] {
            fs::write(dir.path().join(image), contents).unwrap();
            assert_eq!(unpack(dir.path(), image).unwrap(), expected);
            assert_eq!(dir.path().join(FILE).exists(), expected.is_some());
        }
        assert_eq!(unpack(dir.path(), Path::new("absent")).unwrap(), None);
    }
}
