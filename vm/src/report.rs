// SPDX-License-Identifier: GPL-2.0-only
//! What came of a run.

use serde::Serialize;

use crate::taint::Flag;

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The kernel's release, as it names itself; empty if it did not come that far.
    pub release: String,
    /// What ran the guest's code.
    pub accel: Accel,
    /// From the start of the machine to the start of our program in it.
    pub boot_seconds: Option<f64>,
    /// The whole run.
    pub seconds: f64,
    /// How it ended.
    pub ending: Ending,
    /// The steps of the plan, in its order: each of them, run or not.
    pub steps: Vec<StepResult>,
    /// Everything that means trouble, from the boot to the end.
    pub problems: Vec<Problem>,
    /// Whether the problem that the plan expects is what ended the run; nothing if it expects none.
    pub expected_problem: Option<bool>,
    /// The marks on the kernel at the end; nothing if the run did not come that far.
    pub taint: Option<Vec<Flag>>,
    /// Every line of the console.
    pub console: Vec<String>,
}

/// What runs the guest's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accel {
    /// The processor, through KVM.
    Kvm,
    /// Emulation, by QEMU's Tiny Code Generator.
    Tcg,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The guest powered itself off when it was done.
    PoweredOff,
    /// A kernel message meant trouble, and the machine was ended.
    Problem,
    /// The time limit passed, and the machine was ended.
    TimeLimit,
    /// The machine ended, or stood still, before or without saying that it was done.
    Early,
}

/// What came of one step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepResult {
    /// The step's name.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What there is to say: why it failed, what was read, which module was loaded.
    pub detail: String,
    /// The kernel's messages meanwhile, without their time stamps.
    pub messages: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed, or the run ended in the middle of it.
    Failed,
    /// The run ended before it.
    NotRun,
}

/// Something that means trouble.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// The message, without its time stamp.
    pub line: String,
    /// What it means.
    pub meaning: String,
    /// The console's lines around it.
    pub context: Vec<String>,
    /// The step during which it came, if there was one.
    pub step: Option<String>,
}

impl Report {
    /// Whether the run went as the plan wants it: either every step passed and nothing means
    /// trouble, or the expected problem ended the run and no step had failed before it.
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
