// SPDX-License-Identifier: GPL-2.0-only
//! Tests that each planted disagreement is found.

use std::sync::Arc;

use super::*;
use crate::model::{Constant, Origin};

fn field(name: &str, offset_bits: u64, size_bits: u64, type_name: &str) -> Field {
    Field {
        name: name.to_owned(),
        offset_bits,
        size_bits,
        type_name: type_name.to_owned(),
        bitfield: size_bits < 8,
    }
}

/// Returns one kernel as C describes it, or as Rust does.
fn abi(rust: bool) -> Abi {
    let mut abi = Abi::default();
    let text = if rust {
        "const signed char *"
    } else {
        "const char *"
    };
    let flag = if rust { "unsigned char" } else { "_Bool" };
    let type_ = Type {
        kind: Kind::Struct,
        size: 24,
        align: 8,
        fields: vec![
            field("name", 0, 64, text),
            field("probe", 64, 64, "int (*)(struct device *)"),
            field("is_busmaster", 128, 1, flag),
        ],
        values: BTreeMap::new(),
        target: None,
    };
    abi.types.insert("pci_dev".to_owned(), type_.into());
    let function = Function {
        returns: "int".to_owned(),
        params: vec!["struct pci_dev *".to_owned()],
        variadic: false,
        linkage: None,
    };
    abi.functions
        .insert("pci_enable_device".to_owned(), function.into());
    let constant = Constant {
        value: 12,
        source: Origin::Compiler,
        type_name: None,
    };
    abi.constants.insert("ENOMEM".to_owned(), constant);
    abi
}

#[test]
fn a_type_with_an_unknown_name_does_not_agree() {
    let (rustc, mut headers, mut btf) = truths();
    for c in [&mut headers, &mut btf] {
        Arc::make_mut(c.types.get_mut("pci_dev").unwrap()).fields[1].type_name =
            "handler_t".to_owned();
        Arc::make_mut(c.functions.get_mut("pci_enable_device").unwrap()).returns =
            "result_t".to_owned();
    }
    let expected =
        ["pci_dev.probe", "pci_enable_device"].map(|name| (name.to_owned(), Verdict::NoEvidence));
    assert_eq!(found(&rustc, &headers, &btf), expected);
    for c in [&mut headers, &mut btf] {
        for (name, target, size) in [
            ("handler_t", "int (*)(struct device *)", 8),
            ("result_t", "int", 4),
        ] {
            let type_ = Type {
                kind: Kind::Typedef,
                size,
                align: size,
                fields: Vec::new(),
                values: BTreeMap::new(),
                target: Some(target.to_owned()),
            };
            c.types.insert(name.to_owned(), type_.into());
        }
    }
    assert_eq!(found(&rustc, &headers, &btf), []);
}

fn truths() -> (Abi, Abi, Abi) {
    let mut btf = abi(false);
    btf.constants.clear();
    // BTF does not record the alignment.
    Arc::make_mut(btf.types.get_mut("pci_dev").unwrap()).align = 1;
    (abi(true), abi(false), btf)
}

fn found(rustc: &Abi, headers: &Abi, btf: &Abi) -> Vec<(String, Verdict)> {
    let mut usage = Usage::default();
    usage.allocated.insert("pci_dev".to_owned());
    usage.functions.insert("pci_enable_device".to_owned());
    let check = check(
        "test",
        &[(RUSTC, rustc), (HEADERS, headers), (BTF, btf)],
        &usage,
    );
    check
        .findings
        .into_iter()
        .map(|finding| (finding.name, finding.verdict))
        .collect()
}

#[test]
fn equal_descriptions_have_no_findings_and_were_looked_at() {
    let (rustc, headers, btf) = truths();
    assert_eq!(found(&rustc, &headers, &btf), []);
    let check = check(
        "test",
        &[(RUSTC, &rustc), (HEADERS, &headers), (BTF, &btf)],
        &Usage::default(),
    );
    let looked_at = check.looked_at;
    assert_eq!(
        (
            looked_at.types,
            looked_at.fields,
            looked_at.functions,
            looked_at.constants
        ),
        (1, 3, 1, 1)
    );
}

/// Plants each change in each description, and checks the finding.
#[test]
fn each_planted_disagreement_is_found() {
    type Plant = fn(&mut Abi);
    let plants: [(&str, Plant); 9] = [
        ("pci_dev.probe", |abi| {
            Arc::make_mut(abi.types.get_mut("pci_dev").unwrap()).fields[1].offset_bits += 8
        }),
        ("pci_dev.is_busmaster", |abi| {
            Arc::make_mut(abi.types.get_mut("pci_dev").unwrap()).fields[2].offset_bits += 1
        }),
        ("pci_dev.is_busmaster", |abi| {
            Arc::make_mut(abi.types.get_mut("pci_dev").unwrap()).fields[2].size_bits += 1
        }),
        ("pci_dev", |abi| {
            Arc::make_mut(abi.types.get_mut("pci_dev").unwrap()).size += 8
        }),
        ("pci_dev.probe", |abi| {
            Arc::make_mut(abi.types.get_mut("pci_dev").unwrap()).fields[1].type_name =
                "int (*)(struct pci_dev *)".to_owned();
        }),
        ("pci_dev.name", |abi| {
            drop(
                Arc::make_mut(abi.types.get_mut("pci_dev").unwrap())
                    .fields
                    .remove(0),
            )
        }),
        ("pci_enable_device", |abi| {
            Arc::make_mut(abi.functions.get_mut("pci_enable_device").unwrap())
                .params
                .push("int".to_owned());
        }),
        ("pci_enable_device", |abi| {
            Arc::make_mut(abi.functions.get_mut("pci_enable_device").unwrap()).returns =
                "void".to_owned();
        }),
        ("pci_enable_device", |abi| {
            Arc::make_mut(abi.functions.get_mut("pci_enable_device").unwrap()).variadic = true
        }),
    ];
    for (name, plant) in plants {
        let (mut rustc, headers, btf) = truths();
        plant(&mut rustc);
        assert_eq!(
            found(&rustc, &headers, &btf),
            [(name.to_owned(), Verdict::Source)],
            "rustc"
        );
        let (rustc, mut headers, btf) = truths();
        plant(&mut headers);
        assert_eq!(
            found(&rustc, &headers, &btf),
            [(name.to_owned(), Verdict::NoEvidence)],
            "headers"
        );
        let (rustc, headers, mut btf) = truths();
        plant(&mut btf);
        assert_eq!(
            found(&rustc, &headers, &btf),
            [(name.to_owned(), Verdict::NoEvidence)],
            "btf"
        );
    }
}

#[test]
fn a_wrong_constant_and_a_wrong_alignment_are_found() {
    let (mut rustc, headers, btf) = truths();
    rustc.constants.get_mut("ENOMEM").unwrap().value += 1;
    assert_eq!(
        found(&rustc, &headers, &btf),
        [("ENOMEM".to_owned(), Verdict::Keeps)]
    );
    let (mut rustc, headers, btf) = truths();
    Arc::make_mut(rustc.types.get_mut("pci_dev").unwrap()).align = 4;
    assert_eq!(
        found(&rustc, &headers, &btf),
        [("pci_dev".to_owned(), Verdict::Source)]
    );
}

#[test]
fn a_missing_description_does_not_pass() {
    let (rustc, headers, mut btf) = truths();
    btf.types.clear();
    btf.functions.clear();
    btf.no_evidence.insert(
        "type pci_dev".to_owned(),
        "two definitions that differ".to_owned(),
    );
    let lacking =
        ["pci_dev", "pci_enable_device"].map(|name| (name.to_owned(), Verdict::NoEvidence));
    assert_eq!(found(&rustc, &headers, &btf), lacking);
    let (mut rustc, headers, btf) = truths();
    rustc.constants.clear();
    assert_eq!(
        found(&rustc, &headers, &btf),
        [("ENOMEM".to_owned(), Verdict::NoEvidence)]
    );
}

#[test]
fn an_inline_function_need_not_be_in_the_kernel() {
    let (mut rustc, mut headers, mut btf) = truths();
    btf.functions.clear();
    Arc::make_mut(headers.functions.get_mut("pci_enable_device").unwrap()).linkage =
        Some(Linkage::Inline);
    assert_eq!(found(&rustc, &headers, &btf), []);
    rustc.functions.clear();
    assert_eq!(found(&rustc, &headers, &btf), []);
}

/// A reader keeps the first of two definitions of a name and records the conflict. Neither
/// definition is then evidence.
#[test]
fn a_name_with_two_definitions_does_not_pass() {
    for what in ["type pci_dev", "function pci_enable_device"] {
        let (rustc, headers, mut btf) = truths();
        btf.no_evidence
            .insert(what.to_owned(), "two definitions that differ".to_owned());
        let name = what.split_once(' ').unwrap().1.to_owned();
        assert_eq!(found(&rustc, &headers, &btf), [(name, Verdict::NoEvidence)]);
    }
}

/// No other description has this type of the bindings, although it was asked for.
#[test]
fn a_type_of_the_bindings_alone_does_not_pass() {
    let (rustc, mut headers, mut btf) = truths();
    for truth in [&mut headers, &mut btf] {
        truth.types.clear();
        truth
            .no_evidence
            .insert("type pci_dev".to_owned(), crate::btf::ABSENT.to_owned());
    }
    let found = found(&rustc, &headers, &btf);
    assert!(
        found
            .iter()
            .any(|(name, verdict)| name == "pci_dev" && *verdict == Verdict::NoEvidence),
        "{found:?}"
    );
}
