// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's symbols for a debugger: an ELF file with symbols and stack frames, and no code.

use linux_driver_abi::kallsyms::Symbol;
use linux_driver_host::{Error, Result};
use object::{Object, ObjectSection, SectionKind};

use super::frames;

/// The section in which all code is.
const CODE: u16 = 1;
/// The index of a symbol that is in no section.
const ABSOLUTE: u16 = 0xfff1;

/// A section: its name, type, flags, address, contents, size, and the fields `sh_link`, `sh_info`,
/// `sh_addralign` and `sh_entsize`.
struct Section<'a> {
    name: &'a str,
    kind: u32,
    flags: u64,
    address: u64,
    data: &'a [u8],
    size: u64,
    link: u32,
    info: u32,
    entry: u64,
}

impl<'a> Section<'a> {
    fn new(name: &'a str, kind: u32, data: &'a [u8]) -> Self {
        Self {
            name,
            kind,
            flags: 0,
            address: 0,
            data,
            size: data.len() as u64,
            link: 0,
            info: 0,
            entry: 0,
        }
    }
}

/// Returns the file for this kernel, with these symbols.
pub(super) fn file(kernel: &[u8], location: &str, symbols: &[Symbol]) -> Result<Vec<u8>> {
    let file = object::File::parse(kernel)
        .map_err(|e| Error::new(location, "a kernel", e, "use another kernel"))?;
    let code = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text);
    let ranges: Vec<(u64, u64)> = code
        .map(|section| (section.address(), section.address() + section.size()))
        .collect();
    let start = ranges.iter().map(|range| range.0).min().unwrap_or_default();
    let end = ranges.iter().map(|range| range.1).max().unwrap_or_default();
    let mut names = vec![0];
    let mut table = vec![0; 24];
    for (number, symbol) in symbols.iter().enumerate() {
        let is_code = matches!(symbol.kind, 'T' | 't' | 'W' | 'w');
        let in_code = (start..end).contains(&symbol.address);
        let next = symbols[number..]
            .iter()
            .find(|next| next.address > symbol.address);
        let size = next.map_or(0, |next| next.address - symbol.address);
        table.extend_from_slice(&(names.len() as u32).to_le_bytes());
        // STB_LOCAL, and STT_FUNC or STT_OBJECT.
        table.extend_from_slice(&[if is_code { 2 } else { 1 }, 0]);
        table.extend_from_slice(&if in_code { CODE } else { ABSOLUTE }.to_le_bytes());
        table.extend_from_slice(&symbol.address.to_le_bytes());
        table.extend_from_slice(&if is_code { size } else { 0 }.to_le_bytes());
        names.extend_from_slice(symbol.name.as_bytes());
        names.push(0);
    }
    let count = (table.len() / 24) as u32;
    let is_function = |symbol: &&Symbol| {
        matches!(symbol.kind, 'T' | 't') && (start..end).contains(&symbol.address)
    };
    let mut functions: Vec<u64> = symbols
        .iter()
        .filter(is_function)
        .map(|it| it.address)
        .collect();
    functions.dedup();
    let frames = frames::of(&file, &functions);
    let text = Section {
        flags: 6,
        address: start,
        size: end - start,
        ..Section::new(".text", 8, &[])
    };
    let symtab = Section {
        link: 4,
        info: count,
        entry: 24,
        ..Section::new(".symtab", 2, &table)
    };
    let mut sections = vec![
        Section::new("", 0, &[]),
        text,
        Section::new(".debug_frame", 1, &frames),
        symtab,
        Section::new(".strtab", 3, &names),
    ];
    let headings = [".text", ".debug_frame", ".symtab", ".strtab", ".shstrtab"];
    let headings = format!("\0{}\0", headings.join("\0"));
    sections.push(Section::new(".shstrtab", 3, headings.as_bytes()));
    Ok(elf(&sections, &headings))
}

/// Returns an executable for x86-64 with these sections. The last one holds their names.
fn elf(sections: &[Section<'_>], headings: &str) -> Vec<u8> {
    const HEADER: usize = 64;
    let mut data = Vec::new();
    let mut table = Vec::new();
    for section in sections {
        data.resize(data.len().next_multiple_of(8), 0);
        let name = headings
            .find(&format!("{}\0", section.name))
            .unwrap_or_default();
        table.extend_from_slice(&(name as u32).to_le_bytes());
        table.extend_from_slice(&section.kind.to_le_bytes());
        let offset = (HEADER + data.len()) as u64;
        for number in [section.flags, section.address, offset, section.size] {
            table.extend_from_slice(&number.to_le_bytes());
        }
        table.extend_from_slice(&section.link.to_le_bytes());
        table.extend_from_slice(&section.info.to_le_bytes());
        for number in [1, section.entry] {
            table.extend_from_slice(&u64::to_le_bytes(number));
        }
        data.extend_from_slice(section.data);
    }
    data.resize(data.len().next_multiple_of(8), 0);
    // 64 bits, little endian, version 1; ET_EXEC, EM_X86_64.
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    for number in [0, 0, (HEADER + data.len()) as u64] {
        elf.extend_from_slice(&u64::to_le_bytes(number));
    }
    elf.extend_from_slice(&[0; 4]);
    let count = sections.len() as u16;
    for number in [HEADER as u16, 56, 0, 64, count, count - 1] {
        elf.extend_from_slice(&number.to_le_bytes());
    }
    elf.append(&mut data);
    elf.append(&mut table);
    elf
}
