// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of a module with a kernel, without booting it. It tells if the module loads there
//! as it is, must be built again, or needs a change of its source, and why.
//!
//! [`check`] asks the questions of the kernel's loader (`load_module` in `kernel/module/main.c`)
//! about a [`Target`]: the known facts about the kernel. A question that the facts do not answer is
//! a finding with the verdict [`Verdict::NoEvidence`]. The module loads only if there is no
//! finding, or if all findings have the verdict [`Verdict::Keeps`].

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use linux_driver_abi::model::{Abi, Symbol, Type};
use linux_driver_abi::report::{
    Change, Comparison, ComparisonKind, Finding, Layouts, LookedAt, Subject, Verdict,
};
use linux_driver_host::{Error, Result};

use crate::checks::facts::{self, Facts};

mod fitness;
mod layout;
mod renames;
mod signature;
mod symbols;
mod target;
#[cfg(test)]
mod tests;
mod vermagic;

pub use target::{Exports, Target, Types};

/// How many names a line of a report shows. The finding contains all.
const SHOWN: usize = 6;

/// The module and the kernel that all questions are about.
struct Question<'a> {
    /// The module's path.
    ko: &'a Path,
    /// Its bytes.
    data: &'a [u8],
    /// The facts in it.
    facts: &'a Facts,
    /// The kernel that will load it.
    kernel: &'a Target<'a>,
    /// `true` if its version string names this very release.
    same_release: bool,
    /// The types and functions of the kernel that will load it.
    after: &'a Abi,
    /// The types and functions of the kernel that it was built for, if they are known.
    before: Option<&'a Abi>,
    /// The typedefs in signatures that differ: those of the kernel that it was built for, then
    /// those of the kernel that will load it.
    typedefs: (Cow<'a, Abi>, Cow<'a, Abi>),
}

impl Question<'_> {
    fn typedefs(&self) -> (&Abi, &Abi) {
        (&self.typedefs.0, &self.typedefs.1)
    }
}

/// The findings so far.
#[derive(Default)]
struct Answer {
    looked_at: LookedAt,
    findings: Vec<Finding>,
    module: Option<Layouts>,
}

impl Answer {
    fn add(
        &mut self,
        subject: Subject,
        name: &str,
        verdict: Verdict,
        change: Change,
        text: String,
        reason: &str,
    ) {
        self.findings.push(Finding {
            subject,
            name: name.to_owned(),
            change,
            role: None,
            used: Vec::new(),
            verdict,
            text,
            reason: reason.to_owned(),
            accepted: None,
        });
    }

    /// Adds a finding about the module as a whole.
    fn module(&mut self, name: &str, verdict: Verdict, change: Change, text: String, reason: &str) {
        self.add(Subject::Module, name, verdict, change, text, reason);
    }

    /// Adds a finding about a question that could not be answered.
    fn no_evidence(&mut self, subject: Subject, name: &str, text: String, reason: &str) {
        self.add(
            subject,
            name,
            Verdict::NoEvidence,
            Change::NoEvidence,
            text,
            reason,
        );
    }

    /// Records the names that the last finding's module uses.
    fn of(&mut self, used: &[&str]) {
        if let Some(finding) = self.findings.last_mut() {
            finding.used = used.iter().map(|&name| name.to_owned()).collect();
        }
    }
}

/// Checks the module `ko` against this kernel.
///
/// # Errors
///
/// The file is not a complete module, or data of the kernel cannot be read. It is also an error if
/// `kernel.built_for` is not the kernel that the module was built for.
pub fn check(ko: &Path, kernel: &Target<'_>) -> Result<Comparison> {
    let data = facts::bytes(ko)?;
    let facts = facts::read(ko, &data)?;
    let mut answer = Answer::default();
    if !kernel.arch.is_empty() && kernel.arch != facts.arch {
        answer.module(
            "arch",
            Verdict::NotJudged,
            Change::Value {
                before: facts.arch.clone(),
                after: kernel.arch.clone(),
            },
            format!("the module is for {}, the kernel for {}", facts.arch, kernel.arch),
            "the loader refuses machine code of another architecture (\"Invalid module format\"); nothing else was looked at",
        );
        return Ok(finished(ko, kernel, answer));
    }

    let release = vermagic::release(&facts);
    if let (Some(built_for), Some(release)) = (kernel.built_for, release)
        && !built_for.release.is_empty()
        && built_for.release != release
    {
        return Err(Error::new(
            ko.display(),
            format_args!("a module that was built for {}", built_for.release),
            format_args!("one that was built for {release}, as its vermagic says"),
            format_args!(
                "give {release} as the kernel that it was built for, or leave that kernel out"
            ),
        ));
    }
    let same_release = release.is_some_and(|release| release == kernel.release);
    let names = symbols::functions(&facts, kernel);
    let module = ["module".to_owned()];
    let after = kernel.types.look_up(&module, &names)?;
    let before = kernel
        .built_for
        .map(|built_for| built_for.types.look_up(&module, &names))
        .transpose()?;
    let typedefs = match (kernel.built_for, &before) {
        (Some(built_for), Some(before)) => typedefs(built_for, before, kernel, &after)?,
        _ => Default::default(),
    };
    let question = Question {
        ko,
        data: &data,
        facts: &facts,
        kernel,
        same_release,
        after: &after,
        before: before.as_deref(),
        typedefs,
    };
    vermagic::look(&question, &mut answer);
    layout::look(&question, &mut answer);
    symbols::look(&question, &mut answer);
    fitness::look(&question, &mut answer)?;
    source(&question, &mut answer);
    Ok(finished(ko, kernel, answer))
}

/// Returns the typedefs that differing signatures name, before and after.
fn typedefs<'a>(
    built_for: &Target<'a>,
    before: &Abi,
    kernel: &Target<'a>,
    after: &Abi,
) -> Result<(Cow<'a, Abi>, Cow<'a, Abi>)> {
    let both = before.functions.iter();
    let both = both.filter_map(|(name, function)| Some((function, after.functions.get(name)?)));
    let mut names: Vec<String> = both
        .flat_map(|(before, after)| signature::names(before, after))
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Ok(Default::default());
    }
    Ok((
        built_for.types.look_up(&names, &[])?,
        kernel.types.look_up(&names, &[])?,
    ))
}

/// Adds a finding that the module's file cannot tell whether its source fits another kernel.
fn source(question: &Question<'_>, answer: &mut Answer) {
    let refused =
        |finding: &&Finding| matches!(finding.verdict, Verdict::Rebuild | Verdict::NotJudged);
    if question.same_release || !answer.findings.iter().any(|finding| refused(&finding)) {
        return;
    }
    let open = answer
        .findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::NotJudged);
    let mut names: Vec<String> = open.map(|finding| finding.name.clone()).collect();
    names.sort();
    names.dedup();
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = match shown.as_slice() {
        [] => "its source is not judged: it may compile for this kernel or not; no name in it is known to have gone or changed"
            .to_owned(),
        shown => format!(
            "its source is not judged: it may compile for this kernel or not; these names have gone or changed: {}",
            listed(shown)
        ),
    };
    answer.module(
        "source",
        Verdict::NotJudged,
        Change::NoEvidence,
        text,
        "a .ko does not show the macros, inline functions, fields and callback types in its source, which can have code for several kernels: build it for this kernel",
    );
    answer.of(&shown);
}

/// The symbols of a module's file.
#[derive(Debug)]
pub struct Said {
    /// The symbols that the loader has to find, in order.
    pub uses: Vec<String>,
    /// The symbols that it exports, for modules that are loaded after it.
    pub exports: BTreeMap<String, Arc<Symbol>>,
}

/// Returns the symbols of the module in `data`. Error messages name `ko`.
pub fn said(ko: &Path, data: &[u8]) -> Result<Said> {
    Ok(Said {
        uses: facts::read(ko, data)?.undefined,
        exports: facts::exports(ko, data)?,
    })
}

/// Returns the symbols that a module exports, for modules that are loaded after it.
pub fn exports(ko: &Path) -> Result<BTreeMap<String, Arc<Symbol>>> {
    let data = facts::bytes(ko)?;
    facts::exports(ko, &data)
}

/// Returns the release of the kernel that a module was built for, from its vermagic.
pub fn built_for(ko: &Path) -> Result<Option<String>> {
    let data = facts::bytes(ko)?;
    Ok(vermagic::release(&facts::read(ko, &data)?).map(str::to_owned))
}

/// Returns the report, with the most severe finding first.
fn finished(ko: &Path, kernel: &Target<'_>, answer: Answer) -> Comparison {
    let mut findings = answer.findings;
    findings.sort_by(|a, b| (Reverse(a.verdict), &a.name).cmp(&(Reverse(b.verdict), &b.name)));
    let layouts = answer.module.map(|layouts| ("module".to_owned(), layouts));
    Comparison {
        kind: ComparisonKind::Module,
        kernel: kernel.name.clone(),
        against: ko.display().to_string(),
        looked_at: answer.looked_at,
        scope: None,
        findings,
        layouts: layouts.into_iter().collect(),
    }
}

/// Joins names for a line of the report.
fn listed(names: &[&str]) -> String {
    let mut text = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// Returns the kernel's `struct module`, if it is known.
fn struct_module(abi: &Abi) -> Option<&Type> {
    let known = !abi.no_evidence.contains_key("type module");
    abi.types
        .get("module")
        .map(|layout| &**layout)
        .filter(|_| known)
}
