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
use crate::settings::{Settings, machine};
use crate::sources::{Source, Sources};
use crate::steps::Role;
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
        let mut machine = machine(kernel)?;
        self.settings.apply(&mut machine);
        let dir = fs::tempdir()?;
        let stripped = dir.path().join("module");
        strip(self.ko, &stripped)?;
        let (mut plan, roles) = self.plan(&stripped, programs)?;
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
        self.life(report, &roles, &left_out)
    }

    /// Returns the plan of the trial, with the module's file `ko` and the programs that its steps
    /// run, and the role of each step.
    fn plan(&self, ko: &Path, programs: &Programs) -> Result<(Plan, Vec<Role>)> {
        let path = steps::module_path(self.source);
        let aliases = modinfo(self.ko)?.get("alias").cloned().unwrap_or_default();
        let steps = steps::of(self.source, self.settings, &aliases)?;
        let (roles, steps): (Vec<Role>, Vec<Step>) =
            steps.into_iter().map(|life| (life.role, life.step)).unzip();
        let runs = steps
            .iter()
            .any(|step| step.action.any(&Action::runs_command));
        let guest = programs.guest.as_deref().filter(|_| runs);
        let plan = Plan {
            files: std::iter::once(file(&path, ko))
                .chain(guest.map(|guest| file(GUEST_PATH, guest)))
                .chain(programs.of_driver(self.source).iter().cloned())
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
        };
        Ok((plan, roles))
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

    /// Returns the row of each step and check. `roles` are those of all steps, also of those that
    /// were left out. `of_symbols` are the rows of the checks of the module's symbols.
    fn rows(
        &self,
        report: &Report,
        roles: &[Role],
        left_out: &[LeftOut],
        of_symbols: Vec<Row>,
    ) -> Result<Vec<Row>> {
        let roles = kept(roles, left_out);
        let role = |number: usize| roles.get(number).copied().unwrap_or(Role::Other);
        let mut rows = Vec::new();
        let mut shown = shown::in_log(self.source, self.settings, &roles, report)?;
        shown.extend(of_symbols);
        // A run that ends in an expected problem ends during a step.
        let ended_well = report.expected_problem == Some(true);
        let mut left_out = left_out.iter().peekable();
        for (number, step) in report.steps.iter().enumerate() {
            while let Some(missing) = left_out.next_if(|missing| missing.before <= number) {
                rows.push(Row::left_out(missing));
            }
            if step.outcome == Outcome::Passed || !ended_well {
                rows.push(Row::of(step));
            }
            if role(number) == Role::Probe {
                rows.append(&mut shown);
            }
            if role(number) == Role::Remove && step.outcome != Outcome::NotRun {
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
        if let (Some(pattern), false) = (&self.settings.expect_problem, ended_well) {
            rows.push(Row::new(
                "the run ends in the expected problem",
                false,
                format!(
                    "expected a problem that matches `{pattern}`, and no failed step before it"
                ),
            ));
        }
        Ok(rows)
    }

    fn life(&self, report: Report, roles: &[Role], left_out: &[LeftOut]) -> Result<Life> {
        let of_symbols = shown::in_symbols(self.settings, self.ko)?;
        let mut rows = self.rows(&report, roles, left_out, of_symbols)?;
        let sources = self.sources(&report, &rows);
        rows.extend(shown::sources(self.source, self.settings, &sources)?);
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

/// Returns the roles of the steps that were not left out. Of steps with the same number of kept
/// steps before them, those that were left out come first.
fn kept(roles: &[Role], left_out: &[LeftOut]) -> Vec<Role> {
    let mut left_out = left_out.iter().peekable();
    let mut kept = Vec::new();
    for role in roles {
        if left_out.next_if(|step| step.before == kept.len()).is_none() {
            kept.push(*role);
        }
    }
    kept
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

    fn report(steps: Vec<StepResult>) -> Report {
        Report {
            release: "6.12".into(),
            accel: linux_driver_vm::Accel::Tcg,
            boot_seconds: None,
            seconds: 1.0,
            ending: linux_driver_vm::Ending::PoweredOff,
            steps,
            problems: Vec::new(),
            expected_problem: None,
            taint: None,
            console: Vec::new(),
        }
    }

    fn result(name: &str, outcome: Outcome, message: &str) -> StepResult {
        StepResult {
            name: name.to_owned(),
            outcome,
            detail: String::new(),
            messages: vec![message.to_owned()],
            seconds: 1.0,
        }
    }

    fn source() -> DriverCrate {
        DriverCrate {
            name: "edu".into(),
            module: "edu".into(),
            dir: "/no/such/folder".into(),
            language: linux_driver_kbuild::Language::C,
            settings: serde_json::Value::Null,
            target_dir: "/no/such/folder".into(),
            features: Vec::new(),
        }
    }

    /// Returns the rows of a life with these settings in which each step logs its number, and step
    /// `last` has this outcome.
    fn rows(text: &str, missing: &[&str], last: Outcome) -> Vec<(String, bool, String)> {
        let (source, settings) = (source(), toml::from_str::<Settings>(text).unwrap());
        let trial = Trial {
            source: &source,
            settings: &settings,
            ko: Path::new("/no/such.ko"),
        };
        let steps = steps::of(&source, &settings, &["pci:v1*".to_owned()]).unwrap();
        let (roles, steps): (Vec<Role>, Vec<Step>) =
            steps.into_iter().map(|life| (life.role, life.step)).unzip();
        let mut plan = Plan {
            steps,
            ..Plan::default()
        };
        let left_out = plan.leave_out(|option| !missing.contains(&option));
        let end = plan.steps.len() - 1;
        let results = plan.steps.iter().enumerate().map(|(number, step)| {
            let outcome = if number == end { last } else { Outcome::Passed };
            result(&step.name, outcome, &format!("message {number}"))
        });
        let mut report = report(results.collect());
        report.expected_problem = settings.expect_problem.as_ref().map(|_| false);
        let rows = trial.rows(&report, &roles, &left_out, Vec::new()).unwrap();
        rows.into_iter()
            .map(|row| (row.name, row.ok, row.detail))
            .collect()
    }

    #[test]
    fn a_step_of_the_manifest_is_not_a_usual_step_of_the_same_name() {
        // The usual steps log messages 0 to 2, and 5 is that of the first removal.
        let text = r#"
            devices = ["edu"]
            logs = [{ name = "probe logs", expect = ["message [01]$"] }]
            removed = [{ name = "remove logs", expect = ["message [0-9]$"] }]
            used = [
                { name = "not tried", absent = "/a", needs-config = ["NONE"] },
                { name = "the device is unbound", absent = "/a" },
                { name = "the device is bound", absent = "/a" },
            ]
        "#;
        let rows = rows(text, &["NONE"], Outcome::Passed);
        let of = |name: &str| -> Vec<&str> {
            let rows = rows.iter().filter(|row| row.0 == name);
            rows.map(|row| row.2.as_str()).collect()
        };
        assert_eq!(of("probe logs"), ["message 0"]);
        assert_eq!(of("remove logs"), ["message 5"]);
        let names: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
        assert_eq!(names[1..3], ["the device is bound", "probe logs"]);
        assert_eq!(names[4], "not tried");
    }

    #[test]
    fn messages_of_a_life_of_the_manifest_count_in_each_step() {
        let text = r#"
            logs = [{ name = "logs", expect = ["message 1$"] }]
            steps = [
                { name = "one", load = "edu" },
                { name = "another", unload = "edu" },
            ]
        "#;
        let rows = rows(text, &[], Outcome::Passed);
        assert_eq!(rows[2], ("logs".into(), true, "message 1".into()));
    }

    #[test]
    fn a_failed_step_is_shown_if_the_expected_problem_does_not_come() {
        let text = r#"
            expect-problem = "BUG"
            steps = [{ name = "one", load = "edu" }]
        "#;
        let rows = rows(text, &[], Outcome::Failed);
        assert_eq!(rows[0].0, "one");
        assert!(!rows[0].1 && !rows[1].1, "{rows:?}");
        assert!(rows[1].2.contains("`BUG`"), "{rows:?}");
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
