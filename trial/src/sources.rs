// SPDX-License-Identifier: GPL-2.0-only
//! The source lines of the places in a module's code that the kernel's messages name.
//!
//! The kernel prints such a place as `NAME+0xOFFSET/0xSIZE [MODULE]`: in stack traces, after
//! `RIP:`, and in the first line of many reports.

use std::collections::BTreeSet;
use std::path::Path;

use linux_driver_abi::btf_file::read_module;
use linux_driver_abi::dwarf::{Lines, Place, SourceLine};
use linux_driver_check::modinfo;
use linux_driver_host::{Error, Result};
use linux_driver_vm::text::clean;
use regex_lite::Regex;
use serde::Serialize;

/// A message that names a place in the module's code, and the source lines of this place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The message, as the console shows it.
    pub message: String,
    /// The source lines. A function that is inlined comes before the function that contains it.
    pub lines: Vec<SourceLine>,
}

/// The places in the code of modules that messages name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The number of places in this module.
    pub all: usize,
    /// Those of them without a function of that name and size in the file.
    pub unknown: Vec<String>,
    /// Those of them without a source line for another reason.
    pub without_line: Vec<String>,
    /// The other modules that are named.
    pub others: BTreeSet<String>,
}

/// The source lines of a module, and its name.
#[derive(Debug)]
pub struct Sources {
    module: String,
    lines: Lines,
    place: Regex,
}

impl Sources {
    /// Reads the debug information of the module `ko`.
    ///
    /// # Errors
    ///
    /// The file is not a module, or has no debug information.
    pub fn read(ko: &Path) -> Result<Self> {
        let name = modinfo(ko)?
            .get("name")
            .and_then(|names| names.first())
            .cloned();
        let module = name.ok_or_else(|| {
            Error::new(
                ko.display(),
                "a kernel module",
                "a file without the name of one in its section .modinfo",
                "name the .ko",
            )
        })?;
        let lines = Lines::read(&read_module(ko)?, &ko.display().to_string())?;
        // With CONFIG_STACKTRACE_BUILD_ID, the module's build ID follows its name.
        let place = Regex::new(
            r"([A-Za-z0-9_.$]+)\+0x([0-9a-f]{1,16})/0x([0-9a-f]{1,16}) \[([A-Za-z0-9_]+)(?: [0-9a-f]+)?\]",
        );
        let place = place.map_err(|e| {
            Error::new(
                "sources",
                "a regular expression",
                e,
                "report this as a bug of linux-driver",
            )
        })?;
        Ok(Self {
            module: clean(module.as_bytes()),
            lines,
            place,
        })
    }

    /// Returns the module's name.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Adds the places that the message names.
    pub fn count(&self, message: &str, places: &mut Places) {
        for place in self.named(message) {
            if place.module != self.module {
                places.others.insert(place.module.to_owned());
                continue;
            }
            places.all += 1;
            let (name, offset, size) = (place.name, place.offset, place.size);
            let shown = || format!("{name}+{offset:#x}/{size:#x}");
            if !self.lines.has(name, size) {
                places.unknown.push(shown());
            } else if self.at(&place, is_exact(message)).is_empty() {
                places.without_line.push(shown());
            }
        }
    }

    /// Returns the places that the message names.
    fn named<'m>(&self, message: &'m str) -> impl Iterator<Item = Named<'m>> {
        self.place.captures_iter(message).filter_map(|found| {
            let (_, [name, offset, size, module]) = found.extract();
            let number = |text| u64::from_str_radix(text, 16).ok();
            Some(Named {
                name,
                offset: number(offset)?,
                size: number(size)?,
                module,
            })
        })
    }

    /// Returns the source lines of a place. If it is not `exact`, it is a return address: the call
    /// is before it, and can be the end of its line.
    fn at(&self, place: &Named<'_>, exact: bool) -> Vec<SourceLine> {
        let offset = if exact {
            place.offset
        } else {
            place.offset.saturating_sub(1)
        };
        self.lines.at(place.name, offset, place.size)
    }

    /// Returns the first place in one of the functions that `wanted` accepts.
    pub fn first(&self, wanted: &dyn Fn(&SourceLine) -> bool) -> Option<Place> {
        self.lines.first(wanted)
    }

    /// Returns the source lines of all places in this module that the message names.
    pub fn of(&self, message: &str) -> Vec<SourceLine> {
        let exact = is_exact(message);
        let own = self
            .named(message)
            .filter(|place| place.module == self.module);
        own.flat_map(|place| self.at(&place, exact))
            .map(shown)
            .collect()
    }

    /// Returns those of the messages that name places in the module, with the source lines.
    pub fn among<'m>(&self, messages: impl IntoIterator<Item = &'m str>) -> Vec<Source> {
        let of = |message: &str| Source {
            message: message.to_owned(),
            lines: self.of(message),
        };
        let all = messages.into_iter().map(of);
        all.filter(|source| !source.lines.is_empty()).collect()
    }
}

/// A place as a message names it.
struct Named<'m> {
    name: &'m str,
    offset: u64,
    size: u64,
    module: &'m str,
}

/// Returns the line with names that are safe to show. A module may come from a stranger, and any
/// bytes can be in its names.
fn shown(line: SourceLine) -> SourceLine {
    SourceLine {
        file: clean(line.file.as_bytes()),
        function: clean(line.function.as_bytes()),
        ..line
    }
}

/// Returns whether the message names the instruction that was executed. Other messages name the
/// address to which a call returns.
fn is_exact(message: &str) -> bool {
    ["RIP: ", "WARNING: ", "BUG: KFENCE:"]
        .iter()
        .any(|start| message.contains(start))
}

/// Returns the source lines as text, one a line, each after `indent`. Paths in the folder `here`
/// are relative to it.
pub fn as_text(lines: &[SourceLine], indent: &str, here: &Path) -> String {
    let mut text = String::new();
    for line in lines {
        let file = Path::new(&line.file);
        let file = file.strip_prefix(here).unwrap_or(file).display();
        let inlined = if line.inlined { " (inlined)" } else { "" };
        text.push_str(&format!(
            "{indent}at {file}:{}: {}{inlined}\n",
            line.line,
            short(&line.function)
        ));
    }
    text
}

/// Returns the name of a function without the arguments of generics: `f::<…>` for `f::<A<B>>`.
fn short(name: &str) -> String {
    let mut text = String::new();
    let mut depth = 0_u32;
    let mut before = ' ';
    for c in name.chars() {
        match c {
            '<' if depth > 0 => depth += 1,
            // A path starts with `<` in `<Type as Trait>::name`.
            '<' if before == ':' || before == '_' || before.is_alphanumeric() => {
                depth = 1;
                text.push_str("<…>");
            }
            '>' if depth > 0 && before != '-' => depth -= 1,
            c if depth == 0 => text.push(c),
            _ => {}
        }
        before = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "__attribute__((section(\".modinfo\"), used)) static const char name[] = \"name=edu\";\n\
        void callee(void);\n\
        void probe(volatile int *at) {\n\tcallee();\n\t*at = 1;\n}\n\
        void last(void) {}\n";

    /// Compiles a file with the name of the module edu.
    fn module(c: &str, flag: &str) -> Result<Sources> {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a.c"), c).unwrap();
        let mut gcc = std::process::Command::new("gcc");
        gcc.args([flag, "-O2", "-fcf-protection=none", "-c", "-o"]);
        let made = gcc.arg(path("edu.ko")).arg(path("a.c")).status().unwrap();
        assert!(made.success());
        Sources::read(&path("edu.ko"))
    }

    /// Returns the distance from `probe` to the next symbol, which is aligned.
    fn size(sources: &Sources) -> u64 {
        let found = |size: &u64| !sources.lines.at("probe", 1, *size).is_empty();
        (1..100).find(found).unwrap()
    }

    #[test]
    fn messages_of_all_kinds_name_their_lines() {
        let sources = module(C, "-g").unwrap();
        let size = size(&sources);
        // The places are those of this module; the rest is what kernels have printed.
        let lines = |message: &str, offset: u64| -> Vec<u32> {
            let message = message.replace("PLACE", &format!("probe+{offset:#x}/{size:#x}"));
            sources.of(&message).iter().map(|line| line.line).collect()
        };
        let after_call = (1..size).find(|&offset| {
            lines(" PLACE [edu]", offset) == [4] && lines("RIP: 0010:PLACE [edu]", offset) == [5]
        });
        let offset = after_call.expect("an instruction after the call");
        for (message, expected) in [
            ("[    2.716745]  PLACE [edu]", [4].as_slice()),
            ("[    2.716745]  ? PLACE [edu]", &[4]),
            (
                "[    2.716745][   T38]  PLACE [edu 8b0fd48ed93a4ba0a6a6c4c7bd8c2bfe0a1b2c3d]",
                &[4],
            ),
            (
                "[    4.844398] BUG: KASAN: slab-use-after-free in PLACE [edu]",
                &[4],
            ),
            (
                "[    1.2] BUG: KFENCE: use-after-free read in PLACE [edu]",
                &[5],
            ),
            ("[    2.715375] RIP: 0010:PLACE [edu]", &[5]),
            (
                "[    1.0] WARNING: CPU: 0 PID: 1 at a.c:5 PLACE [edu]",
                &[5],
            ),
            ("    [<00000000f3b0c2a1>] PLACE [edu]", &[4]),
            (
                "[    1.0]  #0: ff18 (&lock){+.+.}-{3:3}, at: PLACE [edu]",
                &[4],
            ),
            ("PLACE [edu] and PLACE [edu]", &[4, 4]),
            ("[    1.0]  PLACE [edu2]", &[]),
            ("[    1.0]  PLACE", &[]),
            ("[    1.0]  xPLACE [edu]", &[]),
            ("[    1.0] Modules linked in: edu(OE)", &[]),
            ("", &[]),
        ] {
            assert_eq!(lines(message, offset), expected, "{message}");
        }
        for message in [
            "probe+0x1/0xfffffffffffffffff [edu]",
            "probe+0xffffffffffffffff/0x10 [edu]",
            "probe+0x/0x [edu]",
            "probe+0x1/0x1 [edu]",
            "+0x1/0x1 [edu]",
        ] {
            assert_eq!(sources.of(message), [], "{message}");
        }
        // A call does not return to the start of a function.
        assert_eq!(lines("traps: Missing ENDBR: PLACE [edu]", 0), [3]);
    }

    #[test]
    fn places_without_a_line_are_counted() {
        let sources = module(C, "-g").unwrap();
        let size = size(&sources);
        let mut places = Places::default();
        for message in [
            format!("[    1.0]  probe+0x1/{size:#x} [edu]"),
            "[    1.0]  probe+0x1/0x1 [edu] and gone+0x2/0x20 [edu]".to_owned(),
            format!("[    1.0]  probe+0xfff/{size:#x} [edu]"),
            "[    1.0]  run+0x1/0x2 [panic], run+0x2/0x3 [panic], f+0x1/0x2".to_owned(),
        ] {
            sources.count(&message, &mut places);
        }
        assert_eq!(places.all, 4);
        assert_eq!(places.unknown, ["probe+0x1/0x1", "gone+0x2/0x20"]);
        assert_eq!(places.without_line, [format!("probe+0xfff/{size:#x}")]);
        assert_eq!(places.others.into_iter().collect::<Vec<_>>(), ["panic"]);
    }

    #[test]
    fn control_characters_in_names_are_escaped() {
        let c = C.replace("void probe", "\n#line 3 \"a\\033]0;\\n.c\"\nvoid probe");
        let sources = module(&c, "-g").unwrap();
        let size = size(&sources);
        let lines = sources.of(&format!("probe+0x1/{size:#x} [edu]"));
        let text = as_text(&lines, "", Path::new("/"));
        assert!(text.contains("a\\u{1b}]0;\\u{a}.c:"), "{text:?}");
        assert_eq!(text.lines().count(), lines.len(), "{text:?}");
    }

    #[test]
    fn a_file_without_debug_information_of_a_module_is_an_error() {
        let error = module(C, "-g0").unwrap_err().to_string();
        assert!(error.contains("no section .debug_info"), "{error}");
        let error = module("int a;\n", "-g").unwrap_err().to_string();
        assert!(error.contains("a kernel module"), "{error}");
        assert!(Sources::read(Path::new("/no/such/edu.ko")).is_err());
    }

    #[test]
    fn names_are_short_and_still_names() {
        for (name, expected) in [
            ("edu::probe", "edu::probe"),
            ("a::b::<c::D<e::F>>", "a::b::<…>"),
            (
                "a::b::<c, fn() -> D>::{closure#0}",
                "a::b::<…>::{closure#0}",
            ),
            (
                "<a::B<C> as d::E<F, <G as H>::I>>::j",
                "<a::B<…> as d::E<…>>::j",
            ),
            ("<*const u64>::read_volatile", "<*const u64>::read_volatile"),
            ("init_module", "init_module"),
            ("a<b", "a<…>"),
            ("", ""),
        ] {
            assert_eq!(short(name), expected);
        }
    }
}
