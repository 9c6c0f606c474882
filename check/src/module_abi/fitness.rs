// SPDX-License-Identifier: GPL-2.0-only
//! The module's machine code: relocations that the loader applies, instructions that the kernel
//! allows, and the mitigations that its configuration demands.

use linux_driver_abi::report::{Change, Subject, Verdict};
use linux_driver_abi::symvers::Symvers;
use linux_driver_host::Result;
use linux_driver_kernels::Config;

use super::{Answer, Question};
use crate::checks::{self, Expectations, Rules};

/// The checks that demand the same of a module for every kernel.
const ANY: [&str; 2] = ["relocations", INSTRUCTIONS];

const INSTRUCTIONS: &str = "instructions";

/// The checks that demand something only if the kernel's configuration does.
const CONFIGURED: [&str; 5] = ["endbr", "returns", "retpolines", "orc", "padding"];

pub(super) fn look(question: &Question<'_>, answer: &mut Answer) -> Result<()> {
    if !question.facts.is_x86_64() {
        answer.no_evidence(
            Subject::Module,
            "mitigations",
            "relocations and mitigations were not looked at".to_owned(),
            "the checks know only the machine code of x86-64",
        );
        return Ok(());
    }
    let unknown = Config::default();
    let config = question.kernel.config.as_ref();
    let kernel = Rules {
        config: config.unwrap_or(&unknown),
        symvers: &Symvers::default(),
        release: &question.kernel.release,
    };
    let wanted =
        |name: &str| ANY.contains(&name) || (config.is_some() && CONFIGURED.contains(&name));
    let report = checks::run(
        question.ko,
        question.data,
        kernel,
        &Expectations::default(),
        wanted,
    )?;
    let alike = |a: &checks::Violation, b: &checks::Violation| {
        a.check == b.check && a.expected == b.expected && a.remedy == b.remedy
    };
    for alike in report.violations.chunk_by(alike) {
        let first = &alike[0];
        let more = match alike.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more places"),
        };
        // No kernel checks the instructions of a module. So another kernel changes nothing for a
        // module that uses the vector unit: it works as well as it did on its own kernel, or it
        // worked on neither.
        let (verdict, wants) = match first.check {
            INSTRUCTIONS => (
                Verdict::Keeps,
                "the loader accepts it on every kernel; outside kernel_fpu_begin() a module must have",
            ),
            _ => (Verdict::Rebuild, "the kernel wants"),
        };
        answer.module(
            first.check,
            verdict,
            Change::Value {
                before: first.found.clone(),
                after: first.expected.clone(),
            },
            format!("{}: {}: {}{more}", first.check, first.place, first.found),
            &format!("{wants} {}; {}", first.expected, first.remedy),
        );
        let places: Vec<&str> = alike
            .iter()
            .map(|violation| violation.place.as_str())
            .collect();
        answer.of(&places);
    }
    if config.is_none() {
        answer.no_evidence(
            Subject::Module,
            "mitigations",
            format!("not looked at: {}", CONFIGURED.join(", ")),
            "the kernel's configuration decides which of these it needs, and it is not known",
        );
    }
    Ok(())
}
