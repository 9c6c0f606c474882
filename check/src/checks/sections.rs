// SPDX-License-Identifier: GPL-2.0-only
//! Sections: those that the loader needs must exist. None may be both writable and executable. No
//! two may share a name. None may belong to user programs only.
//!
//! `setup_load_info` in `kernel/module/main.c` looks for the needed ones.
//! `module_enforce_rwx_sections` in `kernel/module/strict_rwx.c` refuses writable code. If two
//! loaded sections share a name, `add_sect_attrs` in `kernel/module/sysfs.c` makes two files with
//! the same name, and sysfs warns with a stack trace.

use std::collections::BTreeSet;

use super::Subject;
use super::elf::At;
use super::report::{Seen, Violations};

/// Sections of user programs: the prefix of the name, and the remedy.
const LEFT_OVER: [(&str, &str); 7] = [
    (".llvmbc", "compile with -Cembed-bitcode=no"),
    (".llvmcmd", "compile with -Cembed-bitcode=no"),
    (
        ".got",
        "compile with -Crelocation-model=static and -Zplt=yes (Rust) or -fno-pic (C): a module has no global offset table",
    ),
    (
        ".eh_frame",
        "compile with -Cpanic=abort and -Cforce-unwind-tables=n (Rust) or -fno-asynchronous-unwind-tables (C)",
    ),
    (".gcc_except_table", "compile with -Cpanic=abort"),
    (".init_array", CONSTRUCTORS),
    (".ctors", CONSTRUCTORS),
];
const CONSTRUCTORS: &str = "use no constructors that run before the module's init function: this kernel (without CONFIG_CONSTRUCTORS) never calls them";

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let object = subject.object;
    let constructors = subject.kernel.config.is_set("CONFIG_CONSTRUCTORS");
    let mut names = BTreeSet::new();
    for section in &object.sections {
        let name = &section.name;
        // Empty sections get no file (`sect_empty`).
        if section.is_loaded() && section.size > 0 && !names.insert(name) {
            violations.add(
                name,
                "one loaded section of this name",
                "a second one with other flags, so the linker did not join them",
                "join them in the linker's script, or give them one set of flags",
            );
        }
        if section.is_executable() && section.is_writable() {
            violations.add(
                name,
                "a section that is executable or writable",
                "one that is both, which the loader refuses",
                "put code and data into sections of their own",
            );
        }
        if section.is_thread_local() {
            violations.add(
                name,
                "no thread-local variables",
                "a section of them (SHF_TLS)",
                "use a per-CPU or a locked static variable",
            );
        }
        let left_over = LEFT_OVER.iter().find(|(start, _)| {
            name.strip_prefix(start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        if let Some((_, remedy)) =
            left_over.filter(|(_, remedy)| !(constructors && *remedy == CONSTRUCTORS))
        {
            // Bitcode has no use in any module. The others do harm only if they are loaded.
            if (section.is_loaded() || name.starts_with(".llvm")) && section.size > 0 {
                violations.add(
                    name,
                    "no such section in a module",
                    format_args!("one of {} bytes", section.size),
                    remedy,
                );
            }
        }
    }
    let finish =
        "let modpost finish the module (`make modules`), and check the .ko rather than an object";
    for name in [".modinfo", ".gnu.linkonce.this_module"] {
        if object.section(name).is_none() {
            violations.add(
                "the module",
                format_args!("a section {name}"),
                "no such section",
                finish,
            );
        }
    }
    if !object
        .symbols
        .iter()
        .any(|symbol| symbol.name == "__this_module" && matches!(symbol.at, At::Section(_)))
    {
        violations.add(
            "the module",
            "the symbol __this_module",
            "no definition of it",
            finish,
        );
    }
    Seen::Things(object.sections.len())
}

#[cfg(test)]
mod tests {
    use crate::checks::testing::Module;

    #[test]
    fn a_section_with_both_rights_is_found() {
        assert_eq!(
            Module::good()
                .raw(".section .both,\"awx\"\nnop\n")
                .check()
                .only("sections")
                .place,
            ".both"
        );
    }

    #[test]
    fn two_sections_of_one_name_are_found() {
        // ld leaves two sections if one is to be retained (`R`) and the other is not.
        let twins =
            |size: &str| format!(".section .twin,\"a\"\n.quad 0\n.section .twin,\"aR\"\n{size}");
        assert_eq!(
            Module::good()
                .raw(&twins(".quad 0\n"))
                .check()
                .only("sections")
                .place,
            ".twin"
        );
        assert_eq!(Module::good().raw(&twins("")).check().of("sections"), []);
    }

    #[test]
    fn sections_of_other_environments_are_found() {
        for name in [
            ".llvmbc",
            ".llvmcmd",
            ".got",
            ".eh_frame",
            ".init_array",
            ".init_array.100",
            ".ctors",
        ] {
            let report = Module::good()
                .raw(&format!(".section {name},\"a\"\n.quad 0\n"))
                .check();
            assert_eq!(report.only("sections").place, name);
        }
        assert_eq!(
            Module::good()
                .raw(".section .llvmbc,\"e\"\n.quad 0\n")
                .check()
                .only("sections")
                .place,
            ".llvmbc"
        );
        assert_eq!(
            Module::good()
                .raw(".section .tbss,\"awT\",@nobits\n.quad 0\n")
                .check()
                .only("sections")
                .place,
            ".tbss"
        );
    }

    #[test]
    fn sections_that_are_not_loaded_are_good() {
        let report = Module::good()
            .raw(".section .eh_frame,\"\",@progbits\n.quad 0\n.section .gotcha,\"a\"\n.quad 0\n.section .got,\"a\"\n")
            .check();
        assert_eq!(report.of("sections"), []);
        let report = Module::good()
            .config("CONFIG_CONSTRUCTORS=y")
            .raw(".section .init_array,\"aw\"\n.quad 0\n")
            .check();
        assert_eq!(report.of("sections"), []);
        assert!(report.looked_at("sections") > 5);
    }

    #[test]
    fn a_module_that_only_refers_to_its_structure_is_found() {
        let report = Module::unfinished()
            .raw(".data\n.quad __this_module\n")
            .check();
        let found = report.of("sections");
        assert!(
            found
                .iter()
                .any(|violation| violation.expected == "the symbol __this_module")
        );
    }

    #[test]
    fn an_unfinished_module_is_found() {
        let found = Module::unfinished().check().of("sections");
        let expected: Vec<&str> = found
            .iter()
            .map(|violation| violation.expected.as_str())
            .collect();
        assert_eq!(
            expected,
            [
                "a section .modinfo",
                "a section .gnu.linkonce.this_module",
                "the symbol __this_module"
            ]
        );
    }
}
