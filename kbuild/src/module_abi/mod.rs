// SPDX-License-Identifier: GPL-2.0-only
//! A module against a kernel, without booting it: whether it loads there as it is, has to be built again, or needs a
//! change of its source, and why.
//!
//! [`check`] asks what the kernel's loader asks (`load_module` in `kernel/module/main.c`), of what is known of the
//! kernel: a [`Target`]. What would need more than is known is a finding too, of the verdict
//! [`Verdict::NoEvidence`]: only a check without a finding, or with such alone as keep the module working, says that
//! it loads.

use std::cmp::Reverse;
use std::path::Path;

use linux_driver_abi::model::{Abi, Type};
use linux_driver_abi::report::{Change, Check, CheckKind, Finding, Layouts, LookedAt, Subject, Verdict};
use linux_driver_host::{Error, Result};

use crate::check::facts::{self, Facts};

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

/// How many names a line of a report shows; the finding has them all.
const SHOWN: usize = 6;

/// What all the questions are about.
struct Question<'a> {
    /// The module's path.
    ko: &'a Path,
    /// Its bytes.
    data: &'a [u8],
    /// What it says.
    facts: &'a Facts,
    /// The kernel that is to load it.
    kernel: &'a Target<'a>,
    /// Whether its version string names this very release.
    same_release: bool,
    /// Types and functions of the kernel that is to load it.
    after: &'a Abi,
    /// Types and functions of the kernel that it was built for, if they are known.
    before: Option<&'a Abi>,
}

/// What was found out so far.
#[derive(Default)]
struct Answer {
    looked_at: LookedAt,
    findings: Vec<Finding>,
    module: Option<Layouts>,
}

impl Answer {
    fn add(&mut self, subject: Subject, name: &str, verdict: Verdict, change: Change, text: String, reason: &str) {
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

    /// A finding about the module as a whole.
    fn module(&mut self, name: &str, verdict: Verdict, change: Change, text: String, reason: &str) {
        self.add(Subject::Module, name, verdict, change, text, reason);
    }

    /// What could not be found out.
    fn no_evidence(&mut self, subject: Subject, name: &str, text: String, reason: &str) {
        self.add(subject, name, Verdict::NoEvidence, Change::NoEvidence, text, reason);
    }

    /// With these names as those that the module uses.
    fn of(&mut self, used: &[&str]) {
        if let Some(finding) = self.findings.last_mut() {
            finding.used = used.iter().map(|&name| name.to_owned()).collect();
        }
    }
}

/// Checks the module `ko` against this kernel.
///
/// An error is a file that is no whole module, data of the kernel that cannot be read, or a kernel given as the one
/// that the module was built for which it was not built for.
pub fn check(ko: &Path, kernel: &Target<'_>) -> Result<Check> {
    let data = facts::bytes(ko)?;
    let facts = facts::read(ko, &data)?;
    let mut answer = Answer::default();
    if !kernel.arch.is_empty() && kernel.arch != facts.arch {
        answer.module(
            "arch",
            Verdict::Rebuild,
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
            format_args!("give what is known of {release} as the kernel that it was built for, or leave it out"),
        ));
    }
    let same_release = release.is_some_and(|release| release == kernel.release);
    let names = symbols::functions(&facts, kernel);
    let after = kernel.types.look_up(&names)?;
    let before = kernel
        .built_for
        .map(|built_for| built_for.types.look_up(&names))
        .transpose()?;
    let question = Question {
        ko,
        data: &data,
        facts: &facts,
        kernel,
        same_release,
        after: &after,
        before: before.as_deref(),
    };
    vermagic::look(&question, &mut answer);
    layout::look(&question, &mut answer);
    symbols::look(&question, &mut answer);
    fitness::look(&question, &mut answer)?;
    Ok(finished(ko, kernel, answer))
}

/// The release of the kernel that a module was built for, as its vermagic says.
pub fn built_for(ko: &Path) -> Result<Option<String>> {
    let data = facts::bytes(ko)?;
    Ok(vermagic::release(&facts::read(ko, &data)?).map(str::to_owned))
}

/// The report, the gravest first.
fn finished(ko: &Path, kernel: &Target<'_>, answer: Answer) -> Check {
    let mut findings = answer.findings;
    findings.sort_by(|a, b| (Reverse(a.verdict), &a.name).cmp(&(Reverse(b.verdict), &b.name)));
    let layouts = answer.module.map(|layouts| ("module".to_owned(), layouts));
    Check {
        kind: CheckKind::Module,
        kernel: kernel.name.clone(),
        against: ko.display().to_string(),
        looked_at: answer.looked_at,
        findings,
        layouts: layouts.into_iter().collect(),
    }
}

/// Names as a line shows them.
fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// The kernel's `struct module`, if it is known.
fn struct_module(abi: &Abi) -> Option<&Type> {
    let known = !abi.no_evidence.contains_key("type module");
    abi.types.get("module").map(|layout| &**layout).filter(|_| known)
}
