// SPDX-License-Identifier: GPL-2.0-only
//! The version string: `check_modinfo` in `kernel/module/main.c` refuses a module with another one.
//!
//! If both sides have checksums of symbols, `same_magic` ignores the release, up to the first
//! blank. The checksums then tell whether the module fits. A module has checksums if it has the
//! section `__versions`.

use super::{Answer, Question};
use crate::checks::facts::Facts;
use crate::checks::{expected_vermagic, is_randomised};
use linux_driver_abi::report::{Change, Subject, Verdict};

const NAME: &str = "vermagic";

/// The last words of a version string, by architecture (`MODULE_ARCH_VERMAGIC`).
const ENDS: [(&str, &str); 3] = [
    ("aarch64", "aarch64"),
    ("riscv64", "riscv"),
    ("loongarch64", "loongarch"),
];

/// Returns the release that the module was built for.
pub(super) fn release(facts: &Facts) -> Option<&str> {
    facts
        .tag("vermagic")?
        .split(' ')
        .next()
        .filter(|release| !release.is_empty())
}

pub(super) fn look(question: &Question<'_>, answer: &mut Answer) {
    let (facts, kernel) = (question.facts, question.kernel);
    let Some(found) = facts.tag("vermagic") else {
        answer.module(
            NAME,
            Verdict::Rebuild,
            Change::Value {
                before: String::new(),
                after: kernel.release.clone(),
            },
            "the module has no vermagic".to_owned(),
            "the loader takes a module without one only by force, and taints the kernel: let modpost finish the module",
        );
        return;
    };
    let (its_release, its_words) = found.split_at(found.find(' ').unwrap_or(found.len()));
    let words = kernel.config.as_ref().map(|config| {
        let end = ENDS
            .iter()
            .find(|(arch, _)| *arch == facts.arch)
            .map_or("", |(_, end)| end);
        let mut words = expected_vermagic(config, "");
        words.iter_mut().for_each(|words| words.push_str(end));
        (words, is_randomised(config))
    });
    match words {
        Some((words, randomised)) => {
            let fits = |words: &String| {
                its_words.strip_prefix(words.as_str()).is_some_and(|rest| {
                    rest.is_empty() || (randomised && rest.starts_with("RANDSTRUCT_"))
                })
            };
            if !words.iter().any(fits) {
                differs(found, &format!("{}{}", kernel.release, words[0]), answer);
                return;
            }
        }
        None => answer.no_evidence(
            Subject::Module,
            NAME,
            format!("of the vermagic \"{found}\" only the release can be judged"),
            "the words after the release depend on the kernel's configuration, which is not known",
        ),
    }
    if its_release == kernel.release {
        return;
    }
    let (before, after) = (its_release.to_owned(), kernel.release.clone());
    match kernel.has_checksums() {
        Some(true) if facts.has_versions => answer.module(
            NAME,
            Verdict::Keeps,
            Change::Value { before, after },
            format!("the module was built for {its_release}, not for {}", kernel.release),
            "if the module and the kernel have checksums of symbols, the loader compares those and ignores the release",
        ),
        None if facts.has_versions => answer.no_evidence(
            Subject::Module,
            NAME,
            format!("the module was built for {its_release}, not for {}", kernel.release),
            "the loader refuses another release unless the kernel has checksums of symbols, which is not known",
        ),
        _ => differs(found, &kernel.release, answer),
    }
}

fn differs(found: &str, expected: &str, answer: &mut Answer) {
    answer.module(
        NAME,
        Verdict::Rebuild,
        Change::Value {
            before: found.trim_end().to_owned(),
            after: expected.trim_end().to_owned(),
        },
        format!("the module's vermagic is \"{}\", the kernel's \"{}\"", found.trim_end(), expected.trim_end()),
        "the loader refuses it (\"version magic … should be …\"); `modprobe --force-vermagic` only hides that the rest may not fit either",
    );
}
