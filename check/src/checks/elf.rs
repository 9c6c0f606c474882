// SPDX-License-Identifier: GPL-2.0-only
//! A relocatable x86-64 object in memory: its sections, symbols and relocations. All bounds are
//! checked once, when it is read.

use std::borrow::Cow;
use std::path::Path;

use linux_driver_host::{Error, Result};
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, Rela, SectionHeader, Sym};
use object::{LittleEndian, SectionIndex, SymbolIndex};

use super::kind;

const LE: LittleEndian = LittleEndian;

/// Returns the bytes of an object file. Unpacks it if a distribution compressed it (`.ko.xz`).
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    linux_driver_abi::btf_file::read_module(path)
}

/// A relocation, as its section applies it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relocation {
    /// The offset of the relocated field in the section.
    pub(super) offset: u64,
    /// `R_X86_64_…`.
    pub(super) kind: u32,
    /// The index of its symbol; 0 if it has none.
    pub(super) symbol: usize,
    /// The number that is added to the symbol.
    pub(super) addend: i64,
}

/// A section. Its relocations are kept only if it is loaded.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) flags: u64,
    pub(super) size: u64,
    pub(super) align: u64,
    /// Its contents; empty for a section without any (`.bss`).
    pub(super) data: &'a [u8],
    /// Its relocations, in the order of their offsets.
    pub(super) relocations: Vec<Relocation>,
    /// `true` if it has relocations without addends (SHT_REL), which x86-64 does not use.
    pub(super) has_rel: bool,
}

impl Section<'_> {
    fn has(&self, flag: elf::SectionFlags) -> bool {
        self.flags & flag.0 != 0
    }

    /// Returns whether the kernel keeps it in memory.
    pub(super) fn is_loaded(&self) -> bool {
        self.has(elf::SHF_ALLOC)
    }

    pub(super) fn is_executable(&self) -> bool {
        self.is_loaded() && self.has(elf::SHF_EXECINSTR)
    }

    pub(super) fn is_writable(&self) -> bool {
        self.is_loaded() && self.has(elf::SHF_WRITE)
    }

    pub(super) fn is_thread_local(&self) -> bool {
        self.is_loaded() && self.has(elf::SHF_TLS)
    }

    /// Returns the relocations in these bytes.
    pub(super) fn relocations_in(&self, start: u64, end: u64) -> &[Relocation] {
        let first = self.relocations.partition_point(|r| r.offset < start);
        let count = self.relocations[first..].partition_point(|r| r.offset < end);
        &self.relocations[first..first + count]
    }
}

/// The position of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// In another object, or in the kernel.
    Undefined,
    /// In the section with this index.
    Section(usize),
    /// In memory that a linker allocates. A module never contains such a symbol (SHN_COMMON).
    Common,
    /// In no section: an absolute value, or something else.
    Elsewhere,
}

/// A symbol.
#[derive(Debug)]
pub(super) struct Symbol<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) at: At,
    pub(super) value: u64,
    pub(super) size: u64,
    pub(super) is_function: bool,
    pub(super) is_section: bool,
    pub(super) is_weak: bool,
    pub(super) is_local: bool,
}

/// The first byte of a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    pub(super) symbol: usize,
    pub(super) start: u64,
    pub(super) size: u64,
}

/// A relocatable object.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) sections: Vec<Section<'a>>,
    pub(super) symbols: Vec<Symbol<'a>>,
    /// The functions of each section, in the order of their addresses, one for each address.
    functions: Vec<Vec<Function>>,
    /// The other named symbols of each section, in the order of their addresses.
    others: Vec<Vec<Function>>,
}

impl<'a> Object<'a> {
    /// Reads the object in `data`. Error messages name `path`.
    pub(super) fn parse(path: &Path, data: &'a [u8]) -> Result<Self> {
        kind::check(path, data)?;
        let broken = |e: object::read::Error| malformed(path, "a whole ELF object", e);
        let header = FileHeader64::<LittleEndian>::parse(data).map_err(broken)?;
        let table = header.sections(LE, data).map_err(broken)?;

        let mut sections = Vec::with_capacity(table.len());
        let mut held = 0_u64;
        for (_, header) in table.enumerate() {
            let name = table.section_name(LE, header).map_err(broken)?;
            let data = header.data(LE, data).map_err(broken)?;
            held = held.saturating_add(data.len() as u64);
            sections.push(Section {
                name: String::from_utf8_lossy(name),
                flags: header.sh_flags(LE).0,
                size: header.sh_size(LE),
                align: header.sh_addralign(LE),
                data,
                relocations: Vec::new(),
                has_rel: false,
            });
        }
        // If sections shared bytes, a small file could cost as much as a large one.
        if held > data.len() as u64 {
            return Err(malformed(
                path,
                format_args!("sections with {} bytes at most, as the file", data.len()),
                format_args!("{held} bytes in sections"),
            ));
        }

        let table_of_symbols = table.symbols(LE, data, elf::SHT_SYMTAB).map_err(broken)?;
        let mut symbols = Vec::with_capacity(table_of_symbols.len());
        for (index, symbol) in table_of_symbols.enumerate() {
            let section = if index == SymbolIndex(0) {
                None
            } else {
                table_of_symbols
                    .symbol_section(LE, symbol, index)
                    .map_err(broken)?
            };
            let at = match section {
                Some(SectionIndex(at)) if at < sections.len() => At::Section(at),
                Some(SectionIndex(at)) => {
                    return Err(malformed(
                        path,
                        format_args!("a section below {}", sections.len()),
                        format_args!("a symbol in section {at}"),
                    ));
                }
                None if symbol.is_undefined(LE) => At::Undefined,
                None if symbol.st_shndx(LE) == elf::SHN_COMMON => At::Common,
                None => At::Elsewhere,
            };
            let name = table_of_symbols.symbol_name(LE, symbol).map_err(broken)?;
            symbols.push(Symbol {
                name: String::from_utf8_lossy(name),
                at,
                value: symbol.st_value(LE),
                size: symbol.st_size(LE),
                is_function: symbol.st_type() == elf::STT_FUNC,
                is_section: symbol.st_type() == elf::STT_SECTION,
                is_weak: symbol.is_weak(),
                is_local: symbol.is_local(),
            });
        }

        for (_, header) in table.enumerate() {
            let kind = header.sh_type(LE);
            let target = header.sh_info(LE) as usize;
            let Some(section) = sections
                .get_mut(target)
                .filter(|section| section.is_loaded())
            else {
                continue;
            };
            if kind == elf::SHT_REL {
                section.has_rel = true;
            }
            let Some((entries, _)) = header.rela(LE, data).map_err(broken)? else {
                continue;
            };
            section.relocations.reserve(entries.len());
            for entry in entries {
                let (offset, symbol) = (entry.r_offset(LE), entry.r_sym(LE, false) as usize);
                if offset >= section.size || (symbol != 0 && symbol >= symbols.len()) {
                    let found = format!(
                        "one at {offset:#x} of {} bytes, for symbol {symbol} of {}",
                        section.size,
                        symbols.len()
                    );
                    return Err(malformed(
                        path,
                        format_args!(
                            "relocations within {}, for symbols that exist",
                            section.name
                        ),
                        found,
                    ));
                }
                section.relocations.push(Relocation {
                    offset,
                    kind: entry.r_type(LE, false).0,
                    symbol,
                    addend: entry.r_addend(LE),
                });
            }
            section
                .relocations
                .sort_by_key(|relocation| relocation.offset);
        }

        let mut object = Self {
            functions: vec![Vec::new(); sections.len()],
            others: vec![Vec::new(); sections.len()],
            sections,
            symbols,
        };
        object.index_symbols();
        Ok(object)
    }

    fn index_symbols(&mut self) {
        for (index, symbol) in self.symbols.iter().enumerate() {
            let At::Section(section) = symbol.at else {
                continue;
            };
            // The padding before a function has a symbol of its own: `__pfx_` from objtool,
            // `__cfi_` from a compiler with CFI.
            if symbol.is_section
                || symbol.name.is_empty()
                || symbol.name.starts_with("__pfx_")
                || symbol.name.starts_with("__cfi_")
            {
                continue;
            }
            let entry = Function {
                symbol: index,
                start: symbol.value,
                size: symbol.size,
            };
            let list = if symbol.is_function {
                &mut self.functions
            } else {
                &mut self.others
            };
            list[section].push(entry);
        }
        // If an address has two names, the author's name is kept. The other one comes from
        // `module_init` or `module_exit`.
        let alias = |function: &Function| {
            matches!(
                &*self.symbols[function.symbol].name,
                "init_module" | "cleanup_module"
            )
        };
        for list in &mut self.functions {
            list.sort_by_key(|function| (function.start, alias(function)));
            list.dedup_by_key(|function| function.start);
        }
        for list in &mut self.others {
            list.sort_by_key(|other| other.start);
        }
    }

    /// Returns the sections with code, with their indices.
    pub(super) fn executable(&self) -> impl Iterator<Item = (usize, &Section<'a>)> {
        self.sections
            .iter()
            .enumerate()
            .filter(|(_, section)| section.is_executable())
    }

    /// Returns the first loaded section with this name.
    pub(super) fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections
            .iter()
            .find(|section| section.name == name && section.is_loaded())
    }

    /// Returns the functions of a section, in the order of their addresses.
    pub(super) fn functions(&self, section: usize) -> &[Function] {
        &self.functions[section]
    }

    /// Returns the function at this offset, or the last one before it.
    pub(super) fn function_at(&self, section: usize, offset: u64) -> Option<&Function> {
        last_at(&self.functions[section], offset)
    }

    /// Returns the name of a symbol in readable form, with Rust's names demangled.
    pub(super) fn name_of(&self, symbol: usize) -> String {
        match self.symbols.get(symbol) {
            Some(symbol) => match symbol.at {
                At::Section(section) if symbol.is_section => {
                    self.sections[section].name.to_string()
                }
                _ => demangled(&symbol.name),
            },
            None => "no symbol".to_owned(),
        }
    }

    /// Returns a readable form of an offset in a section: "function+0x12 (.text)".
    pub(super) fn place(&self, section: usize, offset: u64) -> String {
        let name = &self.sections[section].name;
        let object =
            || last_at(&self.others[section], offset).filter(|o| offset - o.start < o.size.max(1));
        match self.function_at(section, offset).or_else(object) {
            Some(Function { symbol, start, .. }) => {
                let within = offset - start;
                let plus = if within > 0 {
                    format!("+{within:#x}")
                } else {
                    String::new()
                };
                // A section for one function (`-ffunction-sections`) repeats the function's name.
                let own = name
                    .strip_suffix(&*self.symbols[*symbol].name)
                    .and_then(|name| name.strip_suffix('.'));
                format!("{}{plus} ({})", self.name_of(*symbol), own.unwrap_or(name))
            }
            None => format!("{name}+{offset:#x}"),
        }
    }

    /// Returns the section and offset that symbol and addend refer to, if they are in this object.
    pub(super) fn target(&self, relocation: &Relocation) -> Option<(usize, u64)> {
        let symbol = self.symbols.get(relocation.symbol)?;
        match symbol.at {
            At::Section(section) => {
                Some((section, symbol.value.wrapping_add_signed(relocation.addend)))
            }
            _ => None,
        }
    }
}

fn last_at(list: &[Function], offset: u64) -> Option<&Function> {
    list.partition_point(|function| function.start <= offset)
        .checked_sub(1)
        .map(|index| &list[index])
}

/// Returns a symbol's name without Rust's mangling and hash.
pub(super) fn demangled(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(name) => format!("{name:#}"),
        Err(_) => name.to_owned(),
    }
}

pub(super) fn malformed(
    path: &Path,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
) -> Error {
    Error::new(
        path.display(),
        expected,
        found,
        "the file is cut off or damaged: build it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::Module;
    use crate::checks::{loaded_size, modinfo};
    use std::fs;

    /// Returns a module that gives each check something to look at.
    fn module() -> Vec<u8> {
        let module = Module::good()
            .text("f", "call printk\nmovq $f, %rax")
            .raw(".data\n.quad f\n.bss\n.zero 64\n");
        fs::read(module.build().path()).unwrap()
    }

    fn refused(bytes: &[u8]) -> String {
        Object::parse(Path::new("m.ko"), bytes)
            .map(drop)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_file_that_is_cut_off_is_an_error() {
        let bytes = module();
        // The section headers come last, so no byte of the file can be missing.
        for length in (0..bytes.len()).step_by(7) {
            assert!(refused(&bytes[..length]).contains("m.ko"), "{length}");
        }
    }

    #[test]
    fn damage_anywhere_never_panics() {
        let bytes = module();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("damaged.ko");
        for at in 0..bytes.len() {
            for byte in [0x00, 0x01, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                if std::mem::replace(&mut bytes[at], byte) != byte {
                    fs::write(&path, &bytes).unwrap();
                    let _ = (
                        Module::good().check_file(&path),
                        loaded_size(&path),
                        modinfo(&path),
                    );
                }
            }
        }
    }

    #[test]
    fn sections_that_share_bytes_are_an_error() {
        let mut bytes = module();
        let table = u64::from_le_bytes(*bytes[40..].first_chunk().unwrap()) as usize;
        let length = (bytes.len() as u64).to_le_bytes();
        for section in 1..3 {
            let header = table + section * 64;
            bytes[header + 4..header + 8].copy_from_slice(&1_u32.to_le_bytes());
            bytes[header + 24..header + 32].fill(0);
            bytes[header + 32..header + 40].copy_from_slice(&length);
        }
        assert!(refused(&bytes).contains("bytes in sections"));
    }

    #[test]
    fn counts_beyond_the_file_are_an_error() {
        let mut bytes = module();
        bytes[60..62].fill(0xff);
        assert!(refused(&bytes).contains("m.ko"));
    }

    #[test]
    fn places_are_named() {
        let body = ".text\n.type init_module, @function\ninit_module:\n.type _ZN3edu5probe17h0123456789abcdefE, @function\n_ZN3edu5probe17h0123456789abcdefE: nop\nnop\n\
                    .data\n.zero 8\n.type v, @object\n.size v, 8\nv: .quad 0\n.quad 0\n\
                    .section .text.own,\"ax\"\n.type own, @function\nown: nop\n";
        let dir = tempfile::tempdir().unwrap();
        let data = fs::read(crate::checks::testing::object(dir.path(), "places", body)).unwrap();
        let object = Object::parse(Path::new("m.o"), &data).unwrap();
        let index = |name: &str| {
            object
                .sections
                .iter()
                .position(|section| section.name == name)
                .unwrap()
        };
        assert_eq!(object.place(index(".text"), 1), "edu::probe+0x1 (.text)");
        assert_eq!(object.place(index(".text.own"), 0), "own (.text)");
        assert_eq!(object.place(index(".data"), 12), "v+0x4 (.data)");
        assert_eq!(
            (
                object.place(index(".data"), 4),
                object.place(index(".data"), 16)
            ),
            (".data+0x4".to_owned(), ".data+0x10".to_owned())
        );
    }
}
