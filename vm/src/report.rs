// SPDX-License-Identifier: GPL-2.0-only
//! The results of a run.

use serde::Serialize;

use crate::taint::Flag;

/// The results of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The kernel's release, as the kernel prints it. Empty if the boot did not come that far.
    pub release: String,
    /// The accelerator that ran the guest's code.
    pub accel: Accel,
    /// The time from the start of the machine to the start of the tool's program in it.
    pub boot_seconds: Option<f64>,
    /// The duration of the whole run.
    pub seconds: f64,
    /// The way in which the run ended.
    pub ending: Ending,
    /// The results of all steps in the plan's order, including steps that did not run.
    pub steps: Vec<StepResult>,
    /// All problems, from the boot to the end.
    pub problems: Vec<Problem>,
    /// `Some(true)` if the problem that the plan expects ended the run, `Some(false)` if not.
    /// `None` if the plan expects no problem.
    pub expected_problem: Option<bool>,
    /// The kernel's taint marks at the end. `None` if the run did not come that far.
    pub taint: Option<Vec<Flag>>,
    /// All lines of the console.
    pub console: Vec<String>,
}

/// An accelerator: the part of QEMU that runs the guest's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accel {
    /// The processor, through KVM.
    Kvm,
    /// Emulation, by QEMU's Tiny Code Generator.
    Tcg,
}

/// The way in which a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The guest was done and powered itself off.
    PoweredOff,
    /// A kernel message reported a problem. The tool then ended the machine, unless a person debugs
    /// it.
    Problem,
    /// The time limit passed, and the tool ended the machine.
    TimeLimit,
    /// The machine ended before the guest was done, or did not power off afterwards.
    Early,
}

/// The result of one step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepResult {
    /// The step's name.
    pub name: String,
    /// The step's outcome.
    pub outcome: Outcome,
    /// The step's detail: the reason for a failure, the contents of a file, the name of the loaded
    /// module.
    pub detail: String,
    /// The kernel's messages during the step, without their time stamps.
    pub messages: Vec<String>,
    /// The step's duration.
    pub seconds: f64,
}

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The step passed.
    Passed,
    /// The step failed, or the run ended during it.
    Failed,
    /// The run ended before this step.
    NotRun,
}

/// A kernel message that reports a problem.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// The message, without its time stamp.
    pub line: String,
    /// The meaning of the message.
    pub meaning: String,
    /// The lines of the console around the message.
    pub context: Vec<String>,
    /// The step during which the message came, if any.
    pub step: Option<String>,
}

impl Report {
    /// Returns the last 20 lines of the console, for an error message.
    pub fn last_lines(&self) -> String {
        self.console[self.console.len().saturating_sub(20)..].join("\n")
    }

    /// Returns whether the run went as planned. Either every step passed and there was no problem,
    /// or the expected problem ended the run and no step had failed before.
    pub fn passed(&self) -> bool {
        match self.expected_problem {
            Some(came) => came,
            None => {
                self.ending == Ending::PoweredOff
                    && self.problems.is_empty()
                    && self
                        .steps
                        .iter()
                        .all(|step| step.outcome == Outcome::Passed)
            }
        }
    }
}
