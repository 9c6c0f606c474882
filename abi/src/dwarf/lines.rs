// SPDX-License-Identifier: GPL-2.0-only
//! The source lines of an object's code.
//!
//! The kernel prints a place in a module's code as `NAME+0xOFFSET/0xSIZE`: a symbol, the offset
//! from it, and the distance from the symbol to the next one. An object that is not linked has no
//! addresses, so each section with code gets a range of addresses here.

use std::collections::HashMap;
use std::sync::Arc;

use gimli::{EndianArcSlice, RunTimeEndian};
use linux_driver_host::Result;
use object::{Object, ObjectSection, ObjectSymbol, SectionIndex, SectionKind, SymbolKind};
use serde::Serialize;

use super::damaged;
use super::load::Sections;

type Reader = EndianArcSlice<RunTimeEndian>;

/// The address of the first section. The debug information of a function that the linker has
/// removed starts at 0, so no section is there.
const FIRST: u64 = 1 << 40;
/// The distance between the addresses of sections. No section of a module is larger.
const DISTANCE: u64 = 1 << 32;

/// The greatest depth of nested records. addr2line recurses once for each level of inlining.
const DEPTH: isize = 500;

/// The size of a page, in the kernels with the smallest one.
const PAGE: u64 = 4096;

/// The length of a name from which on the kernel may have cut it: `KSYM_NAME_LEN`, less one for
/// its NUL, in the kernels with the shortest one.
const CUT: usize = 127;

/// A line of the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceLine {
    /// The path of the file, as the compiler names it.
    pub file: String,
    /// The number of the line.
    pub line: u32,
    /// The function that the line belongs to, without the hashes in the names of Rust.
    pub function: String,
    /// `true` if the compiler inlined the function into that of the next line.
    pub inlined: bool,
}

/// A place in the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The index of its section.
    pub section: usize,
    /// Its offset in that section.
    pub offset: u64,
    /// Its line in the function that was looked for.
    pub line: SourceLine,
    /// The number of functions that are inlined into that function there.
    pub depth: usize,
}

/// A symbol with code, in the order of the addresses.
struct Symbol {
    section: SectionIndex,
    offset: u64,
    /// The distance to the next symbol, or to the section's end.
    size: u64,
    /// `true` if no other symbol follows in its section. The kernel then prints the distance to a
    /// symbol of the section that follows in memory.
    last: bool,
}

/// The source lines of an object's code.
pub struct Lines {
    context: addr2line::Context<Reader>,
    symbols: HashMap<String, Vec<Symbol>>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("symbols", &self.symbols.len())
            .finish_non_exhaustive()
    }
}

fn base(section: SectionIndex) -> u64 {
    DISTANCE.wrapping_mul(section.0 as u64).wrapping_add(FIRST)
}

impl Lines {
    /// Reads the symbols and the debug information of an object. `location` names the object in
    /// error messages.
    ///
    /// # Errors
    ///
    /// The object is damaged, or has no debug information.
    pub fn read(object: &[u8], location: &str) -> Result<Self> {
        let bad = |e: &dyn std::fmt::Display| {
            damaged(
                location,
                "a module with debug information in DWARF 4 or 5",
                e,
            )
        };
        let file = object::File::parse(object).map_err(|e| bad(&e))?;
        let sections = Sections::read_with_code(object, location, &base)?;
        let dwarf = gimli::Dwarf::load(|id| {
            let data = Arc::from(sections.get(id));
            Ok::<_, gimli::Error>(EndianArcSlice::new(data, sections.endian))
        });
        let dwarf = dwarf.map_err(|e| bad(&e))?;
        if is_deep(&dwarf).map_err(|e| bad(&e))? {
            return Err(damaged(
                location,
                format_args!("debug information nested at most {DEPTH} deep"),
                "deeper nesting",
            ));
        }
        let context = addr2line::Context::from_dwarf(dwarf);
        Ok(Self {
            context: context.map_err(|e| bad(&e))?,
            symbols: symbols(&file),
        })
    }

    /// Returns the lines of the code at `offset` in the function with this symbol. The first is the
    /// line itself. If its function is inlined, the line of the call follows, and so on. `size` is
    /// the distance to the next symbol. For the last symbol of a section, that may be in the
    /// section that follows in memory, or be the end of the page. So `size` may then be larger by
    /// less than a page.
    ///
    /// Returns nothing if there is no such symbol, if several symbols with that name fit, or if the
    /// size differs, because the code then belongs to another object.
    pub fn at(&self, symbol: &str, offset: u64, size: u64) -> Vec<SourceLine> {
        let Some(symbol) = self.find(symbol, size).filter(|_| offset <= size) else {
            return Vec::new();
        };
        let address = base(symbol.section).wrapping_add(symbol.offset.wrapping_add(offset));
        self.lines(address).unwrap_or_default()
    }

    /// Returns whether there is a symbol of this name and size, as [`at`](Self::at) compares them.
    pub fn has(&self, symbol: &str, size: u64) -> bool {
        self.fitting(symbol, size).next().is_some()
    }

    /// Returns the first place in one of the functions that `wanted` accepts, in the order of the
    /// addresses. The function may be inlined there.
    pub fn first(&self, wanted: &dyn Fn(&SourceLine) -> bool) -> Option<Place> {
        let mut symbols: Vec<&Symbol> = self.symbols.values().flatten().collect();
        symbols.sort_by_key(|symbol| (symbol.section.0, symbol.offset));
        symbols.dedup_by_key(|symbol| (symbol.section.0, symbol.offset));
        symbols.iter().find_map(|symbol| {
            let start = base(symbol.section);
            let low = start.wrapping_add(symbol.offset);
            let rows = self
                .context
                .find_location_range(low, low.wrapping_add(symbol.size))
                .ok()?;
            // The first row may start before the symbol.
            let mut addresses: Vec<u64> = rows.map(|(address, ..)| address.max(low)).collect();
            addresses.sort_unstable();
            addresses.into_iter().find_map(|address| {
                let lines = self.lines(address).unwrap_or_default();
                let (depth, line) = lines
                    .into_iter()
                    .enumerate()
                    .find(|(_, line)| wanted(line))?;
                Some(Place {
                    section: symbol.section.0,
                    offset: address - start,
                    line,
                    depth,
                })
            })
        })
    }

    /// Returns the only symbol of this name and size.
    fn find<'a>(&'a self, name: &'a str, size: u64) -> Option<&'a Symbol> {
        let mut found = self.fitting(name, size);
        let first = found.next()?;
        let at = |symbol: &Symbol| (symbol.section, symbol.offset);
        found.all(|other| at(other) == at(first)).then_some(first)
    }

    /// Returns the symbols of this name and size.
    fn fitting<'a>(&'a self, name: &'a str, size: u64) -> impl Iterator<Item = &'a Symbol> {
        let exact = self.symbols.get(name);
        let of_cut = self
            .symbols
            .iter()
            .filter(move |(known, _)| exact.is_none() && is_short_for(name, known))
            .flat_map(|(_, symbols)| symbols);
        let fits = move |symbol: &&Symbol| match size.checked_sub(symbol.size) {
            Some(excess) => excess == 0 || symbol.last && excess < PAGE,
            None => false,
        };
        exact.into_iter().flatten().chain(of_cut).filter(fits)
    }

    fn lines(&self, address: u64) -> gimli::Result<Vec<SourceLine>> {
        let mut frames = self.context.find_frames(address).skip_all_loads()?;
        let mut lines = Vec::new();
        while let Some(frame) = frames.next()? {
            let Some((file, line)) = frame
                .location
                .and_then(|location| location.file.zip(location.line))
            else {
                continue;
            };
            let name = frame.function.as_ref().map(|name| name.demangle());
            lines.push(SourceLine {
                file: file.to_owned(),
                line,
                function: name.transpose()?.unwrap_or_default().into_owned(),
                inlined: true,
            });
        }
        if let Some(outermost) = lines.last_mut() {
            outermost.inlined = false;
        }
        Ok(lines)
    }
}

/// Returns whether a record is nested deeper than [`DEPTH`].
fn is_deep(dwarf: &gimli::Dwarf<Reader>) -> gimli::Result<bool> {
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        // addr2line skips a unit that is damaged here.
        let Ok(unit) = dwarf.unit(header) else {
            continue;
        };
        let mut entries = unit.entries_raw(None)?;
        while !entries.is_empty() {
            let depth = entries.next_depth();
            if let Some(abbreviation) = entries.read_abbreviation()? {
                if depth > DEPTH {
                    return Ok(true);
                }
                entries.skip_attributes(abbreviation.attributes())?;
            }
        }
    }
    Ok(false)
}

/// Returns whether the kernel prints `known` as `name`: cut at its limit, or without the hash that
/// LLVM puts after the name of a function of one file.
fn is_short_for(name: &str, known: &str) -> bool {
    known
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with(".llvm.") || name.len() >= CUT)
}

/// Returns the symbols that the kernel knows in sections with code.
fn symbols(file: &object::File<'_>) -> HashMap<String, Vec<Symbol>> {
    let mut named: Vec<(usize, u64, &str)> = file
        .symbols()
        .filter_map(|symbol| {
            let section = symbol.section_index()?;
            let is_code = |section: object::Section<'_, '_>| {
                section.kind() == SectionKind::Text
                    && section.size() < DISTANCE
                    && symbol.address() <= section.size()
            };
            let in_code = file.section_by_index(section).is_ok_and(is_code);
            // The kernel skips labels of the assembler too.
            let is_label = |name: &str| name.is_empty() || name.starts_with(".L");
            let name = symbol.name().ok().filter(|name| !is_label(name))?;
            let named = symbol.kind() != SymbolKind::Section;
            (in_code && named).then_some((section.0, symbol.address(), name))
        })
        .collect();
    named.sort_unstable();
    let mut symbols: HashMap<String, Vec<Symbol>> = HashMap::new();
    // The symbol after this one, and the address after that one's in the same section.
    let mut after: Option<(usize, u64, Option<u64>)> = None;
    for &(in_section, offset, name) in named.iter().rev() {
        let next = match after.filter(|after| after.0 == in_section) {
            Some((_, other, _)) if other > offset => Some(other),
            Some((_, _, next)) => next,
            None => None,
        };
        after = Some((in_section, offset, next));
        let section = SectionIndex(in_section);
        let end = file.section_by_index(section).map_or(0, |it| it.size());
        let end = next.unwrap_or(end);
        symbols.entry(name.to_owned()).or_default().push(Symbol {
            section,
            offset,
            size: end.saturating_sub(offset),
            last: next.is_none(),
        });
    }
    symbols
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn run(dir: &Path, program: &str, arguments: &[&str]) {
        let ran = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{program} {arguments:?}: {said}");
    }

    /// Compiles C and Rust in the way of a module: all objects are linked into one that can be
    /// linked again.
    fn object(flags: &[&str], files: &[(&str, &str)]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let mut objects = vec!["-r".to_owned(), "-o".to_owned(), "it.ko".to_owned()];
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
            let object = format!("{name}.o");
            if name.ends_with(".rs") {
                let fixed = [
                    "--crate-type=lib",
                    "--emit=obj",
                    "-Cpanic=abort",
                    "-Copt-level=2",
                ];
                let rust = [
                    "-Cdebuginfo=2",
                    "-Csymbol-mangling-version=v0",
                    "-o",
                    &object,
                    name,
                ];
                run(dir.path(), "rustc", &[&fixed[..], &rust].concat());
            } else {
                let c = ["-O2", "-fcf-protection=none", "-c", "-o", &object, name];
                run(dir.path(), "gcc", &[flags, &c].concat());
            }
            objects.push(object);
        }
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        run(dir.path(), "ld", &objects);
        std::fs::read(dir.path().join("it.ko")).unwrap()
    }

    const C: &str = "static inline void deep(volatile int *at) {\n\t*at = 1;\n}\n\
        __attribute__((noinline)) static void same(volatile int *at) {\n\tdeep(at);\n}\n\
        void one(volatile int *at) {\n\tsame(at);\n\t*at = 2;\n}\n";
    /// A function of the same name, which is longer.
    const LONGER: &str = "__attribute__((noinline)) static void same(volatile int *at) {\n\
        \tat[0] = 1; at[1] = 2; at[2] = 3; at[3] = 4; at[4] = 5; at[5] = 6; at[6] = 7;\n}\n\
        void two(volatile int *at) {\n\tsame(at);\n\t*at = 2;\n}\n";
    const RUST: &str = "#![no_std]\nmod inner {\n    #[inline(always)]\n    \
        pub fn store<T>(at: *mut T, value: T) {\n        unsafe { at.write_volatile(value) }\n    \
        }\n}\n#[inline(never)]\npub fn outer(at: *mut u32) {\n    inner::store(at, 3);\n}\n";

    /// Returns the lines of each instruction of a symbol, as `FILE:LINE FUNCTION`.
    fn all(lines: &Lines, symbol: &str, size: u64) -> Vec<Vec<String>> {
        let text = |line: &SourceLine| {
            let file = Path::new(&line.file).file_name().unwrap().to_string_lossy();
            let inlined = if line.inlined { " inlined" } else { "" };
            format!("{file}:{} {}{inlined}", line.line, line.function)
        };
        let at = |offset| lines.at(symbol, offset, size).iter().map(text).collect();
        (0..size).map(at).collect()
    }

    fn sizes(lines: &Lines, symbol: &str) -> Vec<u64> {
        lines.symbols[symbol]
            .iter()
            .map(|symbol| symbol.size)
            .collect()
    }

    #[test]
    fn inlined_functions_have_their_lines() {
        for version in ["-gdwarf-4", "-gdwarf-5", "-gz"] {
            let object = object(&["-g", version], &[("a.c", C)]);
            let lines = Lines::read(&object, "it.ko").unwrap();
            let found = all(&lines, "same", sizes(&lines, "same")[0]);
            let expected = ["a.c:2 deep inlined", "a.c:5 same"].map(str::to_owned);
            assert!(found.contains(&expected.to_vec()), "{version}: {found:?}");
        }
    }

    #[test]
    fn the_first_place_in_a_function_is_found_where_it_is_inlined() {
        let lines = Lines::read(&object(&["-g"], &[("a.c", C)]), "it.ko").unwrap();
        let first = |name: &'static str| lines.first(&move |line| line.function == name);
        let (deep, same) = (first("deep").unwrap(), first("same").unwrap());
        assert_eq!(
            (deep.line.line, deep.line.inlined, deep.depth),
            (2, true, 0)
        );
        assert_eq!((same.section, same.line.inlined), (deep.section, false));
        let start = lines.symbols["same"][0].offset;
        assert_eq!(same.offset, start);
        assert!((start..start + 16).contains(&deep.offset), "{deep:?}");
        assert_eq!(first("nowhere"), None);
    }

    #[test]
    fn rusts_names_are_readable() {
        let object = object(&[], &[("b.rs", RUST)]);
        let lines = Lines::read(&object, "it.ko").unwrap();
        let name = lines
            .symbols
            .keys()
            .find(|name| name.ends_with("5outer"))
            .unwrap()
            .clone();
        let found = all(&lines, &name, sizes(&lines, &name)[0]).concat();
        for line in ["b.rs:5 b::inner::store::<u32> inlined", "b.rs:10 b::outer"] {
            assert!(found.iter().any(|found| found == line), "{line}: {found:?}");
        }
    }

    #[test]
    fn symbols_of_one_name_are_told_apart_by_their_size() {
        let object = object(&["-g"], &[("a.c", C), ("b.c", LONGER)]);
        let lines = Lines::read(&object, "it.ko").unwrap();
        let sizes = sizes(&lines, "same");
        assert!(sizes.len() == 2 && sizes[0] != sizes[1], "{sizes:?}");
        for size in sizes {
            let files = all(&lines, "same", size).concat();
            let of = |name: &str| files.iter().filter(|line| line.contains(name)).count();
            assert!((of("a.c") == 0) != (of("b.c") == 0), "{files:?}");
            // Code of another size is that of another module.
            assert_eq!(lines.at("same", 0, size + 1), []);
            assert_eq!(lines.at("same", size + 1, size), []);
        }
        assert_eq!(lines.at("nowhere", 0, 8), []);
        assert_eq!(lines.at("", 0, 8), []);
        assert_eq!(lines.at("same", u64::MAX, u64::MAX), []);
    }

    #[test]
    fn two_equal_symbols_cannot_be_told_apart() {
        let object = object(
            &["-g"],
            &[("a.c", C), ("b.c", &C.replace("void one", "void two"))],
        );
        let lines = Lines::read(&object, "it.ko").unwrap();
        let sizes = sizes(&lines, "same");
        assert!(sizes.len() == 2 && sizes[0] == sizes[1], "{sizes:?}");
        assert_eq!(lines.at("same", 0, sizes[0]), []);
    }

    #[test]
    fn the_last_symbol_of_a_section_may_seem_larger() {
        let lines = Lines::read(&object(&["-g"], &[("a.c", C)]), "it.ko").unwrap();
        let size = sizes(&lines, "one")[0];
        assert_ne!(lines.at("one", 1, size), []);
        for excess in [1, 16, PAGE - 1] {
            assert_eq!(
                lines.at("one", 1, size),
                lines.at("one", 1, size + excess),
                "{excess}"
            );
        }
        for other in [size - 1, size + PAGE, u64::MAX] {
            assert_eq!(lines.at("one", 1, other), [], "{other}");
        }
    }

    #[test]
    fn names_that_the_kernel_shortens_are_found() {
        let long = format!("f{}", "x".repeat(200));
        let code = C.replace("one", &long);
        let c = format!(
            "{code}void hashed(void) __asm__(\"hashed.llvm.123\");\nvoid hashed(void) {{}}\n"
        );
        let lines = Lines::read(&object(&["-g"], &[("a.c", &c)]), "it.ko").unwrap();
        let size = sizes(&lines, &long)[0];
        assert_ne!(lines.at(&long, 0, size), []);
        assert_ne!(lines.at(&long[..CUT], 0, size), []);
        assert_eq!(lines.at(&long[..CUT - 1], 0, size), []);
        let size = sizes(&lines, "hashed.llvm.123")[0];
        assert_ne!(lines.at("hashed", 0, size), []);
        assert_eq!(lines.at("hash", 0, size), []);
    }

    /// Returns the object with all its symbols in a section of this index, which
    /// `SHT_SYMTAB_SHNDX` holds.
    fn in_section(object: &[u8], index: u32) -> Vec<u8> {
        let number = |at: usize, width: usize| {
            let bytes = object[at..at + width].iter().rev();
            bytes.fold(0, |all, byte| all << 8 | usize::from(*byte))
        };
        let (table, count) = (number(0x28, 8), number(0x3c, 2));
        let header = |section: usize| table + 64 * section;
        let symtab = (0..count).find(|&section| number(header(section) + 4, 4) == 2);
        let symtab = symtab.unwrap();
        let (symbols, size) = (
            number(header(symtab) + 24, 8),
            number(header(symtab) + 32, 8),
        );
        let mut bytes = object.to_vec();
        for symbol in (symbols..symbols + size).step_by(24).skip(1) {
            bytes[symbol + 6..symbol + 8].copy_from_slice(&[0xff; 2]);
        }
        let indices = bytes.len() as u64;
        for _ in 0..size / 24 {
            bytes.extend_from_slice(&index.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let new = bytes.len() as u64;
        bytes.extend_from_slice(&object[table..header(count)]);
        bytes.extend_from_slice(&[0, 0, 0, 0, 18, 0, 0, 0]);
        for field in [0, 0, indices, (size / 6) as u64, symtab as u64, 4, 4] {
            bytes.extend_from_slice(&u64::to_le_bytes(field));
        }
        bytes[0x28..0x30].copy_from_slice(&new.to_le_bytes());
        bytes[0x3c..0x3e].copy_from_slice(&(count as u16 + 1).to_le_bytes());
        bytes
    }

    #[test]
    fn a_symbol_in_a_section_that_is_not_there_is_an_error() {
        let whole = object(&["-g"], &[("a.c", C)]);
        let is_one = in_section(&whole, 1);
        assert!(Lines::read(&is_one, "it.ko").is_ok());
        for index in [100, 0xffff_ff00, u32::MAX] {
            let error = Lines::read(&in_section(&whole, index), "it.ko").unwrap_err();
            assert!(error.to_string().contains("section index"), "{error}");
        }
    }

    /// Returns an object with a function that has this many functions inlined into each other.
    fn nested(levels: usize) -> Vec<u8> {
        let code = format!(
            ".globl f\nf:\n nop\n.section .debug_abbrev\n\
             .byte 1, 0x11, 1, 0x11, 1, 0x12, 7, 0, 0\n\
             .byte 2, 0x2e, 1, 0x11, 1, 0x12, 7, 0, 0\n\
             .byte 3, 0x1d, 1, 0x11, 1, 0x12, 7, 0, 0\n\
             .byte 0\n.section .debug_info\n.long 2f - 1f\n1:\n\
             .short 4\n.long .debug_abbrev\n.byte 8\n\
             .byte 1\n.quad f, 1\n.byte 2\n.quad f, 1\n\
             .rept {levels}\n.byte 3\n.quad f, 1\n.endr\n\
             .rept {levels} + 2\n.byte 0\n.endr\n2:\n"
        );
        object(&[], &[("deep.s", &code)])
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let limit = DEPTH.unsigned_abs() - 1;
        let lines = Lines::read(&nested(limit), "it.ko").unwrap();
        let frames = lines.context.find_frames(base(SectionIndex(1)));
        let mut frames = frames.skip_all_loads().unwrap();
        let mut count = 0;
        while frames.next().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, limit + 1);
        for levels in [limit + 1, 50_000] {
            let error = Lines::read(&nested(levels), "it.ko").unwrap_err();
            assert!(error.to_string().contains("deeper nesting"), "{error}");
        }
    }

    #[test]
    fn symbols_at_one_address_have_one_size_and_take_little_time() {
        let labels: String = (0..200_000).map(|number| format!("s{number}:\n")).collect();
        let code = format!("{labels} nop\nlast:\n nop\n nop\n");
        let object = object(&["-g"], &[("a.s", &code)]);
        let start = std::time::Instant::now();
        let lines = Lines::read(&object, "it.ko").unwrap();
        assert_eq!(
            (sizes(&lines, "s0"), sizes(&lines, "last")),
            (vec![1], vec![2])
        );
        assert_eq!(sizes(&lines, "s199999"), [1]);
        assert_ne!(lines.at("s7", 0, 1), []);
        let took = start.elapsed();
        assert!(took.as_secs() < 10, "{took:?}");
    }

    #[test]
    fn a_damaged_module_is_an_error_and_never_a_panic() {
        let whole = object(&["-g"], &[("a.c", C)]);
        let look = |bytes: &[u8]| {
            if let Ok(lines) = Lines::read(bytes, "it.ko") {
                for offset in 0..64 {
                    let _ = lines.at("same", offset, 64);
                    let _ = lines.at("one", offset, 0x1000);
                }
            }
        };
        for at in (0..whole.len()).step_by(5) {
            look(&whole[..at]);
            let mut bytes = whole.clone();
            bytes[at] = !bytes[at];
            look(&bytes);
        }
        let error = Lines::read(&object(&["-g0"], &[("a.c", C)]), "it.ko").unwrap_err();
        assert!(
            error.to_string().contains("no section .debug_info"),
            "{error}"
        );
    }
}
