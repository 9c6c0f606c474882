// SPDX-License-Identifier: GPL-2.0-only
//! The symbols that the module leaves undefined. The kernel must export each one, permit this
//! module to use it, and have the same symbol as when the module was compiled.
//!
//! If the kernel has checksums, they tell whether a symbol is the same. Otherwise the signatures of
//! both kernels do. If neither is available, nothing is known.

use super::target::{Lookup, Target};
use super::{Answer, Question, layout, listed, renames, signature};
use crate::checks::facts::Facts;
use crate::checks::{is_for_module, is_gpl_compatible};
use linux_driver_abi::model::{Function, Symbol};
use linux_driver_abi::report::{Change, Subject, Verdict};

/// Functions that compilers call by themselves, because the kernel's flags demand it. No source
/// names them, and a build for the new kernel calls those that it has. A `*` at the end matches any
/// rest.
const COMPILERS_OWN: &[&str] = &[
    "__asan_*",
    "__cfi_*",
    "__fentry__",
    "__gcov_*",
    "__hwasan_*",
    "__kasan_*",
    "__kcfi_*",
    "__msan_*",
    "__ref_stack_chk_guard",
    "__sanitizer_cov_*",
    "__stack_chk_*",
    "__tsan_*",
    "__ubsan_*",
    "__x86_indirect_*",
    "__x86_return_thunk",
    "llvm_gcov_*",
    "mcount",
];

/// Names that macros and inline functions of the kernel's headers expand to, and that no driver's
/// source contains. A build for another kernel expands that kernel's headers. The names are written
/// as above; a `*` can also be at the start.
///
/// The list has no name that a source may contain, even if a macro contains it too.
const HEADERS_OWN: &[&str] = &[
    "*_noprof",
    "__SCK__*",
    "__SCT__*",
    "__alloc_pages",
    "__bad_*",
    "__check_object_size",
    "__class_create",
    "__class_register",
    "__const_udelay",
    "__copy_overflow",
    "__cpu_*_mask",
    "___drm_dbg",
    "__drm_dbg",
    "__drm_err",
    "__dynamic_dev_dbg",
    "__dynamic_netdev_dbg",
    "__dynamic_pr_debug",
    "__fortify_panic",
    "__get_task_comm",
    "__get_user_*",
    "__init_rwsem",
    "__init_swait_queue_head",
    "__init_waitqueue_head",
    "__kmalloc",
    "__kmalloc_*",
    "__list_*_or_report",
    "__list_add_valid",
    "__list_del_entry_valid",
    "__might_fault",
    "__might_resched",
    "__might_sleep",
    "__mod_node_page_state",
    "__mutex_init",
    "__ndelay",
    "__pci_register_driver",
    "__per_cpu_offset",
    "__percpu_down_read",
    "__percpu_init_rwsem",
    "__platform_create_bundle",
    "__platform_driver_probe",
    "__platform_driver_register",
    "__platform_register_drivers",
    "__preempt_count",
    "__put_user_*",
    "__raw_spin_lock_init",
    "__read_overflow*",
    "__register_chrdev",
    "__release_region",
    "__request_region",
    "__root_device_register",
    "__rwlock_init",
    "__sw_hweight*",
    "__this_cpu_preempt_check",
    "__traceiter_*",
    "__tracepoint_*",
    "__udelay",
    "__usecs_to_jiffies",
    "__msecs_to_jiffies",
    "__virt_addr_valid",
    "__warn_printk",
    "__write_overflow*",
    "__x86_call_depth",
    "_copy_from_user",
    "_copy_to_user",
    "_dev_alert",
    "_dev_crit",
    "_dev_emerg",
    "_dev_err",
    "_dev_info",
    "_dev_notice",
    "_dev_printk",
    "_dev_warn",
    "_printk",
    "_raw_read_*",
    "_raw_spin_*",
    "_raw_write_*",
    "alloc_pages_current",
    "const_cpu_current_top_of_stack",
    "const_current_task",
    "const_pcpu_hot",
    "cpu_bit_bitmap",
    "cpu_number",
    "current_task",
    "delayed_work_timer_fn",
    "fortify_panic",
    "hrtimer_setup_on_stack",
    "init_timer_key",
    "init_user_namespace_key",
    "kmalloc_caches",
    "kmalloc_large",
    "kmalloc_large_node",
    "kmalloc_node_trace",
    "kmalloc_order*",
    "kmalloc_trace",
    "kmem_cache_alloc_*trace",
    "kmem_cache_create_usercopy",
    "lockdep_*",
    "mutex_init_generic",
    "mutex_init_lockdep",
    "page_offset_base",
    "pcpu_hot",
    "phys_base",
    "physical_mask",
    "pv_ops",
    "random_kmalloc_seed",
    "rwlock_init_*",
    "sme_me_mask",
    "this_cpu_off",
    "timer_init_key",
    "usercopy_abort",
    "vmalloc_base",
    "vmemmap_base",
];

fn matches(name: &str, rows: &[&str]) -> bool {
    rows.iter().any(|row| match row.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => name == *row,
    })
}

fn is_compilers_own(name: &str) -> bool {
    matches(name, COMPILERS_OWN)
}

fn is_headers_own(name: &str) -> bool {
    matches(name, HEADERS_OWN)
}

/// The reason for not judging a source that was compiled for another kernel: it may have code for
/// this one too.
const NOT_JUDGED: &str = "a source can have code for several kernels, and the name can be a macro or inline function of the headers: build it for this kernel to find out";

/// Returns the functions whose signatures are needed: those that the module uses, and those that
/// may have replaced the missing ones.
pub(super) fn functions(facts: &Facts, kernel: &Target<'_>) -> Vec<String> {
    let mut names = [facts.undefined.as_slice(), &facts.weak].concat();
    for name in &facts.undefined {
        names.extend(new_names(name, kernel));
    }
    names.sort();
    names.dedup();
    names
}

/// Returns the names that may have replaced a name that the kernel does not export.
fn new_names(name: &str, kernel: &Target<'_>) -> Vec<String> {
    match (kernel.exports.lookup(name), kernel.exports.symbols()) {
        (Lookup::NotExported, Some(exports)) => {
            let before = kernel
                .built_for
                .and_then(|built_for| built_for.exports.symbols());
            renames::likely(name, exports, before)
        }
        _ => Vec::new(),
    }
}

/// The names that are reported together, after all symbols.
#[derive(Default)]
struct Sums<'a> {
    /// It is not known whether they are exported.
    unknown: Vec<&'a str>,
    /// Their checksums differ, and nothing else does.
    checksums: Vec<&'a str>,
    /// The kernel has a checksum of them, and the module has none.
    without: Vec<&'a str>,
    /// It is not known whether they are the same as before.
    unproven: Vec<&'a str>,
    /// Neither this kernel nor the one that the module was built for exports them.
    others: Vec<&'a str>,
}

pub(super) fn look(question: &Question<'_>, answer: &mut Answer) {
    let (facts, kernel) = (question.facts, question.kernel);
    let mut sums = Sums::default();
    for name in &facts.undefined {
        match kernel.lookup(name) {
            Lookup::Unknown => sums.unknown.push(name),
            Lookup::NotExported => {
                answer.looked_at.symbols += 1;
                if is_of_another_module(question, name) {
                    sums.others.push(name);
                } else {
                    gone(question, name, answer);
                }
            }
            Lookup::Exported(symbol) => {
                answer.looked_at.symbols += 1;
                permitted(question, name, symbol, answer);
                same(question, name, symbol, &mut sums, answer);
            }
        }
    }
    for name in &facts.weak {
        // A weak symbol stays undefined if the kernel lacks it or hides it from the module.
        if let Lookup::Exported(symbol) = kernel.lookup(name)
            && !is_hidden(question, symbol)
        {
            answer.looked_at.symbols += 1;
            permitted(question, name, symbol, answer);
            same(question, name, symbol, &mut sums, answer);
        }
    }
    if let Lookup::Exported(symbol) = kernel.lookup(layout::LAYOUT)
        && question.kernel.has_checksums() == Some(true)
        && let (Some(theirs), Some(ours)) = (symbol.crc, facts.versions.get(layout::LAYOUT))
        && theirs != *ours
    {
        sums.checksums.push(layout::LAYOUT);
    }
    sums.tell(question, answer);
}

/// Returns whether another module, and not the kernel, exported this name. modpost accepted the
/// module, so something exported the name when it was built. If the kernel that it was built for
/// did not, another module did.
fn is_of_another_module(question: &Question<'_>, name: &str) -> bool {
    let before = question.kernel.built_for;
    match before.map(|before| before.exports.lookup(name)) {
        Some(Lookup::NotExported) => true,
        Some(Lookup::Exported(_)) => false,
        Some(Lookup::Unknown) | None => {
            question.same_release && !is_compilers_own(name) && !is_headers_own(name)
        }
    }
}

/// Adds a finding for a symbol that the kernel does not export.
fn gone(question: &Question<'_>, name: &str, answer: &mut Answer) {
    if is_compilers_own(name) {
        answer.add(
            Subject::Symbol,
            name,
            Verdict::Rebuild,
            Change::Removed,
            format!("{name} is not exported"),
            "the loader refuses the module (\"Unknown symbol\"); compilers call it by themselves if the kernel's configuration asks for it, so a build for this kernel does not call it",
        );
        return;
    }
    if is_headers_own(name) {
        answer.add(
            Subject::Symbol,
            name,
            Verdict::Rebuild,
            Change::Removed,
            format!("{name} is not exported"),
            "the loader refuses the module (\"Unknown symbol\"); a macro or inline function of the kernel's headers calls it, and a build for this kernel uses this kernel's headers",
        );
        return;
    }
    let names = new_names(name, question.kernel);
    let before = question.before.and_then(|abi| abi.functions.get(name));
    let equal = |new: &&String| {
        let after = question.after.functions.get(*new);
        before.zip(after).is_some_and(|(before, after)| {
            signature::difference(name, before, after, question.typedefs()).is_none()
        })
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
            "the loader refuses the module (\"Unknown symbol\"); with allocation profiling the old name is a macro that calls the new function, so C code only has to be built again",
        );
        return;
    }
    let hint = match (renamed, names.first()) {
        (Some(new), _) => format!("; {new} is exported, with the same signature"),
        (None, Some(new)) => {
            let after = question.after.functions.get(new);
            let new = after.map_or(new.clone(), |function| {
                format!("`{}`", function.declaration(new))
            });
            format!("; it was probably replaced by {new}")
        }
        (None, None) if internal => "; the kernel has it, but only for itself".to_owned(),
        (None, None) => String::new(),
    };
    answer.add(
        Subject::Symbol,
        name,
        Verdict::NotJudged,
        change,
        format!("{name} is not exported{hint}"),
        &format!("the loader refuses the module (\"Unknown symbol\"), unless another module exports it; {NOT_JUDGED}"),
    );
}

/// Returns whether allocation profiling (6.10) renamed `old` to `new`. The function then has this
/// suffix, and its old name is a macro.
fn is_profiled(old: &str, new: &str) -> bool {
    new.strip_suffix("_noprof") == Some(old)
}

/// Returns whether the loader hides the symbol from a module with this license.
fn is_hidden(question: &Question<'_>, symbol: &Symbol) -> bool {
    symbol.gpl && !question.facts.tag("license").is_some_and(is_gpl_compatible)
}

/// Checks whether this module may use the symbol.
fn permitted(question: &Question<'_>, name: &str, symbol: &Symbol, answer: &mut Answer) {
    let facts = question.facts;
    // A module that was compiled for this very kernel shows what its source does here.
    let (verdict, judged) = match question.same_release {
        true => (Verdict::Source, String::new()),
        false => (Verdict::NotJudged, format!("; {NOT_JUDGED}")),
    };
    if is_hidden(question, symbol) {
        let license = facts
            .tag("license")
            .map_or("no license".to_owned(), |license| {
                format!("the license {license:?}")
            });
        answer.add(
            Subject::Symbol,
            name,
            verdict,
            Change::Value {
                before: license.clone(),
                after: "EXPORT_SYMBOL_GPL".to_owned(),
            },
            format!("{name} is exported to modules under the GPL only; the module has {license}"),
            &format!("the loader hides it from a module under another license (\"Unknown symbol\"){judged}"),
        );
    }
    let Some(namespace) = &symbol.namespace else {
        return;
    };
    let imports = facts
        .modinfo
        .get("import_ns")
        .map(Vec::as_slice)
        .unwrap_or_default();
    let (missing, text, reason) = match namespace.strip_prefix("module:") {
        None => (
            !imports.contains(namespace),
            format!("{name} is in the namespace {namespace}, which the module does not import"),
            "the loader refuses it, or only warns if it is configured so: the source needs MODULE_IMPORT_NS",
        ),
        Some(modules) => (
            !is_for_module(modules, facts.tag("name").unwrap_or_default()),
            format!("{name} is exported only for {modules}"),
            "the loader refuses any other module that uses it: the source has to do without it",
        ),
    };
    if missing {
        answer.add(
            Subject::Symbol,
            name,
            verdict,
            Change::Value {
                before: imports.join(", "),
                after: namespace.clone(),
            },
            text,
            &format!("{reason}{judged}"),
        );
    }
}

/// Checks whether the symbol is the same as when the module was compiled.
fn same<'a>(
    question: &Question<'a>,
    name: &'a str,
    symbol: &Symbol,
    sums: &mut Sums<'a>,
    answer: &mut Answer,
) {
    let facts = question.facts;
    let checksums = question.kernel.has_checksums() == Some(true);
    let ours = facts.versions.get(name).copied();
    // A checksum of 0 means that there is no type. Two of them are equal and prove nothing.
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
        abi.functions
            .get(name)
            .map(|function| &**function)
            .filter(|_| known)
    };
    let before = question.before.and_then(functions);
    match before.zip(functions(question.after)) {
        Some((before, after)) => {
            answer.looked_at.functions += 1;
            match signature::difference(name, before, after, question.typedefs()) {
                Some(difference) => {
                    let (verdict, reason) = match is_headers_own(name) {
                        true => (
                            Verdict::Rebuild,
                            "a macro or inline function of the kernel's headers calls it, and a build for this kernel uses this kernel's headers".to_owned(),
                        ),
                        false if difference.verdict == Verdict::NotJudged => {
                            (Verdict::NotJudged, format!("{}; {NOT_JUDGED}", difference.reason))
                        }
                        false => (difference.verdict, difference.reason.to_owned()),
                    };
                    let text = match &difference.change {
                        Change::Arity { before, after } | Change::Retyped { before, after, .. } => {
                            format!("{name} was `{before}` and is `{after}`")
                        }
                        _ => format!("{name} has another signature"),
                    };
                    answer.add(
                        Subject::Function,
                        name,
                        verdict,
                        difference.change,
                        text,
                        &reason,
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
            // A module that names this very release was compiled with this kernel's own
            // declarations.
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
                    "it is not known whether {} of the {} symbols are exported: {}",
                    self.unknown.len(),
                    facts.undefined.len(),
                    listed(&self.unknown)
                ),
                "they are in no list of the kernel's exports (Module.symvers)",
            );
            answer.of(&self.unknown);
        }
        if !self.others.is_empty() {
            let depends = facts.tag("depends").unwrap_or_default();
            answer.no_evidence(
                Subject::Symbol,
                "other modules",
                format!(
                    "the kernel does not export {} symbols, so another module must: {}",
                    self.others.len(),
                    listed(&self.others)
                ),
                &format!(
                    "give that module too (a further --ko), or the Module.symvers of its build (--extra-symbols); the module says that it depends on: {}",
                    if depends.is_empty() { "nothing" } else { depends }
                ),
            );
            answer.of(&self.others);
        }
        if !self.checksums.is_empty() {
            self.checksums.sort_unstable();
            answer.add(
                Subject::Symbol,
                "__versions",
                Verdict::Rebuild,
                Change::Value {
                    before: format!("{} checksums of the module", facts.versions.len()),
                    after: format!("{} of them differ in the kernel", self.checksums.len()),
                },
                format!(
                    "the checksums of {} symbols differ in the kernel: {}",
                    self.checksums.len(),
                    listed(&self.checksums)
                ),
                "a type that these symbols depend on has changed, so the loader refuses the module (\"disagrees about version of symbol\")",
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
                    "the kernel has checksums of {} symbols, and the module has none of them: {}",
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
                    "no equal checksum proves it, and their types when the module was compiled are not known: give the kernel that it was built for"
                }
                Some(_) => {
                    "no equal checksum proves it, and one of the two kernels has no type information of them (variables, assembly, what other modules export)"
                }
            };
            answer.no_evidence(
                Subject::Symbol,
                "signatures",
                format!(
                    "it is not known whether {} symbols are unchanged: {}",
                    self.unproven.len(),
                    listed(&self.unproven)
                ),
                reason,
            );
            answer.of(&self.unproven);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_covers_the_names_that_match_its_pattern() {
        for name in [
            "__fortify_panic",
            "__kmalloc_cache_noprof",
            "__kmalloc_large_node_noprof",
            "__list_add_valid_or_report",
            "__mutex_init",
            "alloc_pages_noprof",
            "init_timer_key",
            "pcpu_hot",
        ] {
            assert!(is_headers_own(name), "{name}");
        }
        assert!(is_compilers_own("__ref_stack_chk_guard") && is_compilers_own("__asan_load8"));
        // These are names that drivers call.
        for name in [
            "del_timer_sync",
            "class_create",
            "kfree",
            "mutex_lock",
            "pci_enable_device",
            "__iowrite32_copy",
        ] {
            assert!(!is_headers_own(name) && !is_compilers_own(name), "{name}");
        }
        assert!(
            !matches("ab", &["ab*b"]),
            "the start and the end do not overlap"
        );
    }
}
