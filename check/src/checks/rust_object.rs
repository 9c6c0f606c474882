// SPDX-License-Identifier: GPL-2.0-only
//! The check of a module's Rust part, before it is linked with the objects that Kbuild compiles.
//! Its code must be in sections that stay loaded, and it must not define a name that the kernel
//! exports.
//!
//! C's `__init` functions are called only by the module's entry. modpost looks for other calls of
//! them, but does not follow all pointers to them. In Rust, the macros of the safe layer define the
//! only two functions that are freed. A driver needs no other one. rustc's lint `unsafe_code` does
//! not see each attribute that moves or renames a function. This check looks at the result, so it
//! covers all crates of the driver and their proc macros.

use std::path::Path;

use linux_driver_abi::symvers::Symvers;
use linux_driver_host::Result;

use super::elf::{self, At, Object, Section};
use super::report::{Ran, Report, Violations};

/// The sections whose code stays until the module is unloaded, as the linker merges them.
const STAY: [&str; 2] = [".text", ".text.unlikely"];

/// The sections that are missing while the module is in use, each with its only function. One is
/// freed when the entry returns. The other is not loaded by a kernel that cannot unload modules.
const GO: [(&str, &str); 2] = [
    (".init.text", "init_module"),
    (".exit.text", "cleanup_module"),
];

const NAME: &str = "code";
const REMEDY: &str =
    "remove `link_section`, and assembly that names a section: the code of a driver is in .text";

/// Checks the linked object of a module's crates. Except for the module's entry and exit, each
/// function must be in a section that stays. No global symbol may have the name of one that the
/// kernel exports.
pub fn rust_object(object: &Path, symvers: &Symvers) -> Result<Report> {
    let data = elf::read(object)?;
    let parsed = Object::parse(object, &data)?;
    let mut list = Vec::new();
    let mut violations = Violations::of(NAME, &mut list);
    let mut looked_at = 0;
    for (index, section) in parsed.executable().filter(|(_, section)| section.size > 0) {
        looked_at += 1;
        if STAY.contains(&&*section.name) {
            continue;
        }
        match GO.iter().find(|(name, _)| section.name == *name) {
            Some((_, only)) => alone(&parsed, index, section, only, &mut violations),
            None => violations.add(
                &section.name,
                format_args!(
                    "code in {}, or the module's entry and exit in theirs",
                    STAY.join(" and ")
                ),
                format_args!("{} bytes of code", section.size),
                REMEDY,
            ),
        }
    }
    for symbol in parsed.symbols.iter().filter(|symbol| !symbol.is_local) {
        let is_defined = !matches!(symbol.at, At::Undefined);
        if is_defined && symvers.get(&symbol.name).is_some() {
            violations.add(
                &symbol.name,
                "no name in the driver's crates that the kernel exports",
                "a definition, which the module would use in the place of the kernel's",
                "remove `no_mangle` or `export_name`, or give it a name of the driver's own",
            );
        }
    }
    Ok(Report {
        file: object.to_owned(),
        checks: vec![Ran {
            check: NAME,
            of: "sections of code",
            looked_at,
            idle: (looked_at == 0).then(|| "the object has no code".to_owned()),
        }],
        violations: list,
    })
}

/// Adds a violation for each symbol except `only` in a section that does not stay, and for code
/// after the end of that function.
fn alone(
    object: &Object<'_>,
    index: usize,
    section: &Section<'_>,
    only: &str,
    violations: &mut Violations<'_>,
) {
    let expected = format!(
        "`{only}` and nothing else in {}, which is freed while the module is used",
        section.name
    );
    let inside = object.symbols.iter().filter(|symbol| {
        symbol.at == At::Section(index) && !symbol.is_section && !symbol.name.is_empty()
    });
    let mut end = 0;
    for symbol in inside {
        if symbol.name == only {
            end = symbol.value.saturating_add(symbol.size);
        } else {
            violations.add(
                elf::demangled(&symbol.name),
                &expected,
                "a function there",
                REMEDY,
            );
        }
    }
    // The linker fills the section up to its alignment.
    if section.size > end.next_multiple_of(section.align.max(1)) {
        violations.add(
            &section.name,
            expected,
            format_args!("{} bytes, where that function ends at {end}", section.size),
            REMEDY,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{object, symvers};
    use super::*;

    /// Returns the violations in an object that has an entry, an exit, one function and this
    /// assembly.
    fn found(more: &str) -> Vec<String> {
        let good = ".section .init.text,\"ax\"\n.balign 16\n.zero 16, 0x90\n.globl init_module\n.type init_module, @function\n\
                    init_module: ret\n.size init_module, . - init_module\n.balign 16, 0x90\n\
                    .section .exit.text,\"ax\"\n.globl cleanup_module\n.type cleanup_module, @function\n\
                    cleanup_module: ret\n.size cleanup_module, . - cleanup_module\n\
                    .text\n.type probe, @function\nprobe: call printk\n.size probe, . - probe\n\
                    .section .text.unlikely,\"ax\"\nret\n";
        let dir = tempfile::tempdir().unwrap();
        let path = object(dir.path(), "rust", &format!("{good}{more}"));
        let report = rust_object(&path, &symvers()).unwrap();
        assert!(report.checks[0].looked_at >= 4);
        report
            .violations
            .iter()
            .map(|violation| violation.place.clone())
            .collect()
    }

    #[test]
    fn the_entry_and_the_exit_are_alone_in_what_is_freed() {
        assert_eq!(found(""), [""; 0]);
        let function = |section: &str, symbol: &str| {
            format!(".section {section},\"ax\"\n{symbol}\nret\n.zero 16, 0x90\n")
        };
        let mangled = "_ZN3edu5probe17h0123456789abcdefE:";
        assert_eq!(
            found(&function(".init.text", mangled)),
            ["edu::probe", ".init.text"]
        );
        assert_eq!(found(&function(".exit.text", "f:")), ["f", ".exit.text"]);
        assert_eq!(found(&function(".init.text", "")), [".init.text"]);
    }

    #[test]
    fn code_in_another_section_is_found() {
        for section in [
            ".noinstr.text",
            ".altinstr_replacement",
            "mine",
            ".ref.text",
            ".text.mine",
            ".rodata.code",
        ] {
            assert_eq!(
                found(&format!(".section {section},\"ax\"\nret\n")),
                [section]
            );
        }
        // An empty section, one that is not loaded, and one without code.
        assert_eq!(
            found(".section .a,\"ax\"\n.section .b,\"\"\n.byte 1\n.section .c,\"a\"\n.byte 1\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_name_of_the_kernels_is_found() {
        assert_eq!(
            found(".text\n.globl gpl_only\n.type gpl_only, @function\ngpl_only: ret\n"),
            ["gpl_only"]
        );
        assert_eq!(found(".data\n.globl pv_ops\npv_ops: .quad 0\n"), ["pv_ops"]);
        // No other object sees a local symbol.
        assert_eq!(found(".text\ngpl_only: ret\n"), [""; 0]);
    }
}
