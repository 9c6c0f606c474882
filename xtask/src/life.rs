// SPDX-License-Identifier: GPL-2.0-only
//! A driver's life in a machine: what is done with it, and what came of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use linux_driver_check::modinfo;
use linux_driver_host::progress::Step as Progress;
use linux_driver_host::{Error, Result};
use linux_driver_kbuild::driver::Source;
use linux_driver_kernels::Config;
use linux_driver_kernels::Kernel;
use linux_driver_vm::protocol::GUEST_PATH;
use linux_driver_vm::{
    Accel, Action, Alias, Device, GuestFile, LeftOut, Machine, Outcome, Plan, Report, Step,
    init_program,
};
use regex_lite::Regex;
use serde::Serialize;

use crate::settings::{EXPECTED, Settings};
use crate::table::aligned;

/// What came of a driver's life: the document of `run --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Life {
    /// The kernel's release, as it names itself.
    pub(crate) kernel: String,
    /// The module.
    pub(crate) ko: PathBuf,
    /// The driver's name, and the devices that the machine had.
    pub(crate) driver: String,
    pub(crate) devices: Vec<String>,
    /// Whether all went well.
    pub(crate) ok: bool,
    /// Each step.
    pub(crate) steps: Vec<Row>,
    /// Kernel messages that mean trouble.
    pub(crate) problems: Vec<linux_driver_vm::Problem>,
    /// What ran the guest's code.
    pub(crate) accel: Accel,
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
    /// It was not tried, since the kernel lacks what it needs: no failure, and no success either.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) left_out: bool,
    pub(crate) detail: String,
}

impl Row {
    fn new(name: &str, ok: bool, detail: String) -> Self {
        Self {
            name: name.to_owned(),
            ok,
            left_out: false,
            detail,
        }
    }

    fn left_out(step: &LeftOut) -> Self {
        Self {
            left_out: true,
            ..Self::new(
                &step.name,
                true,
                format!("the kernel lacks {}", step.lacks.join(", ")),
            )
        }
    }

    /// How it went, in a word.
    fn word(&self) -> &'static str {
        match self {
            Self { left_out: true, .. } => "left out",
            Self { ok: true, .. } => "ok",
            Self { ok: false, .. } => "FAILED",
        }
    }
}

/// The programs that run in the machine.
pub(crate) struct Programs {
    init: PathBuf,
    guest: Option<PathBuf>,
}

impl Programs {
    /// Builds them; the one for user space only if one of the drivers has steps for it.
    pub(crate) fn build<'a>(
        manifest: &Path,
        drivers: impl IntoIterator<Item = &'a Settings>,
    ) -> Result<Self> {
        let guest = drivers.into_iter().any(Settings::runs_programs);
        Ok(Self {
            init: init_program::build(manifest)?,
            guest: guest
                .then(|| init_program::build_guest(manifest))
                .transpose()?,
        })
    }
}

fn file(path: &str, source: &Path) -> impl Iterator<Item = GuestFile> + use<> {
    std::iter::once(GuestFile {
        path: path.to_owned(),
        source: source.to_owned(),
    })
}

/// How many times as long a step may take in a kernel that checks each access to memory.
const KASAN_SLOWS: u64 = 4;

/// The names of the steps in which what a driver has to show is looked for.
const LOADED: &str = "loaded";
const PROBED: &str = "probed";
const REBOUND: &str = "bound again";
const DEVICES_BOUND: &str = "each device is bound";

/// The buses whose devices a module's aliases name, by the prefix of the aliases.
const BUSES: [(&str, &str); 3] = [
    ("pci:", "pci"),
    ("platform:", "platform"),
    ("acpi*:", "platform"),
];

/// The device that these aliases name: the first of the first bus that any of them is for.
fn device_of(aliases: &[String]) -> Option<Device> {
    let bus_of = |alias: &String| {
        BUSES
            .iter()
            .find(|(prefix, _)| alias.starts_with(prefix))
            .map(|(_, bus)| *bus)
    };
    let bus = aliases.iter().find_map(bus_of)?;
    let patterns = aliases
        .iter()
        .filter(|alias| bus_of(alias) == Some(bus))
        .cloned()
        .collect();
    Some(Device::Matching {
        bus: bus.to_owned(),
        patterns,
    })
}

/// Has the plan end in a search for leaks, where there is a machine left to be searched.
fn search_for_leaks(plan: &mut Plan) {
    let ends = |step: &Step| matches!(step.action, Action::Shutdown { .. });
    if plan.expect_problem.is_none() && !plan.steps.last().is_some_and(ends) {
        plan.steps.push(Step::new(
            "nothing is leaked",
            Action::Kmemleak { clear: false },
        ));
    }
}

/// A driver to try: its module and how.
pub(crate) struct Trial<'a> {
    pub(crate) source: &'a Source,
    pub(crate) settings: &'a Settings,
    pub(crate) ko: &'a Path,
}

impl Trial<'_> {
    /// Boots the kernel and leads the driver through its life. What steps of the driver may take
    /// longer than usual comes on top of `time_limit`.
    pub(crate) fn live(
        &self,
        kernel: &Kernel,
        programs: &Programs,
        time_limit: Duration,
    ) -> Result<Life> {
        let image = kernel.bootable()?;
        let mut machine = Machine::new(image);
        self.settings.apply(&mut machine);
        let mut plan = self.plan(programs.guest.as_deref())?;
        let config = Config::read(&kernel.build_tree.join(".config"))?;
        let left_out = plan.leave_out(|name| config.is_set(&format!("CONFIG_{name}")));
        if config.is_set("CONFIG_DEBUG_KMEMLEAK") {
            search_for_leaks(&mut plan);
        }
        if config.is_set("CONFIG_KASAN_GENERIC") {
            plan.slow(KASAN_SLOWS);
        }
        machine.time_limit = time_limit + Duration::from_secs(plan.extra_seconds());
        let step = Progress::start(format!(
            "running {} in {}",
            self.source.name, kernel.release
        ));
        let report = linux_driver_vm::run(&machine, &plan, &programs.init, &mut |_| {})?;
        drop(step);
        self.life(report, &left_out)
    }

    fn in_guest(&self) -> String {
        format!("/{}.ko", self.source.module)
    }

    fn plan(&self, guest: Option<&Path>) -> Result<Plan> {
        let path = self.in_guest();
        let aliases = modinfo(self.ko)?.get("alias").cloned().unwrap_or_default();
        let steps = if self.settings.steps.is_empty() {
            self.life_steps(&aliases)?
        } else {
            self.settings.steps.clone()
        };
        Ok(Plan {
            files: file(&path, self.ko)
                .chain(guest.into_iter().flat_map(|guest| file(GUEST_PATH, guest)))
                .collect(),
            aliases: aliases
                .into_iter()
                .map(|pattern| Alias {
                    pattern,
                    module: path.clone(),
                })
                .collect(),
            steps,
            expect_problem: self.settings.expect_problem.clone(),
            expect_after: self.settings.expect_after.clone(),
        })
    }

    /// The device that the driver is led through its life with, if the machine was given any.
    fn device(&self, aliases: &[String]) -> Result<Option<Device>> {
        match &self.settings.pci_id {
            Some(id) => self.of_id("pci-id", id).map(Some),
            None if self.settings.devices.is_empty() => Ok(None),
            None => Ok(device_of(aliases)),
        }
    }

    /// The device of these IDs of the manifest's.
    fn of_id(&self, setting: &str, id: &str) -> Result<Device> {
        format!("pci:{id}").parse().map_err(|e| {
            Error::new(
                format_args!("{}: {setting}", self.source.dir.display()),
                "VENDOR:DEVICE in hexadecimal digits, as in \"1234:11e8\"",
                e,
                "mend it",
            )
        })
    }

    /// The step that fails for a device that the machine was given and that no driver bound.
    fn devices_bound(&self) -> Result<Option<Step>> {
        if self.settings.devices.is_empty() {
            return Ok(None);
        }
        let leaves = self
            .settings
            .leaves
            .iter()
            .map(|id| self.of_id("leaves", id));
        let leaves = leaves.collect::<Result<_>>()?;
        Ok(Some(Step::new(
            DEVICES_BOUND,
            Action::DevicesBound { leaves },
        )))
    }

    /// The life of a driver with a device.
    fn life_steps(&self, aliases: &[String]) -> Result<Vec<Step>> {
        let settings = self.settings;
        let Some(device) = self.device(aliases)? else {
            return self.module_steps();
        };
        let driver = settings
            .driver
            .clone()
            .unwrap_or_else(|| self.source.module.clone());
        let folder = format!("/sys/bus/{}/drivers/{driver}", device.bus());
        let expecting = |step: Step, messages: &[String]| {
            messages
                .iter()
                .fold(step, |step, message| step.expecting(message))
        };
        let shown: Vec<String> = settings
            .probed
            .iter()
            .chain(settings.expect.iter().map(|expect| &expect.message))
            .cloned()
            .collect();
        let mut steps = vec![
            Step::new(
                LOADED,
                Action::LoadByAlias {
                    device: device.clone(),
                },
            ),
            Step::new(
                PROBED,
                Action::WaitBound {
                    device: device.clone(),
                    driver: driver.clone(),
                },
            ),
        ];
        steps.extend(self.devices_bound()?);
        steps.extend(settings.used.iter().cloned());
        steps.extend([
            expecting(
                Step::new(
                    "removed",
                    Action::Unbind {
                        device: device.clone(),
                    },
                ),
                &settings.removed,
            ),
            expecting(Step::new(REBOUND, Action::Bind { device, driver }), &shown),
            expecting(
                Step::new(
                    "unloaded",
                    Action::Unload {
                        module: self.source.module.clone(),
                    },
                ),
                &settings.removed,
            ),
            Step::new("gone", Action::Absent { path: folder }),
        ]);
        Ok(steps)
    }

    /// The life of a module without a device of its own.
    fn module_steps(&self) -> Result<Vec<Step>> {
        let mut steps = vec![Step::new(
            LOADED,
            Action::Load {
                module: self.in_guest(),
                params: String::new(),
            },
        )];
        steps.extend(self.devices_bound()?);
        steps.push(Step::new(
            "unloaded",
            Action::Unload {
                module: self.source.module.clone(),
            },
        ));
        Ok(steps)
    }

    fn life(&self, report: Report, left_out: &[LeftOut]) -> Result<Life> {
        let mut rows = Vec::new();
        let mut shown = self.shown(&report)?;
        let mut left_out = left_out.iter().peekable();
        for (number, step) in report.steps.iter().enumerate() {
            while let Some(missing) = left_out.next_if(|missing| missing.before <= number) {
                rows.push(Row::left_out(missing));
            }
            rows.push(Row::new(
                &step.name,
                step.outcome == Outcome::Passed,
                detail(step),
            ));
            if step.name == PROBED {
                rows.append(&mut shown);
            }
        }
        rows.extend(left_out.map(Row::left_out));
        rows.append(&mut shown);
        // A run that is meant to end in a problem ends in the middle of a step.
        if self.settings.expect_problem.is_some() {
            rows.retain(|row| row.ok || !report.steps.iter().any(|step| step.name == row.name));
        }
        let ok = report.passed() && rows.iter().all(|row| row.ok);
        Ok(Life {
            kernel: report.release,
            ko: self.ko.to_owned(),
            driver: self
                .settings
                .driver
                .clone()
                .unwrap_or_else(|| self.source.module.clone()),
            devices: self.settings.devices.clone(),
            ok,
            steps: rows,
            problems: report.problems,
            accel: report.accel,
            boot_seconds: report.boot_seconds,
            seconds: report.seconds,
            console: if ok { Vec::new() } else { report.console },
        })
    }

    /// What the driver had to show besides what each step expects, and the message that shows it.
    fn shown(&self, report: &Report) -> Result<Vec<Row>> {
        let in_life =
            |step: &&linux_driver_vm::StepResult| step.name == LOADED || step.name == PROBED;
        let messages: Vec<&str> = if self.settings.expect_problem.is_some() {
            // What comes before a problem belongs to no step that ended.
            report.console.iter().map(String::as_str).collect()
        } else {
            report
                .steps
                .iter()
                .filter(in_life)
                .flat_map(|step| step.messages.iter().map(String::as_str))
                .collect()
        };
        let probed = self
            .settings
            .probed
            .iter()
            .map(|message| ("said so", message));
        let expected = self
            .settings
            .expect
            .iter()
            .map(|expect| (expect.name.as_str(), &expect.message));
        let after = self.settings.expect_after.iter();
        let after = after.map(|message| ("the kernel goes on", message));
        let mut rows = Vec::new();
        for (name, pattern) in probed.chain(expected).chain(after) {
            let regex = Regex::new(pattern).map_err(|e| {
                Error::new(
                    format_args!("{}: `{pattern}`", self.source.dir.display()),
                    "a regular expression",
                    e,
                    "mend it",
                )
            })?;
            let found = messages.iter().find(|message| regex.is_match(message));
            let detail = found.map_or_else(
                || format!("no message matches `{pattern}`"),
                |message| (*message).to_owned(),
            );
            rows.push(Row::new(name, found.is_some(), detail));
        }
        rows.extend(self.listed(&messages)?);
        let symbols = linux_driver_kbuild::driver::symbols(self.ko)?;
        for part in &self.settings.without {
            let found = symbols.iter().find(|symbol| symbol.contains(part.as_str()));
            let name = format!("linked without {part}");
            rows.push(Row::new(
                &name,
                found.is_none(),
                found.cloned().unwrap_or_default(),
            ));
        }
        Ok(rows)
    }

    /// The messages that the driver's folder lists: each has to come, in that order.
    fn listed(&self, messages: &[&str]) -> Result<Option<Row>> {
        let path = self.source.dir.join(EXPECTED);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", &e))?;
        let mut rest = messages.iter();
        let missing = text
            .lines()
            .find(|line| !rest.any(|message| message == line));
        let detail = match missing {
            Some(line) => format!("not logged, or not in its place: `{line}`"),
            None => format!("{} messages", text.lines().count()),
        };
        Ok(Some(Row::new(
            &format!("all of {EXPECTED}"),
            missing.is_none(),
            detail,
        )))
    }
}

fn detail(step: &linux_driver_vm::StepResult) -> String {
    match step.outcome {
        Outcome::NotRun => "not run".to_owned(),
        _ => step.detail.clone(),
    }
}

impl Life {
    /// The table at the end of a run, after the kernel messages that mean trouble.
    pub(crate) fn as_text(&self) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            let step = problem.step.as_deref().unwrap_or("the boot or the end");
            text.push_str(&format!(
                "\nkernel message during {step}: {}\n  it means: {}\n",
                problem.line, problem.meaning
            ));
            for line in &problem.context {
                text.push_str(&format!("  | {line}\n"));
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
        let steps: Vec<Vec<String>> = self
            .steps
            .iter()
            .map(|step| {
                vec![
                    step.word().to_owned(),
                    step.name.clone(),
                    step.detail.clone(),
                ]
            })
            .collect();
        text.push_str(&aligned(&steps));
        let problems = match self.problems.len() {
            0 => "no kernel message means trouble".to_owned(),
            1 => "1 kernel message means trouble: see above".to_owned(),
            n => format!("{n} kernel messages mean trouble: see above"),
        };
        text.push_str(&format!("\n{problems}\n"));
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
    use super::*;

    #[test]
    fn the_aliases_name_the_device() {
        let device = |aliases: &[&str]| {
            let aliases: Vec<String> = aliases.iter().map(|alias| (*alias).to_owned()).collect();
            device_of(&aliases).map(String::from)
        };
        assert_eq!(
            device(&["pci:v1*", "pci:v2*"]).as_deref(),
            Some("pci~pci:v1* pci:v2*")
        );
        assert_eq!(
            device(&["auxiliary:b", "acpi*:LNUX:*", "platform:a"]).as_deref(),
            Some("platform~acpi*:LNUX:* platform:a")
        );
        assert_eq!(device(&["auxiliary:a.b"]), None);
        assert_eq!(device(&[]), None);
    }

    #[test]
    fn leaks_are_searched_for_where_a_machine_is_left() {
        let plan = |action: Action, expect_problem: Option<&str>| {
            let mut plan = Plan {
                steps: vec![Step::new("a", action)],
                expect_problem: expect_problem.map(str::to_owned),
                ..Plan::default()
            };
            search_for_leaks(&mut plan);
            matches!(
                plan.steps.last().map(|step| &step.action),
                Some(Action::Kmemleak { clear: false })
            )
        };
        let end = Action::Shutdown {
            how: linux_driver_vm::Shutdown::PowerOff,
        };
        assert!(plan(Action::Expect {}, None));
        assert!(!plan(Action::Expect {}, Some("BUG")));
        assert!(!plan(end, None));
    }
}
