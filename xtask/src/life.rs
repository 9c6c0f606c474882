// SPDX-License-Identifier: GPL-2.0-only
//! A driver's life in a machine: what is done with it, and what came of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use linux_driver_host::progress::Step as Progress;
use linux_driver_host::{Error, Result};
use linux_driver_kbuild::check::modinfo;
use linux_driver_kbuild::driver::Source;
use linux_driver_kbuild::kernels::Kernel;
use linux_driver_vm::{Action, Alias, Device, GuestFile, Machine, Outcome, Plan, Report, Step};
use regex_lite::Regex;
use serde::Serialize;

use crate::settings::Settings;

/// What came of a driver's life: the document of `run --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Life {
    /// The kernel's release, as it names itself.
    pub(crate) kernel: String,
    /// The module.
    pub(crate) ko: PathBuf,
    /// The driver's name and its device.
    pub(crate) driver: String,
    pub(crate) device: Option<String>,
    /// Whether all went well.
    pub(crate) ok: bool,
    /// Each step.
    pub(crate) steps: Vec<Row>,
    /// Kernel messages that mean trouble.
    pub(crate) problems: Vec<linux_driver_vm::Problem>,
    /// "kvm" or "tcg".
    pub(crate) accel: String,
    /// From the start of the machine to the start of the program in it.
    pub(crate) boot_seconds: Option<f64>,
    /// The whole run.
    pub(crate) seconds: f64,
    /// The console, where something went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) console: Vec<String>,
}

/// One step.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
}

/// The names of the steps in which a driver is probed: what it has to show then is looked for in their messages.
const LOADED: &str = "loaded";
const PROBED: &str = "probed";
const REBOUND: &str = "bound again";

/// A driver to try: its module and how.
pub(crate) struct Trial<'a> {
    pub(crate) source: &'a Source,
    pub(crate) settings: &'a Settings,
    pub(crate) ko: &'a Path,
}

impl Trial<'_> {
    /// Boots the kernel and leads the driver through its life.
    pub(crate) fn live(&self, kernel: &Kernel, init: &Path, time_limit: Duration) -> Result<Life> {
        let image = kernel.image.as_deref().ok_or_else(|| {
            Error::new(
                &kernel.name,
                "a kernel image to boot beside the build tree",
                kernel.note.as_deref().unwrap_or("none"),
                "use a kernel of the catalogue (`cargo xtask kernels`), or put its vmlinuz into the build tree",
            )
        })?;
        let mut machine = Machine::new(image);
        machine.devices.extend(self.settings.device.clone());
        machine.time_limit = time_limit;
        let plan = self.plan()?;
        let step = Progress::start(format!("running {} in {}", self.source.name, kernel.release));
        let report = linux_driver_vm::run(&machine, &plan, init, &mut |_| {})?;
        drop(step);
        Ok(self.life(report))
    }

    fn in_guest(&self) -> String {
        format!("/{}.ko", self.source.module)
    }

    fn plan(&self) -> Result<Plan> {
        let path = self.in_guest();
        let aliases = modinfo(self.ko)?.get("alias").cloned().unwrap_or_default();
        let steps = if self.settings.steps.is_empty() { self.pci_steps()? } else { self.settings.steps.clone() };
        Ok(Plan {
            files: vec![GuestFile { path: path.clone(), source: self.ko.to_owned() }],
            aliases: aliases.into_iter().map(|pattern| Alias { pattern, module: path.clone() }).collect(),
            steps,
            expect_problem: self.settings.expect_problem.clone(),
        })
    }

    /// The life of a PCI driver.
    fn pci_steps(&self) -> Result<Vec<Step>> {
        let settings = self.settings;
        let Some(id) = &settings.pci_id else {
            return Ok(self.module_steps());
        };
        let device: Device = format!("pci:{id}").parse().map_err(|e| {
            Error::new(
                format_args!("{}: pci-id", self.source.dir.display()),
                "VENDOR:DEVICE in hexadecimal digits, as in \"1234:11e8\"",
                e,
                "mend it",
            )
        })?;
        let driver = settings.driver.clone().unwrap_or_else(|| self.source.module.clone());
        let folder = format!("/sys/bus/pci/drivers/{driver}");
        let expecting = |step: Step, messages: &[String]| messages.iter().fold(step, |step, message| step.expecting(message));
        let shown: Vec<String> = settings.probed.iter().chain(settings.expect.iter().map(|expect| &expect.message)).cloned().collect();
        Ok(vec![
            Step::new(LOADED, Action::LoadByAlias { device: device.clone() }),
            Step::new(PROBED, Action::WaitBound { device: device.clone(), driver: driver.clone() }),
            expecting(Step::new("removed", Action::Unbind { device: device.clone() }), &settings.removed),
            expecting(Step::new(REBOUND, Action::Bind { device, driver }), &shown),
            expecting(Step::new("unloaded", Action::Unload { module: self.source.module.clone() }), &settings.removed),
            Step::new("gone", Action::Absent { path: folder }),
        ])
    }

    /// The life of a module without a device.
    fn module_steps(&self) -> Vec<Step> {
        vec![
            Step::new(LOADED, Action::Load { module: self.in_guest(), params: String::new() }),
            Step::new("unloaded", Action::Unload { module: self.source.module.clone() }),
        ]
    }

    fn life(&self, report: Report) -> Life {
        let messages: Vec<&str> = report
            .steps
            .iter()
            .filter(|step| step.name == LOADED || step.name == PROBED)
            .flat_map(|step| step.messages.iter().map(String::as_str))
            .collect();
        let reached = report.steps.iter().any(|step| step.name == PROBED && step.outcome != Outcome::NotRun);
        let mut rows = Vec::new();
        for step in &report.steps {
            rows.push(Row { name: step.name.clone(), ok: step.outcome == Outcome::Passed, detail: detail(step) });
            if step.name == PROBED && self.settings.steps.is_empty() {
                rows.extend(self.shown(&messages, reached));
            }
        }
        let ok = report.passed() && (self.settings.expect_problem.is_some() || rows.iter().all(|row| row.ok));
        Life {
            kernel: report.release,
            ko: self.ko.to_owned(),
            driver: self.settings.driver.clone().unwrap_or_else(|| self.source.module.clone()),
            device: self.settings.device.clone(),
            ok,
            steps: rows,
            problems: report.problems,
            accel: report.accel.to_string(),
            boot_seconds: report.boot_seconds,
            seconds: report.seconds,
            console: if ok { Vec::new() } else { report.console },
        }
    }

    /// What the driver had to show when it was probed, each with the message that shows it.
    fn shown<'b>(&'b self, messages: &'b [&str], reached: bool) -> impl Iterator<Item = Row> + 'b {
        let probed = self.settings.probed.iter().map(|message| ("said so", message));
        let expected = self.settings.expect.iter().map(|expect| (expect.name.as_str(), &expect.message));
        probed.chain(expected).map(move |(name, pattern)| {
            // The plan was checked: what does not compile as a pattern never came this far.
            let found = Regex::new(pattern).ok().and_then(|pattern| messages.iter().find(|message| pattern.is_match(message)));
            let missing = || if reached { format!("no message matches `{pattern}`") } else { "not run".to_owned() };
            Row { name: name.to_owned(), ok: found.is_some(), detail: found.map_or_else(missing, |message| (*message).to_owned()) }
        })
    }
}

fn detail(step: &linux_driver_vm::StepResult) -> String {
    match step.outcome {
        Outcome::NotRun => "not run".to_owned(),
        _ => step.detail.clone(),
    }
}
