// SPDX-License-Identifier: GPL-2.0-only
//! The report of a trial.

use std::path::PathBuf;

use linux_driver_host::table::aligned;
use linux_driver_vm::protocol::LINE_END;
use linux_driver_vm::{Accel, LeftOut, Outcome, StepResult};
use serde::Serialize;

use crate::sources::{self, Source};

/// The report of a trial: the document that `cargo xtask run --json` prints.
#[derive(Debug, Serialize)]
pub struct Life {
    /// The kernel's release, as the kernel prints it.
    pub kernel: String,
    /// The path of the module.
    pub ko: PathBuf,
    /// The driver's name.
    pub driver: String,
    /// The devices of the machine.
    pub devices: Vec<String>,
    /// `true` if the whole trial passed.
    pub ok: bool,
    /// The steps, and the other checks.
    pub steps: Vec<Row>,
    /// Kernel messages that report a problem.
    pub problems: Vec<linux_driver_vm::Problem>,
    /// The source lines of the places in the module's code that these messages and the details of
    /// failed steps name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The accelerator that ran the guest's code.
    pub accel: Accel,
    /// The time from the start of the machine to the start of the program in it.
    pub boot_seconds: Option<f64>,
    /// The duration of the whole run.
    pub seconds: f64,
    /// The console, if the trial failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub console: Vec<String>,
}

/// A row of the report: a step, or another check of the driver.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The name of the step.
    pub name: String,
    /// `true` if the step passed, or was left out.
    pub ok: bool,
    /// `true` if the step was left out because the kernel lacks an option that it needs. Such a
    /// step neither passed nor failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
    /// `true` if the run ended before the step.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_run: bool,
    /// The evidence: a message, the contents of a file, or an error.
    pub detail: String,
}

impl Row {
    pub(crate) fn new(name: &str, ok: bool, detail: String) -> Self {
        Self {
            name: name.to_owned(),
            ok,
            left_out: false,
            not_run: false,
            detail,
        }
    }

    pub(crate) fn left_out(step: &LeftOut) -> Self {
        Self {
            left_out: true,
            ..Self::new(
                &step.name,
                true,
                format!("the kernel lacks {}", step.lacks.join(", ")),
            )
        }
    }

    /// Returns the row of a step that was not left out.
    pub(crate) fn of(step: &StepResult) -> Self {
        let passed = step.outcome == Outcome::Passed;
        Self {
            not_run: step.outcome == Outcome::NotRun,
            ..Self::new(&step.name, passed, step.detail.clone())
        }
    }

    /// Returns the result in one word.
    fn word(&self) -> &'static str {
        match self {
            Self { left_out: true, .. } => "left out",
            Self { not_run: true, .. } => "not run",
            Self { ok: true, .. } => "ok",
            Self { ok: false, .. } => "FAILED",
        }
    }

    /// Returns the lines of the detail. The detail of a step is one line, with separators.
    fn lines(&self) -> Vec<&str> {
        if self.not_run {
            return Vec::new();
        }
        if self.ok {
            return vec![&self.detail];
        }
        self.detail.split(LINE_END).map(str::trim).collect()
    }
}

impl Life {
    /// Returns the source lines of this message, each after `indent`.
    fn source_of(&self, message: &str, indent: &str) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let found = self.sources.iter().find(|source| source.message == message);
        found.map_or_else(String::new, |source| {
            sources::as_text(&source.lines, indent, &here)
        })
    }

    /// Returns the result in one line.
    fn result(&self) -> String {
        let problems = match self.problems.len() {
            0 if self.ok => "the kernel reported no problem".to_owned(),
            0 => "the kernel's log shows no problem".to_owned(),
            1 => "the kernel reported 1 problem: see above".to_owned(),
            n => format!("the kernel reported {n} problems: see above"),
        };
        let not_run = self.steps.iter().filter(|step| step.not_run).count();
        let failed = self.steps.iter().filter(|step| !step.ok).count() - not_run;
        let steps = |count: usize| if count == 1 { "step" } else { "steps" };
        match (failed, not_run) {
            _ if self.ok => problems,
            (0, 0) => format!("the run failed; {problems}"),
            (0, _) => format!("{not_run} {} did not run; {problems}", steps(not_run)),
            (_, 0) => format!("{failed} {} failed; {problems}", steps(failed)),
            _ => format!(
                "{failed} {} failed, {not_run} did not run; {problems}",
                steps(failed)
            ),
        }
    }

    /// Returns the report as text: the kernel messages that report a problem, then a table of the
    /// steps.
    pub fn as_text(&self) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            let time = match &problem.step {
                Some(step) => format!("the step {step:?}"),
                None => "the boot or the end".to_owned(),
            };
            text.push_str(&format!(
                "\nkernel message during {time}: {}\n  it means: {}\n",
                problem.line, problem.meaning
            ));
            for line in &problem.context {
                text.push_str(&format!("  | {line}\n"));
                text.push_str(&self.source_of(line, "  |     "));
            }
        }
        if !self.ok && self.problems.is_empty() {
            text.push_str("\nthe console's last lines:\n");
            for line in self.console.iter().rev().take(20).rev() {
                text.push_str(&format!("  | {line}\n"));
            }
        }
        let row = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        text.push('\n');
        let head = [
            row(
                "kernel",
                &format!(
                    "{} ({}, booted in {:.1} s)",
                    self.kernel,
                    accel(self.accel),
                    self.boot_seconds.unwrap_or_default()
                ),
            ),
            row("module", &self.ko.display().to_string()),
            row(
                "device",
                &if self.devices.is_empty() {
                    "none".to_owned()
                } else {
                    self.devices.join(", ")
                },
            ),
        ];
        text.push_str(&aligned(&head));
        text.push('\n');
        let mut steps: Vec<Vec<String>> = Vec::new();
        for step in &self.steps {
            let lines = step.lines();
            let (first, more) = lines.split_first().unwrap_or((&"", &[]));
            steps.push(vec![
                step.word().to_owned(),
                step.name.clone(),
                (*first).to_owned(),
            ]);
            let under = |line: &&str| vec![String::new(), String::new(), (*line).to_owned()];
            steps.extend(more.iter().map(under));
        }
        text.push_str(&aligned(&steps));
        let failed = self.steps.iter().filter(|step| !step.ok);
        for line in failed.flat_map(|step| step.detail.lines()) {
            let source = self.source_of(line, "    ");
            if !source.is_empty() {
                text.push_str(&format!("\n{}\n{source}", line.trim()));
            }
        }
        text.push_str(&format!("\n{}\n", self.result()));
        text
    }
}

fn accel(accel: Accel) -> &'static str {
    match accel {
        Accel::Kvm => "KVM",
        Accel::Tcg => "emulated",
    }
}

#[cfg(test)]
mod tests {
    use linux_driver_vm::Problem;

    use super::*;

    fn life(rows: Vec<Row>) -> Life {
        Life {
            kernel: "6.12".into(),
            ko: "/edu.ko".into(),
            driver: "edu".into(),
            devices: Vec::new(),
            ok: rows.iter().all(|row| row.ok),
            steps: rows,
            problems: Vec::new(),
            sources: Vec::new(),
            accel: Accel::Tcg,
            boot_seconds: None,
            seconds: 1.0,
            console: Vec::new(),
        }
    }

    fn row(outcome: Outcome, detail: &str) -> Row {
        Row::of(&StepResult {
            name: "a".into(),
            outcome,
            detail: detail.into(),
            messages: Vec::new(),
            seconds: 1.0,
        })
    }

    #[test]
    fn the_last_line_says_whether_the_run_failed() {
        let passed = || row(Outcome::Passed, "");
        let failed = || row(Outcome::Failed, "");
        let not_run = || row(Outcome::NotRun, "");
        let last = |life: &Life| life.as_text().lines().last().unwrap().to_owned();
        assert_eq!(
            last(&life(vec![passed()])),
            "the kernel reported no problem"
        );
        let mut one = life(vec![passed(), failed(), not_run(), not_run()]);
        assert_eq!(
            last(&one),
            "1 step failed, 2 did not run; the kernel's log shows no problem"
        );
        one.problems.push(Problem {
            line: "BUG: x".into(),
            meaning: "y".into(),
            context: Vec::new(),
            step: None,
        });
        assert_eq!(
            last(&one),
            "1 step failed, 2 did not run; the kernel reported 1 problem: see above"
        );
        one.steps = vec![passed(), not_run()];
        assert_eq!(
            last(&one),
            "1 step did not run; the kernel reported 1 problem: see above"
        );
        one.steps = vec![passed()];
        assert_eq!(
            last(&one),
            "the run failed; the kernel reported 1 problem: see above"
        );
        assert_eq!(
            last(&life(vec![failed(), failed()])),
            "2 steps failed; the kernel's log shows no problem"
        );
    }

    #[test]
    fn a_failure_has_a_line_for_each_of_its_parts() {
        let rows = vec![
            row(Outcome::Passed, "x | y"),
            row(Outcome::Failed, "what | why"),
            row(Outcome::NotRun, "the run ended before this step"),
        ];
        let text = life(rows).as_text();
        let table = "ok       a  x | y\nFAILED   a  what\n            why\nnot run  a\n";
        assert!(text.contains(table), "{text}");
    }
}
