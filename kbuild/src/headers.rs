// SPDX-License-Identifier: GPL-2.0-only
//! Asks the kernel's own compiler about the kernel's headers: layouts, constants, and how functions
//! are reached.
//!
//! Kbuild compiles two programs with the kernel's flags. The first asks: each name is on a line of
//! its own. The compiler's errors tell which names the headers lack, and which functions are not
//! inline. The second program has the names that exist: a pointer to each type and each function,
//! whose types its debug information describes, and a table of the constants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use linux_driver_abi::dwarf;
use linux_driver_abi::model::{Abi, Constant, Function, Linkage, Origin, Scope};
use linux_driver_abi::symvers::Symvers;
use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Error, Result, fs};
use linux_driver_kernels::Config;
use object::{Object, ObjectSection, ObjectSymbol};

use crate::make::{Kbuild, copy_if_changed, write_if_changed};
use crate::prepare::{is_fresh, key, write_stamps};
use crate::recorded::Recorded;

/// The question to the headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Types and functions.
    pub scope: Scope,
    /// Constants: macros, enumerators, and variables that are const, all of them integers.
    pub constants: Vec<String>,
}

/// The C sources that are read: `wrapper.h` includes the kernel's headers.
const SOURCES: [&str; 2] = ["wrapper.h", "shims.h"];

/// The file of the result in the cache.
const RESULT: &str = "abi.json";

/// Asks the headers of this kernel that `wrapper.h` in `sys`, the folder `c` of `linux-driver-sys`,
/// includes.
///
/// A function that is nothing but a macro has no types: it returns an empty string and has no
/// parameters. Names that the headers lack are in [`Abi::no_evidence`].
pub fn read(cache: &Cache, kbuild: &Kbuild, sys: &Path, wanted: &Wanted) -> Result<Abi> {
    let sources = SOURCES.map(|name| sys.join(name));
    let asked = format!("{wanted:?}");
    let key = key(kbuild, &sources)?
        .with(flags(&kbuild.tree.config))
        .with(asked)
        .with(env!("CARGO_PKG_VERSION"));
    let release = &kbuild.tree.release;
    let found = cache.get("layouts", release, &key);
    if let Some(stale) = found.as_ref().filter(|found| !is_fresh(found)) {
        cache.remove(stale)?;
    }
    let dir = cache.get_or_make("layouts", release, &key, |dir, _| {
        let _step = Progress::start(format!(
            "asking the compiler about the headers of {release}"
        ));
        copy_if_changed(&sources, dir)?;
        let abi = compile(kbuild, dir, wanted)?;
        let path = dir.join(RESULT);
        let json = serde_json::to_vec(&abi)
            .map_err(|e| Error::new(path.display(), "to write it", e, "report this"))?;
        fs::write(&path, json)
    })?;
    let path = dir.join(RESULT);
    let json = fs::read(&path)?;
    serde_json::from_slice(&json).map_err(|e| {
        Error::new(
            path.display(),
            "what was written there",
            e,
            "remove that folder and try again",
        )
    })
}

/// Flags in addition to the kernel's: debug information of types, no warnings, and all errors, at
/// the line that uses a macro.
fn flags(config: &Config) -> &'static str {
    if config.is_set("CONFIG_CC_IS_CLANG") {
        "-g -gdwarf-4 -w -ferror-limit=0"
    } else {
        "-g -gdwarf-4 -gno-strict-dwarf -w -ftrack-macro-expansion=0 -fmax-errors=0"
    }
}

fn compile(kbuild: &Kbuild, dir: &Path, wanted: &Wanted) -> Result<Abi> {
    let flags = flags(&kbuild.tree.config);
    let rules = format!(
        "obj-m := asked.o layouts.o\nCFLAGS_asked.o := {flags}\nCFLAGS_layouts.o := {flags}\n"
    );
    write_if_changed(&dir.join("Kbuild"), rules.as_bytes())?;
    let questions = Questions::of(wanted);
    write_if_changed(&dir.join("asked.c"), questions.text.as_bytes())?;
    let said = kbuild.try_make(dir, &["asked.o"])?;
    let there = There::read(&questions, &said, dir)?;
    write_if_changed(&dir.join("layouts.c"), there.program().as_bytes())?;
    kbuild.make(dir, &["layouts.o"])?;
    write_stamps(
        dir,
        &Recorded::read(&dir.join("layouts.o"), &kbuild.tree.dir)?,
    )?;
    let path = dir.join("layouts.o");
    let bytes = fs::read(&path)?;
    let symvers = Symvers::read(&kbuild.tree.dir.join("Module.symvers"))?;
    let mut abi = there.abi(&bytes, &path, &symvers)?;
    for (kind, names) in [
        ("type", &wanted.scope.types),
        ("function", &wanted.scope.functions),
        ("constant", &wanted.constants),
    ] {
        for name in names {
            let known = match kind {
                "type" => abi.types.contains_key(name),
                "function" => abi.functions.contains_key(name),
                _ => abi.constants.contains_key(name),
            };
            if !known {
                let why = "not in the kernel's headers that wrapper.h includes";
                abi.no_evidence
                    .entry(format!("{kind} {name}"))
                    .or_insert_with(|| why.to_owned());
            }
        }
    }
    abi.release.clone_from(&kbuild.tree.release);
    // The name that `uname -m` prints; the kernel uses another.
    abi.arch = match kbuild.tree.arch.as_str() {
        "x86" => "x86_64".to_owned(),
        "arm64" => "aarch64".to_owned(),
        other => other.to_owned(),
    };
    Ok(abi)
}

/// The question of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    /// Is there a complete type of this name, with this word before it?
    Type(&'static str, String),
    /// Is there a function of this name, and is it inline?
    Function(String),
    /// Is it a constant of an integer's type?
    Constant(String),
}

/// The first program.
struct Questions {
    text: String,
    /// The questions, by their line numbers from 1.
    lines: BTreeMap<usize, Question>,
}

impl Questions {
    fn of(wanted: &Wanted) -> Self {
        let mut questions = Self {
            text: "#include \"wrapper.h\"\n".to_owned(),
            lines: BTreeMap::new(),
        };
        for name in wanted.scope.types.iter().filter(|name| is_name(name)) {
            for word in ["struct ", "union ", "enum ", ""] {
                let number = questions.lines.len();
                // In a block of its own: a tag with the wrong word before it is another one from
                // there on.
                let line = format!(
                    "static inline void linux_driver_ask_{number}(void) {{ extern char \
                     linux_driver_size_{number}[sizeof(*({word}{name} *)0)]; }}"
                );
                questions.ask(&line, Question::Type(word, name.clone()));
            }
        }
        for name in wanted.scope.functions.iter().filter(|name| is_name(name)) {
            questions.ask(
                &format!("static typeof({name}) {name};"),
                Question::Function(name.clone()),
            );
        }
        for name in wanted.constants.iter().filter(|name| is_name(name)) {
            let line = format!(
                "static const unsigned long long linux_driver_ask_{name} = {};",
                value(name)
            );
            questions.ask(&line, Question::Constant(name.clone()));
        }
        questions
    }

    fn ask(&mut self, line: &str, question: Question) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines.insert(self.text.lines().count(), question);
    }
}

/// Returns a constant's value in C; the remainder of anything but an integer is an error at this
/// line.
fn value(name: &str) -> String {
    format!("(unsigned long long)(({name}) % 1 + ({name}))")
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

/// The names that the headers have.
#[derive(Debug, Default)]
struct There {
    /// By name, the words before it: a tag and a typedef can have the same name.
    types: BTreeMap<String, BTreeSet<&'static str>>,
    /// By name, whether it is not inline.
    functions: BTreeMap<String, bool>,
    constants: Vec<String>,
    /// Functions that may be macros.
    asked: Vec<String>,
}

impl There {
    /// Reads the compiler's messages about the first program.
    fn read(questions: &Questions, said: &str, dir: &Path) -> Result<Self> {
        let mut errors: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for line in said.lines() {
            let Some((place, message)) = line
                .split_once(": error: ")
                .or_else(|| line.split_once(": fatal error: "))
            else {
                continue;
            };
            let number = place
                .rsplit_once("asked.c:")
                .and_then(|(_, at)| at.split(':').next()?.parse::<usize>().ok())
                .filter(|number| questions.lines.contains_key(number));
            match number {
                Some(number) => errors.entry(number).or_default().push(message),
                None => {
                    return Err(Error::new(
                        dir.join("asked.c").display(),
                        "headers that the kernel's compiler reads",
                        line,
                        "see the message: it names a header of this kernel",
                    ));
                }
            }
        }
        let compiled = dir.join("asked.o").is_file();
        if errors.is_empty() && !compiled {
            return Err(Error::new(
                dir.join("asked.c").display(),
                "the object, or errors that name a line",
                said,
                "see the message",
            ));
        }
        let mut there = Self::default();
        for (line, question) in &questions.lines {
            let messages = errors.get(line).map_or(&[][..], Vec::as_slice);
            match question {
                Question::Type(word, name) => {
                    if messages.is_empty() {
                        there.types.entry(name.clone()).or_default().insert(word);
                    }
                }
                Question::Function(name) => {
                    there.asked.push(name.clone());
                    let is_extern =
                        |message: &&str| message.contains("follows non-static declaration");
                    if messages.iter().all(is_extern) {
                        there.functions.insert(name.clone(), !messages.is_empty());
                    }
                }
                Question::Constant(name) => {
                    if messages.is_empty() {
                        there.constants.push(name.clone());
                    }
                }
            }
        }
        Ok(there)
    }

    /// Returns the second program.
    fn program(&self) -> String {
        let mut text = "#include \"wrapper.h\"\n".to_owned();
        // Writing to a string cannot fail.
        for (number, (name, words)) in self.types.iter().enumerate() {
            for (kind, word) in words.iter().enumerate() {
                let _ = writeln!(text, "{word}{name} *linux_driver_type_{number}_{kind};");
            }
        }
        for name in self.functions.keys() {
            let _ = writeln!(text, "typeof({name}) *{}{name};", dwarf::FUNCTION_PREFIX);
        }
        for name in &self.asked {
            let _ = writeln!(text, "#ifdef {name}\nconst char {MACRO}{name} = 1;\n#endif");
        }
        let _ = writeln!(
            text,
            "const struct {{ unsigned long long value, negative; }} {CONSTANTS}[] = {{"
        );
        for name in &self.constants {
            let _ = writeln!(text, "\t{{ {}, ({name}) < 0 }},", value(name));
        }
        text.push_str("\t{ 0, 0 },\n};\n");
        text
    }

    /// Returns the ABI that the second program shows.
    fn abi(&self, bytes: &[u8], path: &Path, symvers: &Symvers) -> Result<Abi> {
        let scope = Scope {
            types: self.types.keys().cloned().collect(),
            functions: self.functions.keys().cloned().collect(),
        };
        let mut abi = dwarf::read(bytes, &path.display().to_string(), &scope)?;
        let bad = |found: String| {
            Error::new(
                path.display(),
                "an object with the compiled constants",
                found,
                "report this with the kernel's release",
            )
        };
        let file = object::File::parse(bytes).map_err(|e| bad(e.to_string()))?;
        let macros: BTreeSet<&str> = file
            .symbols()
            .filter_map(|symbol| symbol.name().ok()?.strip_prefix(MACRO))
            .collect();
        for name in &self.asked {
            let linkage = match self.functions.get(name) {
                _ if macros.contains(name.as_str()) => Linkage::Macro,
                Some(true) if symvers.get(name).is_some() => Linkage::Exported,
                Some(true) => Linkage::Internal,
                Some(false) => Linkage::Inline,
                None => continue,
            };
            if let Some(function) = abi.functions.get_mut(name) {
                std::sync::Arc::make_mut(function).linkage = Some(linkage);
            } else if !self.functions.contains_key(name) {
                let function = Function {
                    returns: String::new(),
                    params: Vec::new(),
                    variadic: false,
                    linkage: Some(linkage),
                };
                abi.functions.insert(name.clone(), function.into());
            }
        }
        let table = table(&file).ok_or_else(|| bad("no table of constants".to_owned()))?;
        if table.len() < (self.constants.len() + 1) * 16 {
            return Err(bad(format!(
                "a table of {} bytes for {} constants",
                table.len(),
                self.constants.len()
            )));
        }
        for (name, row) in self.constants.iter().zip(table.chunks_exact(16)) {
            let number = |bytes: &[u8]| {
                let bytes = bytes.try_into().unwrap_or_default();
                if file.is_little_endian() {
                    u64::from_le_bytes(bytes)
                } else {
                    u64::from_be_bytes(bytes)
                }
            };
            let (value, negative) = (number(&row[..8]), number(&row[8..]) != 0);
            let value = if negative {
                i128::from(value.cast_signed())
            } else {
                i128::from(value)
            };
            let constant = Constant {
                value,
                source: Origin::Compiler,
                type_name: None,
            };
            abi.constants.insert(name.clone(), constant);
        }
        Ok(abi)
    }
}

/// Before the name of a variable that is there if the function is a macro.
const MACRO: &str = "linux_driver_macro_";

/// The table of constants.
const CONSTANTS: &str = "linux_driver_constants";

fn table<'d>(file: &object::File<'d>) -> Option<&'d [u8]> {
    let symbol = file.symbol_by_name(CONSTANTS)?;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    section.data_range(symbol.address(), symbol.size()).ok()?
}
