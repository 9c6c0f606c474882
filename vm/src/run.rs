// SPDX-License-Identifier: GPL-2.0-only
//! Boots a machine, follows its console and ends it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use linux_driver_host::process::{Running, check_interrupted};
use linux_driver_host::{Error, Result, fs, output};

use crate::initramfs;
use crate::machine::{Machine, kvm_failed};
use crate::outside::Outside;
use crate::plan::Plan;
use crate::report::{Accel, Ending, Report, StepResult};
use crate::text::clean;
use crate::transcript::Transcript;

/// The longest part of a line that is read, in bytes. The kernel's own lines are shorter.
const LINE: u64 = 8 * 1024;
/// The number of unread lines in the queue. A guest that prints faster has to wait.
const LINES: usize = 1024;
/// The number of QEMU's own messages that are kept.
pub(crate) const SAID: usize = 100;
/// The silence on the console after which the report of a problem counts as complete.
const QUIET: Duration = Duration::from_millis(1500);
/// The time that the guest may take to power off once it is done.
const POWER_OFF: Duration = Duration::from_secs(15);
/// The time that KVM may take until the tool's program runs. After that, emulation is tried
/// instead.
const KVM_UP: Duration = Duration::from_secs(30);
/// The start of QEMU's message that KVM cannot run the guest.
const KVM_ERROR: &str = "KVM internal error";
/// The interval between checks for a signal.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// Runs the plan in the machine, with the program at `init` (see [`crate::init_program::build`]).
/// Calls `progress` after each step.
///
/// # Errors
///
/// Fails if the plan could not be tried. Failures inside the guest are in the report.
pub fn run(
    machine: &Machine,
    plan: &Plan,
    init: &Path,
    progress: &mut dyn FnMut(&StepResult),
) -> Result<Report> {
    plan.check()?;
    let machine = &machine.for_plan(plan);
    machine.check_kernel()?;
    let token = token()?;
    let dir = fs::tempdir()?;
    let archive = dir.path().join("initramfs");
    fs::write(&archive, initramfs::pack(plan, init, &token)?)?;

    let accels = machine.accels();
    for (number, &accel) in accels.iter().enumerate() {
        let mut transcript = Transcript::new(plan, &token);
        let outside = if plan.asks_host() {
            Some(Outside::open(dir.path())?)
        } else {
            None
        };
        let lines = outside.as_ref().map(Outside::args).unwrap_or_default();
        let mut command = machine.command(&archive, accel, &lines);
        // Must be dropped after QEMU has ended.
        let _serving = outside.map(Outside::serve);
        let ran = attempt(machine, &mut command, accel, &mut transcript, progress)?;
        // A failure under KVM before the tool's program runs does not count. Hosts whose KVM does
        // not work reliably fail in many ways. Emulation then shows whether the kernel is at fault.
        if transcript.up() || number + 1 == accels.len() {
            if transcript.up() && number > 0 {
                kvm_failed();
            }
            return ran.report(machine, transcript);
        }
    }
    unreachable!("a machine always has something to run it")
}

/// The course of a machine's run.
pub(crate) struct Ran {
    followed: Followed,
    accel: Accel,
    line: String,
    said: Vec<String>,
    seconds: f64,
}

/// The reason to stop following the console.
enum Followed {
    /// The machine has ended, with this exit status of QEMU.
    Ended(ExitStatus),
    /// The whole report of a problem has been printed.
    Problem,
    /// The time limit has passed.
    TimeLimit,
    /// A step has not ended, although it may take only so many seconds.
    Stuck(u64),
    /// The guest was done, and did not power off.
    NoPowerOff,
}

/// A line from QEMU.
pub(crate) enum Line {
    /// A line of the guest's console.
    Console(String),
    /// A line that QEMU itself printed.
    Said(String),
}

/// Starts QEMU and follows it to its end.
pub(crate) fn attempt(
    machine: &Machine,
    command: &mut Command,
    accel: Accel,
    transcript: &mut Transcript<'_>,
    progress: &mut dyn FnMut(&StepResult),
) -> Result<Ran> {
    let start = Instant::now();
    let (qemu, lines) = started(command)?;
    let line = qemu.line().to_owned();
    let up_limit = if accel == Accel::Kvm {
        KVM_UP.min(machine.time_limit)
    } else {
        machine.time_limit
    };
    let mut said = Vec::new();
    let limits = (!machine.debugged).then_some((up_limit, machine.time_limit));
    let followed = follow(&lines, transcript, start, limits, &mut said, progress)?;
    let followed = match followed {
        Some(followed) => followed,
        None => Followed::Ended(qemu.wait()?),
    };
    Ok(Ran {
        followed,
        accel,
        line,
        said,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Starts QEMU. Returns it with a channel of its lines, which closes when QEMU ends.
pub(crate) fn started(command: &mut Command) -> Result<(Running, Receiver<Line>)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut qemu = Running::start(command)?;
    let (sender, lines) = sync_channel(LINES);
    if let Some(out) = qemu.child().stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || read_lines(BufReader::new(out), Line::Console, &sender));
    }
    if let Some(err) = qemu.child().stderr.take() {
        thread::spawn(move || read_lines(BufReader::new(err), Line::Said, &sender));
    }
    Ok((qemu, lines))
}

impl Ran {
    pub(crate) fn report(self, machine: &Machine, transcript: Transcript<'_>) -> Result<Report> {
        let (ending, why) = match self.followed {
            Followed::Ended(status) if !status.success() && transcript.silent() => {
                return Err(machine.not_started(&self.line, &self.said.join("\n")));
            }
            Followed::Ended(status)
                if !status.success() && !transcript.done() && !transcript.troubled() =>
            {
                return Err(died(
                    status,
                    transcript.step_name().as_deref(),
                    &self.line,
                    &self.said,
                ));
            }
            Followed::Ended(_) if transcript.done() => (Ending::PoweredOff, String::new()),
            Followed::Ended(_) => (
                Ending::Early,
                "the machine ended before the tool's program in it ended".to_owned(),
            ),
            Followed::Problem => (Ending::Problem, String::new()),
            Followed::TimeLimit => (
                Ending::TimeLimit,
                format!(
                    "the run took longer than its time limit of {} s",
                    machine.time_limit.as_secs()
                ),
            ),
            Followed::Stuck(limit) => (
                Ending::TimeLimit,
                format!("a step that may take {limit} s did not end: the machine hangs"),
            ),
            Followed::NoPowerOff => (
                Ending::Early,
                format!(
                    "the machine did not power off within {} s after the last step",
                    POWER_OFF.as_secs()
                ),
            ),
        };
        Ok(transcript.report(ending, &why, self.accel, &self.said, self.seconds))
    }
}

/// Returns the error for a QEMU that ended by itself in the middle of a run. The guest cannot cause
/// that: a working QEMU ends with 0, no matter what a kernel does. So this is not a failure of the
/// driver.
fn died(status: ExitStatus, step: Option<&str>, line: &str, said: &[String]) -> Error {
    let step = step.unwrap_or("the boot");
    let said = match said.join("\n") {
        said if said.is_empty() => "it printed nothing".to_owned(),
        said => said,
    };
    Error::new(
        format_args!("QEMU, during {step:?}"),
        "to emulate the machine until the guest powers it off",
        format_args!("it exited ({status}): {said}"),
        format_args!(
            "try again; if QEMU exits there each time, the step triggers a bug in it: use another version of \
             QEMU, or another device. The machine was: {line}"
        ),
    )
}

/// Follows the machine until nothing more can be learnt from it. Returns `None` if the machine ends
/// before. `limits` are the time limits for the start of the tool's program and for the run. If
/// there are none, a person debugs the machine, and only the machine itself ends the run.
fn follow(
    lines: &Receiver<Line>,
    transcript: &mut Transcript<'_>,
    start: Instant,
    limits: Option<(Duration, Duration)>,
    said: &mut Vec<String>,
    progress: &mut dyn FnMut(&StepResult),
) -> Result<Option<Followed>> {
    let mut last_line = start;
    let mut done = None;
    loop {
        check_interrupted()?;
        let received = lines.recv_timeout(LOOK);
        let now = Instant::now();
        match received {
            Ok(Line::Console(line)) => {
                last_line = now;
                if limits.is_none() && !transcript.is_record(&line) {
                    output::error_line(&line);
                }
                if let Some(step) = transcript.line(&line, (now - start).as_secs_f64()) {
                    progress(step);
                }
                if done.is_none() && transcript.done() {
                    done = Some(now);
                }
            }
            // After this message QEMU stops the machine and waits for a person to look at it.
            Ok(Line::Said(line)) if !transcript.up() && line.starts_with(KVM_ERROR) => {
                return Ok(Some(Followed::TimeLimit));
            }
            Ok(Line::Said(line)) if said.len() < SAID => said.push(line),
            Ok(Line::Said(_)) => {}
            // A signal that tells the tool to end has ended QEMU too.
            Err(RecvTimeoutError::Disconnected) => return check_interrupted().map(|()| None),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let Some((up_limit, limit)) = limits else {
            continue;
        };
        if transcript.problem_ended() || transcript.problem_grows() && now - last_line >= QUIET {
            return Ok(Some(Followed::Problem));
        }
        if done.is_some_and(|done| now - done >= POWER_OFF) {
            return Ok(Some(Followed::NoPowerOff));
        }
        if let Some(seconds) = transcript.overdue((now - start).as_secs_f64()) {
            return Ok(Some(Followed::Stuck(seconds)));
        }
        if now - start >= if transcript.up() { limit } else { up_limit } {
            return Ok(Some(Followed::TimeLimit));
        }
    }
}

/// Sends each line on, until the machine ends or the receiver is gone.
fn read_lines(mut out: impl BufRead, kind: fn(String) -> Line, sender: &SyncSender<Line>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match out.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        while line
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            line.pop();
        }
        if sender.send(kind(clean(&line))).is_err() {
            return;
        }
    }
}

/// Returns a number that nobody can guess.
pub(crate) fn token() -> Result<String> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| Error::io(path, "read", &e))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::action::Action;
    use crate::plan::Step;
    use crate::protocol::Record;

    /// Returns the report of a run in which QEMU ended with `status` during the only step.
    fn ended(status: i32) -> Result<Report> {
        let plan = Plan {
            steps: vec![Step::new("loaded", Action::Expect {})],
            ..Plan::default()
        };
        let mut transcript = Transcript::new(&plan, "token");
        for record in [
            Record::Hello {
                release: "6.12".to_owned(),
                tainted: 0,
            },
            Record::Begin { step: 0 },
        ] {
            transcript.line(&record.line("token"), 1.0);
        }
        let ran = Ran {
            followed: Followed::Ended(ExitStatus::from_raw(status)),
            accel: Accel::Tcg,
            line: "qemu -device x".to_owned(),
            said: vec!["core.c:169: Assertion failed".to_owned()],
            seconds: 2.0,
        };
        ran.report(&Machine::new("/k"), transcript)
    }

    #[test]
    fn a_qemu_that_dies_is_not_the_drivers_fault() {
        // SIGABRT, and an exit code of 1.
        for status in [6, 1 << 8] {
            let text = ended(status).unwrap_err().to_string();
            for part in [
                "\"loaded\"",
                "core.c:169: Assertion failed",
                "qemu -device x",
                "use another version of QEMU",
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
        // A guest that resets itself: QEMU exits with 0, and too early.
        let report = ended(0).unwrap();
        assert_eq!((report.ending, report.passed()), (Ending::Early, false));
    }

    #[test]
    fn a_line_without_end_comes_in_bounded_pieces() {
        let (sender, lines) = sync_channel(LINES);
        let text = [b"one\r\n\x1bx\n".as_slice(), &vec![b'y'; 20_000], b"\nlast"].concat();
        read_lines(text.as_slice(), Line::Console, &sender);
        drop(sender);
        let lines: Vec<String> = lines
            .iter()
            .map(|(Line::Console(line) | Line::Said(line))| line)
            .collect();
        assert_eq!(lines[..2], ["one", "\\u{1b}x"]);
        assert_eq!(lines.last().unwrap(), "last");
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn a_token_is_never_the_same() {
        let token = token().unwrap();
        assert_eq!(token.len(), 32);
        assert_ne!(token, super::token().unwrap());
    }
}
