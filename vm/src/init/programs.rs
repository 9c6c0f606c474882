// SPDX-License-Identifier: GPL-2.0-only
//! The other programs in the guest: the commands of the package `linux-driver-guest`.
//!
//! A spawned program prints the line `ready` on its standard output when later steps may start. It
//! ends when its standard input is closed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use linux_driver_vm::Errno;
use linux_driver_vm::paths::GUEST_PATH;

use crate::action::{Failure, Result, failed};

/// The interval between checks of a program.
const LOOK: Duration = Duration::from_millis(5);
/// The part of a program's output that is kept, in bytes.
const KEPT: u64 = 64 * 1024;
/// The exit codes of a program that are error numbers.
const ERRNOS: std::ops::RangeInclusive<i32> = 1..=133;

/// The programs that were spawned, by name.
#[derive(Default)]
pub(crate) struct Programs(BTreeMap<String, Program>);

impl Programs {
    pub(crate) fn spawn(&mut self, name: &str, args: &[String], deadline: Instant) -> Result {
        let mut program = Program::start(args)?;
        let ready = program.until_ready(deadline);
        if let Err(failure) = ready {
            program.kill();
            return Err(failure);
        }
        self.0.insert(name.to_owned(), program);
        Ok(String::new())
    }

    /// Removes the program from the map and returns it. So other steps can use the map while a step
    /// hangs in this program.
    pub(crate) fn take(&mut self, name: &str) -> Result<Program> {
        self.0
            .remove(name)
            .ok_or_else(|| Failure::new(format_args!("no program {name:?} was spawned")))
    }
}

/// A program that runs.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    /// The lines of the standard output, as they come.
    lines: Receiver<String>,
    /// The whole standard error, once the program has ended.
    errors: Receiver<String>,
    command: String,
}

impl Program {
    pub(crate) fn start(args: &[String]) -> Result<Self> {
        let command = args.join(" ");
        let (program, args) = match args.split_first() {
            Some((path, args)) if path.starts_with('/') => (path.as_str(), args),
            _ => (GUEST_PATH, args),
        };
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed(format_args!("{program}: {command}")))?;
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(out.take(KEPT))
                    .lines()
                    .map_while(std::result::Result::ok)
                {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let (sender, errors) = channel();
        if let Some(mut err) = child.stderr.take() {
            thread::spawn(move || {
                let mut text = Vec::new();
                let _ = err.by_ref().take(KEPT).read_to_end(&mut text);
                let _ = sender.send(String::from_utf8_lossy(&text).trim().to_owned());
            });
        }
        Ok(Self {
            input: child.stdin.take(),
            child,
            lines,
            errors,
            command,
        })
    }

    fn until_ready(&mut self, deadline: Instant) -> Result<()> {
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) if line == "ready" => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => return Err(self.stuck("is not ready in time")),
                Err(RecvTimeoutError::Disconnected) => {
                    return match self.wait(deadline)? {
                        Ok(_) => Err(Failure::new(format_args!(
                            "{}: it ended without being ready",
                            self.command
                        ))),
                        Err(failure) => Err(failure),
                    };
                }
            }
        }
    }

    /// Tells the program to end, waits for it, and returns its output.
    pub(crate) fn end(mut self, deadline: Instant) -> Result {
        self.input = None;
        let ended = self.wait(deadline);
        if ended.is_err() {
            self.kill();
        }
        ended?
    }

    /// Waits for the program's end. The outer error means that the program does not end.
    fn wait(&mut self, deadline: Instant) -> Result<Result> {
        loop {
            if let Some(status) = self.child.try_wait().map_err(failed(&self.command))? {
                return Ok(self.ended(status));
            }
            if Instant::now() >= deadline {
                return Err(self.stuck("has not ended in time"));
            }
            thread::sleep(LOOK);
        }
    }

    fn ended(&self, status: ExitStatus) -> Result {
        let said: Vec<String> = self.lines.iter().filter(|line| line != "ready").collect();
        let errors = self.errors.recv().unwrap_or_default();
        match status.code() {
            Some(0) => Ok(said.join("\n")),
            Some(code) => {
                let failure = Failure {
                    errno: ERRNOS.contains(&code).then_some(Errno(code)),
                    detail: format!("{}: {errors}", self.command),
                };
                // The file that is not there is most likely one that the command names.
                let mut paths = self.command.split(' ').map(Path::new);
                let missing = paths.find(|path| path.is_absolute() && !path.exists());
                Err(match missing {
                    Some(path) => failure.at(path),
                    None => failure,
                })
            }
            None => Err(Failure::new(format_args!(
                "{}: ended by signal {}: {errors}",
                self.command,
                status.signal().unwrap_or_default()
            ))),
        }
    }

    fn stuck(&self, what: &str) -> Failure {
        let stack =
            fs::read_to_string(format!("/proc/{}/stack", self.child.id())).unwrap_or_default();
        let place = if stack.trim().is_empty() {
            String::new()
        } else {
            format!("; its kernel stack:\n{stack}")
        };
        Failure::new(format_args!("{}: it {what}{place}", self.command))
    }

    /// Kills the program if possible. A program that hangs in the kernel is left behind.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.try_wait();
    }
}
