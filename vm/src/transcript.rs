// SPDX-License-Identifier: GPL-2.0-only
//! Turns the console's lines into steps and problems, as the lines come.

use regex_lite::Regex;

use crate::action::{Action, Shutdown};
use crate::plan::{Plan, Step};
use crate::problems;
use crate::protocol::{Record, message};
use crate::report::{Accel, Ending, Outcome, Problem, Report, StepResult};
use crate::taint;
use crate::watch::Watch;

/// The part of the kernel's message about a `BUG()`, in which a panic of Rust code ends.
const BUG: &str = "kernel BUG at";
/// The number of lines before a problem that are kept with it.
const BEFORE: usize = 10;
/// The number of lines after a problem that its report may have. Reports of KASAN and lockdep are
/// long.
const AFTER: usize = 160;
/// The number of problems that are kept. A machine that a person debugs runs on after each.
const PROBLEMS: usize = 20;
/// The number of lines from the end of the console to show if no better ones are known.
const LAST: usize = 20;
/// The part of the console that is kept, in bytes. A guest that prints without end must not fill
/// the host's memory.
const CONSOLE_BYTES: usize = 8 << 20;

/// The number of seconds after which a step is given up, counted from twice its time limit.
const STUCK: f64 = 60.0;

/// The state of a run so far.
pub(crate) struct Transcript<'a> {
    plan: &'a Plan,
    token: &'a str,
    hello: Option<Hello>,
    done: Option<u64>,
    steps: Vec<StepResult>,
    under_way: Option<UnderWay>,
    /// The problems before the last one.
    earlier: Vec<Problem>,
    /// The last problem.
    problem: Option<Growing>,
    /// `true` if the message that must follow the problem has come.
    followed: bool,
    console: Vec<String>,
    console_bytes: usize,
}

struct Hello {
    release: String,
    tainted: u64,
    seconds: f64,
}

/// A step that has begun and not ended.
#[derive(Default)]
struct UnderWay {
    /// The time at which it began, in seconds since the start.
    since: f64,
    detail: String,
    messages: Vec<String>,
    /// `true` if the next stack trace belongs to an allocation that was made to fail.
    traces: bool,
}

/// A problem and the state of its report.
struct Growing {
    problem: Problem,
    /// The number of lines after the first one.
    after: usize,
    /// `true` if the report is complete.
    ended: bool,
}

impl<'a> Transcript<'a> {
    pub(crate) fn new(plan: &'a Plan, token: &'a str) -> Self {
        Self {
            plan,
            token,
            hello: None,
            done: None,
            steps: Vec::new(),
            under_way: None,
            earlier: Vec::new(),
            problem: None,
            followed: plan.expect_after.is_none(),
            console: Vec::new(),
            console_bytes: 0,
        }
    }

    /// Returns whether the line of the console is for this program, and not for a person.
    pub(crate) fn is_record(&self, line: &str) -> bool {
        Record::read(message(line), self.token).is_some()
    }

    /// Takes the next line of the console, which came `seconds` after the start. Returns the step
    /// that ends with this line, if one does.
    pub(crate) fn line(&mut self, line: &str, seconds: f64) -> Option<&StepResult> {
        let text = message(line);
        if let Some(record) = Record::read(text, self.token) {
            return self.record(record, seconds);
        }
        let kept = self.keep(line);
        if let Some(UnderWay { messages, .. }) = self.under_way.as_mut().filter(|_| kept) {
            messages.push(text.to_owned());
        }
        if let Some(growing) = self.problem.as_mut().filter(|growing| !growing.ended) {
            growing.problem.context.push(line.to_owned());
            growing.after += 1;
            growing.ended = problems::ends_report(text) || growing.after >= AFTER;
            return None;
        }
        if self.problem.is_some() {
            // The machine runs on, because an expected message has not come yet, or because a
            // person debugs it.
            let expected = self.plan.expect_after.as_deref().map(Regex::new);
            self.followed |=
                expected.is_some_and(|regex| regex.is_ok_and(|regex| regex.is_match(text)));
        }
        // Some messages are expected.
        if !self.may_say(text)
            && let Some(meaning) = problems::meaning(text)
        {
            self.start_problem(text, meaning);
        }
        None
    }

    /// Starts the report of a problem, if there is room for it.
    fn start_problem(&mut self, text: &str, meaning: &str) {
        if self.earlier.len() + 1 >= PROBLEMS {
            return;
        }
        let context = self.last(BEFORE + 1);
        let messages: Vec<&str> = context.iter().map(|line| message(line)).collect();
        let before = &messages[..messages.len().saturating_sub(1)];
        let panic = text.contains(BUG).then(|| problems::panic_message(before));
        let meaning = match panic.flatten() {
            Some(said) => format!("{meaning}: Rust code {said}"),
            None => meaning.to_owned(),
        };
        let problem = Problem {
            line: text.to_owned(),
            meaning,
            context,
            step: self.step_name(),
        };
        let growing = Growing {
            problem,
            after: 0,
            ended: false,
        };
        let before = self.problem.replace(growing);
        self.earlier.extend(before.map(|growing| growing.problem));
    }

    fn record(&mut self, record: Record, seconds: f64) -> Option<&StepResult> {
        match record {
            Record::Hello { release, tainted } => {
                self.hello = Some(Hello {
                    release,
                    tainted,
                    seconds,
                });
            }
            Record::Begin { .. } => {
                self.under_way = Some(UnderWay {
                    since: seconds,
                    ..UnderWay::default()
                });
            }
            Record::Mark {} | Record::Waiting {} => {}
            Record::Detail { text } => {
                if let Some(UnderWay { detail, .. }) = &mut self.under_way {
                    detail.push_str(&text);
                }
            }
            Record::End { ok, ms, .. } => {
                let outcome = if ok { Outcome::Passed } else { Outcome::Failed };
                return self.end_step(outcome, None, ms as f64 / 1000.0);
            }
            Record::Done { tainted } => self.done = Some(tainted),
        }
        None
    }

    /// Returns the way in which the run ended, if a step waited for a reset of the machine: an end
    /// that comes during the step is the expected one.
    fn expected(&self, ending: Ending) -> Ending {
        let step = self.plan.steps.get(self.steps.len());
        let how = step.map(|step| &step.action);
        let reset = Action::Shutdown {
            how: Shutdown::Reset,
        };
        let waits = self.under_way.is_some() && self.done.is_none() && how == Some(&reset);
        if ending == Ending::Early && waits {
            Ending::PoweredOff
        } else {
            ending
        }
    }

    /// Ends the step that ends the machine. No program in the guest is left to end it. The step
    /// passes if its messages came.
    fn end_shutdown(&mut self, ending: Ending) {
        let (Some(step), Some(under_way)) =
            (self.plan.steps.get(self.steps.len()), &self.under_way)
        else {
            return;
        };
        if ending != Ending::PoweredOff || !matches!(step.action, Action::Shutdown { .. }) {
            return;
        }
        let why = Watch::new(step).and_then(|mut watch| {
            under_way
                .messages
                .iter()
                .try_for_each(|message| watch.see(message))?;
            match watch.missing() {
                Some(missing) => Err(format!(
                    "no message matched {missing} before the machine ended"
                )),
                None => Ok(()),
            }
        });
        let why = why.err();
        let outcome = if why.is_none() {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        self.end_step(outcome, why.as_deref(), 0.0);
    }

    /// Ends the current step, with the messages that came during it. `why` replaces a missing
    /// detail.
    fn end_step(
        &mut self,
        outcome: Outcome,
        why: Option<&str>,
        seconds: f64,
    ) -> Option<&StepResult> {
        let step = self.plan.steps.get(self.steps.len())?;
        let UnderWay {
            mut detail,
            messages,
            ..
        } = self.under_way.take()?;
        if let Some(why) = why {
            detail = why.to_owned();
        }
        self.steps.push(StepResult {
            name: step.name.clone(),
            outcome,
            detail,
            messages,
            seconds,
        });
        self.steps.last()
    }

    /// Keeps the line, if there is room for it.
    fn keep(&mut self, line: &str) -> bool {
        let before = self.console_bytes;
        self.console_bytes = before.saturating_add(line.len() + 1);
        if self.console_bytes <= CONSOLE_BYTES {
            self.console.push(line.to_owned());
        } else if before <= CONSOLE_BYTES {
            self.console.push(format!(
                "[the console printed more than {} MiB; the rest is not kept]",
                CONSOLE_BYTES >> 20
            ));
        }
        self.console_bytes <= CONSOLE_BYTES
    }

    fn last(&self, lines: usize) -> Vec<String> {
        self.console[self.console.len().saturating_sub(lines)..].to_vec()
    }

    /// Returns the current step.
    fn step(&self) -> Option<&Step> {
        self.under_way.as_ref()?;
        self.plan.steps.get(self.steps.len())
    }

    pub(crate) fn step_name(&self) -> Option<String> {
        Some(self.step()?.name.clone())
    }

    /// Returns whether the current step makes allocations fail, and the message says that one
    /// failed.
    fn may_say(&mut self, text: &str) -> bool {
        let fails = |action: &Action| matches!(action, Action::FailAllocations { .. });
        let fails = self.step().is_some_and(|step| step.action.any(&fails));
        let Some(under_way) = self.under_way.as_mut().filter(|_| fails) else {
            return false;
        };
        if problems::reports_no_memory(text) {
            under_way.traces = true;
        }
        problems::without_memory(text)
            || problems::is_trace(text) && std::mem::take(&mut under_way.traces)
    }

    /// Returns the time limit of the current step if, at `seconds` since the start, the step has
    /// taken one minute more than twice that limit. The guest ends its steps in time, so it does
    /// not run any more.
    pub(crate) fn overdue(&self, seconds: f64) -> Option<u64> {
        let since = self.under_way.as_ref()?.since;
        let limit = self.plan.steps.get(self.steps.len())?.timeout_s;
        #[expect(
            clippy::cast_precision_loss,
            reason = "no limit comes near 2^52 seconds, up to which a double is exact"
        )]
        let latest = since + 2.0 * limit as f64 + STUCK;
        (seconds > latest).then_some(limit)
    }

    /// Returns whether a line has reported a problem.
    pub(crate) fn troubled(&self) -> bool {
        self.problem.is_some()
    }

    /// Returns whether the report of a problem is still incomplete.
    pub(crate) fn problem_grows(&self) -> bool {
        self.problem.as_ref().is_some_and(|growing| !growing.ended)
    }

    /// Returns whether the report of a problem is complete, and the message that must follow it, or
    /// another problem, has come.
    pub(crate) fn problem_ended(&self) -> bool {
        let ended = |growing: &Growing| growing.ended && self.followed;
        !self.earlier.is_empty() || self.problem.as_ref().is_some_and(ended)
    }

    /// Returns whether the guest has said that it is done.
    pub(crate) fn done(&self) -> bool {
        self.done.is_some()
    }

    /// Returns whether the tool's program in the guest runs.
    pub(crate) fn up(&self) -> bool {
        self.hello.is_some()
    }

    /// Returns the last line of the console.
    pub(crate) fn last_line(&self) -> Option<&str> {
        self.console.last().map(String::as_str)
    }

    /// Returns whether the guest has printed nothing at all.
    pub(crate) fn silent(&self) -> bool {
        self.console.is_empty() && !self.up()
    }

    /// Makes the report at the end of a run. If no problem ended the machine, `ending` says how it
    /// ended, with a line that says so. `accel` is the accelerator, and `said` is QEMU's own
    /// output.
    pub(crate) fn report(
        mut self,
        ending: Ending,
        line: &str,
        accel: Accel,
        said: &[String],
        seconds: f64,
    ) -> Report {
        let ending = self.expected(ending);
        let step = self.step_name();
        let followed = self.followed && self.earlier.is_empty();
        let (ending, problem) = match self.problem.take() {
            Some(growing) => (Ending::Problem, Some(growing.problem)),
            None if ending == Ending::PoweredOff => (ending, None),
            None => {
                let mut context = self.last(LAST);
                context.extend_from_slice(said);
                let meaning = match (&step, &self.hello) {
                    (Some(step), _) => format!("the current step was {step:?}"),
                    (None, Some(_)) => "no step was running".to_owned(),
                    (None, None) => "the kernel did not start the tool's program".to_owned(),
                };
                (
                    ending,
                    Some(Problem {
                        line: line.to_owned(),
                        meaning,
                        context,
                        step,
                    }),
                )
            }
        };
        let expected_problem = self.plan.expect_problem.as_deref().map(|pattern| {
            let failed = self
                .steps
                .iter()
                .any(|step| step.outcome == Outcome::Failed);
            let fits = |regex: Regex| {
                problem.iter().any(|problem| {
                    regex.is_match(&problem.line)
                        || problem
                            .context
                            .iter()
                            .any(|line| regex.is_match(message(line)))
                })
            };
            ending == Ending::Problem && !failed && followed && Regex::new(pattern).is_ok_and(fits)
        });
        let why = match ending {
            Ending::PoweredOff => "the machine powered off during the step",
            Ending::Problem => "a problem ended the run during the step",
            Ending::TimeLimit => "the run's time limit passed during the step",
            Ending::Early => "the machine ended during the step",
        };
        self.end_shutdown(ending);
        self.end_step(Outcome::Failed, Some(why), 0.0);
        for step in &self.plan.steps[self.steps.len()..] {
            self.steps.push(StepResult {
                name: step.name.clone(),
                outcome: Outcome::NotRun,
                detail: "the run ended before this step".to_owned(),
                messages: Vec::new(),
                seconds: 0.0,
            });
        }
        let before = self.hello.as_ref().map_or(0, |hello| hello.tainted);
        let tainted = self
            .done
            .into_iter()
            .flat_map(|after| taint::troubling(before, after))
            .map(|flag| Problem {
                line: format!("tainted: {} (bit {})", flag.letter, flag.bit),
                meaning: flag.meaning.to_owned(),
                context: Vec::new(),
                step: None,
            });
        let earlier = self.earlier.into_iter();
        let problems = earlier.chain(problem).chain(tainted).collect();
        Report {
            accel,
            boot_seconds: self.hello.as_ref().map(|hello| hello.seconds),
            release: self.hello.map(|hello| hello.release).unwrap_or_default(),
            seconds,
            ending,
            steps: self.steps,
            problems,
            expected_problem,
            taint: self.done.map(taint::flags),
            console: self.console,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "t0k3n";

    fn plan() -> Plan {
        let steps = ["one", "two"]
            .map(|name| Step::new(name, Action::Expect {}))
            .to_vec();
        Plan {
            steps,
            ..Plan::default()
        }
    }

    fn said(transcript: &mut Transcript<'_>, record: Record) {
        transcript.line(&format!("[    1.000000] {}", record.line(TOKEN)), 1.0);
    }

    fn hello(transcript: &mut Transcript<'_>) {
        said(
            transcript,
            Record::Hello {
                release: "6.12".into(),
                tainted: 0,
            },
        );
    }

    #[test]
    fn a_run_that_goes_well() {
        let plan = plan();
        let mut transcript = Transcript::new(&plan, TOKEN);
        transcript.line("[    0.000000] Linux version 6.12", 0.5);
        hello(&mut transcript);
        for step in 0..2 {
            said(&mut transcript, Record::Begin { step });
            transcript.line(&format!("[    1.0] message {step}"), 1.0);
            said(&mut transcript, Record::Detail { text: "a".into() });
            said(&mut transcript, Record::Detail { text: "b".into() });
            said(
                &mut transcript,
                Record::End {
                    step,
                    ok: true,
                    ms: 1500,
                },
            );
        }
        said(&mut transcript, Record::Done { tainted: 1 << 12 });
        let report = transcript.report(Ending::PoweredOff, "", Accel::Kvm, &[], 2.0);
        assert!(report.passed(), "{report:#?}");
        assert_eq!(
            (report.release.as_str(), report.accel, report.boot_seconds),
            ("6.12", Accel::Kvm, Some(1.0))
        );
        assert_eq!(report.steps[1].messages, ["message 1"]);
        assert_eq!(
            (report.steps[1].detail.as_str(), report.steps[1].seconds),
            ("ab", 1.5)
        );
        assert_eq!(report.console.len(), 3);
        assert_eq!(report.last_lines(), report.console.join("\n"));
        let mut long = report;
        long.console = (0..30).map(|line| line.to_string()).collect();
        let last = long.last_lines();
        assert!(
            last.starts_with("10\n11\n") && last.ends_with("\n29"),
            "{last}"
        );
    }

    #[test]
    fn a_bug_is_explained_with_the_message_of_its_panic() {
        let plan = plan();
        let meaning = |lines: &[&str]| {
            let mut transcript = Transcript::new(&plan, TOKEN);
            hello(&mut transcript);
            said(&mut transcript, Record::Begin { step: 0 });
            for line in lines {
                transcript.line(&format!("[    1.0][    T1] {line}"), 1.0);
            }
            let report = transcript.report(Ending::Early, "", Accel::Tcg, &[], 2.0);
            report.problems[0].meaning.clone()
        };
        let panic = [
            "rust: panicked at src/lib.rs:9:1:",
            "an earlier one",
            "rust: panicked at src/lib.rs:23:9:",
            "attempt to add with overflow",
            "------------[ cut here ]------------",
            "kernel BUG at /build/shims.c:40!",
        ];
        assert_eq!(
            meaning(&panic),
            "a BUG() was hit: Rust code panicked at src/lib.rs:23:9: attempt to add with overflow"
        );
        let again = "rust: panicked while a panic was printed, at src/lib.rs:7: no way";
        assert_eq!(
            meaning(&[again, "kernel BUG at /build/shims.c:40!"]),
            "a BUG() was hit: Rust code panicked while a panic was printed, at src/lib.rs:7: no way"
        );
        assert_eq!(
            meaning(&["rust: loaded", "kernel BUG at mm/slub.c:1!"]),
            "a BUG() was hit"
        );
        assert_eq!(
            meaning(&[panic[2], "BUG: kernel NULL pointer dereference, address: 0"]),
            "a NULL pointer was followed in the kernel"
        );
    }

    #[test]
    fn a_problem_carries_its_surroundings_and_its_step() {
        let plan = plan();
        let mut transcript = Transcript::new(&plan, TOKEN);
        hello(&mut transcript);
        said(&mut transcript, Record::Begin { step: 0 });
        for line in [
            "before",
            "BUG: x",
            "Call Trace:",
            " f+0x1",
            "---[ end trace 0 ]---",
        ] {
            assert!(!transcript.problem_ended());
            transcript.line(&format!("[    1.0] {line}"), 1.0);
        }
        assert!(transcript.problem_ended());
        let report = transcript.report(Ending::Early, "", Accel::Tcg, &[], 2.0);
        assert!(!report.passed());
        assert_eq!(report.ending, Ending::Problem);
        let [problem] = report.problems.as_slice() else {
            panic!("{report:#?}")
        };
        assert_eq!(
            (problem.line.as_str(), problem.step.as_deref()),
            ("BUG: x", Some("one"))
        );
        assert_eq!(problem.context.len(), 5);
        assert_eq!(
            report
                .steps
                .iter()
                .map(|step| step.outcome)
                .collect::<Vec<_>>(),
            [Outcome::Failed, Outcome::NotRun]
        );
    }

    #[test]
    fn only_a_step_that_fails_allocations_may_report_missing_memory() {
        let bind = Action::Bind {
            device: "pci:1234:11e8".parse().unwrap(),
            driver: "a".into(),
        };
        let fails = Action::FailAllocations {
            action: Box::new(bind),
            at_least: 1,
            spares: None,
        };
        let no_folder = "kobject: kobject_add_internal failed for 25 (error: -12 parent: irq)";
        let no_file = "kobject: kobject_add_internal failed for a (error: -2 parent: b)";
        let no_memory = "init: vmalloc error: size 4096, vm_struct allocation failed, mode:0xdc0(GFP_KERNEL), nodemask=(null)";
        let warning = "WARNING: CPU: 0 PID: 1 at fs/proc/generic.c:733 f+0x1/0x2";
        let trace = "Call Trace:";
        for (action, messages, troubles) in [
            (&fails, [no_folder, ""], false),
            (&Action::Expect {}, [no_folder, ""], true),
            (&fails, [no_file, ""], true),
            (&fails, [no_memory, trace], false),
            (&Action::Expect {}, [no_memory, trace], true),
            (&fails, [no_memory, warning], true),
            (&fails, [no_folder, trace], true),
            (&fails, [trace, no_memory], true),
        ] {
            let plan = Plan {
                steps: vec![Step::new("one", action.clone())],
                ..Plan::default()
            };
            // The same holds after a problem.
            let problem = ["BUG: x", "---[ end trace 0000000000000000 ]---"];
            for before in [&[], problem.as_slice()] {
                let mut transcript = Transcript::new(&plan, TOKEN);
                hello(&mut transcript);
                said(&mut transcript, Record::Begin { step: 0 });
                for message in before.iter().chain(&messages) {
                    transcript.line(&format!("[    1.0] {message}"), 1.0);
                }
                assert_eq!(transcript.problem_grows(), troubles, "{messages:?}");
                // One stack trace is expected, a second one is not.
                transcript.line(&format!("[    1.0] {trace}"), 1.0);
                assert!(transcript.problem_grows(), "{messages:?}");
            }
        }
    }

    #[test]
    fn a_report_of_a_detector_is_kept_whole() {
        // Reports of lockdep and KASAN have several parts: the error, the tasks, the history. None
        // of these parts starts like another problem, apart from the stack traces.
        for (first, last) in [
            (
                "WARNING: possible circular locking dependency detected",
                " *** DEADLOCK ***",
            ),
            (
                "BUG: KASAN: slab-use-after-free in probe+0x1/0x2 [edu]",
                "Freed by task 40:",
            ),
            (
                "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:586",
                "Preemption disabled at:",
            ),
        ] {
            let plan = plan();
            let mut transcript = Transcript::new(&plan, TOKEN);
            hello(&mut transcript);
            said(&mut transcript, Record::Begin { step: 0 });
            transcript.line(&format!("[    1.0] {first}"), 1.0);
            for number in 0..60 {
                transcript.line("[    1.0] Call Trace:", 1.0);
                transcript.line(&format!("[    1.0]  f{number}+0x1/0x2 [edu]"), 1.0);
            }
            assert!(!transcript.problem_ended(), "{first}");
            transcript.line(&format!("[    1.0] {last}"), 1.0);
            let report = transcript.report(Ending::Early, "", Accel::Tcg, &[], 2.0);
            let [problem] = report.problems.as_slice() else {
                panic!("{report:#?}")
            };
            assert_eq!(
                (problem.line.as_str(), problem.step.as_deref()),
                (first, Some("one"))
            );
            assert_eq!(problem.context.last(), Some(&format!("[    1.0] {last}")));
        }
    }

    #[test]
    fn a_machine_that_runs_on_after_a_problem_may_report_others() {
        let plan = plan();
        let mut transcript = Transcript::new(&plan, TOKEN);
        hello(&mut transcript);
        said(&mut transcript, Record::Begin { step: 0 });
        let end = "---[ end trace 0000000000000000 ]---";
        let mut say = |line: &str| {
            transcript.line(&format!("[    1.0] {line}"), 1.0);
        };
        for line in [
            "WARNING: one",
            end,
            "one goes on",
            "BUG: two",
            "of two",
            end,
        ] {
            say(line);
        }
        // Hours of other messages belong to no problem.
        for _ in 0..10 * AFTER {
            say("something else");
        }
        for _ in 0..2 * PROBLEMS {
            say("BUG: again");
            for _ in 0..2 * AFTER {
                say("of this one");
            }
        }
        let problems = transcript
            .report(Ending::Early, "", Accel::Tcg, &[], 2.0)
            .problems;
        assert_eq!(problems.len(), PROBLEMS);
        let line = |number: usize| problems[number].line.as_str();
        assert_eq!(
            (line(0), line(1), line(2)),
            ("WARNING: one", "BUG: two", "BUG: again")
        );
        assert_eq!(problems[0].context.len(), 2, "{:?}", problems[0]);
        assert!(problems[1].context.ends_with(&[
            "[    1.0] BUG: two".to_owned(),
            "[    1.0] of two".to_owned(),
            format!("[    1.0] {end}"),
        ]));
        for problem in &problems {
            assert!(problem.context.len() <= BEFORE + 1 + AFTER, "{problem:?}");
            assert_eq!(problem.step.as_deref(), Some("one"));
        }
    }

    #[test]
    fn a_planned_problem_passes_only_if_it_is_the_one() {
        for (pattern, passes) in [("BUG: x", true), ("end of trace", true), ("BUG: y", false)] {
            let plan = Plan {
                expect_problem: Some(pattern.into()),
                ..plan()
            };
            let mut transcript = Transcript::new(&plan, TOKEN);
            hello(&mut transcript);
            said(&mut transcript, Record::Begin { step: 0 });
            transcript.line("[    1.0] BUG: x", 1.0);
            transcript.line("[    1.0] end of trace", 1.0);
            let report = transcript.report(Ending::Early, "", Accel::Tcg, &[], 2.0);
            assert_eq!(
                (report.expected_problem, report.passed()),
                (Some(passes), passes),
                "{pattern}"
            );
        }
        let plan = Plan {
            expect_problem: Some("".into()),
            ..plan()
        };
        let report =
            Transcript::new(&plan, TOKEN).report(Ending::TimeLimit, "late", Accel::Tcg, &[], 2.0);
        assert!(!report.passed(), "a time limit is not a planned problem");
    }

    #[test]
    fn the_message_after_a_problem_must_come_before_another_problem() {
        let plan = Plan {
            expect_problem: Some("BUG: x".into()),
            expect_after: Some("^still here$".into()),
            ..plan()
        };
        let after = |lines: &[&str]| {
            let mut transcript = Transcript::new(&plan, TOKEN);
            hello(&mut transcript);
            said(&mut transcript, Record::Begin { step: 0 });
            for line in ["BUG: x", "---[ end trace 0000000000000000 ]---"]
                .iter()
                .chain(lines)
            {
                transcript.line(&format!("[    1.0] {line}"), 1.0);
            }
            let ended = transcript.problem_ended();
            (
                ended,
                transcript
                    .report(Ending::Early, "", Accel::Tcg, &[], 2.0)
                    .passed(),
            )
        };
        assert_eq!(after(&[]), (false, false), "the machine goes on");
        assert_eq!(after(&["something else"]), (false, false));
        assert_eq!(after(&["something else", "still here"]), (true, true));
        assert_eq!(
            after(&["Oops: 0000 [#2] PREEMPT SMP", "still here"]),
            (true, false)
        );
    }

    #[test]
    fn a_time_limit_names_the_step_and_shows_the_last_lines() {
        let plan = plan();
        let mut transcript = Transcript::new(&plan, TOKEN);
        hello(&mut transcript);
        for number in 0..30 {
            transcript.line(&format!("[    1.0] line {number}"), 1.0);
        }
        said(&mut transcript, Record::Begin { step: 0 });
        let report = transcript.report(
            Ending::TimeLimit,
            "no end within 5 s",
            Accel::Tcg,
            &["said".to_owned()],
            5.0,
        );
        let [problem] = report.problems.as_slice() else {
            panic!("{report:#?}")
        };
        assert!(problem.meaning.contains("one"), "{problem:?}");
        assert_eq!(problem.context.len(), LAST + 1);
        assert_eq!(problem.context[LAST - 1], "[    1.0] line 29");
    }

    #[test]
    fn a_step_that_the_guest_does_not_end_is_overdue_in_the_end() {
        let plan = plan();
        let limit = plan.steps[0].timeout_s;
        let mut transcript = Transcript::new(&plan, TOKEN);
        hello(&mut transcript);
        assert_eq!(transcript.overdue(1e6), None);
        said(&mut transcript, Record::Begin { step: 0 });
        assert_eq!(transcript.overdue(2.0 * limit as f64), None);
        assert_eq!(
            transcript.overdue(2.0 * limit as f64 + 2.0 * STUCK),
            Some(limit)
        );
    }

    #[test]
    fn the_step_that_ends_the_machine_is_judged_by_its_messages() {
        let end = Step::new(
            "end",
            Action::Shutdown {
                how: crate::Shutdown::PowerOff,
            },
        );
        let expecting = || end.clone().expecting("edu .*: shutdown");
        for (step, said_it, outcome) in [
            (expecting(), true, Outcome::Passed),
            (expecting(), false, Outcome::Failed),
            (expecting().never("edu .*: shut"), true, Outcome::Failed),
            (end.clone().never("edu .*: shut"), false, Outcome::Passed),
        ] {
            let plan = Plan {
                steps: vec![step],
                ..Plan::default()
            };
            let mut transcript = Transcript::new(&plan, TOKEN);
            hello(&mut transcript);
            said(&mut transcript, Record::Begin { step: 0 });
            said(&mut transcript, Record::Done { tainted: 0 });
            if said_it {
                transcript.line("[    1.0] edu 0000:00:02.0: shutdown", 1.0);
            }
            let report = transcript.report(Ending::PoweredOff, "", Accel::Tcg, &[], 2.0);
            assert_eq!(
                (report.steps[0].outcome, report.passed()),
                (outcome, outcome == Outcome::Passed),
                "{report:#?}"
            );
        }
    }

    #[test]
    fn only_a_step_that_waits_for_a_reset_passes_by_one() {
        let of = |how: Shutdown, begun: bool, ending: Ending| {
            let plan = Plan {
                steps: vec![Step::new("end", Action::Shutdown { how })],
                ..Plan::default()
            };
            let mut transcript = Transcript::new(&plan, TOKEN);
            hello(&mut transcript);
            if begun {
                said(&mut transcript, Record::Begin { step: 0 });
            }
            let report = transcript.report(ending, "", Accel::Tcg, &[], 2.0);
            (report.steps[0].outcome, report.passed())
        };
        let reset = Shutdown::Reset;
        assert_eq!(of(reset, true, Ending::Early), (Outcome::Passed, true));
        assert_eq!(of(reset, true, Ending::TimeLimit), (Outcome::Failed, false));
        assert_eq!(of(reset, false, Ending::Early), (Outcome::NotRun, false));
        let reboot = Shutdown::Reboot;
        assert_eq!(of(reboot, true, Ending::Early), (Outcome::Failed, false));
    }

    #[test]
    fn a_driver_cannot_end_a_step() {
        let plan = plan();
        let mut transcript = Transcript::new(&plan, TOKEN);
        hello(&mut transcript);
        said(&mut transcript, Record::Begin { step: 0 });
        let forged = Record::End {
            step: 0,
            ok: true,
            ms: 0,
        }
        .line("guess");
        assert!(
            transcript
                .line(&format!("[    1.0] {forged}"), 1.0)
                .is_none()
        );
        let report = transcript.report(Ending::Early, "", Accel::Tcg, &[], 2.0);
        assert_eq!(report.steps[0].outcome, Outcome::Failed);
        assert_eq!(report.steps[0].messages, [forged]);
    }

    #[test]
    fn a_mark_that_the_run_left_is_a_problem() {
        let plan = Plan::default();
        let mut transcript = Transcript::new(&plan, TOKEN);
        hello(&mut transcript);
        said(
            &mut transcript,
            Record::Done {
                tainted: 1 << 12 | 1,
            },
        );
        let report = transcript.report(Ending::PoweredOff, "", Accel::Tcg, &[], 2.0);
        let [problem] = report.problems.as_slice() else {
            panic!("{report:#?}")
        };
        assert!(problem.line.contains("P (bit 0)"), "{problem:?}");
        assert!(!report.passed());
    }

    #[test]
    fn a_flood_is_bounded() {
        let plan = Plan::default();
        let mut transcript = Transcript::new(&plan, TOKEN);
        let line = "x".repeat(1 << 20);
        for _ in 0..20 {
            transcript.line(&line, 1.0);
        }
        let report = transcript.report(Ending::Early, "", Accel::Tcg, &[], 2.0);
        assert_eq!(report.console.len(), 8);
        assert!(report.console[7].contains("not kept"));
    }
}
