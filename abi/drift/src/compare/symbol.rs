// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of exported symbols: removed, added, or with other conditions for the modules
//! that use them.

use super::layout::listed;
use super::{Context, new_finding, no_evidence};
use crate::model::{Abi, Symbol};
use crate::report::{Change, Comparison, Finding, Subject, Verdict, counted};

/// The name of findings about the list of symbols as a whole.
pub(super) const LIST: &str = "Module.symvers";

/// Compares all symbols.
pub(super) fn compare(context: &Context<'_>, check: &mut Comparison) {
    let (before, after) = (&context.before.symbols, &context.after.symbols);
    if before.is_empty() && after.is_empty() {
        return;
    }
    if before.is_empty() || after.is_empty() {
        let at = if before.is_empty() {
            context.names.0
        } else {
            context.names.1
        };
        let text = format!(
            "no list of the exports of {at} was at hand, so its symbols could not be compared"
        );
        let mut finding = no_evidence(Subject::Symbol, LIST, false, text);
        let known = if before.is_empty() { after } else { before };
        finding.used = context
            .usage
            .functions
            .iter()
            .filter(|name| known.contains_key(*name))
            .cloned()
            .collect();
        check.findings.push(finding);
        return;
    }
    let has_crcs = |abi: &Abi| abi.symbols.values().any(|symbol| symbol.crc.is_some());
    let (had, has) = (has_crcs(context.before), has_crcs(context.after));
    if had != has {
        let words = |has: bool| {
            if has {
                "a checksum of each"
            } else {
                "no checksums"
            }
            .to_owned()
        };
        let text = format!("{} became {}", words(had), words(has));
        let why =
            "a kernel refuses modules that were built with the other setting of CONFIG_MODVERSIONS";
        let change = Change::Value {
            before: words(had),
            after: words(has),
        };
        let uses = context
            .usage
            .functions
            .iter()
            .any(|name| before.contains_key(name));
        let verdict = if uses {
            Verdict::Rebuild
        } else {
            Verdict::Keeps
        };
        check.findings.push(new_finding(
            Subject::Symbol,
            LIST.to_owned(),
            change,
            verdict,
            text,
            why,
        ));
    }
    let mut checksums: Vec<&str> = Vec::new();
    check.looked_at.symbols += before.len();
    for &name in &context.differing.symbols {
        let (old, new) = match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) => (old, new),
            (Some(_), None) => {
                check.looked_at.symbols -= 1;
                // If its signature is known, `function` has described the change.
                if !context.after.knows_export(name) {
                    check.findings.push(unasked(context, name, context.names.1));
                } else if !context.before.functions.contains_key(name) {
                    check.findings.push(gone(context, name));
                }
                continue;
            }
            (None, _) => continue,
        };
        if old == new {
            continue;
        }
        if had && has && old.crc != new.crc {
            if context.usage.functions.contains(name) {
                check.findings.push(checksum(context, name, old, new));
            } else {
                checksums.push(name);
            }
        }
        terms(context, check, name, old, new);
    }
    let is_new = |name: &&str| after.contains_key(*name) && !before.contains_key(*name);
    for name in context.differing.symbols.iter().copied().filter(is_new) {
        if !context.before.knows_export(name) {
            check.findings.push(unasked(context, name, context.names.0));
            continue;
        }
        // If its signature is known, `function` has described it.
        if !context.after.functions.contains_key(name) {
            let why = "no existing object uses it";
            let finding = new_finding(
                Subject::Symbol,
                name.to_owned(),
                Change::Added,
                Verdict::Keeps,
                "new".into(),
                why,
            );
            check.findings.push(finding);
        }
    }
    if !checksums.is_empty() {
        let text = format!(
            "{} that the code does not depend on: {}",
            counted(checksums.len(), "other checksum"),
            listed(&checksums, ", ")
        );
        let change = Change::Value {
            before: "other checksums".into(),
            after: checksums.join(", "),
        };
        let why = "the code uses none of these symbols";
        check.findings.push(new_finding(
            Subject::Symbol,
            LIST.to_owned(),
            change,
            Verdict::Keeps,
            text,
            why,
        ));
    }
}

fn finding(
    context: &Context<'_>,
    name: &str,
    change: Change,
    verdict: (Verdict, &str),
    text: String,
) -> Finding {
    let used = context.usage.functions.contains(name);
    let verdict = if used {
        verdict
    } else {
        (Verdict::Keeps, "the code does not use it")
    };
    let mut finding = new_finding(
        Subject::Symbol,
        name.to_owned(),
        change,
        verdict.0,
        text,
        verdict.1,
    );
    if used {
        finding.used.push(name.to_owned());
    }
    finding
}

/// Creates the finding for a symbol that was not looked for in the kernel `at`.
fn unasked(context: &Context<'_>, name: &str, at: &str) -> Finding {
    let used = context.usage.functions.contains(name);
    no_evidence(
        Subject::Symbol,
        name,
        used,
        format!("not known of {at}: it was not looked for there"),
    )
}

fn gone(context: &Context<'_>, name: &str) -> Finding {
    let verdict = (
        Verdict::Source,
        "the code uses it, and the kernel no longer exports it",
    );
    finding(
        context,
        name,
        Change::Removed,
        verdict,
        "no longer exported".to_owned(),
    )
}

fn checksum(context: &Context<'_>, name: &str, old: &Symbol, new: &Symbol) -> Finding {
    let words = |symbol: &Symbol| {
        symbol
            .crc
            .map_or_else(|| "none".to_owned(), |crc| format!("0x{crc:08x}"))
    };
    let (before, after) = (words(old), words(new));
    let text = format!("its checksum {before} became {after}");
    let verdict = (
        Verdict::Rebuild,
        "the kernel's loader refuses an object with the old checksum",
    );
    finding(
        context,
        name,
        Change::Value { before, after },
        verdict,
        text,
    )
}

/// Compares the license, the namespace and the exporter.
fn terms(context: &Context<'_>, check: &mut Comparison, name: &str, old: &Symbol, new: &Symbol) {
    if old.gpl != new.gpl {
        let words = |gpl: bool| if gpl { "GPL only" } else { "any license" }.to_owned();
        let (before, after) = (words(old.gpl), words(new.gpl));
        let verdict = if new.gpl {
            (
                Verdict::Source,
                "a module under another license cannot use it any more",
            )
        } else {
            (Verdict::Keeps, "every module that could use it still can")
        };
        let text = format!("{before} became {after}");
        check.findings.push(finding(
            context,
            name,
            Change::Value { before, after },
            verdict,
            text,
        ));
    }
    if old.namespace != new.namespace {
        let words = |symbol: &Symbol| {
            symbol
                .namespace
                .clone()
                .unwrap_or_else(|| "no namespace".to_owned())
        };
        let (before, after) = (words(old), words(new));
        let verdict = if new.namespace.is_some() {
            (
                Verdict::Source,
                "a module has to import the namespace, and the code does not",
            )
        } else {
            (
                Verdict::Keeps,
                "a module that imports an unnecessary namespace is loaded",
            )
        };
        let text = format!("its namespace: {before} became {after}");
        check.findings.push(finding(
            context,
            name,
            Change::Value { before, after },
            verdict,
            text,
        ));
    }
    if old.module != new.module {
        let (before, after) = (old.module.clone(), new.module.clone());
        let text = format!("exported by {before} before, by {after} now");
        let verdict = (
            Verdict::Keeps,
            "the loader searches all exporters for a symbol",
        );
        check.findings.push(finding(
            context,
            name,
            Change::Value { before, after },
            verdict,
            text,
        ));
    }
}
