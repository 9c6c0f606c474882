// SPDX-License-Identifier: GPL-2.0-only
//! Symbols: the kernel must export each symbol that the module leaves undefined, and must permit
//! this module to use it.
//!
//! `resolve_symbol` in `kernel/module/main.c` looks up each undefined symbol.
//! `include/linux/license.h` lists the licenses that may use EXPORT_SYMBOL_GPL.
//! `verify_namespace_is_imported` checks the namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use linux_driver_host::Result;
use linux_driver_kernels::Config;

use super::elf::{self, At, Object};
use super::modinfo::{self, ModInfo};
use super::report::{Ran, Report, Seen, Violations};
use super::{Subject, names};
use linux_driver_abi::symvers::{Export, ExportKind, Symvers};

/// The licenses that `license_is_gpl_compatible` accepts.
const GPL_COMPATIBLE: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// Returns whether a module with this license may use symbols that are EXPORT_SYMBOL_GPL.
pub(crate) fn is_gpl_compatible(license: &str) -> bool {
    GPL_COMPATIBLE.contains(&license)
}

/// The largest number of functions that a message names.
const NAMED: usize = 5;

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let (object, symvers) = (subject.object, subject.kernel.symvers);
    let undefined: Vec<(usize, &str)> = undefined_in(object).collect();
    add_missing(
        object,
        undefined
            .iter()
            .copied()
            .filter(|(_, name)| symvers.get(name).is_none()),
        subject.kernel.config,
        violations,
    );
    let all = object
        .symbols
        .iter()
        .skip(1)
        .filter(|symbol| symbol.at == At::Undefined);
    for symbol in all {
        if let Some(export) = symvers.get(&symbol.name) {
            check_use(
                &symbol.name,
                symbol.is_weak,
                export,
                subject.modinfo,
                violations,
            );
        }
    }
    for symbol in object
        .symbols
        .iter()
        .filter(|symbol| symbol.at == At::Common)
    {
        violations.add(
            elf::demangled(&symbol.name),
            "a variable with a place in a section",
            "a common symbol, which the loader refuses (\"please compile with -fno-common\")",
            "compile the module's C part with the kernel's flags (-fno-common)",
        );
    }
    Seen::some(undefined.len(), "the module uses no symbol of the kernel")
}

/// Checks the undefined symbols of `object` before it is linked into a module with the objects
/// `linked_with`. One of these objects must define each symbol, or a kernel with this configuration
/// must export it.
pub fn undefined(
    object: &Path,
    linked_with: &[&Path],
    symvers: &Symvers,
    config: &Config,
) -> Result<Report> {
    let mut defined = BTreeSet::new();
    for path in linked_with {
        let data = elf::read(path)?;
        let other = Object::parse(path, &data)?;
        let names = other
            .symbols
            .iter()
            .filter(|symbol| symbol.at != At::Undefined && !symbol.is_local);
        defined.extend(names.map(|symbol| symbol.name.to_string()));
    }
    // modpost writes the module's own structure into the `.mod.c`, which is linked last.
    defined.insert("__this_module".to_owned());

    const NAME: &str = "symbols";
    let data = elf::read(object)?;
    let parsed = Object::parse(object, &data)?;
    // A linker that drops unused sections leaves the symbols that only they referred to as local
    // symbols. The next link drops those.
    let used: BTreeSet<usize> = parsed
        .sections
        .iter()
        .flat_map(|section| {
            section
                .relocations
                .iter()
                .map(|relocation| relocation.symbol)
        })
        .collect();
    let undefined: Vec<(usize, &str)> = undefined_in(&parsed)
        .filter(|(index, _)| !parsed.symbols[*index].is_local || used.contains(index))
        .collect();
    let mut list = Vec::new();
    let missing = undefined
        .iter()
        .copied()
        .filter(|(_, name)| symvers.get(name).is_none() && !defined.contains(*name));
    add_missing(
        &parsed,
        missing,
        config,
        &mut Violations::of(NAME, &mut list),
    );
    let idle = undefined
        .is_empty()
        .then(|| "the object leaves no symbol undefined".to_owned());
    let ran = Ran {
        check: NAME,
        of: "undefined symbols",
        looked_at: undefined.len(),
        idle,
    };
    Ok(Report {
        file: object.to_owned(),
        checks: vec![ran],
        violations: list,
    })
}

/// Returns the symbols that the loader must find. `simplify_symbols` lets weak symbols stay
/// undefined, and on x86 also this name.
fn undefined_in<'o>(object: &'o Object<'_>) -> impl Iterator<Item = (usize, &'o str)> {
    let symbols = object.symbols.iter().enumerate().skip(1);
    symbols
        .filter(|(_, symbol)| {
            symbol.at == At::Undefined && !symbol.is_weak && symbol.name != "_GLOBAL_OFFSET_TABLE_"
        })
        .map(|(index, symbol)| (index, &*symbol.name))
}

fn add_missing<'o>(
    object: &Object<'_>,
    missing: impl Iterator<Item = (usize, &'o str)>,
    config: &Config,
    violations: &mut Violations<'_>,
) {
    let missing: BTreeMap<usize, &str> = missing.collect();
    let users = users(object, &missing);
    // One use of a float needs several helpers. Symbols with the same users and the same cause make
    // one violation.
    let mut alike: BTreeMap<(String, names::Cause), BTreeSet<String>> = BTreeMap::new();
    for (index, name) in missing {
        let place = users.get(&index).map_or("no function".to_owned(), listed);
        alike
            .entry((place, names::cause(name, config)))
            .or_default()
            .insert(names::quoted(&elf::demangled(name)));
    }
    for ((place, cause), symbols) in alike {
        let found = format!("{}: {}", listed(&symbols), cause.why);
        violations.add(
            place,
            "only symbols that the module defines or that the kernel exports",
            found,
            cause.remedy,
        );
    }
}

/// Returns the functions and variables that refer to each of these symbols.
fn users(
    object: &Object<'_>,
    symbols: &BTreeMap<usize, &str>,
) -> BTreeMap<usize, BTreeSet<String>> {
    let mut users: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    if symbols.is_empty() {
        return users;
    }
    for (index, section) in object.sections.iter().enumerate() {
        for relocation in section
            .relocations
            .iter()
            .filter(|relocation| symbols.contains_key(&relocation.symbol))
        {
            let user = match object.function_at(index, relocation.offset) {
                Some(function) => object.name_of(function.symbol),
                None => object.place(index, relocation.offset),
            };
            users.entry(relocation.symbol).or_default().insert(user);
        }
    }
    users
}

fn listed(names: &BTreeSet<String>) -> String {
    let mut text = names
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

/// Checks whether the module may use an exported symbol. A weak symbol stays undefined if the
/// loader hides it from the module. One that the loader finds must be permitted.
fn check_use(
    name: &str,
    is_weak: bool,
    export: &Export,
    info: &ModInfo,
    violations: &mut Violations<'_>,
) {
    let license = modinfo::first(info, "license");
    if export.kind == ExportKind::Gpl && !license.is_some_and(is_gpl_compatible) {
        if is_weak {
            return;
        }
        let found = license.map_or("no license".to_owned(), |license| {
            format!("license {license:?}")
        });
        violations.add(
            names::quoted(name),
            format_args!(
                "a license that is compatible with the GPL, as the symbol is EXPORT_SYMBOL_GPL: {}",
                GPL_COMPATIBLE
                    .map(|license| format!("{license:?}"))
                    .join(", ")
            ),
            found,
            "give the module such a license, or do without the symbol",
        );
    }
    let Some(namespace) = &export.namespace else {
        return;
    };
    let imported = info
        .get("import_ns")
        .is_some_and(|list| list.contains(namespace));
    match namespace.strip_prefix("module:") {
        None if imported => {}
        None => violations.add(
            names::quoted(name),
            format_args!("the import of its namespace {namespace}"),
            "no import_ns of that name in .modinfo",
            format_args!(
                "add MODULE_IMPORT_NS for {namespace} (in Rust: import_ns={namespace} in the module's .modinfo)"
            ),
        ),
        Some(modules) => {
            let user = modinfo::first(info, "name").unwrap_or_default();
            if !is_for_module(modules, user) {
                violations.add(
                    names::quoted(name),
                    format_args!("one of the modules that it is exported for: {modules}"),
                    format_args!("the module {user:?}"),
                    "do without the symbol",
                );
            }
        }
    }
}

/// Returns whether a list of modules contains this module, as `verify_module_namespace` does. A `*`
/// at the end of a name matches any rest. The list may have `-` where the module's own name has
/// `_`.
pub(crate) fn is_for_module(modules: &str, name: &str) -> bool {
    let (modules, name) = (modules.replace('-', "_"), name.replace('-', "_"));
    modules
        .split(',')
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::{self, Module};

    const FLOAT: &str = "_ZN3edu6sample17h0123456789abcdefE";

    #[test]
    fn a_symbol_that_is_not_exported_is_found_with_its_user() {
        let report = Module::good().text("f", "call dev_set_drvdata").check();
        let violation = report.only("symbols");
        assert_eq!(violation.place, "f");
        assert!(violation.found.contains("`dev_set_drvdata`"), "{violation}");
    }

    #[test]
    fn floating_point_is_named_with_the_rust_function() {
        let report = Module::good().text(FLOAT, "call __muldf3").check();
        let violation = report.only("symbols");
        assert_eq!(violation.place, "edu::sample");
        assert!(
            violation
                .found
                .starts_with("`__muldf3`: helpers for floating point"),
            "{violation}"
        );
    }

    #[test]
    fn a_symbol_for_gpl_modules_needs_such_a_license() {
        let use_gpl = |module: Module| module.text("f", "call gpl_only").check();
        assert_eq!(use_gpl(Module::good()).of("symbols"), []);
        for (license, found) in [
            (Some("Proprietary"), "\"Proprietary\""),
            (None, "no license"),
        ] {
            let report = use_gpl(Module::good().modinfo("license", license));
            let violation = report.only("symbols");
            assert!(
                violation.place == "`gpl_only`" && violation.found.contains(found),
                "{violation}"
            );
        }
    }

    #[test]
    fn a_namespace_has_to_be_imported() {
        let module = || Module::good().text("f", "call in_namespace");
        assert!(
            module()
                .check()
                .only("symbols")
                .expected
                .contains("DMA_BUF")
        );
        assert_eq!(
            module()
                .modinfo("import_ns", Some("DMA_BUF"))
                .check()
                .of("symbols"),
            []
        );
    }

    #[test]
    fn a_symbol_for_named_modules_is_for_them_alone() {
        assert_eq!(
            Module::good()
                .text("f", "call for_good")
                .check()
                .of("symbols"),
            []
        );
        assert!(
            Module::good()
                .text("f", "call for_kvm")
                .check()
                .only("symbols")
                .expected
                .contains("kvm")
        );
        assert!(
            is_for_module("kvm,kvm-*", "kvm_intel")
                && !is_for_module("kvm,kvm-*", "kvmgt")
                && !is_for_module("", "a")
        );
    }

    #[test]
    fn a_common_symbol_is_refused() {
        assert_eq!(
            Module::good()
                .raw(".comm shared, 8\n")
                .check()
                .only("symbols")
                .place,
            "shared"
        );
    }

    #[test]
    fn exported_and_weak_symbols_are_good() {
        let report = Module::good()
            .text("f", "call printk\nmovq $absent, %rax")
            .raw(".weak absent\n")
            .check();
        assert_eq!(report.of("symbols"), []);
        assert!(report.looked_at("symbols") > 0);
    }

    #[test]
    fn a_weak_symbol_needs_its_namespace_where_the_kernel_exports_it() {
        let weak = |name: &str| Module::good().raw(&format!(".data\n.weak {name}\n.quad {name}\n"));
        assert!(
            weak("in_namespace")
                .check()
                .only("symbols")
                .expected
                .contains("DMA_BUF")
        );
        assert!(
            weak("for_kvm")
                .check()
                .only("symbols")
                .expected
                .contains("kvm")
        );
        // The loader hides the symbol from the module and lets it stay undefined.
        let proprietary = weak("gpl_only").modinfo("license", Some("Proprietary"));
        assert_eq!(proprietary.check().of("symbols"), []);
    }

    #[test]
    fn an_object_is_looked_at_before_it_is_linked() {
        let dir = tempfile::tempdir().unwrap();
        let body = format!(
            ".text\n.type {FLOAT}, @function\n{FLOAT}: call __addsf3\ncall __floatsisf\ncall linux_driver_readl\ncall printk\nmovq $__this_module, %rax\n"
        );
        let rust = testing::object(dir.path(), "rust", &body);
        let shims = testing::object(
            dir.path(),
            "shims",
            ".text\n.globl linux_driver_readl\nlinux_driver_readl: nop\n",
        );
        let symvers = testing::symvers();

        let config = Config::default();
        let report = undefined(&rust, &[], &symvers, &config).unwrap();
        let found: Vec<&str> = report
            .violations
            .iter()
            .map(|violation| violation.found.as_str())
            .collect();
        assert_eq!(found.len(), 2, "{report}");
        assert!(
            found[1].contains("shim")
                && found[0].starts_with("`__addsf3`, `__floatsisf`: helpers for floating point"),
            "{found:?}"
        );
        assert_eq!(report.violations[0].place, "edu::sample");
        assert_eq!(report.checks[0].looked_at, 5);

        let report = undefined(&rust, &[&shims], &symvers, &config).unwrap();
        assert_eq!(report.violations.len(), 1, "{report}");
    }

    #[test]
    fn a_symbol_that_the_configuration_trims_is_said_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let object = testing::object(
            dir.path(),
            "user",
            ".text\n.globl f\nf: call pci_enable_sriov\n",
        );
        let found = |config: &str| {
            let report =
                undefined(&object, &[], &testing::symvers(), &Config::parse(config)).unwrap();
            report.violations[0].found.clone()
        };
        assert!(!found("").contains("TRIM"), "{}", found(""));
        let trimmed = found("CONFIG_TRIM_UNUSED_KSYMS=y\n");
        assert!(trimmed.contains("CONFIG_TRIM_UNUSED_KSYMS=y"), "{trimmed}");
    }

    #[test]
    fn references_from_unused_sections_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let body = ".globl f\n.section .text.f,\"ax\"\nf: nop\n.hidden __udivti3\n.section .text.g,\"ax\"\ng: call __udivti3\n";
        let (whole, swept) = (
            testing::object(dir.path(), "whole", body),
            dir.path().join("swept.o"),
        );
        let symvers = testing::symvers();
        let config = Config::default();
        assert_eq!(
            undefined(&whole, &[], &symvers, &config)
                .unwrap()
                .violations
                .len(),
            1
        );
        let mut ld = std::process::Command::new("ld");
        linux_driver_host::process::run(
            ld.args(["-r", "--gc-sections", "-e", "f", "-o"])
                .args([&swept, &whole]),
        )
        .unwrap();
        assert_eq!(
            undefined(&swept, &[], &symvers, &config)
                .unwrap()
                .violations,
            []
        );
    }

    #[test]
    fn a_symbol_of_another_object_has_to_be_one_that_it_gives() {
        let dir = tempfile::tempdir().unwrap();
        let user = testing::object(dir.path(), "user", "call here\n");
        let missing = |body: &str| {
            let other = testing::object(dir.path(), "other", body);
            let report =
                undefined(&user, &[&other], &testing::symvers(), &Config::default()).unwrap();
            let found = report
                .violations
                .into_iter()
                .map(|violation| violation.found);
            found.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(missing(".globl here\nhere: nop\n"), "");
        assert!(missing("here: nop\n").contains("`here`"), "a local symbol");
        assert!(
            missing("call here\n").contains("`here`"),
            "one that it lacks itself"
        );
    }

    #[test]
    fn an_undefined_symbol_counts_without_a_relocation() {
        let dir = tempfile::tempdir().unwrap();
        // The loader looks up each of them (`simplify_symbols`).
        let object = testing::object(dir.path(), "object", ".globl gone\nnop\n");
        let report = undefined(&object, &[], &testing::symvers(), &Config::default()).unwrap();
        assert_eq!(report.violations.len(), 1, "{:?}", report.violations);
    }

    #[test]
    fn a_long_list_of_users_ends_with_their_number() {
        let names = |count: usize| {
            (0..count)
                .map(|number| format!("f{number}"))
                .collect::<BTreeSet<_>>()
        };
        let (few, many) = (listed(&names(NAMED)), listed(&names(NAMED + 2)));
        assert!(few.ends_with(&format!("f{}", NAMED - 1)), "{few}");
        assert!(many.ends_with(" and 2 more"), "{many}");
    }
}
