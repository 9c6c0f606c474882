// SPDX-License-Identifier: GPL-2.0-only
//! Tests that a kernel compared with itself has no drift, for each source of its ABI, and that
//! unknown facts are reported.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use linux_driver_abi::Usage;
use linux_driver_abi::compare::{self, Says};
use linux_driver_abi::history::{History, KernelId, Watched};
use linux_driver_abi::model::Abi;
use linux_driver_abi::needed::Needed;
use linux_driver_abi::report::{AbiPart, Comparison, Conclusion, DriftReport, FailOn, Verdict};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// The kernels of the catalogue with a snapshot. These are read again when more is needed of them.
const SNAPSHOTS: [&str; 3] = ["debian-6.1", "debian-6.12", "debian-7.2"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn history() -> History {
    History::read(&root().join("headers/history")).unwrap_or_else(|e| panic!("{e}"))
}

fn usage() -> Usage {
    serde_json::from_slice(&fs::read(root().join("headers/usage.json")).unwrap()).unwrap()
}

fn snapshot(name: &str) -> Abi {
    let path = root().join("headers/snapshots").join(name).join("abi.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn conclusion(check: Comparison) -> Conclusion {
    let report = DriftReport {
        checks: vec![check],
        ..DriftReport::default()
    };
    report.conclusion(FailOn::Any)
}

/// Returns the history's kernel of a snapshot.
fn of_snapshot(history: &History, abi: &Abi) -> KernelId {
    history.find(&abi.release).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn each_kernel_of_the_history_equals_itself() {
    let (history, usage) = (history(), usage());
    assert!(history.len() >= 468, "{}", history.len());
    for (id, kernel) in history.kernels() {
        let (abi, says) = (history.abi_of(id), history.says(id));
        let check = compare::in_scope(
            (&abi, says),
            (&abi, says),
            &usage,
            (&kernel.id, &kernel.id),
            None,
        );
        assert_eq!(check.findings, [], "{}", kernel.id);
        let scope = check.scope.clone().unwrap();
        assert_eq!(
            scope.parts.contains(&AbiPart::Symbols),
            kernel.symbols_known,
            "{}",
            kernel.id
        );
        assert!(
            check.looked_at.types > 100 && check.looked_at.functions > 100,
            "{}",
            kernel.id
        );
        assert_eq!(conclusion(check), Conclusion::Holds);
    }
}

#[test]
fn each_snapshot_equals_its_kernel_in_the_history() {
    let (history, usage) = (history(), usage());
    for name in SNAPSHOTS {
        let abi = snapshot(name);
        let id = of_snapshot(&history, &abi);
        let known = history.abi_of(id);
        let (here, there) = ((&abi, Says::ALL), (&known, history.says(id)));
        for (before, after) in [(here, here), (here, there), (there, here)] {
            let check = compare::in_scope(before, after, &usage, ("a", "b"), None);
            assert_eq!(check.findings, [], "{name}");
            assert_eq!(conclusion(check), Conclusion::Holds);
        }
        // The kernel has all constants that the code uses, so that a change of one is seen.
        let enumerators: BTreeSet<&String> = abi
            .types
            .values()
            .flat_map(|type_| type_.values.keys())
            .collect();
        let recorded = |constant: &&String| {
            abi.constants.contains_key(*constant) || enumerators.contains(constant)
        };
        let unrecorded: Vec<&String> = usage
            .constants
            .iter()
            .filter(|constant| !recorded(constant))
            .collect();
        assert!(
            unrecorded.is_empty(),
            "{name} does not record {unrecorded:?}, which the code uses: list the constants, or \
             the enums that have \
             them, in sys/needed.toml, and run `cargo xtask snapshot --all`"
        );
    }
}

/// Returns the releases that the history has to read again, because more is needed of them than it
/// knows.
fn unread(history: &History, needed: &Needed) -> Vec<String> {
    let watched = Watched::read(&root().join("headers/watched.toml")).unwrap();
    let scope = watched.scope(needed);
    let mut releases = Vec::new();
    for name in SNAPSHOTS {
        let id = of_snapshot(history, &snapshot(name));
        if !history.not_known(id, &scope).is_empty() {
            releases.push(history.kernel(id).release.clone());
        }
    }
    releases
}

#[test]
fn the_history_knows_what_the_bindings_need() {
    let (history, needed) = (
        history(),
        Needed::read(&root().join("sys/needed.toml")).unwrap(),
    );
    let releases = unread(&history, &needed);
    assert!(
        releases.is_empty(),
        "sys/needed.toml or headers/watched.toml names more than the history knows: run `cargo \
         xtask history add {}`, \
         or with --all for each kernel that the archive still has",
        releases.join(" ")
    );
    // The test notices a name that was added.
    let mut more = needed.clone();
    more.functions.push("a_function_that_was_added".to_owned());
    assert_eq!(unread(&history, &more).len(), SNAPSHOTS.len());
    let mut more = needed;
    more.types.push("a_type_that_was_added".to_owned());
    assert_eq!(unread(&history, &more).len(), SNAPSHOTS.len());
}

#[test]
fn a_name_that_was_not_asked_for_is_unknown_and_not_removed() {
    let (history, usage) = (history(), usage());
    let mut newest = snapshot("debian-6.12");
    let id = of_snapshot(&history, &newest);
    let known = history.abi_of(id);
    // As after a commit that adds it: the snapshot has it, but the history was not read again.
    let name = "a_function_that_was_added";
    let like = newest.functions["pci_set_master"].clone();
    newest.functions.insert(name.to_owned(), like);
    let symbol = newest.symbols["pci_set_master"].clone();
    newest.symbols.insert(name.to_owned(), symbol);
    let usage = usage.and(Usage {
        functions: BTreeSet::from([name.to_owned()]),
        ..Usage::default()
    });
    let (here, there) = ((&newest, Says::ALL), (&known, history.says(id)));
    for (before, after) in [(here, there), (there, here)] {
        let check = compare::in_scope(before, after, &usage, ("a", "b"), None);
        assert_eq!(check.findings, []);
        let outside = check.scope.unwrap().outside;
        assert!(outside.contains(&format!("function {name}")), "{outside:?}");
        assert!(outside.contains(&format!("symbol {name}")), "{outside:?}");
        // If it is asked for by name, it does not pass.
        let wanted = BTreeSet::from([AbiPart::Functions]);
        let insisted = compare::in_scope(before, after, &usage, ("a", "b"), Some(&wanted));
        assert!(insisted.findings.iter().any(|finding| finding.name == name));
        assert!(
            insisted
                .findings
                .iter()
                .all(|finding| finding.verdict == Verdict::NoEvidence)
        );
    }
}
