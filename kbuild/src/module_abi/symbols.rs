// SPDX-License-Identifier: GPL-2.0-only
//! What the module leaves to the kernel: each symbol has to be exported, to a module such as this one, and to be what
//! it was when the module was compiled.
//!
//! That it is, the checksums say where the kernel has some, and else the signatures of both kernels. Where neither is
//! at hand nothing is known.

use linux_driver_abi::model::{Function, Symbol};
use linux_driver_abi::report::{Change, Subject, Verdict};

use super::target::{Lookup, Target};
use super::{Answer, Question, layout, listed, renames, signature};
use crate::check::facts::Facts;
use crate::check::{is_for_module, is_gpl_compatible};

/// What compilers call by themselves, as the kernel's flags tell them to: no source names it, and a build for the new
/// kernel calls what that one has. A row that ends in `*` stands for all that begin so.
const COMPILERS_OWN: [&str; 8] = [
    "__fentry__",
    "__x86_return_thunk",
    "__x86_indirect_*",
    "__stack_chk_*",
    "__asan_*",
    "__kasan_*",
    "__ubsan_*",
    "__sanitizer_cov_*",
];

fn is_compilers_own(name: &str) -> bool {
    COMPILERS_OWN.iter().any(|row| match row.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *row,
    })
}

/// The functions whose signatures are of interest: what the module uses, and what may stand for what is gone.
pub(super) fn functions(facts: &Facts, kernel: &Target<'_>) -> Vec<String> {
    let mut names = facts.undefined.clone();
    for name in &facts.undefined {
        names.extend(new_names(name, kernel));
    }
    names.sort();
    names.dedup();
    names
}

/// The names that the kernel may have for what it does not export.
fn new_names(name: &str, kernel: &Target<'_>) -> Vec<String> {
    match (kernel.exports.lookup(name), kernel.exports.symbols()) {
        (Lookup::NotExported, Some(exports)) => {
            let before = kernel.built_for.and_then(|built_for| built_for.exports.symbols());
            renames::likely(name, exports, before)
        }
        _ => Vec::new(),
    }
}

/// What adds up over the symbols, to be told once.
#[derive(Default)]
struct Sums<'a> {
    /// Not known whether they are exported.
    unknown: Vec<&'a str>,
    /// Their checksums differ; nothing more is wrong with them.
    checksums: Vec<&'a str>,
    /// The kernel has a checksum of them, the module none.
    without: Vec<&'a str>,
    /// Not known whether they are what they were.
    unproven: Vec<&'a str>,
}

pub(super) fn look(question: &Question<'_>, answer: &mut Answer) {
    let (facts, kernel) = (question.facts, question.kernel);
    let mut sums = Sums::default();
    for name in &facts.undefined {
        match kernel.exports.lookup(name) {
            Lookup::Unknown => sums.unknown.push(name),
            Lookup::NotExported => {
                answer.looked_at.symbols += 1;
                gone(question, name, answer);
            }
            Lookup::Exported(symbol) => {
                answer.looked_at.symbols += 1;
                permitted(question, name, symbol, answer);
                same(question, name, symbol, &mut sums, answer);
            }
        }
    }
    if let Lookup::Exported(symbol) = kernel.exports.lookup(layout::LAYOUT)
        && question.kernel.has_checksums() == Some(true)
        && let (Some(theirs), Some(ours)) = (symbol.crc, facts.versions.get(layout::LAYOUT))
        && theirs != *ours
    {
        sums.checksums.push(layout::LAYOUT);
    }
    sums.tell(question, answer);
}

/// A symbol that the kernel does not export.
fn gone(question: &Question<'_>, name: &str, answer: &mut Answer) {
    if is_compilers_own(name) {
        answer.add(
            Subject::Symbol,
            name,
            Verdict::Rebuild,
            Change::Removed,
            format!("{name} is not exported"),
            "the loader refuses the module (\"Unknown symbol\"); compilers call it by themselves, as a kernel's configuration asks for, so that a build for this kernel does without",
        );
        return;
    }
    let names = new_names(name, question.kernel);
    let before = question.before.and_then(|abi| abi.functions.get(name));
    let equal = |new: &&String| {
        let after = question.after.functions.get(*new);
        before
            .zip(after)
            .is_some_and(|(before, after)| signature::difference(name, before, after).is_none())
    };
    let internal = question.after.functions.contains_key(name);
    let renamed = names.iter().find(equal);
    let change = renamed.map_or(Change::Removed, |new| Change::Renamed { to: new.clone() });
    if let Some(new) = names.iter().find(|new| is_profiled(name, new)) {
        answer.add(
            Subject::Symbol,
            name,
            Verdict::Rebuild,
            change,
            format!("{name} is not exported; {new} is"),
            "the loader refuses the module (\"Unknown symbol\"); with allocation profiling the kernel's headers have a macro of the old name that calls the new function, so that C code is only built again",
        );
        return;
    }
    let hint = match (renamed, names.first()) {
        (Some(new), _) => format!("; {new} is exported, with the same signature"),
        (None, Some(new)) => {
            let after = question.after.functions.get(new);
            let new = after.map_or(new.clone(), |function| format!("`{}`", function.declaration(new)));
            format!("; likely to stand for it: {new}")
        }
        (None, None) if internal => "; the kernel has it, for itself".to_owned(),
        (None, None) => String::new(),
    };
    answer.add(
        Subject::Symbol,
        name,
        Verdict::Source,
        change,
        format!("{name} is not exported{hint}"),
        "the loader refuses the module (\"Unknown symbol\"); what calls it has to call something else, unless it is a macro or inline function of the kernel's headers, which a rebuild takes anew",
    );
}

/// Whether `new` is what allocation profiling (6.10) made of `old`: the function got this suffix, its name is a macro.
fn is_profiled(old: &str, new: &str) -> bool {
    new.strip_suffix("_noprof") == Some(old)
}

/// Whether a module such as this one may use it.
fn permitted(question: &Question<'_>, name: &str, symbol: &Symbol, answer: &mut Answer) {
    let facts = question.facts;
    let license = facts.tag("license");
    if symbol.gpl && !license.is_some_and(is_gpl_compatible) {
        let license = license.map_or("no license".to_owned(), |license| format!("the license {license:?}"));
        answer.add(
            Subject::Symbol,
            name,
            Verdict::Source,
            Change::Value {
                before: license.clone(),
                after: "EXPORT_SYMBOL_GPL".to_owned(),
            },
            format!("{name} is exported to modules under the GPL only; the module has {license}"),
            "the loader hides it from a module under another license (\"Unknown symbol\")",
        );
    }
    let Some(namespace) = &symbol.namespace else { return };
    let imports = facts.modinfo.get("import_ns").map(Vec::as_slice).unwrap_or_default();
    let (missing, text, reason) = match namespace.strip_prefix("module:") {
        None => (
            !imports.contains(namespace),
            format!("{name} is in the namespace {namespace}, which the module does not import"),
            "the loader refuses it, or warns where it is configured to: the source has to have MODULE_IMPORT_NS",
        ),
        Some(modules) => (
            !is_for_module(modules, facts.tag("name").unwrap_or_default()),
            format!("{name} is exported for {modules} alone"),
            "the loader refuses it to any other module: the source has to do without",
        ),
    };
    if missing {
        answer.add(
            Subject::Symbol,
            name,
            Verdict::Source,
            Change::Value {
                before: imports.join(", "),
                after: namespace.clone(),
            },
            text,
            reason,
        );
    }
}

/// Whether it is what it was when the module was compiled.
fn same<'a>(question: &Question<'a>, name: &'a str, symbol: &Symbol, sums: &mut Sums<'a>, answer: &mut Answer) {
    let facts = question.facts;
    let checksums = question.kernel.has_checksums() == Some(true);
    let ours = facts.versions.get(name).copied();
    // A checksum of 0 stands for no type: two of them agree, and prove nothing.
    let refused = checksums && ours.is_some_and(|ours| symbol.crc.unwrap_or(0) != ours);
    let proven = checksums && !refused && symbol.crc.is_some() && ours.is_some();
    if checksums && ours.is_none() {
        sums.without.push(name);
    }
    if proven {
        return;
    }
    let functions = |abi: &'a linux_driver_abi::model::Abi| -> Option<&'a Function> {
        let known = !abi.no_evidence.contains_key(&format!("function {name}"));
        abi.functions.get(name).map(|function| &**function).filter(|_| known)
    };
    let before = question.before.and_then(functions);
    match before.zip(functions(question.after)) {
        Some((before, after)) => {
            answer.looked_at.functions += 1;
            match signature::difference(name, before, after) {
                Some(difference) => {
                    let text = match &difference.change {
                        Change::Arity { before, after } | Change::Retyped { before, after, .. } => {
                            format!("{name} was `{before}` and is `{after}`")
                        }
                        _ => format!("{name} has another signature"),
                    };
                    answer.add(
                        Subject::Function,
                        name,
                        difference.verdict,
                        difference.change,
                        text,
                        difference.reason,
                    );
                }
                None if refused => sums.checksums.push(name),
                None => {}
            }
        }
        None => {
            if refused {
                sums.checksums.push(name);
            }
            // A module that names this very release was compiled against this kernel's own declarations.
            if (refused || !question.same_release) && !is_compilers_own(name) {
                sums.unproven.push(name);
            }
        }
    }
}

impl Sums<'_> {
    fn tell(mut self, question: &Question<'_>, answer: &mut Answer) {
        let facts = question.facts;
        if !self.unknown.is_empty() {
            answer.no_evidence(
                Subject::Symbol,
                "exports",
                format!(
                    "whether {} of the {} symbols are exported is not known: {}",
                    self.unknown.len(),
                    facts.undefined.len(),
                    listed(&self.unknown)
                ),
                "no list of what the kernel exports (Module.symvers) has them",
            );
            answer.of(&self.unknown);
        }
        if !self.checksums.is_empty() {
            self.checksums.sort_unstable();
            answer.add(
                Subject::Symbol,
                "__versions",
                Verdict::Rebuild,
                Change::Value {
                    before: format!("{} checksums of the module", facts.versions.len()),
                    after: format!("{} of them are others in the kernel", self.checksums.len()),
                },
                format!(
                    "the checksums of {} symbols are others in the kernel: {}",
                    self.checksums.len(),
                    listed(&self.checksums)
                ),
                "the loader refuses the module (\"disagrees about version of symbol\"): a type that they reach has changed",
            );
            answer.of(&self.checksums);
        }
        if !self.without.is_empty() {
            answer.add(
                Subject::Symbol,
                "no symbol version",
                Verdict::Rebuild,
                Change::Value {
                    before: "no checksum".to_owned(),
                    after: "a checksum".to_owned(),
                },
                format!(
                    "the module has no checksums of {} symbols, the kernel has: {}",
                    self.without.len(),
                    listed(&self.without)
                ),
                "the loader refuses the module (\"no symbol version\"), or at best warns: build it with the kernel's Module.symvers",
            );
            answer.of(&self.without);
        }
        if !self.unproven.is_empty() {
            let reason = match question.before {
                None => {
                    "no equal checksum proves it, and what they were when the module was compiled is not known: give the kernel that it was built for"
                }
                Some(_) => {
                    "no equal checksum proves it, and one of the two kernels has no type information of them (variables, assembly, what other modules export)"
                }
            };
            answer.no_evidence(
                Subject::Symbol,
                "signatures",
                format!(
                    "whether {} symbols are what they were is not known: {}",
                    self.unproven.len(),
                    listed(&self.unproven)
                ),
                reason,
            );
            answer.of(&self.unproven);
        }
    }
}
