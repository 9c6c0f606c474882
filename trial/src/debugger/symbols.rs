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
        .map(|section| {
            let start = section.address();
            (start, start.saturating_add(section.size()))
        })
        .collect();
    let start = ranges.iter().map(|range| range.0).min().unwrap_or_default();
    let end = ranges.iter().map(|range| range.1).max().unwrap_or_default();
    let mut names = vec![0];
    let mut table = vec![0; 24];
    for (symbol, size) in symbols.iter().zip(sizes(symbols)) {
        let is_code = matches!(symbol.kind, 'T' | 't' | 'W' | 'w');
        let in_code = (start..end).contains(&symbol.address);
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

/// Returns the distance from each symbol to the next address at which one is. The symbols are in
/// the order of their addresses. That of the last ones is 0.
fn sizes(symbols: &[Symbol]) -> Vec<u64> {
    let mut sizes = vec![0; symbols.len()];
    for at in (0..symbols.len().saturating_sub(1)).rev() {
        sizes[at] = match symbols[at + 1].address.saturating_sub(symbols[at].address) {
            0 => sizes[at + 1],
            size => size,
        };
    }
    sizes
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn at(address: u64) -> Symbol {
        Symbol {
            address,
            kind: 't',
            name: "it".to_owned(),
        }
    }

    #[test]
    fn a_symbol_ends_where_the_next_address_has_one() {
        assert!(sizes(&[]).is_empty());
        let symbols = [16, 16, 16, 24, u64::MAX, u64::MAX].map(at);
        assert_eq!(sizes(&symbols), [8, 8, 8, u64::MAX - 24, 0, 0]);
        let symbols = vec![at(16); 400_000];
        let start = Instant::now();
        assert_eq!(sizes(&symbols), vec![0; 400_000]);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn a_kernel_at_the_end_of_memory_does_not_panic() {
        let section = |name, address, data| Section {
            flags: 2,
            address,
            ..Section::new(name, 1, data)
        };
        // The frames of a called function, of interrupted code, and of a function whose address is
        // after the end of memory: 0. The stack pointer finds them.
        let rows = [[8, 0, 0, 0, 5, 0], [8, 0, 0, 0, 5, 1], [8, 0, 0, 0, 5, 0]].concat();
        let headings = "\0.text\0.orc_unwind_ip\0.orc_unwind\0.shstrtab\0";
        let kernel = elf(
            &[
                Section::new("", 0, &[]),
                Section {
                    flags: 6,
                    size: u64::MAX,
                    ..section(".text", u64::MAX - 16, &[])
                },
                section(".orc_unwind_ip", u64::MAX - 7, &[0; 12]),
                section(".orc_unwind", 0, &rows),
                Section::new(".shstrtab", 3, headings.as_bytes()),
            ],
            headings,
        );
        let symbols = [at(u64::MAX - 16), at(u64::MAX - 1), at(u64::MAX)];
        let file = file(&kernel, "kernel", &symbols).unwrap();
        let file = object::File::parse(&*file).unwrap();
        let text = file.section_by_name(".text").unwrap();
        assert_eq!((text.address(), text.size()), (u64::MAX - 16, 16));
        let frames = file.section_by_name(".debug_frame").unwrap();
        let first = frames.data().unwrap().windows(16).any(|range| {
            let end = u64::MAX - 3;
            range == [0_u64.to_le_bytes(), end.to_le_bytes()].concat()
        });
        assert!(first, "{frames:?}");
    }
}
