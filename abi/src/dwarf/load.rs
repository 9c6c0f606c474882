// SPDX-License-Identifier: GPL-2.0-only
//! The sections of debug information, with their relocations applied.

use std::borrow::Cow;
use std::collections::HashMap;

use linux_driver_host::Result;
use object::{Object, ObjectSection, ObjectSymbol, RelocationKind, RelocationTarget, SectionIndex};

use super::damaged;

/// The sections that describe types.
const OF_TYPES: &[gimli::SectionId] = &[
    gimli::SectionId::DebugInfo,
    gimli::SectionId::DebugAbbrev,
    gimli::SectionId::DebugStr,
    gimli::SectionId::DebugLineStr,
    gimli::SectionId::DebugStrOffsets,
    gimli::SectionId::DebugAddr,
    gimli::SectionId::DebugLine,
];

/// The sections that describe code, besides those.
const OF_CODE: &[gimli::SectionId] = &[
    gimli::SectionId::DebugRanges,
    gimli::SectionId::DebugRngLists,
];

/// The largest unpacked size of all sections.
const LARGEST: usize = 1 << 30;

/// An object's debug information.
pub(super) struct Sections<'d> {
    pub(super) location: String,
    pub(super) endian: gimli::RunTimeEndian,
    data: HashMap<&'static str, Cow<'d, [u8]>>,
}

impl<'d> Sections<'d> {
    /// Reads the sections that describe types.
    pub(super) fn read(object: &'d [u8], location: &str) -> Result<Self> {
        Self::read_these(object, location, &[OF_TYPES], &|_| 0)
    }

    /// Reads the sections that describe types and code. `base` is the address of each section.
    pub(super) fn read_with_code(
        object: &'d [u8],
        location: &str,
        base: &dyn Fn(SectionIndex) -> u64,
    ) -> Result<Self> {
        Self::read_these(object, location, &[OF_TYPES, OF_CODE], base)
    }

    fn read_these(
        object: &'d [u8],
        location: &str,
        ids: &[&[gimli::SectionId]],
        base: &dyn Fn(SectionIndex) -> u64,
    ) -> Result<Self> {
        let bad = |e: object::Error| damaged(location, "an object with debug information", e);
        let file = object::File::parse(object).map_err(bad)?;
        let endian = if file.is_little_endian() {
            gimli::RunTimeEndian::Little
        } else {
            gimli::RunTimeEndian::Big
        };
        let mut data = HashMap::new();
        for id in ids.iter().copied().flatten() {
            if let Some(section) = file.section_by_name(id.name()) {
                let section = relocated(&file, &section, location, endian, base)?;
                data.insert(id.name(), section);
            }
        }
        if !data.contains_key(".debug_info") {
            return Err(damaged(
                location,
                "an object compiled with -g",
                "no section .debug_info",
            ));
        }
        Ok(Self {
            location: location.to_owned(),
            endian,
            data,
        })
    }

    /// Returns a section. A missing one is empty.
    pub(super) fn get(&self, id: gimli::SectionId) -> &[u8] {
        self.data.get(id.name()).map_or(&[], |data| data)
    }
}

fn relocated<'d>(
    file: &object::File<'d>,
    section: &object::Section<'d, '_>,
    location: &str,
    endian: gimli::RunTimeEndian,
    base: &dyn Fn(SectionIndex) -> u64,
) -> Result<Cow<'d, [u8]>> {
    let bad = |e: object::Error| damaged(location, "a section of debug information", e);
    let compressed = section.compressed_data().map_err(bad)?;
    if usize::try_from(compressed.uncompressed_size).map_or(true, |size| size > LARGEST) {
        return Err(damaged(
            location,
            format_args!("sections of at most {LARGEST} bytes"),
            format_args!(
                "{} bytes of debug information",
                compressed.uncompressed_size
            ),
        ));
    }
    let mut data = compressed.decompress().map_err(bad)?;
    for (at, relocation) in section.relocations() {
        // Other relocations concern code, not types.
        if relocation.kind() != RelocationKind::Absolute {
            continue;
        }
        let address = match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let symbol = file.symbol_by_index(index).map_err(bad)?;
                let base = match symbol.section_index() {
                    // Any number can be the index of a symbol's section.
                    Some(section) => base(file.section_by_index(section).map_err(bad)?.index()),
                    None => 0,
                };
                base.wrapping_add(symbol.address())
            }
            _ => 0,
        };
        let start = usize::try_from(at).ok();
        let size = usize::from(relocation.size() / 8);
        let range = start.and_then(|start| Some(start..start.checked_add(size)?));
        let Some(target) = range.and_then(|range| data.to_mut().get_mut(range)) else {
            return Err(damaged(
                location,
                "relocations within their section",
                format_args!("a relocation at {at}"),
            ));
        };
        let mut value = address.wrapping_add_signed(relocation.addend());
        let little = endian == gimli::RunTimeEndian::Little;
        if relocation.has_implicit_addend() {
            value = value.wrapping_add(number(target, little));
        }
        let bytes = value.to_le_bytes();
        for (index, byte) in target.iter_mut().enumerate() {
            let from = if little { index } else { size - 1 - index };
            *byte = bytes.get(from).copied().unwrap_or(0);
        }
    }
    Ok(data)
}

fn number(bytes: &[u8], little: bool) -> u64 {
    let add = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
    if little {
        bytes.iter().rev().fold(0, add)
    } else {
        bytes.iter().fold(0, add)
    }
}
