// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the comparison of two kernels, its words and its formats.

use std::collections::{BTreeMap, BTreeSet};

use linux_driver_abi::accept::{Accepted, Date};
use linux_driver_abi::btf::ABSENT;
use linux_driver_abi::compare::Says;
use linux_driver_abi::model::{
    Abi, Constant, Field, Function, Kind, Linkage, Origin, Symbol, Type,
};
use linux_driver_abi::report::{
    AbiPart, Change, Comparison, Conclusion, DriftReport, FailOn, Finding, Retyping, SCHEMA,
    Subject, Verdict, github, json, markdown, picture, sarif, text,
};
use linux_driver_abi::usage::Role;
use linux_driver_abi::{Usage, compare};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

const NAMES: (&str, &str) = ("6.1.0-49-amd64", "6.1.0-50-amd64");

/// Builds a struct from fields: the name, type, offset and width in bytes of each.
fn structure(size: u64, fields: &[(&str, &str, u64, u64)]) -> Type {
    Type {
        kind: Kind::Struct,
        size,
        align: 8,
        fields: fields
            .iter()
            .map(|(name, type_, at, size)| field(name, type_, at * 8, size * 8, false))
            .collect(),
        values: BTreeMap::new(),
        target: None,
    }
}

fn field(name: &str, type_name: &str, offset_bits: u64, size_bits: u64, bitfield: bool) -> Field {
    Field {
        name: name.into(),
        offset_bits,
        size_bits,
        type_name: type_name.into(),
        bitfield,
    }
}

fn function(returns: &str, params: &[&str]) -> Function {
    let params = params.iter().map(|param| (*param).to_owned()).collect();
    Function {
        returns: returns.into(),
        params,
        variadic: false,
        linkage: None,
    }
}

fn abi(types: &[(&str, Type)]) -> Abi {
    let types = types
        .iter()
        .map(|(name, type_)| ((*name).to_owned(), type_.clone().into()))
        .collect();
    Abi {
        types,
        ..Abi::default()
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn allocating(names: &[&str]) -> Usage {
    Usage {
        allocated: set(names),
        ..Usage::default()
    }
}

fn touching(name: &str, fields: &[&str]) -> Usage {
    Usage {
        fields: BTreeMap::from([(name.to_owned(), set(fields))]),
        ..Usage::default()
    }
}

fn calling(names: &[&str]) -> Usage {
    Usage {
        functions: set(names),
        ..Usage::default()
    }
}

fn check(before: &Abi, after: &Abi, usage: &Usage) -> Comparison {
    compare::kernels(before, after, usage, NAMES)
}

/// Returns the finding with this name. There must be exactly one.
#[track_caller]
fn finding<'a>(check: &'a Comparison, name: &str) -> &'a Finding {
    let mut found = check.findings.iter().filter(|finding| finding.name == name);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("no finding of {name}: {:#?}", check.findings));
    assert!(
        found.next().is_none(),
        "two findings of {name}: {:#?}",
        check.findings
    );
    first
}

fn report(checks: Vec<Comparison>) -> DriftReport {
    DriftReport {
        schema: SCHEMA,
        tool: "0.1.0".into(),
        shard: None,
        checks,
    }
}

/// Builds a `pci_driver` that begins with a list node, and one that does not.
fn pci_drivers() -> (Abi, Abi) {
    let driver = |at: u64| {
        let rest = [
            ("name", "const char *"),
            ("id_table", "const struct pci_device_id *"),
            ("probe", "int (*)(void)"),
        ];
        let mut fields: Vec<_> = rest
            .iter()
            .zip(0..)
            .map(|((name, type_), n)| (*name, *type_, at + n * 8, 8))
            .collect();
        if at > 0 {
            fields.insert(0, ("node", "struct list_head", 0, 16));
        }
        structure(24 + at, &fields)
    };
    (
        abi(&[("pci_driver", driver(16))]),
        abi(&[("pci_driver", driver(0))]),
    )
}

#[test]
fn a_shift_is_one_finding_with_its_cause() {
    let (before, after) = pci_drivers();
    let usage = allocating(&["pci_driver"]).and(touching("pci_driver", &["name", "probe"]));
    let check = check(&before, &after, &usage);
    assert_eq!(check.findings.len(), 1, "{:#?}", check.findings);
    let finding = finding(&check, "pci_driver.node");
    assert_eq!(
        finding.text,
        "node (16 B) gone at 0, so 3 later fields move by -16; the code uses 2 of them: name, \
         probe; \
         its size goes from 40 to 24"
    );
    assert_eq!(
        (finding.verdict, finding.role),
        (Verdict::Rebuild, Some(Role::DriverAllocated))
    );
    assert_eq!(finding.used, ["pci_driver.name", "pci_driver.probe"]);
    let Change::Moved {
        fields,
        by_bits,
        cause,
    } = &finding.change
    else {
        panic!("{finding:?}")
    };
    assert_eq!(
        (fields.len(), *by_bits, cause.as_slice()),
        (3, -128, ["node".to_owned()].as_slice())
    );
    assert!(check.layouts.contains_key("pci_driver"));
}

#[test]
fn the_role_decides_what_a_shift_means() {
    let (before, after) = pci_drivers();
    let verdict = |usage: &Usage| {
        let check = check(&before, &after, usage);
        (check.verdict(), check.findings.len())
    };
    assert_eq!(verdict(&Usage::default()), (Some(Verdict::Keeps), 1));
    assert_eq!(
        verdict(&touching("pci_driver", &["name"])),
        (Some(Verdict::Rebuild), 1)
    );
    assert_eq!(
        verdict(&allocating(&["pci_driver"])),
        (Some(Verdict::Rebuild), 1)
    );
    // A named field that was removed is more severe, and has a finding of its own.
    assert_eq!(
        verdict(&touching("pci_driver", &["node"])).0,
        Some(Verdict::Source)
    );
    // Neither side has this named field. The code would not compile, so the usage belongs to
    // another kernel.
    let nowhere = check(&after, &before, &touching("pci_driver", &["no_such"]));
    assert_eq!(
        finding(&nowhere, "pci_driver.no_such").verdict,
        Verdict::NoEvidence
    );
}

#[test]
fn the_stride_of_an_array_that_is_touched_is_compiled_in() {
    let of = |element: u64| {
        let fields = [
            ("resource", "struct resource [4]", 0, 4 * element),
            ("irq", "int", 4 * element, 4),
        ];
        abi(&[
            ("pci_dev", structure(4 * element + 8, &fields)),
            ("resource", structure(element, &[("start", "long", 0, 8)])),
        ])
    };
    let found = check(&of(64), &of(72), &touching("pci_dev", &["resource"]));
    assert_eq!(
        found.verdict(),
        Some(Verdict::Rebuild),
        "{:#?}",
        found.findings
    );
    // A struct that is held by value and grows keeps its offset.
    let of = |inner: u64| {
        let fields = [("dev", "struct device", 0, inner), ("irq", "int", inner, 4)];
        abi(&[
            ("pci_dev", structure(inner + 8, &fields)),
            ("device", structure(inner, &[("kobj", "long", 0, 8)])),
        ])
    };
    let held = check(&of(64), &of(72), &touching("pci_dev", &["dev"]));
    assert_eq!(held.verdict(), Some(Verdict::Keeps), "{:#?}", held.findings);
}

#[test]
fn a_typedef_that_is_reached_matters() {
    let of = |target: &str, size: u64| {
        let revision = Type {
            kind: Kind::Typedef,
            size,
            align: size,
            fields: Vec::new(),
            values: BTreeMap::new(),
            target: Some(target.to_owned()),
        };
        abi(&[
            ("pci_dev", structure(8, &[("revision", "rev_t", 0, size)])),
            ("rev_t", revision),
        ])
    };
    let used = touching("pci_dev", &["revision"]);
    for (target, size) in [("signed char", 1), ("short unsigned int", 2)] {
        let found = check(&of("unsigned char", 1), &of(target, size), &used);
        assert!(
            found.verdict() >= Some(Verdict::Rebuild),
            "{target}: {:#?}",
            found.findings
        );
        let unused = check(
            &of("unsigned char", 1),
            &of(target, size),
            &Usage::default(),
        );
        assert_eq!(unused.verdict(), Some(Verdict::Keeps));
    }
}

#[test]
fn another_architecture_is_drift() {
    let of = |arch: &str| Abi {
        arch: arch.to_owned(),
        ..abi(&[("t", structure(8, &[("a", "long", 0, 8)]))])
    };
    let found = check(&of("x86_64"), &of("aarch64"), &Usage::default());
    assert_eq!(finding(&found, "arch").verdict, Verdict::Rebuild);
    assert_eq!(
        check(&of("x86_64"), &of("x86_64"), &Usage::default()).findings,
        []
    );
}

#[test]
fn an_incomplete_set_of_shards_is_not_merged() {
    let shard = |shard: &str| DriftReport {
        shard: Some(shard.to_owned()),
        ..example()
    };
    assert!(json::merge([shard("1/2"), shard("2/2")]).is_ok());
    for wrong in [
        vec![shard("1/2")],
        vec![shard("1/2"), shard("1/2")],
        vec![shard("1/2"), shard("2/3")],
    ] {
        assert!(
            json::merge(wrong)
                .unwrap_err()
                .to_string()
                .contains("each shard once")
        );
    }
}

#[test]
fn a_shift_names_the_inner_type_that_grew() {
    let lock = |size| Type {
        target: None,
        ..structure(size, &[("raw", "int", 0, size)])
    };
    let typedef = |size| Type {
        kind: Kind::Typedef,
        target: Some("struct spinlock".into()),
        ..structure(size, &[])
    };
    let side = |lock_size: u64| {
        let dynids = structure(
            16 + lock_size,
            &[
                ("lock", "spinlock_t", 0, lock_size),
                ("list", "long", lock_size, 16),
            ],
        );
        let fields = [
            ("dynids", "struct pci_dynids", 8, 16 + lock_size),
            ("managed", "bool", 24 + lock_size, 1),
        ];
        abi(&[
            ("pci_driver", structure(32 + lock_size, &fields)),
            ("pci_dynids", dynids),
            ("spinlock", lock(lock_size)),
            ("spinlock_t", typedef(lock_size)),
        ])
    };
    let check = check(&side(8), &side(32), &allocating(&["pci_driver"]));
    assert_eq!(
        finding(&check, "pci_driver.dynids").text,
        "dynids (struct pci_dynids) grew by 24 B, because of spinlock_t, so 1 later field moves \
         by +24; \
         its size goes from 40 to 64"
    );
    // The driver allocates the outer struct, so it allocates these too.
    assert!(
        check
            .findings
            .iter()
            .all(|finding| finding.role == Some(Role::DriverAllocated)),
        "{check:#?}"
    );
    let of_driver = check
        .findings
        .iter()
        .filter(|finding| finding.type_name() == Some("pci_driver"));
    assert_eq!(of_driver.count(), 1);
}

#[test]
fn bit_fields_move_in_bits() {
    let side = |news: &[&str], shift: u64| {
        let mut type_ = structure(16, &[("link", "void *", 0, 8)]);
        type_.fields.extend(
            news.iter()
                .zip(64..)
                .map(|(name, at)| field(name, "unsigned int", at, 1, true)),
        );
        type_.fields.extend(
            ["ltr", "pasid"]
                .iter()
                .zip(64 + shift..)
                .map(|(name, at)| field(name, "unsigned int", at, 1, true)),
        );
        type_.fields.push(field("state", "int", 96, 32, false));
        abi(&[("pci_dev", type_)])
    };
    let check = check(
        &side(&[], 0),
        &side(&["l0s", "l1"], 2),
        &touching("pci_dev", &["pasid", "state"]),
    );
    assert_eq!(check.findings.len(), 1, "{:#?}", check.findings);
    let finding = &check.findings[0];
    assert_eq!(
        finding.text,
        "l0s (1 bit) new at 8:0; l1 (1 bit) new at 8:1, so 2 later fields move by +2 bits; the \
         code uses 1 of them: pasid"
    );
    assert_eq!(finding.verdict, Verdict::Rebuild);
}

#[test]
fn a_removed_field_is_found_although_the_size_stays() {
    let (full, less) = (
        abi(&[(
            "bus_type",
            structure(16, &[("name", "char *", 0, 8), ("need_lock", "bool", 8, 1)]),
        )]),
        abi(&[("bus_type", structure(16, &[("name", "char *", 0, 8)]))]),
    );
    let check = check(&full, &less, &Usage::default());
    let finding = finding(&check, "bus_type.need_lock");
    assert_eq!(
        (&finding.change, finding.verdict),
        (&Change::Removed, Verdict::Keeps)
    );
    assert_eq!(
        finding.text,
        "need_lock (1 B) gone at 8, and the size stays 16"
    );
}

#[test]
fn fields_that_swap_offsets_are_not_a_shift_of_all() {
    let side = |order: &[&'static str]| {
        let fields: Vec<_> = order
            .iter()
            .zip(0..)
            .map(|(name, at)| (*name, "long", at * 8, 8))
            .collect();
        abi(&[("t", structure(32, &fields))])
    };
    let check = check(
        &side(&["a", "b", "c", "d"]),
        &side(&["b", "c", "a", "d"]),
        &touching("t", &["a"]),
    );
    let moved: BTreeSet<&str> = check
        .findings
        .iter()
        .filter_map(|finding| match &finding.change {
            Change::Moved { fields, .. } => Some(fields),
            _ => None,
        })
        .flatten()
        .map(String::as_str)
        .collect();
    assert_eq!(
        moved,
        BTreeSet::from(["a", "b", "c"]),
        "{:#?}",
        check.findings
    );
    assert_eq!(check.verdict(), Some(Verdict::Rebuild));
}

#[test]
fn types_of_fields_differ_in_several_ways() {
    let of = |type_: &str| abi(&[("t", structure(8, &[("f", type_, 0, 8)]))]);
    let used = touching("t", &["f"]);
    let how = |before: &str, after: &str, usage: &Usage| {
        let check = check(&of(before), &of(after), usage);
        let finding = finding(&check, "t.f");
        let Change::Retyped { how, .. } = finding.change else {
            panic!("{finding:?}")
        };
        (how, finding.verdict)
    };
    assert_eq!(
        how("struct b *", "const struct b *", &used),
        (Retyping::ConstOnly, Verdict::Keeps)
    );
    assert_eq!(
        how("struct b *", "struct c *", &used),
        (Retyping::Pointee, Verdict::Source)
    );
    assert_eq!(
        how("struct b *", "struct c *", &Usage::default()),
        (Retyping::Pointee, Verdict::Keeps)
    );
    assert_eq!(
        how("u64", "unsigned long long", &used),
        (Retyping::SameSize, Verdict::Keeps)
    );
    assert_eq!(
        how("long", "unsigned long", &used),
        (Retyping::SameSize, Verdict::Source)
    );

    // The old type still exists beside the new one, in a union.
    let before = of("struct list_head");
    let fields = [
        ("f", "struct rb_node", 0, 8),
        ("g", "struct list_head", 0, 8),
    ];
    let check = check(&before, &abi(&[("t", structure(8, &fields))]), &used);
    let Change::Retyped { how, .. } = finding(&check, "t.f").change else {
        panic!("{check:?}")
    };
    assert_eq!(how, Retyping::UnionAlias);
}

#[test]
fn a_field_with_another_name_at_its_offset_was_renamed() {
    let of = |name: &'static str| abi(&[("t", structure(8, &[(name, "struct x *", 0, 8)]))]);
    let check = check(
        &of("__p_data"),
        &of("p_data"),
        &touching("t", &["__p_data"]),
    );
    let finding = finding(&check, "t.__p_data");
    assert_eq!(
        finding.change,
        Change::Renamed {
            to: "p_data".into()
        }
    );
    assert_eq!(finding.verdict, Verdict::Source);
}

#[test]
fn functions_change_in_several_ways() {
    let of = |functions: &[(&str, Function)]| Abi {
        functions: functions
            .iter()
            .map(|(name, function)| ((*name).to_owned(), function.clone().into()))
            .collect(),
        ..Abi::default()
    };
    let mut before = of(&[
        (
            "kvfree_call_rcu",
            function("void", &["struct callback_head *", "rcu_callback_t"]),
        ),
        ("get", function("int", &["struct device *"])),
        ("match", function("int", &["struct device *"])),
        ("__kmalloc", function("void *", &["size_t", "gfp_t"])),
        ("same", function("void", &[])),
    ]);
    let after = of(&[
        (
            "kvfree_call_rcu",
            function("void", &["struct callback_head *", "void *", "int"]),
        ),
        ("get", function("int", &["const struct device *"])),
        ("match", function("int", &["struct bus *"])),
        (
            "__kmalloc_noprof",
            function("void *", &["unsigned long", "gfp_t"]),
        ),
        ("other", function("void *", &["size_t", "gfp_t"])),
        ("same", function("void", &[])),
    ]);
    for name in ["__kmalloc_noprof", "other"] {
        before
            .no_evidence
            .insert(format!("function {name}"), ABSENT.to_owned());
    }
    let usage = calling(&["kvfree_call_rcu", "get", "match", "__kmalloc", "same"]);
    let used = check(&before, &after, &usage);
    let arity = finding(&used, "kvfree_call_rcu");
    assert!(matches!(arity.change, Change::Arity { .. }), "{arity:?}");
    assert_eq!(arity.verdict, Verdict::Source);
    assert!(arity.reason.contains("the old call"), "{arity:?}");
    assert_eq!(finding(&used, "get").verdict, Verdict::Keeps);
    assert_eq!(finding(&used, "match").verdict, Verdict::Source);
    let renamed = finding(&used, "__kmalloc");
    assert_eq!(
        renamed.change,
        Change::Renamed {
            to: "__kmalloc_noprof".into()
        }
    );
    assert_eq!(renamed.verdict, Verdict::Source);
    assert_eq!(finding(&used, "other").change, Change::Added);
    assert_eq!(used.looked_at.functions, 4);

    let unused = check(&before, &after, &Usage::default());
    assert_eq!(unused.verdict(), Some(Verdict::Keeps));
}

#[test]
fn exported_inline_and_macro_are_told_apart() {
    let of = |linkage| {
        let function = Function {
            linkage: Some(linkage),
            ..function("void", &[])
        };
        Abi {
            functions: BTreeMap::from([("f".to_owned(), function.into())]),
            ..Abi::default()
        }
    };
    let verdict = |was, is| check(&of(was), &of(is), &calling(&["f"])).verdict();
    assert_eq!(
        verdict(Linkage::Exported, Linkage::Inline),
        Some(Verdict::Rebuild)
    );
    assert_eq!(
        verdict(Linkage::Exported, Linkage::Internal),
        Some(Verdict::Source)
    );
    assert_eq!(
        verdict(Linkage::Macro, Linkage::Exported),
        Some(Verdict::Keeps)
    );
    assert_eq!(verdict(Linkage::Inline, Linkage::Inline), None);
}

#[test]
fn symbols_have_the_conditions_of_the_loader() {
    let symbol = |crc, gpl, namespace: Option<&str>| Symbol {
        crc,
        module: "vmlinux".into(),
        gpl,
        namespace: namespace.map(str::to_owned),
    };
    let of = |symbols: &[(&str, Symbol)]| Abi {
        symbols: symbols
            .iter()
            .map(|(name, symbol)| ((*name).to_owned(), symbol.clone().into()))
            .collect(),
        ..Abi::default()
    };
    let before = of(&[
        ("crc", symbol(Some(1), true, None)),
        ("gpl", symbol(Some(2), false, None)),
        ("space", symbol(Some(3), true, None)),
        ("gone", symbol(Some(4), true, None)),
        ("quiet", symbol(Some(5), true, None)),
    ]);
    let mut after = of(&[
        ("crc", symbol(Some(9), true, None)),
        ("gpl", symbol(Some(2), true, None)),
        ("space", symbol(Some(3), true, Some("DMA"))),
        ("quiet", symbol(Some(6), true, None)),
    ]);
    after
        .no_evidence
        .insert("function gone".into(), ABSENT.into());
    let check_all = check(&before, &after, &calling(&["crc", "gpl", "space", "gone"]));
    let verdict = |name| {
        let mut found = check_all
            .findings
            .iter()
            .filter(|finding| finding.subject == Subject::Symbol);
        found
            .find(|finding| finding.name == name)
            .map(|finding| finding.verdict)
    };
    assert_eq!(verdict("crc"), Some(Verdict::Rebuild));
    assert_eq!(verdict("gpl"), Some(Verdict::Source));
    assert_eq!(verdict("space"), Some(Verdict::Source));
    assert_eq!(verdict("gone"), Some(Verdict::Source));
    assert_eq!(verdict("Module.symvers"), Some(Verdict::Keeps));
    // Its parameters are still unknown; only an equal checksum is evidence.
    let unknown = check_all
        .findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::NoEvidence);
    let unknown: Vec<&str> = unknown.map(|finding| finding.name.as_str()).collect();
    assert_eq!(unknown, ["crc"]);
    // A missing list proves nothing, so it does not pass.
    let missing = check(&before, &Abi::default(), &calling(&["crc"]));
    assert_eq!(
        finding(&missing, "Module.symvers").verdict,
        Verdict::NoEvidence
    );
}

#[test]
fn a_function_missing_from_all_lists_was_removed() {
    let symbol = Symbol {
        crc: None,
        module: "vmlinux".into(),
        gpl: true,
        namespace: None,
    };
    let with = |functions: &[&str], symbols: &[&str]| Abi {
        functions: functions
            .iter()
            .map(|name| ((*name).to_owned(), function("void", &[]).into()))
            .collect(),
        symbols: symbols
            .iter()
            .map(|name| ((*name).to_owned(), symbol.clone().into()))
            .collect(),
        ..Abi::default()
    };
    let (before, mut after) = (with(&["f", "g"], &["f", "g"]), with(&["g"], &["g"]));
    // It was not looked for there.
    let unasked = check(&before, &after, &calling(&["f"]));
    assert!(
        unasked
            .findings
            .iter()
            .all(|finding| finding.verdict == Verdict::NoEvidence)
    );
    let back = check(&after, &before, &calling(&["f"]));
    assert!(
        back.findings
            .iter()
            .all(|finding| finding.verdict == Verdict::NoEvidence)
    );
    after.no_evidence.insert("function f".into(), ABSENT.into());
    let gone = check(&before, &after, &calling(&["f"]));
    assert_eq!(
        (&finding(&gone, "f").change, finding(&gone, "f").verdict),
        (&Change::Removed, Verdict::Source)
    );
    // Type information alone does not tell if a header defines it now.
    let unsure = check(
        &with(&["f", "g"], &[]),
        &with(&["g"], &[]),
        &calling(&["f"]),
    );
    assert_eq!(finding(&unsure, "f").verdict, Verdict::NoEvidence);
}

#[test]
fn constants_are_compiled_in() {
    let constant = |value, source| Constant {
        value,
        source,
        type_name: None,
    };
    let of = |constants: &[(&str, i128)]| Abi {
        constants: constants
            .iter()
            .map(|(name, value)| ((*name).to_owned(), constant(*value, Origin::Compiler)))
            .collect(),
        ..Abi::default()
    };
    let before = of(&[("IRQF_SHARED", 128), ("GONE", 1), ("SAME", 2)]);
    let after = of(&[("IRQF_SHARED", 64), ("SAME", 2)]);
    let usage = Usage {
        constants: set(&["IRQF_SHARED", "GONE", "SAME"]),
        ..Usage::default()
    };
    let both = check(&before, &after, &usage);
    assert_eq!(finding(&both, "IRQF_SHARED").verdict, Verdict::Rebuild);
    assert_eq!(finding(&both, "GONE").verdict, Verdict::Source);
    assert_eq!(both.findings.len(), 2);
    // One side has no headers, but that does not mean that its constants were removed.
    let without = check(&before, &abi(&[("t", structure(8, &[]))]), &usage);
    let no_evidence = finding(&without, "constants");
    assert_eq!(
        (no_evidence.verdict, no_evidence.used.len()),
        (Verdict::NoEvidence, 3)
    );
    assert!(
        without
            .findings
            .iter()
            .all(|finding| finding.verdict == Verdict::NoEvidence || finding.name == "t")
    );
}

#[test]
fn unused_enumerators_are_one_finding() {
    let of = |values: &[(&str, i128)]| {
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        abi(&[(
            "pm",
            Type {
                kind: Kind::Enum,
                values,
                ..structure(4, &[])
            },
        )])
    };
    let usage = Usage {
        constants: set(&["USED"]),
        ..Usage::default()
    };
    let check = check(
        &of(&[("A", 0), ("B", 1), ("USED", 2)]),
        &of(&[("A", 0), ("B", 2), ("C", 1), ("USED", 3)]),
        &usage,
    );
    assert_eq!(finding(&check, "USED").verdict, Verdict::Rebuild);
    assert_eq!(finding(&check, "pm").text, "B 1 → 2, C new");
    assert_eq!(check.findings.len(), 2);
}

#[test]
fn unknown_facts_never_pass() {
    let with = |why: &str| {
        let mut side = abi(&[("known", structure(8, &[]))]);
        side.no_evidence.insert("type lost".into(), why.into());
        side
    };
    let known = abi(&[("known", structure(8, &[])), ("lost", structure(8, &[]))]);
    let one_side = check(&known, &with(ABSENT), &Usage::default());
    assert_eq!(finding(&one_side, "lost").verdict, Verdict::NoEvidence);
    let ambiguous = check(
        &with("two definitions"),
        &with("two definitions"),
        &Usage::default(),
    );
    assert_eq!(finding(&ambiguous, "lost").verdict, Verdict::NoEvidence);
    // Neither kernel has it, and it is not used, so nothing can drift. If it is used, it does not
    // pass.
    assert_eq!(
        check(&with(ABSENT), &with(ABSENT), &Usage::default()).findings,
        []
    );
    let used = check(&with(ABSENT), &with(ABSENT), &allocating(&["lost"]));
    assert_eq!(finding(&used, "lost").verdict, Verdict::NoEvidence);
    // It was not asked for on one side, or on both.
    let unasked = check(
        &known,
        &abi(&[("known", structure(8, &[]))]),
        &Usage::default(),
    );
    assert_eq!(finding(&unasked, "lost").verdict, Verdict::NoEvidence);
    let nowhere = check(
        &known,
        &known,
        &allocating(&["nowhere"]).and(calling(&["nowhere_f"])),
    );
    assert_eq!(finding(&nowhere, "nowhere").verdict, Verdict::NoEvidence);
    assert_eq!(finding(&nowhere, "nowhere_f").verdict, Verdict::NoEvidence);
    // Nothing was compared.
    assert_eq!(
        check(&Abi::default(), &Abi::default(), &Usage::default()).verdict(),
        Some(Verdict::NoEvidence)
    );
    assert_eq!(check(&known, &known, &Usage::default()).findings, []);
}

#[test]
fn facts_that_a_source_cannot_describe_are_outside_the_scope() {
    let constant = Constant {
        value: 1,
        source: Origin::Compiler,
        type_name: None,
    };
    let mut full = abi(&[("known", structure(8, &[])), ("lost", structure(8, &[]))]);
    let mut inline = function("void", &[]);
    inline.linkage = Some(Linkage::Inline);
    full.functions = BTreeMap::from([
        ("f".to_owned(), function("void", &[]).into()),
        ("inline".to_owned(), inline.into()),
        ("added".to_owned(), function("int", &[]).into()),
    ]);
    full.constants.insert("C".into(), constant);
    let symbol = Symbol {
        crc: None,
        module: "vmlinux".into(),
        gpl: true,
        namespace: None,
    };
    for name in ["f", "added"] {
        full.symbols.insert(name.into(), symbol.clone().into());
    }
    // The same kernel, read from its type information before `added` was needed.
    let mut types = full.clone();
    types.constants.clear();
    types.functions.remove("added");
    types.functions.remove("inline");
    types.symbols.remove("added");
    types
        .no_evidence
        .insert("function inline".into(), ABSENT.into());
    let usage = Usage {
        constants: set(&["C"]),
        ..calling(&["f", "added", "inline"])
    };
    let no_constants = Says {
        constants: false,
        symbols: true,
    };
    let scoped = |before: (&Abi, Says), after: (&Abi, Says), wanted: Option<&[AbiPart]>| {
        let wanted = wanted.map(|parts| parts.iter().copied().collect());
        compare::in_scope(before, after, &usage, NAMES, wanted.as_ref())
    };
    for (before, after) in [
        ((&full, Says::ALL), (&types, no_constants)),
        ((&types, no_constants), (&full, Says::ALL)),
        ((&types, no_constants), (&types, no_constants)),
        ((&full, Says::ALL), (&full, Says::ALL)),
    ] {
        let check = scoped(before, after, None);
        assert_eq!(check.findings, []);
        let told = text::render(&report(vec![check.clone()]), text::Options::default());
        let both_full = before.1 == Says::ALL && after.1 == Says::ALL;
        assert_eq!(told.contains("not constants"), !both_full, "{told}");
        assert_eq!(told.contains("function added"), !both_full, "{told}");
        assert_eq!(
            report(vec![check]).conclusion(FailOn::Any),
            Conclusion::Holds
        );
    }
    // A part that was asked for by name does not pass.
    let wanted = scoped(
        (&types, no_constants),
        (&types, no_constants),
        Some(&[AbiPart::Constants]),
    );
    assert_eq!(finding(&wanted, "constants").verdict, Verdict::NoEvidence);
    assert_eq!(wanted.findings.len(), 1, "{:#?}", wanted.findings);
    // A source that should have described it, and did not, does not pass either.
    let broken = scoped((&full, Says::ALL), (&types, Says::ALL), None);
    assert_eq!(finding(&broken, "constants").verdict, Verdict::NoEvidence);
    let mut vain = full.clone();
    vain.types.remove("lost");
    vain.no_evidence
        .insert("type lost".into(), "two definitions".into());
    let lost = scoped((&full, Says::ALL), (&vain, Says::ALL), None);
    assert_eq!(finding(&lost, "lost").verdict, Verdict::NoEvidence);
    // Drift inside the scope is found.
    let mut moved = types.clone();
    moved
        .functions
        .insert("f".into(), function("int", &[]).into());
    let drift = scoped((&full, Says::ALL), (&moved, no_constants), None);
    assert_eq!(finding(&drift, "f").verdict, Verdict::Source);
}

/// Builds findings of three weights, with characters that formats have to escape.
fn example() -> DriftReport {
    let (before, after) = pci_drivers();
    let mut shifted = check(
        &before,
        &after,
        &allocating(&["pci_driver"]).and(touching("pci_driver", &["name"])),
    );
    shifted.findings.push(Finding {
        subject: Subject::Function,
        name: "f,g:h".into(),
        change: Change::NoEvidence,
        role: None,
        used: vec!["f".into()],
        verdict: Verdict::NoEvidence,
        text: "50% of <it>\nis | not known".into(),
        reason: "so".into(),
        accepted: None,
    });
    report(vec![shifted])
}

#[test]
fn the_conclusion_follows_the_most_severe_open_finding() {
    let with = |verdicts: &[Verdict]| {
        let mut report = example();
        let blank = report.checks[0].findings[0].clone();
        report.checks[0].findings = verdicts
            .iter()
            .map(|verdict| Finding {
                verdict: *verdict,
                ..blank.clone()
            })
            .collect();
        report
    };
    use Conclusion::{CouldNotCheck, Drift, Holds};
    use Verdict::{Keeps, NoEvidence, Rebuild, Source};
    let code = |verdicts: &[Verdict], fail_on| with(verdicts).conclusion(fail_on);
    assert_eq!(code(&[], FailOn::Any), Holds);
    assert_eq!(code(&[Keeps], FailOn::Any), Drift);
    assert_eq!(code(&[Keeps], FailOn::Rebuild), Holds);
    assert_eq!(code(&[Rebuild], FailOn::Rebuild), Drift);
    assert_eq!(code(&[Rebuild], FailOn::Source), Holds);
    assert_eq!(code(&[Source], FailOn::Source), Drift);
    assert_eq!(code(&[NoEvidence], FailOn::Source), CouldNotCheck);
    assert_eq!(code(&[NoEvidence, Rebuild], FailOn::Source), CouldNotCheck);
    assert_eq!(code(&[NoEvidence, Source], FailOn::Source), Drift);
    assert_eq!(report(vec![]).conclusion(FailOn::Any), CouldNotCheck);
    let mut accepted = with(&[Source]);
    accepted.checks[0].findings[0].accepted = Some("known".into());
    assert!(!accepted.fails(FailOn::Any));
    assert_eq!(
        [Holds, Drift, CouldNotCheck].map(Conclusion::code),
        [0, 1, 2]
    );
}

#[test]
fn the_text_has_one_line_per_finding_and_a_picture() {
    let out = text::render(&example(), text::Options::default());
    for line in [
        "6.1.0-49-amd64 → 6.1.0-50-amd64",
        "  rebuild     pci_driver.node: node (16 B) gone at 0, so 3 later fields move by -16; the \
         code uses 1 of them: name; \
         its size goes from 40 to 24",
        "      struct pci_driver, 40 B                        │ struct pci_driver, 24 B",
        "    -    0    16  node: struct list_head             │",
        "    ~   16     8  name: const char *                 │    0     8  name: const char * ◂ \
         used",
        "    ~   32     8  probe: int (*)(void)               │   16     8  probe: int (*)(void)",
        "1 comparison of 1 type, 4 fields: 1 no evidence, 1 rebuild: drift",
    ] {
        assert!(
            out.lines().any(|found| found == line),
            "no line {line:?} in\n{out}"
        );
    }
    assert!(!out.contains('\x1b'));
    let colour = text::Options {
        colour: true,
        ..text::Options::default()
    };
    assert!(text::render(&example(), colour).contains("\x1b[33mrebuild"));
    let none = text::Options {
        pictures: text::Pictures::None,
        ..text::Options::default()
    };
    assert!(!text::render(&example(), none).contains('│'));
}

#[test]
fn a_picture_leaves_out_similar_rows() {
    let names: Vec<String> = (0..20).map(|number| format!("f{number}")).collect();
    let side = |start: u64| {
        let fields: Vec<_> = names
            .iter()
            .zip(0..)
            .map(|(name, at)| (name.as_str(), "long", start + at * 8, 8))
            .collect();
        structure(start + 160, &fields)
    };
    let layouts = linux_driver_abi::report::Layouts {
        before: Some(side(0).into()),
        after: Some(side(8).into()),
    };
    let rows = picture::rows("t", &layouts, NAMES, &|path| path == "f10");
    let lines: Vec<String> = rows.iter().map(picture::LayoutRow::line).collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("⋮    8 fields move by +8")),
        "{lines:#?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("f10: long") && line.ends_with("◂ used")),
        "{lines:#?}"
    );
    assert!(rows.len() < 12, "{lines:#?}");
}

#[test]
fn a_report_is_the_same_after_json() {
    let report = example();
    assert_eq!(json::read(&json::render(&report), "x").unwrap(), report);
    let merged = json::merge([report.clone(), report.clone()]).unwrap();
    assert_eq!(merged.checks, report.checks);
    let newer = json::render(&DriftReport {
        schema: SCHEMA + 1,
        ..report
    });
    assert!(
        json::read(&newer, "x")
            .unwrap_err()
            .to_string()
            .contains("schema")
    );
    assert!(
        json::read("{", "x.json")
            .unwrap_err()
            .to_string()
            .starts_with("x.json")
    );
}

#[test]
fn annotations_are_one_line_each() {
    let github = github::render(&example(), &|check| {
        format!("headers/snapshots/{}/abi.json", check.kernel)
    });
    let lines: Vec<&str> = github.annotations.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].starts_with(
        "::warning file=headers/snapshots/6.1.0-50-amd64/abi.json,title=pci_driver.node \
         (rebuild)::6.1.0-49-amd64 → "
    ));
    assert!(lines[1].starts_with(
        "::error file=headers/snapshots/6.1.0-50-amd64/abi.json,title=f%2Cg%3Ah (no evidence)::"
    ));
    assert!(
        lines[1].contains("50%25 of <it>%0Ais | not known"),
        "{}",
        lines[1]
    );
    assert_eq!(github.summary, markdown::render(&example()));
}

#[test]
fn markdown_escapes_markup() {
    let out = markdown::render(&example());
    assert!(
        out.contains(
            "| no evidence | <code>f,g:h</code> | 50% of &lt;it&gt; is \\| not known | so |"
        ),
        "{out}"
    );
    assert!(
        out.contains("<details><summary>pci_driver before and after</summary>"),
        "{out}"
    );
    assert_eq!(
        out.matches("<details>").count(),
        out.matches("</details>").count()
    );
}

#[test]
fn sarif_has_the_required_fields() {
    let mut report = example();
    report.checks[0].findings[0].accepted = Some("known".into());
    let document: serde_json::Value =
        serde_json::from_str(&sarif::render(&report, &|_, finding| {
            (finding.name == "pci_driver.node").then(|| sarif::Location {
                file: "a b/needed.toml".into(),
                line: Some(7),
            })
        }))
        .unwrap();
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), rules.len(), "the IDs of rules must be unique");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(
            result["message"]["text"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    let location = &results[0]["locations"][0];
    assert_eq!(
        location["physicalLocation"],
        serde_json::json!({
            "artifactLocation": { "uri": "a%20b/needed.toml" },
            "region": { "startLine": 7 },
        })
    );
    assert!(results[1].get("locations").is_none(), "{document:#}");
    assert_eq!(results[0]["suppressions"][0]["kind"], "external");
    assert_eq!(
        location["logicalLocations"][0]["fullyQualifiedName"],
        "pci_driver.node"
    );
}

/// Returns an entry for the findings of [`example`].
fn entry(change: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("what", "pci_driver.node"),
        ("change", "moved"),
        ("from", "6.1.0-50"),
        ("to", "6.1"),
        ("verdict", "source"),
        ("reason", "looked at"),
        ("expires", "2027-06-30"),
    ];
    for (name, value) in change {
        fields.retain(|(field, _)| field != name);
        fields.push((name, value));
    }
    let lines: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name} = {value:?}\n"))
        .collect();
    format!("# A list.\n[[accepted]]\n{}", lines.concat())
}

fn accept(list: &str, today: &str, complete: bool) -> Result<DriftReport, String> {
    let mut report = example();
    let accepted = Accepted::parse(list, "accepted.toml").map_err(|error| error.to_string())?;
    let applied = accepted.apply(
        &mut report,
        today.parse().unwrap(),
        &|check| check.kernel.clone(),
        complete,
    );
    applied.map(|()| report).map_err(|error| error.to_string())
}

#[test]
fn accepted_drift_does_not_count() {
    let report = accept(&entry(&[]), "2026-11-22", true).unwrap();
    assert_eq!(
        report.checks[0].findings[0].accepted.as_deref(),
        Some("looked at")
    );
    assert_eq!(report.checks[0].verdict(), Some(Verdict::NoEvidence));
    assert!(
        text::render(&report, text::Options::default()).contains("accepted    pci_driver.node")
    );
    // The entry accepts harmless drift, but this is more severe.
    let graver = accept(&entry(&[("verdict", "keeps")]), "2026-11-22", true).unwrap();
    assert_eq!(graver.checks[0].findings[0].accepted, None);
    assert!(accept("", "2026-11-22", true).is_ok());
}

#[test]
fn a_wrong_entry_is_an_error() {
    let error = |change: &[(&str, &str)], today, complete| {
        accept(&entry(change), today, complete).unwrap_err()
    };
    assert!(
        error(&[], "2027-06-30", true)
            .contains("line 2: pci_driver.node (moved) expired on 2027-06-30")
    );
    assert!(
        error(&[("what", "pci_driver.x")], "2026-11-22", false)
            .contains("pci_driver.x (moved) matches nothing")
    );
    assert!(error(&[("change", "removed")], "2026-11-22", false).contains("matches nothing"));
    // An entry for a kernel that was not compared may match nothing, unless all kernels were
    // compared.
    let elsewhere = [("from", "6.12"), ("to", "6.12")];
    assert!(accept(&entry(&elsewhere), "2026-11-22", false).is_ok());
    assert!(error(&elsewhere, "2026-11-22", true).contains("matches nothing"));
}

#[test]
fn a_malformed_entry_is_an_error_with_its_line() {
    for (change, line, expected) in [
        (("expires", "2027-02-30"), 9, "a day"),
        (("change", "shifted"), 9, "one of added"),
        (("from", "debian-6.1"), 9, "a release or a series"),
        (("to", "6.0"), 9, "not before"),
        (("reason", " "), 9, "non-empty"),
        (("because", "x"), 9, "accepted drift"),
    ] {
        let line = if change.0 == "because" {
            line + 1
        } else {
            line
        };
        let error = accept(&entry(&[change]), "2026-11-22", true).unwrap_err();
        assert!(
            error.starts_with(&format!("accepted.toml:{line}\n")),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
    }
    assert!(
        accept("[[accepted", "2026-11-22", true)
            .unwrap_err()
            .starts_with("accepted.toml:1\n")
    );
    let missing = "[[accepted]]\nwhat = \"x\"\n";
    assert!(
        accept(missing, "2026-11-22", true)
            .unwrap_err()
            .contains("accepted.toml:1")
    );
}

#[test]
fn the_list_of_this_repository_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../headers/accepted.toml");
    let list = std::fs::read_to_string(path).unwrap();
    let accepted = Accepted::parse(&list, "headers/accepted.toml").unwrap();
    // With no comparison, only an entry that has expired is wrong.
    accepted
        .apply(
            &mut report(vec![]),
            Date::today(),
            &|_| String::new(),
            false,
        )
        .unwrap();
}
