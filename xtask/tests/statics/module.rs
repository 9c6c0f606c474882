// SPDX-License-Identifier: GPL-2.0-only
//! A built module: its sections, the targets of its relocations, and the structure that it
//! registers.

use std::collections::BTreeMap;

use object::elf;
use object::read::{Object, ObjectSection, ObjectSymbol, RelocationTarget};
use object::{RelocationFlags, SectionFlags, SectionIndex, SymbolKind};

/// A position in the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) section: usize,
    pub(crate) offset: u64,
}

/// A relocation.
#[derive(Debug, Clone)]
pub(crate) struct Relocation {
    kind: elf::RelocationType,
    /// The symbol, if it is not one of the module's own.
    kernel: Option<String>,
    /// The target in the module. A relative relocation counts from the end of the field.
    to: Option<Address>,
}

#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    size: u64,
    flags: elf::SectionFlags,
    /// The relocations by offset.
    relocations: BTreeMap<u64, Relocation>,
}

impl Section {
    fn is(&self, flag: elf::SectionFlags) -> bool {
        self.flags.0 & flag.0 != 0
    }

    fn is_code(&self) -> bool {
        self.is(elf::SHF_ALLOC) && self.is(elf::SHF_EXECINSTR)
    }

    /// Returns whether the section is loaded and is neither code nor writable.
    fn is_read_only(&self) -> bool {
        self.is(elf::SHF_ALLOC) && !self.is(elf::SHF_WRITE) && !self.is(elf::SHF_EXECINSTR)
    }
}

#[derive(Debug)]
struct Symbol {
    name: String,
    is_code: bool,
    size: u64,
}

#[derive(Debug)]
pub(crate) struct Module {
    sections: BTreeMap<usize, Section>,
    symbols: BTreeMap<Address, Vec<Symbol>>,
    /// The static structure that the module registers, if the caller asked for it.
    pub(crate) driver: Option<Address>,
}

/// The target of a pointer in the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pointer {
    Null,
    Code(Address),
    ReadOnly(Address),
    /// Anything else: a number, an address in the kernel, writable memory.
    Other,
}

impl Module {
    /// Reads a module. It passes a static structure to the function `register`, which is the
    /// kernel's or a shim.
    pub(crate) fn read(bytes: &[u8], register: Option<&str>) -> Self {
        let file = object::File::parse(bytes).unwrap();
        let mut symbols: BTreeMap<Address, Vec<Symbol>> = BTreeMap::new();
        for symbol in file.symbols() {
            if let (Some(SectionIndex(section)), true) =
                (symbol.section_index(), symbol.kind() != SymbolKind::Section)
            {
                let offset = symbol.address();
                symbols
                    .entry(Address { section, offset })
                    .or_default()
                    .push(Symbol {
                        name: symbol.name().unwrap().to_owned(),
                        is_code: symbol.kind() == SymbolKind::Text,
                        size: symbol.size(),
                    });
            }
        }
        let mut sections = BTreeMap::new();
        for section in file.sections() {
            let SectionFlags::Elf {
                sh_flags: flags, ..
            } = section.flags()
            else {
                panic!("ELF")
            };
            // Debug information refers to everything, so its relocations are left out.
            let is_loaded = flags.0 & elf::SHF_ALLOC.0 != 0;
            let relocations = section.relocations().filter(|_| is_loaded);
            let relocations = relocations.map(|(at, relocation)| {
                let RelocationFlags::Elf { r_type: kind } = relocation.flags() else {
                    panic!("ELF")
                };
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    panic!("{relocation:?}")
                };
                let symbol = file.symbol_by_index(symbol).unwrap();
                let distance = if matches!(kind, elf::R_X86_64_PC32 | elf::R_X86_64_PLT32) {
                    4
                } else {
                    0
                };
                let offset = symbol
                    .address()
                    .wrapping_add_signed(relocation.addend() + distance);
                let to = symbol
                    .section_index()
                    .map(|SectionIndex(section)| Address { section, offset });
                let kernel = to.is_none().then(|| symbol.name().unwrap().to_owned());
                (at, Relocation { kind, kernel, to })
            });
            let section = (
                section.index().0,
                Section {
                    name: section.name().unwrap().to_owned(),
                    bytes: section.data().unwrap().to_vec(),
                    size: section.size(),
                    flags,
                    relocations: relocations.collect(),
                },
            );
            sections.insert(section.0, section.1);
        }
        let driver = register.map(|register| registered(&sections, &symbols, register));
        Self {
            sections,
            symbols,
            driver,
        }
    }

    pub(crate) fn section(&self, address: Address) -> &Section {
        &self.sections[&address.section]
    }

    /// Returns the name and size of the object at this address, from its symbol.
    pub(crate) fn object(&self, address: Address) -> Option<(&str, u64)> {
        let symbols = self.symbols.get(&address)?;
        let object = symbols
            .iter()
            .find(|symbol| !symbol.is_code && symbol.size > 0)?;
        Some((&object.name, object.size))
    }

    /// Returns the names of the function that starts at this address.
    pub(crate) fn function(&self, address: Address) -> Vec<&str> {
        let symbols = self.symbols.get(&address).into_iter().flatten();
        let functions = symbols.filter(|symbol| symbol.is_code);
        functions.map(|symbol| symbol.name.as_str()).collect()
    }

    /// Returns `size` bytes from this address, if there are that many.
    pub(crate) fn bytes(&self, at: Address, size: u64) -> Option<&[u8]> {
        let start = usize::try_from(at.offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        self.section(at).bytes.get(start..end)
    }

    /// Returns the relocations of these bytes.
    fn relocations(&self, at: Address, size: u64) -> impl Iterator<Item = (u64, &Relocation)> {
        let range = at.offset..at.offset + size;
        self.section(at)
            .relocations
            .range(range)
            .map(|(at, relocation)| (*at, relocation))
    }

    /// Returns whether these bytes are zero in the loaded module, at any load address.
    pub(crate) fn is_zero(&self, at: Address, size: u64) -> bool {
        let bytes = self.bytes(at, size);
        bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
            && self.relocations(at, size).next().is_none()
    }

    /// Returns the number in these bytes.
    pub(crate) fn number(&self, at: Address, size: u64) -> Option<u64> {
        let bytes = self.bytes(at, size)?;
        let mut number = [0; 8];
        number.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.relocations(at, size)
            .next()
            .is_none()
            .then(|| u64::from_le_bytes(number))
    }

    /// Returns the pointer in the eight bytes at this address.
    pub(crate) fn pointer(&self, at: Address) -> Pointer {
        if self.is_zero(at, 8) {
            return Pointer::Null;
        }
        let found: Vec<_> = self.relocations(at, 8).collect();
        let [(offset, relocation)] = found.as_slice() else {
            return Pointer::Other;
        };
        match relocation.to {
            Some(to) if *offset == at.offset && relocation.kind == elf::R_X86_64_64 => {
                match self.section(to) {
                    section if section.is_code() => Pointer::Code(to),
                    section if section.is_read_only() => Pointer::ReadOnly(to),
                    _ => Pointer::Other,
                }
            }
            _ => Pointer::Other,
        }
    }

    /// Returns the text at this address, up to its NUL.
    pub(crate) fn text(&self, at: Address) -> Option<&str> {
        let bytes = self
            .section(at)
            .bytes
            .get(usize::try_from(at.offset).ok()?..)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&bytes[..end]).ok()
    }

    /// Returns each use of the driver's structure, of `size` bytes, that does more than take its
    /// address.
    pub(crate) fn touched(&self, size: u64) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut taken = 0;
        let driver = self.driver.unwrap();
        let ends = driver.offset + size;
        for section in self.sections.values() {
            for (at, relocation) in &section.relocations {
                // If an instruction ends with a constant, the relocated field is before that
                // constant.
                let behind: &[u64] = if relocation.kind == elf::R_X86_64_PC32 {
                    &[0, 1, 2, 4]
                } else {
                    &[0]
                };
                let inside = |behind: &u64| {
                    let to = relocation.to.filter(|to| to.section == driver.section);
                    to.is_some_and(|to| {
                        (driver.offset..ends).contains(&to.offset.wrapping_add(*behind))
                    })
                };
                if !behind.iter().any(inside) {
                    continue;
                }
                let to_its_start = relocation.to == Some(driver);
                if section.is_code()
                    && to_its_start
                    && takes_address(&section.bytes, usize::try_from(*at).unwrap())
                {
                    taken += 1;
                } else {
                    wrong.push(format!("{}+{at:#x} gets at the structure", section.name));
                }
            }
        }
        if taken == 0 {
            wrong.push("nothing takes the structure's address".to_owned());
        }
        wrong
    }

    /// Returns whether a structure in read-only memory points to a function whose path contains
    /// this part.
    pub(crate) fn is_in_a_table(&self, name: &str) -> bool {
        let read_only = self
            .sections
            .values()
            .filter(|section| section.is_read_only());
        let pointers = read_only.flat_map(|section| section.relocations.values());
        let mut functions = pointers
            .filter(|relocation| relocation.kind == elf::R_X86_64_64)
            .filter_map(|relocation| relocation.to)
            .flat_map(|to| self.function(to));
        functions.any(|function| function.contains(&format!("{}{name}", name.len())))
    }

    /// Returns the writable sections other than `.data`, `.bss` and those of the loader.
    pub(crate) fn writable(&self) -> Vec<String> {
        // Sections of the loader and of the kernel's own macros (`BUG()`, static keys and calls,
        // ftrace).
        const OTHERS: [&str; 7] = [
            ".data",
            ".bss",
            ".gnu.linkonce.this_module",
            "__bug_table",
            "__jump_table",
            "__patchable_function_entries",
            ".static_call_sites",
        ];
        let all = self.sections.values();
        let writable = all.filter(|section| {
            section.is(elf::SHF_ALLOC) && section.is(elf::SHF_WRITE) && section.size > 0
        });
        let more = writable.filter(|section| !OTHERS.contains(&section.name.as_str()));
        more.map(|section| format!("{} is writable", section.name))
            .collect()
    }
}

/// Returns the value of `%rdi` at the call of `register`: the last address that was put there
/// before the call.
fn registered(
    sections: &BTreeMap<usize, Section>,
    symbols: &BTreeMap<Address, Vec<Symbol>>,
    register: &str,
) -> Address {
    let is_register = |to: &Relocation| match to.to {
        Some(to) => symbols
            .get(&to)
            .into_iter()
            .flatten()
            .any(|symbol| symbol.name == register),
        None => to.kernel.as_deref() == Some(register),
    };
    let mut found = Vec::new();
    for section in sections.values().filter(|section| section.is_code()) {
        let calls = section.relocations.iter();
        for (call, _) in calls.filter(|(_, to)| is_register(to)) {
            let before = section.relocations.range(..call).rev();
            let argument = before.filter_map(|(at, relocation)| {
                let at = usize::try_from(*at).unwrap();
                let is_rdi = matches!(
                    section.bytes[at - 3..at],
                    [0x48, 0xc7, 0xc7] | [0x48, 0x8d, 0x3d]
                );
                is_rdi.then_some(relocation.to)
            });
            found.extend(
                argument
                    .take(1)
                    .map(|to| to.expect("a structure of the module's own")),
            );
        }
    }
    let [driver] = found.as_slice() else {
        panic!("one call of {register}: {found:?}")
    };
    *driver
}

/// Returns whether the instruction whose field is relocated at `at` only takes the address, and
/// does not access the memory there.
pub(crate) fn takes_address(code: &[u8], at: usize) -> bool {
    let before = |bytes: usize| {
        at.checked_sub(bytes)
            .map_or(&[][..], |start| &code[start..at])
    };
    match (before(3), before(7)) {
        // mov $X,%r64; lea X(%rip),%r64
        ([0x48 | 0x49, 0xc7, 0xc0..=0xc7], _) => true,
        ([0x48 | 0x4c, 0x8d, modrm], _) if modrm & 0xc7 == 0x05 => true,
        // movq $X,Y(%rip): four bytes of Y come before it.
        (_, [0x48, 0xc7, 0x05, ..]) => true,
        // mov $X,%r32
        _ => matches!(before(1), [0xb8..=0xbf]),
    }
}
