// SPDX-License-Identifier: GPL-2.0-only
//! BTF in an ELF file: its section `.BTF`.

use std::ops::Range;

use linux_driver_host::{Error, Result};
use object::LittleEndian;
use object::elf::{FileHeader64, SHF_COMPRESSED};
use object::read::elf::{FileHeader, SectionHeader, SectionTable};

use super::container::{Container, Form};
use super::{Found, check_length};

/// The values of ELFCLASS64 and ELFDATA2LSB in the file.
const CLASS64: u8 = 2;
const LITTLE: u8 = 1;

type Header = FileHeader64<LittleEndian>;

/// Refuses an ELF file of a machine that is not supported, as far as its start is present.
pub(super) fn readable(bytes: &[u8], location: &str) -> Result<()> {
    match (bytes.get(4), bytes.get(5)) {
        (Some(&class), Some(&data)) if (class, data) != (CLASS64, LITTLE) => Err(Error::new(
            location,
            "an ELF file of 64 bits, in little-endian order",
            match (class, data) {
                (1, _) => "a 32-bit file",
                (_, 2) => "a big-endian file",
                _ => "a file with a damaged header",
            },
            "give the kernel of a machine of 64 bits, x86 or arm64",
        )),
        _ => Ok(()),
    }
}

/// Finds the BTF.
pub(super) fn find(bytes: &[u8], location: &str) -> Result<Found> {
    let form = Form::of(bytes).unwrap_or(Form::Elf);
    let damaged = |error: &dyn std::fmt::Display| {
        Error::new(
            location,
            format_args!("an ELF file ({form}) with all its sections"),
            format_args!(
                "{error}, in a file of {} bytes: it is cut off, or damaged",
                bytes.len()
            ),
            "get the file again",
        )
    };
    readable(bytes, location)?;
    let header = Header::parse(bytes).map_err(|e| damaged(&e))?;
    let endian = LittleEndian;
    let sections = header.sections(endian, bytes).map_err(|e| damaged(&e))?;
    let btf = section(&sections, bytes, b".BTF").map_err(|e| damaged(&e))?;
    let Some(btf) = btf else {
        let (found, remedy) = if sections.is_empty() {
            (
                "an ELF file without sections".to_owned(),
                "give the vmlinux that the build made, before it was stripped",
            )
        } else if form == Form::Module {
            (
                "a module without a section .BTF".to_owned(),
                "give its kernel's BTF, which contains the types that both share; modules built \
                 outside the kernel's tree often have no BTF",
            )
        } else {
            (
                "an ELF file without a section .BTF: the kernel was built without \
                 CONFIG_DEBUG_INFO_BTF, or the file was \
                 stripped"
                    .to_owned(),
                "give the vmlinuz or Image that boots, or build the kernel with \
                 CONFIG_DEBUG_INFO_BTF",
            )
        };
        return Err(Error::new(
            location,
            format_args!("a {form} with BTF"),
            found,
            remedy,
        ));
    };
    let base = section(&sections, bytes, b".BTF.base").map_err(|e| damaged(&e))?;
    check_length(btf.len(), location)?;
    let modinfo = section(&sections, bytes, b".modinfo").map_err(|e| damaged(&e))?;
    let release = modinfo.filter(|_| form == Form::Module).and_then(|range| {
        let mut entries = bytes[range].split(|&byte| byte == 0);
        let vermagic = entries.find_map(|entry| entry.strip_prefix(b"vermagic="))?;
        let release = vermagic.split(|&byte| byte == b' ').next()?;
        Some(String::from_utf8_lossy(release).into_owned())
    });
    Ok(Found {
        release,
        container: Container::plain(form),
        btf,
        base,
    })
}

/// Returns the range of a section.
fn section(
    sections: &SectionTable<'_, Header>,
    bytes: &[u8],
    wanted: &[u8],
) -> Result<Option<Range<usize>>, String> {
    let endian = LittleEndian;
    for section in sections.iter() {
        let name = sections
            .section_name(endian, section)
            .map_err(|e| e.to_string())?;
        if name != wanted {
            continue;
        }
        let name = String::from_utf8_lossy(name);
        if section.sh_flags(endian).contains(SHF_COMPRESSED) {
            return Err(format!("the section {name} is compressed"));
        }
        let (start, length) = section
            .file_range(endian)
            .ok_or_else(|| format!("the section {name} has no contents"))?;
        let end = start
            .checked_add(length)
            .filter(|end| *end <= bytes.len() as u64);
        let range = usize::try_from(start)
            .ok()
            .zip(end.and_then(|end| usize::try_from(end).ok()));
        let (start, end) =
            range.ok_or_else(|| format!("the section {name} has {length} bytes at {start}"))?;
        return Ok(Some(start..end));
    }
    Ok(None)
}
