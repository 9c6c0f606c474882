// SPDX-License-Identifier: GPL-2.0-only
//! A trial: one run of a module in a machine.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use linux_driver_check::modinfo;
use linux_driver_host::progress::Progress;
use linux_driver_host::{Result, fs, process};
use linux_driver_kbuild::DriverCrate;
use linux_driver_kernels::{Config, Kernel};
use linux_driver_vm::paths::GUEST_PATH;
use linux_driver_vm::{
    Action, Alias, Boots, GuestFile, LeakSearch, LeftOut, Machine, Outcome, Plan, Report, Step,
    StepResult,
};

use crate::debugger::{self, Session};
use crate::life::{Life, Row};
use crate::programs::Programs;
use crate::settings::Settings;
use crate::sources::{Source, Sources};
use crate::{shown, steps};

/// The factor for time limits in a kernel that checks each access to memory.
const KASAN_SLOWS: u64 = 4;

/// Adds a search for leaks to the plan, unless the plan ends the machine or expects a problem.
fn search_for_leaks(plan: &mut Plan) {
    let ends = |step: &Step| matches!(step.action, Action::Shutdown { .. });
    if plan.expect_problem.is_none() && !plan.steps.last().is_some_and(ends) {
        plan.steps.push(Step::new(
            "kmemleak finds no leak",
            Action::Kmemleak {
                task: LeakSearch::Search,
            },
        ));
    }
}

fn file(path: &str, source: &Path) -> GuestFile {
    GuestFile {
        path: path.to_owned(),
        source: source.to_owned(),
    }
}

/// The function that runs a plan in a machine, such as [`linux_driver_vm::run`].
type Run<'a> = dyn Fn(&Machine, &Plan, &Path, &mut dyn FnMut(&StepResult)) -> Result<Report> + 'a;

/// A driver to try.
pub struct Trial<'a> {
    /// The driver's source.
    pub source: &'a DriverCrate,
    /// The settings of the trial.
    pub settings: &'a Settings,
    /// The module, built for the kernel of the trial.
    pub ko: &'a Path,
}

impl Trial<'_> {
    /// Boots the kernel, runs the trial's steps and returns the report.
    ///
    /// `time_limit` ends a machine that hangs. It is extended by the time by which steps may take
    /// longer than usual.
    ///
    /// # Errors
    ///
    /// Fails if the kernel has no image, QEMU does not start, or the manifest asks for something
    /// impossible. Errors of the driver or the kernel are in the report instead.
    pub fn live(&self, kernel: &Kernel, programs: &Programs, time_limit: Duration) -> Result<Life> {
        self.live_by(kernel, programs, Some(time_limit), &linux_driver_vm::run)
    }

    /// Does the same as [`live`](Self::live), from a saved boot if there is one.
    ///
    /// # Errors
    ///
    /// Fails in the same cases as [`live`](Self::live).
    pub fn live_from(
        &self,
        boots: &Boots,
        kernel: &Kernel,
        programs: &Programs,
        time_limit: Duration,
    ) -> Result<Life> {
        let run: &Run<'_> =
            &|machine, plan, init, progress| boots.run(machine, plan, init, progress);
        self.live_by(kernel, programs, Some(time_limit), run)
    }

    /// Does the same as [`live`](Self::live), for a person who debugs the driver with gdb. The
    /// machine waits until gdb continues it. `show` is called before that, to say how to start gdb.
    ///
    /// # Errors
    ///
    /// Fails in the same cases as [`live`](Self::live), if the kernel's symbols cannot be read, or
    /// if gdb's `kill` ended the machine before its steps were done.
    pub fn debug(
        &self,
        kernel: &Kernel,
        programs: &Programs,
        show: &dyn Fn(&Session),
    ) -> Result<Life> {
        let dir = fs::tempdir()?;
        let stripped = dir.path().join("module");
        strip(self.ko, &stripped)?;
        let session = Session::new(self.source, self.ko, &stripped, kernel.bootable()?)?;
        let run: &Run<'_> = &|machine, plan, init, progress| {
            let mut machine = machine.clone();
            session.apply(&mut machine);
            let mut plan = plan.clone();
            plan.slow(debugger::PATIENCE);
            show(&session);
            let mut report = linux_driver_vm::run(&machine, &plan, init, progress)?;
            debugger::ended(&mut report)?;
            Ok(report)
        };
        self.live_by(kernel, programs, None, run)
    }

    /// Runs the trial by `run`. Without a time limit, a person follows it, and sees the console.
    fn live_by(
        &self,
        kernel: &Kernel,
        programs: &Programs,
        time_limit: Option<Duration>,
        run: &Run<'_>,
    ) -> Result<Life> {
        let image = kernel.bootable()?;
        let mut machine = Machine::new(image);
        self.settings.apply(&mut machine);
        let dir = fs::tempdir()?;
        let stripped = dir.path().join("module");
        strip(self.ko, &stripped)?;
        let mut plan = self.plan(&stripped, programs.guest.as_deref())?;
        let config = Config::read(&kernel.build_tree.join(".config"))?;
        let left_out = plan.leave_out(|name| config.is_set(&format!("CONFIG_{name}")));
        if config.is_set("CONFIG_DEBUG_KMEMLEAK") {
            search_for_leaks(&mut plan);
        }
        if config.is_set("CONFIG_KASAN_GENERIC") {
            plan.slow(KASAN_SLOWS);
        }
        machine.time_limit =
            time_limit.unwrap_or_default() + Duration::from_secs(plan.extra_seconds());
        let step = time_limit.map(|_| {
            Progress::start(format!(
                "running {} in {}",
                self.source.name, kernel.release
            ))
        });
        let report = run(&machine, &plan, &programs.init, &mut |_| {})?;
        drop(step);
        self.life(report, &left_out)
    }

    /// Returns the plan of the trial, with the module's file `ko` and the program `guest`.
    fn plan(&self, ko: &Path, guest: Option<&Path>) -> Result<Plan> {
        let path = steps::module_path(self.source);
        let aliases = modinfo(self.ko)?.get("alias").cloned().unwrap_or_default();
        let steps = steps::of(self.source, self.settings, &aliases)?;
        let runs = steps
            .iter()
            .any(|step| step.action.any(&Action::runs_program));
        Ok(Plan {
            files: std::iter::once(file(&path, ko))
                .chain(guest.filter(|_| runs).map(|guest| file(GUEST_PATH, guest)))
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

    /// Returns the source lines of the places that the messages about problems and failed steps
    /// name. A module without debug information has none: gcc makes it only for a kernel that has
    /// it too.
    fn sources(&self, report: &Report, rows: &[Row]) -> Vec<Source> {
        let problems = report.problems.iter().flat_map(|problem| &problem.context);
        let failed = rows.iter().filter(|row| !row.ok);
        let messages: Vec<&str> = problems
            .map(String::as_str)
            .chain(failed.flat_map(|row| row.detail.lines()))
            .collect();
        if messages.is_empty() {
            return Vec::new();
        }
        Sources::read(self.ko).map_or_else(|_| Vec::new(), |sources| sources.among(messages))
    }

    fn life(&self, report: Report, left_out: &[LeftOut]) -> Result<Life> {
        let mut rows = Vec::new();
        let mut shown = shown::rows(self.source, self.settings, self.ko, &report)?;
        let mut left_out = left_out.iter().peekable();
        for (number, step) in report.steps.iter().enumerate() {
            while let Some(missing) = left_out.next_if(|missing| missing.before <= number) {
                rows.push(Row::left_out(missing));
            }
            rows.push(Row::of(step));
            if step.name == steps::PROBED {
                rows.append(&mut shown);
            }
            if step.name == steps::REMOVED && step.outcome != Outcome::NotRun {
                let messages: Vec<&str> = step.messages.iter().map(String::as_str).collect();
                rows.extend(shown::logged(
                    self.source,
                    &self.settings.removed,
                    &messages,
                )?);
            }
        }
        rows.extend(left_out.map(Row::left_out));
        rows.append(&mut shown);
        let sources = self.sources(&report, &rows);
        rows.extend(shown::sources(self.source, self.settings, &sources)?);
        // A run that ends in an expected problem ends during a step.
        if self.settings.expect_problem.is_some() {
            rows.retain(|row| row.ok || !report.steps.iter().any(|step| step.name == row.name));
        }
        let ok = report.passed() && rows.iter().all(|row| row.ok);
        Ok(Life {
            kernel: report.release,
            ko: self.ko.to_owned(),
            driver: self.settings.driver_name(self.source).to_owned(),
            devices: self.settings.devices.clone(),
            ok,
            steps: rows,
            problems: report.problems,
            sources,
            accel: report.accel,
            boot_seconds: report.boot_seconds,
            seconds: report.seconds,
            console: if ok { Vec::new() } else { report.console },
        })
    }
}

/// Writes a copy of the module without debug information, as distributions install theirs.
/// Without it, the machine has less to read.
fn strip(ko: &Path, stripped: &Path) -> Result<()> {
    let mut objcopy = Command::new("objcopy");
    process::run(objcopy.arg("--strip-debug").arg(ko).arg(stripped)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

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
                Some(Action::Kmemleak {
                    task: LeakSearch::Search,
                })
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
