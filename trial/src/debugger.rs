// SPDX-License-Identifier: GPL-2.0-only
//! A trial that a person follows with gdb.
//!
//! QEMU has a stub for gdb, and waits until gdb continues the machine. A script for gdb connects to
//! it and loads the symbols:
//!
//! - The kernel's are in an ELF file that is made from the kernel's image: see `symbols` and
//!   `frames`. It has no source lines, because stock kernels have no debug information.
//! - The module's are in its `.ko`. Its addresses are known when the kernel calls
//!   `module_finalize`. The second argument of this function is the table of the module's sections
//!   with their final addresses, and no code of the module has run yet.

mod frames;
mod symbols;

use std::path::{Path, PathBuf};

use iced_x86::{Decoder, DecoderOptions, FlowControl};
use linux_driver_abi::btf_file::{read_kernel, read_module};
use linux_driver_abi::dwarf::{Place, SourceLine};
use linux_driver_abi::kallsyms;
use linux_driver_host::{Error, Result, fs};
use linux_driver_kbuild::{DriverCrate, Language};
use linux_driver_vm::{Ending, Machine, Report};
use object::{File, Object, ObjectSection, SectionIndex};
use tempfile::TempDir;

use crate::sources::Sources;

/// The factor for the time limits of steps: a person may look at one for days.
pub(crate) const PATIENCE: u64 = 100_000;

/// The function that the kernel calls with the final addresses of a module's sections.
const LOADED: &str = "module_finalize";
/// The section that holds the module's `struct module`.
const THIS_MODULE: &str = ".gnu.linkonce.this_module";
/// The starts of the names of sections that stay where they are loaded, with code and data.
const SECTIONS: [&str; 6] = [".text", ".init.", ".exit.", ".rodata", ".data", ".bss"];
/// The longest path of a socket, in bytes (`sun_path`, without its NUL).
const LONGEST: usize = 107;
/// The size of an `Elf64_Shdr`, and the offset of its `sh_addr`.
const SECTION: usize = 64;
const ADDRESS: usize = 16;
/// The section of per-CPU data. The kernel copies it to another place, whose address is not in the
/// table of sections.
const PER_CPU: &str = ".data..percpu";
/// The end of QEMU's message that gdb's `kill` ended it.
const KILLED: &str = "QEMU: Terminated via GDBstub";

/// The files and the place of a trial that is debugged. The files are removed when the value is
/// dropped.
#[derive(Debug)]
pub struct Session {
    dir: TempDir,
    stop: Stop,
}

/// The place at which gdb stops.
#[derive(Debug)]
enum Stop {
    /// A place in a function of the driver.
    At(Place),
    /// The module's first function.
    Init,
}

impl Session {
    /// Writes the files for gdb. `ko` is the module with its debug information, `stripped` the file
    /// that the guest loads, and `image` the kernel.
    pub(crate) fn new(
        source: &DriverCrate,
        ko: &Path,
        stripped: &Path,
        image: &Path,
    ) -> Result<Self> {
        let location = image.display().to_string();
        let kernel = read_kernel(image)?;
        let symbols = kallsyms::read(&kernel, &location)?;
        let loaded = symbols.iter().find(|symbol| symbol.name == LOADED);
        let loaded = loaded.ok_or_else(|| {
            Error::new(
                &location,
                format_args!("a kernel that can load modules: one with {LOADED}"),
                "no symbol of this name",
                "use one of the kernels that `cargo xtask kernels` lists",
            )
        })?;
        let module = read_module(ko)?;
        let dir = fs::tempdir()?;
        check_path(&dir.path().join(SOCKET))?;
        let stripped = read_module(stripped)?;
        let mut stop = stop(source, ko, &module)?;
        if let Stop::At(place) = &mut stop {
            place.section = index_in(&stripped, &module, place.section, ko)?;
        }
        let session = Self { dir, stop };
        let kernel = symbols::file(&kernel, &location, &symbols)?;
        fs::write(session.path(KERNEL), kernel)?;
        let sections = Sections::read(&stripped, ko, &source.module)?;
        let copy = session.path(&format!("{}.ko", source.module));
        fs::write(&copy, without_addresses(module))?;
        let script = session.module_script(&copy, loaded.address, &sections);
        fs::write(session.path(MODULE), script)?;
        fs::write(session.path(SCRIPT), session.script(source))?;
        Ok(session)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the command that starts gdb.
    pub fn command(&self) -> String {
        format!("gdb -x {}", self.path(SCRIPT).display())
    }

    /// Returns the place at which gdb stops, for a person.
    pub fn stops_at(&self) -> String {
        match &self.stop {
            Stop::At(Place { line, .. }) => format!("{}:{}", line.file, line.line),
            Stop::Init => "init_module".to_owned(),
        }
    }

    /// Lets the machine wait for gdb.
    pub(crate) fn apply(&self, machine: &mut Machine) {
        let socket = self.path(SOCKET);
        let args = [
            "-S".to_owned(),
            "-chardev".to_owned(),
            format!("socket,id=gdb,path={},server=on,wait=off", socket.display()),
            "-gdb".to_owned(),
            "chardev:gdb".to_owned(),
        ];
        machine.qemu_args.extend(args);
        // Symbols have the addresses without KASLR. The kernel must not report a processor that
        // does nothing while gdb has stopped it.
        let append = ["nokaslr", "nowatchdog", "rcupdate.rcu_cpu_stall_suppress=1"];
        machine.append.extend(append.map(str::to_owned));
        // Emulated processors stop between any two instructions, and their clocks stop with them.
        machine.kvm = false;
        machine.debugged = true;
    }

    /// Returns the script that gdb is started with.
    fn script(&self, source: &DriverCrate) -> String {
        let mut lines = vec![
            "# Written by `cargo xtask run --gdb`.".to_owned(),
            "set pagination off".to_owned(),
            "set confirm off".to_owned(),
            "set language c".to_owned(),
            format!("file {}", self.path(KERNEL).display()),
        ];
        if let Language::Rust { sys, .. } = &source.language {
            // The source of the shims, which are compiled under a name without a folder.
            lines.push(format!("directory {}", sys.display()));
        }
        lines.extend([
            format!("target remote {}", self.path(SOCKET).display()),
            format!("source {}", self.path(MODULE).display()),
            "set language auto".to_owned(),
            "set confirm on".to_owned(),
            "set pagination on".to_owned(),
        ]);
        lines.join("\n") + "\n"
    }

    /// Returns the script that waits for the module, and stops in it. When it knows the addresses,
    /// it writes the script that replaces it for the next gdb.
    fn module_script(&self, ko: &Path, loaded: u64, sections: &Sections) -> String {
        let name = &sections.module;
        let ko = ko.display().to_string();
        let mut load = format!("add-symbol-file {ko}");
        let mut values = String::new();
        for (section, index) in &sections.loaded {
            load += &match section.as_str() {
                ".text" => " 0x%lx".to_owned(),
                section => format!(" -s {section} 0x%lx"),
            };
            values += &format!(", {}", address_of(*index));
        }
        let (stop, depth) = match &self.stop {
            Stop::At(place) => {
                let section = address_of(place.section);
                (
                    format!("break *({section} + {:#x})", place.offset),
                    place.depth,
                )
            }
            Stop::Init => ("break init_module".to_owned(), 0),
        };
        let (new, own) = (self.path(NEXT), self.path(MODULE));
        let (new, own) = (new.display(), own.display());
        [
            format!("echo The kernel boots until it loads {name} ...\\n"),
            format!("hbreak *{loaded:#x} if {}", sections.condition()),
            "continue".to_owned(),
            format!("while $pc != {loaded:#x}"),
            "continue".to_owned(),
            "end".to_owned(),
            "delete".to_owned(),
            format!("eval \"shell echo '{load}' > {new} && mv {new} {own}\"{values}"),
            format!("eval \"{load}\"{values}"),
            stop,
            "set language auto".to_owned(),
            "continue".to_owned(),
            // Inlined functions have frames of their own.
            format!("frame {depth}"),
        ]
        .join("\n")
            + "\n"
    }
}

/// Returns an error if QEMU says that gdb's `kill` ended the machine. If the machine ended early
/// without that message, adds the possible reasons to the report: the run has failed.
pub(crate) fn ended(report: &mut Report) -> Result<()> {
    let Some(problem) = report
        .problems
        .first_mut()
        .filter(|_| report.ending == Ending::Early)
    else {
        return Ok(());
    };
    // QEMU's own messages are after the lines of the console.
    if problem
        .context
        .last()
        .is_some_and(|line| line.ends_with(KILLED))
    {
        return Err(Error::new(
            "the machine",
            "to run until its steps are done",
            format_args!("gdb ended the machine: {}", problem.meaning),
            "leave gdb with `detach` or `quit` instead of `kill`, and the steps go on",
        ));
    }
    problem.meaning += "; the possible reasons are a reset by the kernel or the driver (such as a \
                        triple fault), a power-off, and a debugger that ended it";
    Ok(())
}

// The names of the files.
const SCRIPT: &str = "gdb";
const MODULE: &str = "module";
const NEXT: &str = "next";
const KERNEL: &str = "kernel";
const SOCKET: &str = "socket";

/// Returns an error for the path of a socket that is too long for one, or has a character with a
/// meaning for gdb, QEMU or a shell.
fn check_path(path: &Path) -> Result<()> {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    let found = match text.chars().find(|&c| !is_plain(c)) {
        Some(c) => format!("the character {c:?}"),
        None if text.len() > LONGEST => format!("{} characters", text.len()),
        None => return Ok(()),
    };
    Err(Error::new(
        text,
        format_args!("a path of at most {LONGEST} letters, digits and characters of `/._-+`"),
        found,
        "set TMPDIR to such a path, such as /tmp",
    ))
}

/// Returns gdb's expression for the address of a section: `sh_addr` of an `Elf64_Shdr`.
fn address_of(section: usize) -> String {
    format!("*(unsigned long *)($rsi + {})", SECTION * section + ADDRESS)
}

/// Returns the module without the addresses of its sections, which have no meaning. The linker
/// scripts of some kernels leave one. gdb then takes the debug information of all sections for that
/// of `.text`.
fn without_addresses(mut module: Vec<u8>) -> Vec<u8> {
    let number = |module: &[u8], at: usize, width: usize| {
        let bytes = module.get(at..at + width).unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(0, |all, byte| all << 8 | usize::from(*byte))
    };
    // `e_shoff` and `e_shnum` of an `Elf64_Ehdr`; `sh_addr` of an `Elf64_Shdr`.
    let (table, count) = (number(&module, 0x28, 8), number(&module, 0x3c, 2));
    for section in 0..count {
        let at = table.saturating_add(SECTION * section + ADDRESS);
        if let Some(address) = at.checked_add(8).and_then(|end| module.get_mut(at..end)) {
            address.fill(0);
        }
    }
    module
}

/// Returns the index that a section of the module `ko` has in the file that the guest loads. A
/// file without debug information may have other indices.
fn index_in(loaded: &[u8], module: &[u8], section: usize, ko: &Path) -> Result<usize> {
    let index = || {
        let (loaded, module) = (File::parse(loaded)?, File::parse(module)?);
        let section = module.section_by_index(SectionIndex(section))?;
        let name = section.name()?;
        Ok(loaded
            .section_by_name(name)
            .map(|section| section.index().0)
            .ok_or(name.to_owned()))
    };
    let wrong = |found: &dyn std::fmt::Display| {
        Error::new(
            ko.display(),
            "a module that keeps its sections without its debug information",
            found,
            "build it again; report this if it stays",
        )
    };
    index()
        .map_err(|e: object::Error| wrong(&e))?
        .map_err(|name| wrong(&format_args!("no section {name} without it")))
}

/// Returns a place in the driver's `probe`, or else in its `init`.
fn stop(source: &DriverCrate, ko: &Path, module: &[u8]) -> Result<Stop> {
    let Ok(sources) = Sources::read(ko) else {
        return Ok(Stop::Init);
    };
    let dirs = [Some(source.dir.as_path()), ko.parent()];
    let is_own = |line: &SourceLine| {
        let in_dir = |dir: &&Path| Path::new(&line.file).starts_with(dir);
        dirs.iter().flatten().any(in_dir)
    };
    let named = |name: &'static str| {
        sources.first(&move |line| is_own(line) && is_function(&line.function, name))
    };
    let Some(mut place) = named("probe").or_else(|| named("init")) else {
        return Ok(Stop::Init);
    };
    // At the first instruction of an inlined function, gdb shows its caller. So the stop is one
    // instruction later.
    let code = File::parse(module)
        .and_then(|file| {
            let section = file.section_by_index(SectionIndex(place.section))?;
            Ok(section
                .data()?
                .get(place.offset as usize..)
                .unwrap_or_default()
                .to_vec())
        })
        .map_err(|e| Error::new(ko.display(), "a module", e, "build it again"))?;
    let first = Decoder::new(64, &code, DecoderOptions::NONE).decode();
    if first.flow_control() == FlowControl::Next {
        place.offset += first.len() as u64;
    }
    Ok(Stop::At(place))
}

/// Returns whether a function is `Type::name`, a closure in it, or, in C, `driver_name`.
fn is_function(function: &str, name: &str) -> bool {
    let mut parts = function
        .rsplit("::")
        .skip_while(|part| part.starts_with("{closure"));
    let last = parts.next().unwrap_or_default();
    match parts.next() {
        // A function of a trait: `<Type as Trait>::name`.
        Some(of) => last == name && of.ends_with('>'),
        None => last
            .strip_suffix(name)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_')),
    }
}

/// The sections of a module as its kernel loads them.
struct Sections {
    module: String,
    /// The names of sections with code and data, and their indices.
    loaded: Vec<(String, usize)>,
    /// The offset of the module's name in its `struct module`.
    name_at: usize,
}

impl Sections {
    fn read(bytes: &[u8], ko: &Path, module: &str) -> Result<Self> {
        let wrong = |found: &dyn std::fmt::Display| {
            Error::new(
                ko.display(),
                "a module with the section of its `struct module`",
                found,
                "build it again; report this if it stays",
            )
        };
        let file = File::parse(bytes).map_err(|e| wrong(&e))?;
        let this = file
            .section_by_name(THIS_MODULE)
            .and_then(|section| section.data().ok());
        let this = this.ok_or_else(|| wrong(&"no such section"))?;
        let name = [module.as_bytes(), b"\0"].concat();
        let name_at = this.windows(name.len()).position(|window| window == name);
        let name_at = name_at.ok_or_else(|| wrong(&"no name in it"))?;
        let mut loaded = Vec::new();
        for section in file.sections() {
            let name = section.name().unwrap_or_default();
            let is_one = SECTIONS.iter().any(|start| name.starts_with(start));
            if is_one && !name.starts_with(PER_CPU) {
                loaded.push((name.to_owned(), section.index().0));
            }
        }
        // The address of `.text` has no name before it, and comes first.
        loaded.sort_by_key(|(name, _)| name != ".text");
        Ok(Self {
            module: module.to_owned(),
            loaded,
            name_at,
        })
    }

    /// Returns gdb's condition that the kernel loads this module: the third argument is its
    /// `struct module`.
    fn condition(&self) -> String {
        let mut name = self.module.clone().into_bytes();
        // The bytes after the name are zero.
        name.resize((name.len() + 1).next_multiple_of(8), 0);
        let words = name.chunks_exact(8).zip((self.name_at..).step_by(8));
        let equal = words.map(|(word, at)| {
            let word = word
                .iter()
                .rev()
                .fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
            format!("*(unsigned long *)($rdx + {at}) == {word:#x}")
        });
        equal.collect::<Vec<_>>().join(" && ")
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use linux_driver_host::process;

    use super::*;

    #[test]
    fn functions_are_known_by_their_last_name() {
        for (function, is) in [
            (
                "<edu::EduDriver as linux_driver_safe::pci::driver::Driver>::probe",
                true,
            ),
            (
                "<edu::EduDriver as linux_driver_safe::pci::driver::Driver>::probe::{closure#0}",
                true,
            ),
            ("edu_probe", true),
            ("probe", true),
            (
                "linux_driver_safe::pci::driver::probe::<edu::EduDriver>",
                false,
            ),
            ("edu::probe", false),
            ("reprobe", false),
            ("<edu::A>::unprobe", false),
            ("", false),
        ] {
            assert_eq!(is_function(function, "probe"), is, "{function}");
        }
    }

    #[test]
    fn the_condition_compares_the_whole_name() {
        let sections = |module: &str| Sections {
            module: module.to_owned(),
            loaded: Vec::new(),
            name_at: 24,
        };
        assert_eq!(
            sections("edu").condition(),
            "*(unsigned long *)($rdx + 24) == 0x756465"
        );
        // The word after a name of eight letters holds its end.
        assert_eq!(
            sections("abcdefgh").condition(),
            "*(unsigned long *)($rdx + 24) == 0x6867666564636261 && \
             *(unsigned long *)($rdx + 32) == 0x0"
        );
    }

    #[test]
    fn sections_have_the_indices_of_the_file_that_the_guest_loads() {
        let dir = fs::tempdir().unwrap();
        let [source, ko, stripped] = ["a.s", "a.ko", "stripped"].map(|name| dir.path().join(name));
        let text = "
            .section .debug_str, \"MS\", @progbits, 1
            .asciz \"before the code\"
            .section .init.text, \"ax\"
            nop
            .section .gnu.linkonce.this_module, \"aw\"
            .zero 24
            .asciz \"edu\"
        ";
        fs::write(&source, text).unwrap();
        let mut compiler = Command::new("cc");
        process::run(compiler.arg("-c").arg(&source).arg("-o").arg(&ko)).unwrap();
        let mut objcopy = Command::new("objcopy");
        process::run(objcopy.arg("--strip-debug").arg(&ko).arg(&stripped)).unwrap();
        let (module, loaded) = (read_module(&ko).unwrap(), read_module(&stripped).unwrap());
        let index = |file: &[u8]| {
            let sections = Sections::read(file, &ko, "edu").unwrap().loaded;
            let section = sections.iter().find(|(name, _)| name == ".init.text");
            section.unwrap().1
        };
        assert_ne!(index(&module), index(&loaded));
        let of = |section| index_in(&loaded, &module, section, &ko);
        assert_eq!(of(index(&module)).unwrap(), index(&loaded));
        // A section that the guest's file has not.
        let debug = File::parse(module.as_slice()).unwrap();
        let debug = debug.section_by_name(".debug_str").unwrap().index().0;
        let text = of(debug).unwrap_err().to_string();
        assert!(text.contains("no section .debug_str"), "{text}");
        assert!(of(1000).is_err());
    }

    /// Returns the report of a machine that ended during a step, after which QEMU said this.
    fn early(said: &str) -> Report {
        Report {
            release: String::new(),
            accel: linux_driver_vm::Accel::Tcg,
            boot_seconds: None,
            seconds: 1.0,
            ending: Ending::Early,
            steps: Vec::new(),
            problems: vec![linux_driver_vm::Problem {
                line: "the machine ended".to_owned(),
                meaning: "the current step was \"loaded\"".to_owned(),
                context: vec!["[    1.0] edu: reset".to_owned(), said.to_owned()],
                step: None,
            }],
            expected_problem: None,
            taint: None,
            console: Vec::new(),
        }
    }

    #[test]
    fn only_a_machine_that_gdb_ended_is_an_error_of_the_user() {
        let mut killed = early("qemu-system-x86_64: QEMU: Terminated via GDBstub");
        let text = ended(&mut killed).unwrap_err().to_string();
        assert!(
            text.contains("\"loaded\"") && text.contains("`detach`"),
            "{text}"
        );
        let mut reset = early("[    1.0] edu: the last line");
        ended(&mut reset).unwrap();
        assert!(reset.problems[0].meaning.contains("triple fault"));
        assert!(!reset.passed());
        // A kernel that has reported a problem is at fault, no matter what ended it.
        killed.ending = Ending::Problem;
        let meaning = killed.problems[0].meaning.clone();
        ended(&mut killed).unwrap();
        assert_eq!(killed.problems[0].meaning, meaning);
    }

    #[test]
    fn the_error_for_a_path_has_its_length_or_the_wrong_character() {
        let error = |path: &str| check_path(Path::new(path)).err().map(|e| e.to_string());
        assert_eq!(error("/tmp/.tmpA-b_c+0/socket"), None);
        assert!(
            error("/tmp/a b/socket")
                .unwrap()
                .contains("the character ' '")
        );
        let long = format!("/{}", "x".repeat(LONGEST));
        assert!(error(&long).unwrap().contains("108 characters"));
        assert_eq!(error(&long[..LONGEST]), None);
    }

    #[test]
    fn a_damaged_module_has_no_addresses_and_no_panic() {
        let mut header = vec![0xff; 64];
        header[0x28..0x30].copy_from_slice(&64_u64.to_le_bytes());
        header[0x3c..0x3e].copy_from_slice(&2_u16.to_le_bytes());
        let table = vec![0xff; 2 * SECTION];
        let module = without_addresses([header.as_slice(), &table].concat());
        for section in 0..2 {
            let at = 64 + SECTION * section;
            assert_eq!(module[at + ADDRESS..at + ADDRESS + 8], [0; 8]);
            assert_eq!(module[at + ADDRESS + 8], 0xff);
        }
        for length in [0, 1, 0x2f, 64, 100] {
            let cut = [header.as_slice(), &table].concat()[..length].to_vec();
            assert_eq!(without_addresses(cut).len(), length);
        }
        header[0x28..0x30].fill(0xff);
        assert_eq!(without_addresses(header.clone()).len(), 64);
    }
}
