// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the history: it reads back what it wrote, and the committed one contains known facts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linux_driver_abi::Usage;
use linux_driver_abi::compare;
use linux_driver_abi::explain::safe::SafeNames;
use linux_driver_abi::explain::{explain, text};
use linux_driver_abi::history::{
    Added, Fact, History, HistoryKernel, HistoryPackage, KernelId, What,
};
use linux_driver_abi::model::{Abi, Constant, Field, Function, Kind, Origin, Symbol, Type};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

const FILES: [&str; 6] = [
    "types",
    "functions",
    "constants",
    "symbols",
    "unknown",
    "kernels",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn committed() -> History {
    History::read(&root().join("headers/history")).unwrap_or_else(|e| panic!("{e}"))
}

fn kernel(release: &str) -> HistoryKernel {
    HistoryKernel {
        release: release.to_owned(),
        arch: "x86_64".to_owned(),
        series: "6.12".to_owned(),
        packages: vec![HistoryPackage {
            name: format!("linux-headers-{release}"),
            version: "1-1".to_owned(),
            sha256: "ab".repeat(32),
        }],
        btf: "vmlinux".to_owned(),
        symbols_known: true,
        ..HistoryKernel::default()
    }
}

fn field(name: &str, offset_bits: u64, size_bits: u64, bitfield: bool) -> Field {
    Field {
        name: name.to_owned(),
        offset_bits,
        size_bits,
        type_name: "unsigned int".to_owned(),
        bitfield,
    }
}

/// Builds an ABI with each kind of fact. `more` fields come first in its struct.
fn abi(release: &str, more: u64) -> Abi {
    let mut abi = Abi {
        release: release.to_owned(),
        arch: "x86_64".to_owned(),
        ..Abi::default()
    };
    let mut fields: Vec<Field> = (0..more)
        .map(|n| field(&format!("new{n}"), n * 32, 32, false))
        .collect();
    let start = more * 32;
    fields.extend([
        field("first", start, 32, false),
        field("flag", start + 33, 1, true),
        field("union_a", start + 64, 32, false),
        field("union_b", start + 64, 16, false),
    ]);
    let type_ = |kind: Kind, size: u64| Type {
        kind,
        size,
        align: 4,
        fields: Vec::new(),
        values: Default::default(),
        target: None,
    };
    abi.types.insert(
        "s".to_owned(),
        Type {
            fields,
            ..type_(Kind::Struct, 12 + 4 * more)
        }
        .into(),
    );
    let values = [("A".to_owned(), -1), ("B".to_owned(), i128::from(u64::MAX))];
    abi.types.insert(
        "e".to_owned(),
        Type {
            values: values.into(),
            ..type_(Kind::Enum, 4)
        }
        .into(),
    );
    abi.types.insert(
        "typedef s".to_owned(),
        Type {
            target: Some("struct s".to_owned()),
            ..type_(Kind::Typedef, 12)
        }
        .into(),
    );
    let function = |params: &[&str], variadic| Function {
        returns: "void *".to_owned(),
        params: params.iter().map(|p| (*p).to_owned()).collect(),
        variadic,
        linkage: None,
    };
    abi.functions.insert(
        "f".to_owned(),
        function(&["const char *", "int (*)(void)"], true).into(),
    );
    abi.functions
        .insert("g".to_owned(), function(&[], false).into());
    abi.constants.insert(
        "C".to_owned(),
        Constant {
            value: -5,
            source: Origin::Compiler,
            type_name: Some("gfp_t".to_owned()),
        },
    );
    abi.symbols.insert(
        "f".to_owned(),
        Symbol {
            crc: Some(0x12),
            module: "vmlinux".to_owned(),
            gpl: true,
            namespace: Some("N".to_owned()),
        }
        .into(),
    );
    abi.no_evidence.insert(
        "function memcpy".to_owned(),
        "written in assembly".to_owned(),
    );
    abi
}

/// Removes what the history adds by itself: the linkage of functions.
fn unlinked(mut abi: Abi) -> Abi {
    for function in abi.functions.values_mut() {
        Arc::make_mut(function).linkage = None;
    }
    abi
}

fn id(added: Added) -> KernelId {
    match added {
        Added::New(id) | Added::Extended(id) | Added::Known(id) => id,
    }
}

fn read_all(dir: &Path) -> Vec<String> {
    let path = |name: &&str| dir.join(format!("{name}.tsv"));
    FILES
        .iter()
        .map(|name| fs::read_to_string(path(name)).unwrap())
        .collect()
}

#[test]
fn a_written_history_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::default();
    let mut ids = Vec::new();
    for more in 0..4 {
        let release = format!("6.12.{more}-amd64");
        ids.push((
            id(history.add(kernel(&release), &abi(&release, more)).unwrap()),
            abi(&release, more),
        ));
    }
    history.write(dir.path()).unwrap();
    let read = History::read(dir.path()).unwrap();
    assert_eq!(read.len(), 4);
    for (id, abi) in ids {
        assert_eq!(unlinked(read.abi_of(id)), abi);
        assert_eq!(read.kernel(id), history.kernel(id));
    }
    let before = read_all(dir.path());
    read.write(dir.path()).unwrap();
    assert_eq!(read_all(dir.path()), before);
}

#[test]
fn a_kernel_that_is_added_changes_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = committed();
    let known: Vec<(KernelId, Abi)> = history
        .kernels()
        .map(|(id, _)| (id, history.abi_of(id)))
        .collect();
    history.write(dir.path()).unwrap();
    let before = read_all(dir.path());
    assert_eq!(
        before,
        read_all(&root().join("headers/history")),
        "the committed files are not as they are written"
    );

    // The same facts under another release add one block of few rows, and nothing else.
    let newest = history.find("6.12").unwrap();
    let mut same = history.kernel(newest).clone();
    same.release = "6.12.999+deb12-amd64".to_owned();
    let abi = unlinked(history.abi_of(newest));
    let added = history.add(same, &abi).unwrap();
    assert!(matches!(added, Added::New(_)));
    history.write(dir.path()).unwrap();
    let after = read_all(dir.path());
    assert_eq!(after[..5], before[..5]);
    let (kernels, _) = before[5].split_once("end\t").unwrap();
    let rest = after[5]
        .strip_prefix(kernels)
        .expect("the kernels before stay as they are");
    assert!(rest.lines().count() <= 9, "{rest}");

    let read = History::read(dir.path()).unwrap();
    for (id, abi) in known {
        assert_eq!(read.abi_of(id), abi);
    }
}

#[test]
fn a_kernel_that_is_added_again_is_known_extended_or_another() {
    let mut history = History::default();
    let mut lesser = abi("6.12.1-amd64", 0);
    lesser.functions.remove("g");
    let first = history.add(kernel("6.12.1-amd64"), &lesser).unwrap();
    assert!(matches!(first, Added::New(_)));
    assert!(matches!(
        history.add(kernel("6.12.1-amd64"), &lesser).unwrap(),
        Added::Known(_)
    ));
    let more = abi("6.12.1-amd64", 0);
    assert!(matches!(
        history.add(kernel("6.12.1-amd64"), &more).unwrap(),
        Added::Extended(_)
    ));
    assert_eq!(unlinked(history.abi_of(id(first))), more);

    let mut rebuilt = kernel("6.12.1-amd64");
    rebuilt.packages[0].version = "1-2".to_owned();
    let Added::New(second) = history
        .add(rebuilt.clone(), &abi("6.12.1-amd64", 1))
        .unwrap()
    else {
        panic!("another build is another kernel");
    };
    assert_eq!(history.kernel(second).id, "6.12.1-amd64=1-2");
    let error = history.add(rebuilt, &abi("6.12.1-amd64", 2)).unwrap_err();
    assert!(error.to_string().contains("other facts"), "{error}");
}

#[test]
fn symbols_that_are_not_known_are_not_unexported() {
    let mut history = History::default();
    let mut blind = kernel("6.12.1-amd64");
    blind.symbols_known = false;
    let blind = id(history.add(blind, &abi("6.12.1-amd64", 0)).unwrap());
    let seeing = id(history
        .add(kernel("6.12.2-amd64"), &abi("6.12.2-amd64", 0))
        .unwrap());
    assert!(history.fact(blind, What::Symbol, "g").is_none());
    assert_eq!(
        history.fact(seeing, What::Symbol, "g"),
        Some(&Fact::Symbol(None))
    );
    assert!(history.differences(blind, seeing).is_empty());
}

#[test]
fn names_that_a_column_cannot_contain_are_refused() {
    for wrong in ["a\tb", "a\nb", ""] {
        let mut abi = abi("6.12.1-amd64", 0);
        let type_ = abi.types["e"].clone();
        abi.types.insert(wrong.to_owned(), type_);
        assert!(
            History::default()
                .add(kernel("6.12.1-amd64"), &abi)
                .is_err(),
            "{wrong:?}"
        );
    }
}

/// Replaces each column of each row. The result is an error with the file and the line, or a
/// history with the new value, as writing it again shows.
#[test]
fn damage_is_named_with_its_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::default();
    for more in 0..2 {
        let release = format!("6.12.{more}-amd64");
        history.add(kernel(&release), &abi(&release, more)).unwrap();
    }
    history.write(dir.path()).unwrap();
    let mut refused = 0;
    for name in FILES {
        let path = dir.path().join(format!("{name}.tsv"));
        let whole = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        for (number, line) in lines.iter().enumerate().skip(2) {
            for column in 0..line.split('\t').count() {
                for damage in ["", "x", "-1", "99999999999999999999999", "0-4294967295"] {
                    let mut columns: Vec<&str> = line.split('\t').collect();
                    columns[column] = damage;
                    let changed = columns.join("\t");
                    let mut all: Vec<&str> = lines.clone();
                    all[number] = &changed;
                    fs::write(&path, all.join("\n") + "\n").unwrap();
                    match History::read(dir.path()) {
                        Ok(read) => read.write(&dir.path().join("again")).unwrap(),
                        Err(error) => {
                            refused += 1;
                            // A missing name is reported where it is used.
                            let location = error.location();
                            assert!(location.contains(".tsv:"), "{error}");
                            let here = location.contains(&format!("{name}.tsv:"));
                            assert!(
                                here || location.contains("kernels.tsv:"),
                                "{name}:{number}: {error}"
                            );
                        }
                    }
                }
            }
            // A missing row.
            let mut all = lines.clone();
            all.remove(number);
            fs::write(&path, all.join("\n") + "\n").unwrap();
            if let Ok(read) = History::read(dir.path()) {
                read.write(&dir.path().join("again")).unwrap();
            }
        }
        // A cut at any position.
        for end in 0..whole.len() {
            fs::write(&path, &whole.as_bytes()[..end]).unwrap();
            let _ = History::read(dir.path()).map(|read| read.len());
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(refused > 300, "{refused}");
    fs::remove_file(dir.path().join("types.tsv")).unwrap();
    assert!(
        History::read(dir.path())
            .unwrap_err()
            .location()
            .contains("types.tsv")
    );
}

fn type_of(history: &History, release: &str, name: &str) -> Type {
    let id = history.find(release).unwrap_or_else(|e| panic!("{e}"));
    match history.fact(id, What::Type, name) {
        Some(Fact::Type(type_)) => (**type_).clone(),
        other => panic!("{release}: {name}: {other:?}"),
    }
}

#[test]
fn known_drift_is_in_the_committed_history() {
    let history = committed();
    let of = |release: &str, name: &str| type_of(&history, release, name);

    assert!(of("6.1.0-50-amd64", "device").size > of("6.1.0-49-amd64", "device").size);
    let (old, new) = (
        of("6.1.0-49-amd64", "pci_dev"),
        of("6.1.0-50-amd64", "pci_dev"),
    );
    let moved = old.fields.iter().filter(|f| {
        new.field(&f.name)
            .is_some_and(|n| n.offset_bits != f.offset_bits)
    });
    assert_eq!(moved.count(), 77);

    let (old, new) = (
        of("6.12.107+deb12-amd64", "pci_dev"),
        of("6.12.111+deb12-amd64", "pci_dev"),
    );
    assert_eq!(old.size, new.size);
    let bits = old.fields.iter().filter(|f| f.bitfield);
    assert!(
        bits.filter(|f| new
            .field(&f.name)
            .is_some_and(|n| n.offset_bits != f.offset_bits))
            .count()
            > 0
    );

    let (old, new) = (
        of("6.12.115+deb12-amd64", "bus_type"),
        of("6.12.117+deb12-amd64", "bus_type"),
    );
    assert_eq!(old.size, new.size);
    assert_eq!(old.fields.len(), new.fields.len() + 1);

    let newest = |series: &str, name: &str| of(series, name);
    assert!(newest("6.19", "device_driver").size > newest("6.18", "device_driver").size);
    assert_eq!(
        of("6.12.117+deb12-rt-amd64", "pci_driver").size,
        of("6.12.117+deb12-amd64", "pci_driver").size + 24
    );
    let signatures = history.variants(What::Function, "kvfree_call_rcu");
    assert!(signatures.len() >= 2, "{signatures:?}");
}

#[test]
fn types_that_drivers_allocate_are_stable_within_a_series() {
    let history = committed();
    let mut steps = 0;
    for (before, after) in history.steps() {
        let (old, new) = (history.kernel(before), history.kernel(after));
        if old.series != new.series || !matches!(old.series.as_str(), "6.1" | "6.12") {
            continue;
        }
        steps += 1;
        for name in ["pci_driver", "pci_device_id", "device_driver"] {
            let same =
                history.fact(before, What::Type, name) == history.fact(after, What::Type, name);
            assert!(same, "{name}: {} {}", old.id, new.id);
        }
    }
    assert!(steps > 100, "{steps}");
}

#[test]
fn two_kernels_share_equal_facts_in_memory() {
    let history = committed();
    let mut shared = 0;
    for (before, after) in history.steps().into_iter().step_by(17) {
        let differences = history.differences(before, after);
        let different: BTreeSet<&str> = differences
            .iter()
            .map(|difference| difference.name)
            .collect();
        let (old, new) = (history.abi_of(before), history.abi_of(after));
        for (name, type_) in &old.types {
            let same = new
                .types
                .get(name)
                .is_some_and(|other| Arc::ptr_eq(other, type_));
            assert_eq!(same, !different.contains(name.as_str()), "{name}");
            shared += usize::from(same);
        }
    }
    assert!(shared > 1000, "{shared}");
}

#[test]
fn an_abi_is_changed_by_the_differences_only() {
    let history = committed();
    let order = history.in_order();
    let mut at = order[0];
    let mut abi = history.abi_of(at);
    // Neighbours, and pairs that are far apart, also between architectures.
    let far = order
        .iter()
        .step_by(37)
        .chain(order.iter().rev().step_by(53));
    for &to in order.iter().skip(1).take(5).chain(far) {
        history.turn(&mut abi, at, to);
        assert_eq!(abi, history.abi_of(to), "{}", history.kernel(to).id);
        at = to;
    }
}

#[test]
fn steps_find_the_same_as_a_full_comparison() {
    let history = committed();
    let usage = fs::read(root().join("headers/usage.json")).unwrap();
    let mut usage: Usage = serde_json::from_slice(&usage).unwrap();
    // No kernel has it, so no source knows it.
    usage.allocated.insert("no_such_type".to_owned());
    usage
        .fields
        .entry("device".to_owned())
        .or_default()
        .insert("no_such_field".to_owned());
    usage.functions.insert("no_such_function".to_owned());
    let mut steps = history.steps();
    // A step between architectures, one back in time, and one from a kernel to itself.
    let (first, last) = (steps[0].0, steps[steps.len() - 1].1);
    steps.extend([(first, last), (last, first), (first, first)]);
    let checks = history.compare(&steps, &usage, None);
    assert_eq!(checks.len(), steps.len());
    for (check, &(before, after)) in checks.iter().zip(&steps) {
        let (mut old, new) = (history.abi_of(before), history.abi_of(after));
        // Nothing is shared, so that everything is compared.
        old.types
            .values_mut()
            .for_each(|type_| *type_ = Arc::new((**type_).clone()));
        old.symbols
            .values_mut()
            .for_each(|symbol| *symbol = Arc::new((**symbol).clone()));
        let names = (
            history.kernel(before).id.as_str(),
            history.kernel(after).id.as_str(),
        );
        let (old, new) = ((&old, history.says(before)), (&new, history.says(after)));
        assert_eq!(*check, compare::in_scope(old, new, &usage, names, None));
    }
}

#[test]
fn kernels_are_found_by_name_and_similar_ones_suggested() {
    let history = committed();
    let newest = history.kernel(history.find("6.12").unwrap());
    assert_eq!(
        (
            newest.arch.as_str(),
            newest.flavour.as_str(),
            newest.series.as_str()
        ),
        ("x86_64", "", "6.12")
    );
    assert_eq!(
        history
            .kernel(history.find("6.1.0-50-amd64").unwrap())
            .release,
        "6.1.0-50-amd64"
    );
    let error = history.find("6.1.0-50-amd46").unwrap_err();
    assert!(error.remedy().contains("6.1.0-50-amd64"), "{error}");
}

#[test]
fn a_name_is_explained() {
    let history = committed();
    let aliases = SafeNames::read(&root().join("safe/src")).unwrap();
    let field = explain(&history, "pci_driver.driver_managed_dma", &aliases).unwrap();
    assert!(field.c.contains("bool driver_managed_dma"), "{}", field.c);
    assert_eq!(field.sections[0].is, "field");
    assert!(field.sections[0].states >= 2);
    assert!(text::render(&field).contains("▶"));
    let driver = explain(&history, "struct pci_driver", &aliases).unwrap();
    assert!(
        driver.safe.iter().any(|alias| alias.path == "pci::Driver"),
        "{:?}",
        driver.safe
    );
    let node = explain(&history, "pci_driver.node", &aliases).unwrap();
    let last = node.sections[0].groups[0].spans.last().unwrap();
    assert!(!last.state.is_there());
    let error = explain(&history, "pci_driver.driver_manged_dma", &aliases).unwrap_err();
    assert!(
        error.remedy().contains("pci_driver.driver_managed_dma"),
        "{error}"
    );
    assert!(explain(&history, "kfree()", &aliases).is_ok());
}

#[test]
fn a_name_without_records_is_not_called_absent() {
    let history = committed();
    let aliases = SafeNames::read(&root().join("safe/src")).unwrap();
    // An inline function or macro in all kernels, a type of modules, and a function that was a
    // macro first.
    for name in ["del_timer_sync", "usb_driver"] {
        let explanation = explain(&history, name, &aliases).unwrap();
        assert_eq!(
            (explanation.since.as_ref(), explanation.first.as_ref()),
            (None, None),
            "{name}"
        );
        let text = text::render(&explanation);
        assert!(text.contains("since       not known: "), "{text}");
        assert!(
            !text.contains("never") && !text.contains("not there"),
            "{text}"
        );
    }
    let class = explain(&history, "class_create", &aliases).unwrap();
    assert_eq!(class.since, None);
    let text = text::render(&class);
    assert!(
        text.contains("+deb12-amd64 or before: the kernels without it below may have it"),
        "{text}"
    );
    assert!(text.contains("not exported"), "{text}");
    // A field whose struct is known without it.
    let field = explain(&history, "pci_driver.driver_managed_dma", &aliases).unwrap();
    assert_eq!(field.since, None, "the oldest kernel has it");
    let came = explain(&history, "bus_type.irq_get_affinity", &aliases).unwrap();
    assert!(
        came.since.is_some() && came.since == came.first,
        "{:?}",
        came.since
    );
    let error = explain(&history, "no_such_name_at_all", &aliases)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("does not contain") && !error.contains("never"),
        "{error}"
    );
}
