// SPDX-License-Identifier: GPL-2.0-only
//! The facts that a module's file contains, and the symbols that it needs, for any architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use linux_driver_abi::model::Symbol;
use linux_driver_host::{Error, Result};
use object::elf::{self, FileHeader64};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object as _, ObjectSection, ObjectSymbol, RelocationTarget};

use super::elf::{Object, malformed};
use super::modinfo::{self, ModInfo};
use super::versions;

/// The section with the `struct module` that modpost writes.
const THIS_MODULE: &str = ".gnu.linkonce.this_module";

/// The section of checksums. `same_magic` in `kernel/module/version.c` uses it to tell if a module
/// has checksums.
const VERSIONS: &str = "__versions";

/// The limit for the name of a namespace. Real names are shorter.
const LONGEST: usize = 256;

/// The facts in a module's file.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The architecture as `uname -m` prints it, or "machine N".
    pub(crate) arch: String,
    /// Its `.modinfo`.
    pub(crate) modinfo: ModInfo,
    /// The symbols that the loader must find, sorted by name.
    pub(crate) undefined: Vec<String>,
    /// The symbols that may be missing, sorted by name. Those that the kernel has must fit too.
    pub(crate) weak: Vec<String>,
    /// The checksums of the symbols that the module uses.
    pub(crate) versions: BTreeMap<String, u32>,
    /// `true` if it has a section `__versions`.
    pub(crate) has_versions: bool,
    /// Its own `struct module`.
    pub(crate) this_module: ThisModule,
}

/// The `struct module` in a module's file.
#[derive(Debug)]
pub(crate) struct ThisModule {
    /// Its size.
    pub(crate) size: u64,
    /// Its alignment.
    pub(crate) align: u64,
    /// The offsets of its pointers, by the symbol that each points to.
    pub(crate) pointers: BTreeMap<String, u64>,
}

impl Facts {
    /// Returns the first value of a tag in `.modinfo`, which is the one that the loader uses.
    pub(crate) fn tag(&self, tag: &str) -> Option<&str> {
        modinfo::first(&self.modinfo, tag)
    }

    /// Returns whether the module is for x86-64, the architecture whose machine code the checks
    /// know.
    pub(crate) fn is_x86_64(&self) -> bool {
        self.arch == "x86_64"
    }
}

/// Returns the bytes of a module's file.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>> {
    super::elf::read(path)
}

/// Returns the exports of the module: for each symbol its name, checksum and namespace, and whether
/// only GPL modules may use it.
///
/// `EXPORT_SYMBOL` defines a symbol `__ksymtab_NAME` in a section whose name gives the permitted
/// users, and `__kstrtabns_NAME` at the name of the namespace. With CONFIG_MODVERSIONS it also
/// defines `__crc_NAME`.
pub(crate) fn exports(path: &Path, data: &[u8]) -> Result<BTreeMap<String, Arc<Symbol>>> {
    let facts = read(path, data)?;
    let broken = |e: object::read::Error| malformed(path, "a whole ELF object", e);
    let file = ElfFile64::<LittleEndian>::parse(data).map_err(broken)?;
    let module = facts.tag("name").unwrap_or_default().to_owned();
    let mut exports: BTreeMap<String, Symbol> = BTreeMap::new();
    let mut crcs: BTreeMap<String, u32> = BTreeMap::new();
    let mut namespaces: BTreeMap<String, String> = BTreeMap::new();
    for symbol in file.symbols().filter(|symbol| !symbol.is_undefined()) {
        let name = String::from_utf8_lossy(symbol.name_bytes().map_err(broken)?).into_owned();
        let section = symbol
            .section_index()
            .map(|index| file.section_by_index(index))
            .transpose();
        let section = section.map_err(broken)?;
        // Returns the bytes at the symbol.
        let bytes = |section: &Option<_>| -> Result<Vec<u8>> {
            let Some(section): &Option<object::read::elf::ElfSection64<'_, '_, LittleEndian>> =
                section
            else {
                return Ok(Vec::new());
            };
            let data = section.data().map_err(broken)?;
            let at = usize::try_from(symbol.address()).unwrap_or(usize::MAX);
            let rest = data.get(at..).unwrap_or_default();
            Ok(rest.get(..LONGEST).unwrap_or(rest).to_vec())
        };
        if let Some(name) = name.strip_prefix("__crc_") {
            let crc = match &section {
                None => u32::try_from(symbol.address()).ok(),
                Some(_) => bytes(&section)?
                    .first_chunk()
                    .map(|bytes| u32::from_le_bytes(*bytes)),
            };
            crcs.extend(crc.map(|crc| (name.to_owned(), crc)));
        } else if let Some(name) = name.strip_prefix("__kstrtabns_") {
            let bytes = bytes(&section)?;
            let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
            let text = String::from_utf8_lossy(text).into_owned();
            namespaces.extend(Some((name.to_owned(), text)).filter(|(_, text)| !text.is_empty()));
        } else if let (Some(name), Some(section)) = (name.strip_prefix("__ksymtab_"), &section) {
            let section = section.name_bytes().map_err(broken)?;
            if !section.starts_with(b"__ksymtab") && !section.starts_with(b"___ksymtab")
                || name == "strings"
            {
                continue;
            }
            let symbol = Symbol {
                crc: None,
                module: module.clone(),
                gpl: section.windows(4).any(|part| part == b"_gpl"),
                namespace: None,
            };
            exports.insert(name.to_owned(), symbol);
        }
    }
    let whole = |(name, symbol): (String, Symbol)| {
        let symbol = Symbol {
            crc: crcs.get(&name).copied(),
            namespace: namespaces.get(&name).cloned(),
            ..symbol
        };
        (name, Arc::new(symbol))
    };
    Ok(exports.into_iter().map(whole).collect())
}

/// Reads the module in `data`. Error messages name `path`.
pub(crate) fn read(path: &Path, data: &[u8]) -> Result<Facts> {
    let machine = other_machine(data);
    if machine.is_none() {
        // This stricter reader refuses a file that is not a module, and a truncated or damaged
        // module.
        Object::parse(path, data)?;
    }
    let broken = |e: object::read::Error| malformed(path, "a whole ELF object", e);
    let file = ElfFile64::<LittleEndian>::parse(data).map_err(broken)?;

    let mut sections: BTreeMap<String, &[u8]> = BTreeMap::new();
    for name in [
        ".modinfo",
        VERSIONS,
        "__version_ext_crcs",
        "__version_ext_names",
    ] {
        if let Some(section) = file.section_by_name(name) {
            sections.insert(name.to_owned(), section.data().map_err(broken)?);
        }
    }
    let Some(section) = file.section_by_name(THIS_MODULE) else {
        return Err(Error::new(
            path.display(),
            format_args!("a module, which has a section {THIS_MODULE}"),
            "an object without one",
            "give the .ko that Kbuild makes of it",
        ));
    };
    section.data().map_err(broken)?;
    let mut this_module = ThisModule {
        size: section.size(),
        align: section.align(),
        pointers: BTreeMap::new(),
    };
    for (offset, relocation) in section.relocations() {
        if let RelocationTarget::Symbol(symbol) = relocation.target() {
            let symbol = file.symbol_by_index(symbol).map_err(broken)?;
            let name = symbol.name_bytes().map_err(broken)?;
            this_module
                .pointers
                .insert(String::from_utf8_lossy(name).into_owned(), offset);
        }
    }

    let (mut undefined, mut weak) = (BTreeSet::new(), BTreeSet::new());
    for symbol in file.symbols() {
        // The loader lets weak symbols stay undefined, and on x86 also this one.
        let name = symbol.name_bytes().map_err(broken)?;
        if symbol.is_undefined() && !name.is_empty() && name != b"_GLOBAL_OFFSET_TABLE_" {
            let names = if symbol.is_weak() {
                &mut weak
            } else {
                &mut undefined
            };
            names.insert(String::from_utf8_lossy(name).into_owned());
        }
    }

    let contents = |name: &str| sections.get(name).copied().unwrap_or_default();
    Ok(Facts {
        arch: machine.map_or("x86_64".to_owned(), arch),
        modinfo: modinfo::parse(contents(".modinfo")),
        undefined: undefined.into_iter().collect(),
        weak: weak.into_iter().collect(),
        versions: versions::parse(contents),
        has_versions: sections.contains_key(VERSIONS),
        this_module,
    })
}

/// Returns the machine of a 64-bit little-endian object that is not for x86-64.
fn other_machine(data: &[u8]) -> Option<elf::Machine> {
    use object::read::elf::FileHeader;
    let header = FileHeader64::<LittleEndian>::parse(data).ok()?;
    let machine = header.e_machine(LittleEndian);
    let is_object = header.e_type(LittleEndian) == elf::ET_REL && header.is_little_endian();
    (is_object && machine != elf::EM_X86_64).then_some(machine)
}

fn arch(machine: elf::Machine) -> String {
    match machine {
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_RISCV => "riscv64".to_owned(),
        elf::EM_LOONGARCH => "loongarch64".to_owned(),
        elf::EM_PPC64 => "ppc64le".to_owned(),
        elf::Machine(number) => format!("machine {number}"),
    }
}
