// SPDX-License-Identifier: GPL-2.0-only
//! Tests of modules in assembly with kernels made here, one difference at a time.

use linux_driver_abi::model::{Abi, Field, Function, Kind, Symbol, Type};
use linux_driver_abi::report::{Change, Comparison, Finding, Retyping, Subject, Verdict};
use linux_driver_kernels::Config;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use super::*;
use crate::checks::testing::Module;

const RELEASE: &str = "6.12.0-test";
const CONFIG: &str = "CONFIG_X86_64=y\nCONFIG_SMP=y\nCONFIG_PREEMPT_BUILD=y\nCONFIG_MODULE_UNLOAD=y\n\
                      CONFIG_X86_KERNEL_IBT=y\nCONFIG_CALL_PADDING=y\nCONFIG_FUNCTION_PADDING_BYTES=16\n\
                      CONFIG_MITIGATION_RETPOLINE=y\nCONFIG_MITIGATION_RETHUNK=y\nCONFIG_OBJTOOL=y\n\
                      CONFIG_UNWINDER_ORC=y\n";
const MODVERSIONS: &str = "6.12.0-test SMP preempt mod_unload modversions ";

/// Returns a module that fits: its `struct module` has 80 bytes, `init` at 64 and `exit` at 72.
fn module() -> Module {
    Module::good()
        .text("init_module", "call printk\ncall pci_thing")
        .text("cleanup_module", "nop")
        .raw(".section .gnu.linkonce.this_module,\"aw\"\n.quad init_module, cleanup_module\n")
}

/// Returns the same module with checksums of its symbols.
fn with_checksums() -> Module {
    let mut table = ".section __versions,\"a\"\n".to_owned();
    for (name, crc) in [
        ("printk", 1),
        ("pci_thing", 2),
        ("__x86_return_thunk", 3),
        ("module_layout", 4),
    ] {
        table.push_str(&format!(
            ".quad {crc}\n.ascii \"{name}\"\n.zero {}\n",
            56 - name.len()
        ));
    }
    module().modinfo("vermagic", Some(MODVERSIONS)).raw(&table)
}

fn symbol(crc: u32) -> Symbol {
    Symbol {
        crc: Some(crc).filter(|&crc| crc != 0),
        module: "vmlinux".to_owned(),
        gpl: false,
        namespace: None,
    }
}

fn exports() -> BTreeMap<String, Symbol> {
    let names = [
        ("printk", 1),
        ("pci_thing", 2),
        ("__x86_return_thunk", 3),
        ("module_layout", 4),
    ];
    names
        .map(|(name, crc)| (name.to_owned(), symbol(crc)))
        .into()
}

fn without_checksums(mut exports: BTreeMap<String, Symbol>) -> BTreeMap<String, Symbol> {
    exports.values_mut().for_each(|symbol| symbol.crc = None);
    exports
}

fn function(returns: &str, params: &[&str]) -> Function {
    Function {
        returns: returns.to_owned(),
        params: params.iter().map(|param| (*param).to_owned()).collect(),
        variadic: false,
        linkage: None,
    }
}

/// Returns the types of a kernel with this `struct module`, whose `pci_thing` has these parameters.
fn abi(size: u64, init: u64, exit: u64, params: &[&str]) -> Abi {
    let field = |name: &str, at: u64| Field {
        name: name.to_owned(),
        offset_bits: at * 8,
        size_bits: 64,
        type_name: "int (*)(void)".to_owned(),
        bitfield: false,
    };
    let type_ = Type {
        kind: Kind::Struct,
        size,
        align: 64,
        fields: vec![field("init", init), field("exit", exit)],
        values: BTreeMap::new(),
        target: None,
    };
    Abi {
        release: RELEASE.to_owned(),
        arch: "x86_64".to_owned(),
        types: [("module".to_owned(), type_.into())].into(),
        functions: [
            (
                "printk".to_owned(),
                function("int", &["const char *"]).into(),
            ),
            ("pci_thing".to_owned(), function("int", params).into()),
        ]
        .into(),
        ..Abi::default()
    }
}

fn fitting() -> Abi {
    abi(80, 64, 72, &["struct pci_dev *"])
}

fn shared(symbols: BTreeMap<String, Symbol>) -> BTreeMap<String, Arc<Symbol>> {
    symbols
        .into_iter()
        .map(|(name, symbol)| (name, symbol.into()))
        .collect()
}

fn kernel<'a>(config: &str, exports: BTreeMap<String, Symbol>, abi: &'a Abi) -> Target<'a> {
    Target {
        name: "the kernel".to_owned(),
        release: RELEASE.to_owned(),
        arch: "x86_64".to_owned(),
        config: Some(Config::parse(&format!("{CONFIG}{config}"))),
        exports: Exports::All(shared(exports)),
        others: BTreeMap::new(),
        types: Types::Abi(abi),
        built_for: None,
    }
}

fn run(module: &Module, kernel: &Target<'_>) -> Comparison {
    check(module.build().path(), kernel).unwrap()
}

fn only(check: &Comparison) -> &Finding {
    assert_eq!(check.findings.len(), 1, "{:#?}", check.findings);
    &check.findings[0]
}

#[test]
fn a_module_of_this_kernel_loads_as_it_is() {
    let abi = fitting();
    let with = run(
        &with_checksums(),
        &kernel("CONFIG_MODVERSIONS=y\n", exports(), &abi),
    );
    assert_eq!(with.findings, []);
    assert_eq!(
        (
            with.looked_at.symbols,
            with.looked_at.types,
            with.looked_at.fields
        ),
        (3, 1, 2)
    );
    assert_eq!(with.of_module(), "loads as it is");
    let without = run(&module(), &kernel("", without_checksums(exports()), &abi));
    assert_eq!(without.findings, []);
}

#[test]
fn another_version_string_is_refused() {
    let abi = fitting();
    let mut other = kernel("", without_checksums(exports()), &abi);
    other.release = "6.12.1-test".to_owned();
    other.built_for = None;
    let found = run(&module(), &other);
    assert_eq!(
        found.findings[0].verdict,
        Verdict::NoEvidence,
        "{:?}",
        found.findings
    );
    let vermagic = found
        .findings
        .iter()
        .find(|finding| finding.name == "vermagic")
        .unwrap();
    assert_eq!(vermagic.verdict, Verdict::Rebuild);
    assert!(
        matches!(&vermagic.change, Change::Value { before, after }
            if before == "6.12.0-test SMP preempt mod_unload" && after == "6.12.1-test"),
        "{vermagic:?}"
    );
    let words = run(
        &module(),
        &kernel("CONFIG_PREEMPT_RT=y\n", without_checksums(exports()), &abi),
    );
    assert_eq!(words.findings, [], "older kernels with both say preempt");
    let none = run(
        &module().modinfo("vermagic", None),
        &kernel("", without_checksums(exports()), &abi),
    );
    assert!(
        none.findings
            .iter()
            .any(|f| f.name == "vermagic" && f.verdict == Verdict::Rebuild)
    );
}

#[test]
fn with_checksums_the_release_does_not_count() {
    let abi = fitting();
    let mut other = kernel("CONFIG_MODVERSIONS=y\n", exports(), &abi);
    other.release = "6.12.1-test".to_owned();
    let found = run(&with_checksums(), &other);
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("vermagic", Verdict::Keeps)
    );
    assert_eq!(found.of_module(), "loads as it is");
    // The other words of the version string count.
    let words = run(
        &with_checksums(),
        &kernel("", without_checksums(exports()), &abi),
    );
    assert!(
        words
            .findings
            .iter()
            .any(|f| f.name == "vermagic" && f.verdict == Verdict::Rebuild)
    );
}

#[test]
fn without_a_configuration_there_is_no_evidence() {
    let abi = fitting();
    let mut unknown = kernel("", exports(), &abi);
    unknown.config = None;
    let found = run(&with_checksums(), &unknown);
    let names: Vec<_> = found
        .findings
        .iter()
        .map(|f| (f.name.as_str(), f.verdict))
        .collect();
    assert_eq!(
        names,
        [
            ("mitigations", Verdict::NoEvidence),
            ("vermagic", Verdict::NoEvidence)
        ]
    );
    assert_eq!(
        found.of_module(),
        "no problem was found, but not everything could be checked"
    );
}

/// Returns the same kernel with another release. A module that was built for `RELEASE` was built
/// for another kernel.
fn later<'a>(config: &str, exports: BTreeMap<String, Symbol>, abi: &'a Abi) -> Target<'a> {
    Target {
        release: "6.13.0-test".to_owned(),
        ..kernel(config, exports, abi)
    }
}

#[track_caller]
fn of<'c>(check: &'c Comparison, name: &str) -> &'c Finding {
    let found = check.findings.iter().find(|finding| finding.name == name);
    found.unwrap_or_else(|| panic!("{name}: {:#?}", check.findings))
}

#[test]
fn a_missing_symbol_says_nothing_about_the_source() {
    let (before, mut after) = (fitting(), fitting());
    let moved = after.functions.remove("pci_thing").unwrap();
    after.functions.insert("__pci_thing".to_owned(), moved);
    let mut exported = without_checksums(exports());
    exported.remove("pci_thing");
    let found = run(&module(), &later("", exported.clone(), &after));
    assert_eq!(
        (
            of(&found, "pci_thing").subject,
            of(&found, "pci_thing").verdict
        ),
        (Subject::Symbol, Verdict::NotJudged)
    );
    assert_eq!(of(&found, "pci_thing").change, Change::Removed);
    assert_eq!(of(&found, "source").verdict, Verdict::NotJudged);
    assert_eq!(of(&found, "source").used, ["pci_thing"]);
    assert!(
        !found.findings.iter().any(|f| f.verdict == Verdict::Source),
        "{found:#?}"
    );

    exported.insert("__pci_thing".to_owned(), symbol(0));
    let built_for = kernel("", without_checksums(exports()), &before);
    let found = run(
        &module(),
        &later("", exported.clone(), &after).with_built_for(&built_for),
    );
    assert_eq!(
        of(&found, "pci_thing").change,
        Change::Renamed {
            to: "__pci_thing".to_owned()
        }
    );
    assert_eq!(
        found.of_module(),
        "has to be built again; its source was not judged"
    );
    // Without the old signature, the new name is a guess.
    let found = run(&module(), &later("", exported.clone(), &after));
    assert_eq!(of(&found, "pci_thing").change, Change::Removed);
    let text = &of(&found, "pci_thing").text;
    assert!(text.contains("it was probably replaced by"), "{text}");

    // Calls that the headers' macros or compilers make may change between kernels.
    exported.insert("pci_thing_noprof".to_owned(), symbol(0));
    let found = run(&module(), &later("", exported.clone(), &after));
    assert_eq!(of(&found, "pci_thing").verdict, Verdict::Rebuild);
    for name in [
        "__fortify_panic",
        "__ref_stack_chk_guard",
        "pcpu_hot",
        "init_timer_key",
        "__mutex_init",
    ] {
        let uses = module().text("f", &format!("call {name}"));
        let found = run(&uses, &later("", without_checksums(exports()), &fitting()));
        assert_eq!(of(&found, name).verdict, Verdict::Rebuild, "{name}");
        assert!(of(&found, "source").used.is_empty(), "{name}");
    }
    let mut exported = without_checksums(exports());
    exported.remove("__x86_return_thunk");
    let found = run(&module(), &kernel("", exported, &after));
    assert_eq!(
        (only(&found).verdict, only(&found).name.as_str()),
        (Verdict::Rebuild, "__x86_return_thunk")
    );
}

#[test]
fn a_rebuild_for_another_kernel_leaves_the_source_unjudged() {
    let abi = fitting();
    let found = run(&module(), &later("", without_checksums(exports()), &abi));
    assert_eq!(of(&found, "vermagic").verdict, Verdict::Rebuild);
    assert_eq!(of(&found, "source").verdict, Verdict::NotJudged);
    assert_eq!(
        found.of_module(),
        "has to be built again; its source was not judged"
    );
    // For the kernel that it was built for, its source is known to fit.
    let bare = module().bare("f", "ret").raw(".data\n.quad f\n");
    let found = run(&bare, &kernel("", without_checksums(exports()), &abi));
    assert_eq!(found.of_module(), "has to be built again");
}

#[test]
fn exports_of_other_modules_and_removed_symbols_differ() {
    let abi = fitting();
    let uses = module().text("f", "call sibling_do");
    // The module was built for this very kernel, or for one that does not export the name either.
    let here = kernel("", without_checksums(exports()), &abi);
    let found = run(&uses, &here);
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("other modules", Verdict::NoEvidence)
    );
    assert_eq!(only(&found).used, ["sibling_do"]);
    assert!(
        only(&found).reason.contains("--extra-symbols"),
        "{}",
        only(&found).reason
    );
    let found = run(
        &uses,
        &later("", without_checksums(exports()), &abi).with_built_for(&here),
    );
    assert_eq!(of(&found, "other modules").verdict, Verdict::NoEvidence);

    // The exports in the other module's own file are enough.
    let exporting = Module::good()
        .text("init_module", "call printk")
        .text("cleanup_module", "nop")
        .text("sibling_do", "nop")
        .raw(
            ".section .gnu.linkonce.this_module,\"aw\"\n.quad init_module, cleanup_module\n\
             .section __ksymtab_gpl,\"a\"\n__ksymtab_sibling_do:\n.long sibling_do - .\n\
             .long __kstrtab_sibling_do - .\n.long __kstrtabns_sibling_do - .\n\
             .section __ksymtab_strings,\"aMS\",@progbits,1\n__kstrtab_sibling_do:\n.asciz \"sibling_do\"\n\
             __kstrtabns_sibling_do:\n.asciz \"SIBLINGS\"\n\
             .section __kcrctab_gpl,\"a\"\n__crc_sibling_do:\n.long 0x1234\n",
        );
    let theirs = super::exports(exporting.build().path()).unwrap();
    assert_eq!(theirs.len(), 1, "{theirs:?}");
    let symbol = &theirs["sibling_do"];
    assert!(symbol.gpl, "{symbol:?}");
    assert_eq!(
        (symbol.crc, symbol.namespace.as_deref()),
        (Some(0x1234), Some("SIBLINGS"))
    );
    let imports = module()
        .text("f", "call sibling_do")
        .modinfo("import_ns", Some("SIBLINGS"));
    let found = run(&imports, &here.clone().with_others(theirs.clone()));
    assert_eq!(found.findings, []);
    // The namespaces of other modules count like the kernel's.
    let found = run(&uses, &here.with_others(theirs));
    assert!(
        only(&found).text.contains("namespace SIBLINGS"),
        "{found:#?}"
    );
}

#[test]
fn a_typedef_that_came_or_went_keeps_the_signature() {
    let typedef = |target: &str| {
        Arc::new(Type {
            kind: Kind::Typedef,
            size: 8,
            align: 8,
            fields: Vec::new(),
            values: BTreeMap::new(),
            target: Some(target.to_owned()),
        })
    };
    let before = abi(80, 64, 72, &["void (*)(struct pci_dev *)", "unsigned long"]);
    let mut after = abi(80, 64, 72, &["thing_fn_t", "size_t"]);
    after.types.insert(
        "thing_fn_t".to_owned(),
        typedef("void (*)(struct pci_dev *)"),
    );
    let built_for = kernel("", without_checksums(exports()), &before);
    let target = kernel("", without_checksums(exports()), &after).with_built_for(&built_for);
    let found = run(&module(), &target);
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("pci_thing", Verdict::Rebuild)
    );
    after.types.insert(
        "thing_fn_t".to_owned(),
        typedef("void (*)(struct device *)"),
    );
    let target = kernel("", without_checksums(exports()), &after).with_built_for(&built_for);
    assert_eq!(only(&run(&module(), &target)).verdict, Verdict::NotJudged);
}

#[test]
fn the_license_and_namespace_of_a_symbol_are_checked() {
    let abi = fitting();
    let with = |change: fn(&mut Symbol)| {
        let mut exported = without_checksums(exports());
        change(exported.get_mut("pci_thing").unwrap());
        exported
    };
    let gpl = with(|symbol| symbol.gpl = true);
    assert_eq!(run(&module(), &kernel("", gpl.clone(), &abi)).findings, []);
    let found = run(
        &module().modinfo("license", Some("Proprietary")),
        &kernel("", gpl, &abi),
    );
    assert_eq!(only(&found).verdict, Verdict::Source);
    assert!(only(&found).text.contains("Proprietary"));

    let namespace = with(|symbol| symbol.namespace = Some("DMA_BUF".to_owned()));
    let found = run(&module(), &kernel("", namespace.clone(), &abi));
    assert!(
        only(&found).text.contains("namespace DMA_BUF") && only(&found).verdict == Verdict::Source
    );
    let imports = module().modinfo("import_ns", Some("DMA_BUF"));
    assert_eq!(run(&imports, &kernel("", namespace, &abi)).findings, []);
    let others = with(|symbol| symbol.namespace = Some("module:kvm".to_owned()));
    assert!(
        only(&run(&module(), &kernel("", others, &abi)))
            .text
            .contains("only for kvm")
    );
}

#[test]
fn a_weak_symbol_has_to_fit_where_the_kernel_exports_it() {
    let module =
        |crc: &str| with_checksums().raw(&format!("{crc}.data\n.weak later\n.quad later\n"));
    let mut abi = fitting();
    abi.functions
        .insert("later".to_owned(), function("int", &[]).into());
    let built_for = kernel("CONFIG_MODVERSIONS=y\n", exports(), &abi);
    let found = |crc: &str, theirs: Option<Symbol>| {
        let mut exported = exports();
        exported.extend(theirs.map(|symbol| ("later".to_owned(), symbol)));
        let target = kernel("CONFIG_MODVERSIONS=y\n", exported, &abi).with_built_for(&built_for);
        run(&module(crc), &target).findings
    };
    let entry = ".section __versions,\"a\"\n.quad 5\n.ascii \"later\"\n.zero 51\n";
    assert_eq!(found("", None), []);
    assert_eq!(found(entry, Some(symbol(5))), []);
    let refused = found(entry, Some(symbol(6)));
    assert_eq!(
        (refused[0].verdict, refused[0].used.as_slice()),
        (Verdict::Rebuild, ["later".to_owned()].as_slice())
    );
    assert_eq!(found("", Some(symbol(5)))[0].verdict, Verdict::Rebuild);
    // The loader hides the symbol from a module with another license and lets it stay undefined.
    let gpl = Symbol {
        gpl: true,
        ..symbol(6)
    };
    let exported = [exports(), [("later".to_owned(), gpl)].into()]
        .into_iter()
        .flatten()
        .collect();
    let module = module("").modinfo("license", Some("Proprietary"));
    assert_eq!(
        run(&module, &kernel("CONFIG_MODVERSIONS=y\n", exported, &abi)).findings,
        []
    );
}

#[test]
fn another_checksum_is_told_with_what_changed() {
    let (before, mut exported) = (fitting(), exports());
    exported.get_mut("pci_thing").unwrap().crc = Some(99);
    let built_for = kernel("CONFIG_MODVERSIONS=y\n", exports(), &before);

    // The signature is the same, but a type behind it changed.
    let after = fitting();
    let target =
        kernel("CONFIG_MODVERSIONS=y\n", exported.clone(), &after).with_built_for(&built_for);
    let found = run(&with_checksums(), &target);
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("__versions", Verdict::Rebuild)
    );
    assert_eq!(only(&found).used, ["pci_thing"]);

    // The signature changed.
    let after = abi(80, 64, 72, &["struct pci_dev *", "int"]);
    let target =
        kernel("CONFIG_MODVERSIONS=y\n", exported.clone(), &after).with_built_for(&built_for);
    let found = run(&with_checksums(), &target);
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("pci_thing", Verdict::NotJudged)
    );
    assert!(matches!(only(&found).change, Change::Arity { .. }));

    // The signature is not known. The module is refused, and the report cannot say more.
    let found = run(
        &with_checksums(),
        &kernel("CONFIG_MODVERSIONS=y\n", exported, &after),
    );
    let names: Vec<_> = found
        .findings
        .iter()
        .map(|f| (f.name.as_str(), f.verdict))
        .collect();
    assert_eq!(
        names,
        [
            ("signatures", Verdict::NoEvidence),
            ("__versions", Verdict::Rebuild)
        ]
    );

    // The struct that the loader uses has a checksum too.
    let mut exported = exports();
    exported.get_mut("module_layout").unwrap().crc = Some(99);
    let found = run(
        &with_checksums(),
        &kernel("CONFIG_MODVERSIONS=y\n", exported, &before),
    );
    assert_eq!(only(&found).used, ["module_layout"]);
}

#[test]
fn a_module_without_checksums_is_told() {
    let abi = fitting();
    let found = run(
        &module().modinfo("vermagic", Some(MODVERSIONS)),
        &kernel("CONFIG_MODVERSIONS=y\n", exports(), &abi),
    );
    assert_eq!(only(&found).name, "no symbol version");
    assert_eq!(only(&found).used.len(), 3);
}

#[test]
fn without_checksums_signatures_decide() {
    let before = fitting();
    let built_for = kernel("", without_checksums(exports()), &before);
    for (params, how, verdict) in [
        (
            ["const struct pci_dev *"],
            Retyping::ConstOnly,
            Verdict::Rebuild,
        ),
        (["struct device *"], Retyping::Pointee, Verdict::NotJudged),
        (["int"], Retyping::Resized, Verdict::NotJudged),
    ] {
        let after = abi(80, 64, 72, &params);
        let target = kernel("", without_checksums(exports()), &after).with_built_for(&built_for);
        let found = run(&module(), &target);
        assert_eq!(found.looked_at.functions, 2);
        assert_eq!(
            (only(&found).subject, only(&found).verdict),
            (Subject::Function, verdict)
        );
        assert!(
            matches!(&only(&found).change, Change::Retyped { how: found, .. } if *found == how),
            "{:?}",
            only(&found)
        );
    }
}

#[test]
fn a_moved_init_is_found_though_the_size_is_the_same() {
    let abi = abi(80, 56, 72, &["struct pci_dev *"]);
    let found = run(&module(), &kernel("", without_checksums(exports()), &abi));
    let finding = only(&found);
    assert_eq!(
        (finding.name.as_str(), finding.verdict),
        ("module.init", Verdict::Rebuild)
    );
    assert!(
        matches!(&finding.change, Change::Moved { fields, by_bits: -64, .. } if *fields == ["init"])
    );
    assert_eq!(
        finding.text,
        "struct module has init at 64 in the module and at 56 in the kernel (by -8)"
    );
    assert_eq!(
        found.layouts["module"].after.as_ref(),
        Some(&abi.types["module"])
    );
}

#[test]
fn another_size_of_struct_module_is_found() {
    let abi = abi(1280, 64, 72, &["struct pci_dev *"]);
    let found = run(&module(), &kernel("", without_checksums(exports()), &abi));
    assert!(matches!(
        only(&found).change,
        Change::Size {
            before: 80,
            after: 1280,
            ..
        }
    ));
}

#[test]
fn without_type_information_only_a_checksum_describes_struct_module() {
    let empty = Abi::default();
    let found = run(
        &with_checksums(),
        &kernel("CONFIG_MODVERSIONS=y\n", exports(), &empty),
    );
    assert_eq!(found.findings, []);
    let found = run(&module(), &kernel("", without_checksums(exports()), &empty));
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("module", Verdict::NoEvidence)
    );
}

#[test]
fn machine_code_that_the_kernel_would_not_want_has_to_be_built_again() {
    let abi = fitting();
    let plain = module().bare("f", "ret").raw(".data\n.quad f\n");
    let found = run(&plain, &kernel("", without_checksums(exports()), &abi));
    let names: Vec<_> = found
        .findings
        .iter()
        .map(|f| (f.name.as_str(), f.verdict))
        .collect();
    assert_eq!(
        names,
        [("endbr", Verdict::Rebuild), ("returns", Verdict::Rebuild)]
    );
    let got = module().text("f", "movq printk@GOTPCREL(%rip), %rax");
    let found = run(&got, &kernel("", without_checksums(exports()), &abi));
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("relocations", Verdict::Rebuild)
    );
    // The code is right or wrong for every kernel alike.
    let vector = module().text("f", "movaps %xmm0, %xmm1");
    let found = run(&vector, &kernel("", without_checksums(exports()), &abi));
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("instructions", Verdict::Keeps)
    );
}

#[test]
fn a_record_knows_only_the_symbols_in_its_scope() {
    let mut record = fitting();
    record.symbols = shared(exports());
    record.symbols.remove("pci_thing");
    let found = run(&with_checksums(), &Target::of_abi(&record));
    let exports = found.findings.iter().find(|f| f.name == "exports").unwrap();
    assert_eq!(
        (exports.verdict, exports.used.as_slice()),
        (Verdict::NoEvidence, ["pci_thing".to_owned()].as_slice())
    );
    record.symbols.clear();
    let found = run(&with_checksums(), &Target::of_abi(&record));
    let exports = found.findings.iter().find(|f| f.name == "exports").unwrap();
    assert_eq!(exports.used.len(), 3);
}

#[test]
fn another_architecture_is_one_finding() {
    let abi = fitting();
    let built = module().build();
    let mut bytes = fs::read(built.path()).unwrap();
    bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
    let path = built.path().with_extension("arm64.ko");
    fs::write(&path, &bytes).unwrap();
    let found = check(&path, &kernel("", exports(), &abi)).unwrap();
    assert_eq!(
        (only(&found).name.as_str(), only(&found).verdict),
        ("arch", Verdict::NotJudged)
    );
    assert_eq!(
        only(&found).text,
        "the module is for aarch64, the kernel for x86_64"
    );
    let mut arm = kernel("", without_checksums(exports()), &abi);
    arm.arch = "aarch64".to_owned();
    let found = check(&path, &arm).unwrap();
    let names: Vec<_> = found
        .findings
        .iter()
        .map(|f| (f.name.as_str(), f.verdict))
        .collect();
    assert_eq!(
        names,
        [
            ("mitigations", Verdict::NoEvidence),
            ("vermagic", Verdict::Rebuild)
        ],
        "its vermagic does not end in aarch64"
    );
}

#[test]
fn a_compressed_module_is_read() {
    let abi = fitting();
    let target = kernel("", without_checksums(exports()), &abi);
    let built = module().build();
    let tools: [(&str, &[&str]); 2] = [("gzip", &["-k"]), ("xz", &["-k", "--check=sha256"])];
    for (tool, arguments) in tools {
        let ran = std::process::Command::new(tool)
            .args(arguments)
            .arg(built.path())
            .status();
        assert!(ran.unwrap().success(), "{tool}");
    }
    for packed in ["gz", "xz"] {
        let path = std::path::PathBuf::from(format!("{}.{packed}", built.path().display()));
        assert_eq!(check(&path, &target).unwrap().findings, [], "{packed}");
    }
}

#[test]
fn a_file_that_cannot_be_a_module_is_refused_before_it_is_read() {
    let abi = fitting();
    let target = kernel("", exports(), &abi);
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo.ko");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let sparse = dir.path().join("sparse.ko");
    fs::File::create(&sparse).unwrap().set_len(6 << 30).unwrap();
    for (path, found) in [
        (fifo.as_path(), "a device, pipe or socket"),
        (Path::new("/dev/zero"), "a device, pipe or socket"),
        (sparse.as_path(), "one of 6442450944 bytes"),
        (dir.path(), "a folder"),
    ] {
        let error = check(path, &target).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
}

#[test]
fn the_kernel_that_it_was_built_for_has_to_be_that() {
    let (abi, other) = (fitting(), fitting());
    let mut built_for = kernel("", exports(), &other);
    built_for.release = "6.1.0".to_owned();
    let target = kernel("", exports(), &abi).with_built_for(&built_for);
    let error = check(module().build().path(), &target)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("built for 6.1.0") && error.contains(RELEASE),
        "{error}"
    );
}

#[test]
fn an_incomplete_or_damaged_module_is_an_error() {
    let abi = fitting();
    let target = kernel("", exports(), &abi);
    let built = module().build();
    let bytes = fs::read(built.path()).unwrap();
    let path = built.path().with_extension("bad.ko");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        check(&path, &target).unwrap_err().to_string()
    };
    for length in (0..bytes.len()).step_by(13) {
        assert!(refused(&bytes[..length]).contains("bad.ko"), "{length}");
    }
    assert!(refused(b"\xfd7zXZ\0more").contains("whole data compressed with xz"));
    assert!(refused(b"\x28\xb5\x2f\xfdmore").contains("whole data compressed with zstd"));
    let object = fs::read(Module::unfinished().text("f", "nop").build().path()).unwrap();
    assert!(refused(&object).contains(".gnu.linkonce.this_module"));
    // A module for another architecture has another reader. Damage gives an error or a report,
    // never a panic.
    let mut arm = bytes.clone();
    arm[18..20].copy_from_slice(&183_u16.to_le_bytes());
    let mut refusals = 0;
    for length in (0..arm.len()).step_by(13) {
        fs::write(&path, &arm[..length]).unwrap();
        refusals += usize::from(check(&path, &target).is_err());
    }
    assert!(refusals > 0);
    for at in (0..arm.len()).filter(|at| !(16..20).contains(at)) {
        let mut damaged = arm.clone();
        damaged[at] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        let _ = check(&path, &target);
    }
}
