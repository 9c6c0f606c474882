// SPDX-License-Identifier: GPL-2.0-only
//! Links one object of the driver's crate, its dependencies and `core`, with all that the module
//! can reach.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use linux_driver_host::{Error, Result, fs, process};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolIndex, SymbolKind};

use crate::prepare::SHIM_PREFIX;

/// Keeps the sections that must exist though nothing refers to them, and puts the sections of one
/// kind together, as a C object has them.
///
/// `__patchable_function_entries` is for ftrace on other architectures; here it would only take up
/// memory.
const SCRIPT: &str = "\
SECTIONS {
  .modinfo 0 : { KEEP(*(.modinfo)) }
  .init.text 0 : { *(.init.text .init.text.*) }
  .exit.text 0 : { *(.exit.text .exit.text.*) }
  .init.data 0 : { KEEP(*(.init.data)) }
  .exit.data 0 : { KEEP(*(.exit.data)) }
  .text.unlikely 0 : { *(.text.unlikely .text.unlikely.*) }
  .text 0 : { *(.text .text.*) }
  .rodata 0 : { *(.rodata .rodata.*) }
  .data 0 : { *(.data .data.*) }
  .bss 0 : { *(.bss .bss.*) }
  /DISCARD/ : { *(__patchable_function_entries) *(.comment) *(.eh_frame) }
}
";

/// The symbols that a module must define. Without `init_module`, nothing is reachable.
const ENTRY: &str = "init_module";
const EXIT: &str = "cleanup_module";

/// The prefix of the names that `module!` gives to what is read by its section. It needs a name so
/// that rustc keeps it. (`#[used]` would mark its section to be retained, and ld puts sections with
/// and without the mark apart: two sections `.modinfo`.)
const BY_SECTION: &str = "__linux_driver_by_section_";

/// Returns the names of a module's symbols.
pub fn symbols(ko: &Path) -> Result<Vec<String>> {
    Ok(Symbols::read(ko)?.names())
}

/// Links `archive` into the relocatable object `output`.
pub(crate) fn link(archive: &Path, output: &Path) -> Result<()> {
    check_entries(archive)?;
    let script = output.with_extension("lds");
    fs::write(&script, SCRIPT)?;
    let mut ld = Command::new("ld");
    ld.args([
        "-r",
        "--gc-sections",
        "--discard-locals",
        "-e",
        ENTRY,
        "-u",
        EXIT,
        "-T",
    ])
    .arg(&script)
    .arg("-o")
    .arg(output);
    // All members: the texts of modinfo can be in one that nothing refers to.
    ld.arg("--whole-archive").arg(archive);
    process::run(&mut ld)?;
    tidy(output)
}

/// Returns an error unless the crate is one module. ld would say so too, in words of its own.
fn check_entries(archive: &Path) -> Result<()> {
    let bytes = fs::read(archive)?;
    let file = ArchiveFile::parse(&*bytes);
    let symbols = file
        .and_then(|file| file.symbols().map(Option::into_iter))
        .map_err(|e| {
            Error::new(
                archive.display(),
                "an archive of objects",
                e,
                "remove it and try again; report this if it stays",
            )
        })?;
    let names = symbols.flatten().flatten();
    let stem = archive.file_stem().unwrap_or_default().to_string_lossy();
    one_entry(
        stem.strip_prefix("lib").unwrap_or(&stem),
        names
            .filter(|symbol| symbol.name() == ENTRY.as_bytes())
            .count(),
    )
}

/// Returns an error unless the crate has one entry of a module.
fn one_entry(crate_name: &str, entries: usize) -> Result<()> {
    let (found, remedy) = match entries {
        0 => (
            "neither: nothing in the crate is a module's entry".to_owned(),
            "declare the module at the end of src/lib.rs",
        ),
        1 => return Ok(()),
        n => (
            format!("{n} modules in the crate and its dependencies"),
            "declare one; put code that drivers share into a crate that declares none",
        ),
    };
    Err(Error::new(
        format_args!("crate {crate_name}"),
        "a module: `module_pci_driver! { … }` or `module! { … }`, once",
        found,
        remedy,
    )
    .of_driver())
}

/// Removes symbols that nothing refers to: symbols in sections that are read as a whole
/// (`.modinfo`), undefined symbols, and names of source files. ld keeps the undefined symbols of
/// sections that it dropped, and modpost and the loader would look for them. If an object has
/// several names of source files, 6.1's objtool takes it for a linked object: it prints `error:
/// objtool: Linked object detected` and treats it as one.
fn tidy(path: &Path) -> Result<()> {
    let unused = {
        let bytes = fs::read(path)?;
        let file = parse(path, &bytes)?;
        let relocations = file.sections().flat_map(|section| {
            section
                .relocations()
                .map(|(_, relocation)| relocation.target())
                .collect::<Vec<_>>()
        });
        let used: HashSet<SymbolIndex> = relocations
            .filter_map(|target| match target {
                RelocationTarget::Symbol(index) => Some(index),
                _ => None,
            })
            .collect();
        let by_section = |symbol: &object::Symbol<'_, '_>| {
            symbol.name().is_ok_and(|name| name.starts_with(BY_SECTION))
        };
        let unused = file.symbols().filter(|symbol| {
            let is_file = symbol.kind() == SymbolKind::File;
            (symbol.is_undefined() || is_file || by_section(symbol))
                && !used.contains(&symbol.index())
        });
        unused
            .filter_map(|symbol| symbol.name().ok())
            .map(|name| format!("{name}\n"))
            .collect::<String>()
    };
    let list = path.with_extension("unused");
    fs::write(&list, unused)?;
    let mut objcopy = Command::new("objcopy");
    process::run(
        objcopy
            .arg(format!("--strip-symbols={}", list.display()))
            .arg(path),
    )
    .map(drop)
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<object::File<'a>> {
    object::File::parse(bytes)
        .map_err(|e| Error::new(path.display(), "an object", e, "report this: ld wrote it"))
}

/// The symbols of an object, by kind.
pub(crate) struct Symbols {
    defined: Vec<String>,
    undefined: Vec<String>,
}

impl Symbols {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)?;
        let file = parse(path, &bytes)?;
        let (mut defined, mut undefined) = (Vec::new(), Vec::new());
        for symbol in file.symbols() {
            let name = symbol.name().unwrap_or_default().to_owned();
            if symbol.is_undefined() {
                undefined.push(name)
            } else {
                defined.push(name)
            }
        }
        Ok(Self { defined, undefined })
    }

    /// Returns the symbols that it has a use for, its own and those that it looks for.
    pub(crate) fn names(self) -> Vec<String> {
        self.defined.into_iter().chain(self.undefined).collect()
    }

    /// Returns the shims that the object calls, without their prefix.
    pub(crate) fn shims(&self) -> Vec<String> {
        let mut shims: Vec<String> = self
            .undefined
            .iter()
            .filter_map(|name| name.strip_prefix(SHIM_PREFIX))
            .map(str::to_owned)
            .collect();
        shims.sort();
        shims.dedup();
        shims
    }

    /// Returns the buses that the object has ID tables for; `pattern` names a table's symbol, with
    /// `{type}` for the bus.
    pub(crate) fn id_tables(&self, pattern: &str) -> Vec<String> {
        let Some((before, after)) = pattern.split_once("{type}") else {
            return Vec::new();
        };
        let middle = after.split('{').next().unwrap_or_default();
        let tables = self
            .defined
            .iter()
            .filter_map(|name| name.strip_prefix(before)?.split_once(middle));
        tables.map(|(bus, _)| bus.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_tables_are_known_by_their_symbols() {
        let symbols = |name: &str| Symbols {
            defined: vec!["probe".to_owned(), name.to_owned()],
            undefined: Vec::new(),
        };
        let old = symbols("__mod_pci__id_table_device_table");
        assert_eq!(old.id_tables("__mod_{type}__{table}_device_table"), ["pci"]);
        let new = symbols("__mod_device_table__kmod_edu__pci__id_table");
        assert_eq!(
            new.id_tables("__mod_device_table__kmod_edu__{type}__{table}"),
            ["pci"]
        );
        assert!(
            symbols("id_table")
                .id_tables("__mod_{type}__{table}_device_table")
                .is_empty()
        );
    }
}
