// SPDX-License-Identifier: GPL-2.0-only
//! Saved boots: a machine boots once, and many runs continue from there.
//!
//! With emulation, a boot takes 2 to 5 seconds of processor time, but most plans need less than one
//! second. So the first of several runs on the same [`Boot`] boots a machine with an empty job.
//! QEMU saves that machine as soon as the program in it runs. Each run then starts from the saved
//! machine. Runs do not share a kernel. Each run has its own copy of a kernel that never loaded a
//! module, and the changes of a run are gone with its machine. So a fault stays in the run that
//! caused it.
//!
//! The following is checked. The console of the boot is a part of each run's transcript and must
//! not hold a problem. The kernel's taint is read after the machine resumes. The registers of each
//! PCI device must have their old values. QEMU cannot save machines with some devices, and a saved
//! machine may fail to resume. Then the run boots its own machine. With KVM a boot takes a second,
//! so no boot is saved.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use linux_driver_host::process::check_interrupted;
use linux_driver_host::{Error, Result, fs};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::initramfs;
use crate::machine::Machine;
use crate::mailbox::{Key, Offsets};
use crate::monitor::Monitor;
use crate::outside::{self, Outside};
use crate::plan::Plan;
use crate::problems;
use crate::protocol::{Record, Wait, message};
use crate::report::{Accel, Report, StepResult};
use crate::run::{LOOK, Line, SAID, attempt, run, started, token};
use crate::transcript::Transcript;

/// The room for a job and the plan's files, in pages.
const PAGES: usize = 6 << 20 >> 12;
/// The time that QEMU may take to save a machine.
const SAVE: Duration = Duration::from_secs(120);
/// The number of bytes that QEMU may write in a second: no limit in practice.
const BANDWIDTH: u64 = 1 << 40;
/// The number of bytes that are read and written at once.
const PIECE: usize = 1 << 20;

/// The identity of a boot: the kernel, its command line and the machine with each device. Runs with
/// the same boot can continue from the same saved machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Boot(Vec<String>);

impl Boot {
    /// Returns the boot of the plan's run on this machine.
    pub fn of(machine: &Machine, plan: &Plan) -> Self {
        let machine = machine.for_plan(plan);
        let command = machine.command(Path::new(""), Accel::Tcg, &[]);
        let args = command.get_args();
        let mut words: Vec<String> = args
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        words.push(plan.asks_host().to_string());
        Self(words)
    }
}

/// The readiness of a run to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// The boot is saved already, or the run boots its own machine.
    Ready,
    /// The run boots the machine to be saved, for itself and for other runs.
    Boots,
    /// The run has to wait while another run boots the machine to be saved.
    Waits,
}

/// The saved boots. A boot is kept as long as runs are expected to use it.
#[derive(Debug)]
pub struct Boots {
    dir: TempDir,
    boots: Mutex<HashMap<Boot, Entry>>,
    changed: Condvar,
    /// The errors of boots that succeeded on the second attempt.
    again: Mutex<Vec<String>>,
}

/// A boot, and the number of runs that are still expected to use it.
#[derive(Debug)]
struct Entry {
    expected: usize,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// No run has booted it yet.
    New,
    /// A run boots it.
    Booting,
    /// The boot is saved.
    Saved(Arc<Saved>),
    /// Each run boots its own machine, for this reason.
    Not(String),
}

impl Boots {
    /// Returns an empty store. It keeps saved boots in a temporary folder of the system, which it
    /// removes when it is dropped.
    pub fn new() -> Result<Self> {
        Ok(Self {
            dir: fs::tempdir()?,
            boots: Mutex::default(),
            changed: Condvar::new(),
            again: Mutex::default(),
        })
    }

    fn boots(&self) -> MutexGuard<'_, HashMap<Boot, Entry>> {
        self.boots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects one more run with this boot. The store saves a boot if two or more runs are expected
    /// when the first of them starts.
    pub fn expect(&self, boot: &Boot) {
        let mut boots = self.boots();
        let entry = boots.entry(boot.clone()).or_insert_with(|| Entry {
            expected: 0,
            state: State::New,
        });
        entry.expected += 1;
    }

    /// Returns whether a run with this boot can start at once.
    pub fn readiness(&self, boot: &Boot) -> Readiness {
        match self.boots().get(boot) {
            Some(Entry {
                state: State::New,
                expected: 2..,
            }) => Readiness::Boots,
            Some(Entry {
                state: State::Booting,
                ..
            }) => Readiness::Waits,
            _ => Readiness::Ready,
        }
    }

    /// Returns the reasons why boots could not be saved, or runs could not resume a saved boot.
    pub fn reasons(&self) -> Vec<String> {
        let boots = self.boots();
        let reasons = boots.values().filter_map(|entry| match &entry.state {
            State::Not(why) => Some(why.clone()),
            _ => None,
        });
        let mut reasons: Vec<String> = reasons.collect();
        reasons.sort();
        reasons.dedup();
        reasons
    }

    /// Returns the errors of boots that succeeded on the second attempt. No driver was involved in
    /// these.
    pub fn again(&self) -> Vec<String> {
        self.again
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Runs the plan as [`run()`] does, from a saved boot if possible.
    pub fn run(
        &self,
        machine: &Machine,
        plan: &Plan,
        init: &Path,
        progress: &mut dyn FnMut(&StepResult),
    ) -> Result<Report> {
        plan.check()?;
        let boot = Boot::of(machine, plan);
        let machine = &machine.for_plan(plan);
        machine.check_kernel()?;
        let saved = if machine.accels() == [Accel::Tcg] {
            self.saved(&boot, machine, plan.asks_host(), init)?
        } else {
            None
        };
        let report = match saved {
            Some(saved) => match saved.resume(machine, plan, progress) {
                Ok(report) => Ok(report),
                Err(NotResumed::Failed(error)) => Err(error),
                Err(NotResumed::Why(why)) => {
                    if let Some(entry) = self.boots().get_mut(&boot) {
                        entry.state = State::Not(why);
                    }
                    run(machine, plan, init, progress)
                }
            },
            None => run(machine, plan, init, progress),
        };
        if let Some(entry) = self.boots().get_mut(&boot) {
            entry.expected = entry.expected.saturating_sub(1);
            if entry.expected == 0 && matches!(entry.state, State::Saved(_)) {
                entry.state = State::New;
            }
        }
        report
    }

    /// Returns the saved boot. The first call that needs the boot makes it.
    fn saved(
        &self,
        boot: &Boot,
        machine: &Machine,
        asks_host: bool,
        init: &Path,
    ) -> Result<Option<Arc<Saved>>> {
        let mut boots = self.boots();
        loop {
            let Some(entry) = boots.get_mut(boot) else {
                return Ok(None);
            };
            match &entry.state {
                State::Saved(saved) => return Ok(Some(Arc::clone(saved))),
                State::Not(_) => return Ok(None),
                State::New if entry.expected < 2 => return Ok(None),
                State::New => break entry.state = State::Booting,
                State::Booting => {
                    boots = self
                        .changed
                        .wait(boots)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        drop(boots);
        let save = || Saved::boot(machine, asks_host, init, self.dir.path());
        // With emulation, a boot fails now and then. A second attempt shows whether that was it.
        let saved = match save() {
            Err(NotSaved::Boot(why)) if check_interrupted().is_ok() => {
                let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
                again.push(why);
                drop(again);
                save()
            }
            saved => saved,
        };
        let (state, result) = match saved {
            Ok(saved) => {
                let saved = Arc::new(saved);
                (State::Saved(Arc::clone(&saved)), Ok(Some(saved)))
            }
            Err(NotSaved::Boot(why) | NotSaved::Save(why)) => {
                (State::Not(why), check_interrupted().map(|()| None))
            }
        };
        if let Some(entry) = self.boots().get_mut(boot) {
            entry.state = state;
        }
        self.changed.notify_all();
        result
    }
}

/// A saved machine. Its files are removed when this value is dropped.
#[derive(Debug)]
struct Saved {
    dir: TempDir,
    key: Key,
    offsets: Offsets,
    /// The console up to that moment.
    console: Vec<String>,
}

/// The reason why a boot was not saved.
enum NotSaved {
    /// The boot failed.
    Boot(String),
    /// The machine was up, but QEMU or the system could not save it.
    Save(String),
}

impl From<String> for NotSaved {
    fn from(why: String) -> Self {
        Self::Save(why)
    }
}

/// The reason why a run did not continue from a saved boot.
enum NotResumed {
    /// The run can be tried again with its own boot.
    Why(String),
    /// The run failed, and its own boot would not help.
    Failed(Error),
}

impl From<Error> for NotResumed {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Saved {
    fn archive(&self) -> PathBuf {
        self.dir.path().join("initramfs")
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("machine")
    }

    /// Boots a machine with an empty job, and saves it.
    fn boot(
        machine: &Machine,
        asks_host: bool,
        init: &Path,
        dir: &Path,
    ) -> std::result::Result<Self, NotSaved> {
        let said = |e: Error| e.to_string();
        let token = token().map_err(said)?;
        let random = u128::from_str_radix(&token, 16).map_err(|e| e.to_string())?;
        let mut saved = Self {
            dir: TempDir::new_in(dir).map_err(|e| e.to_string())?,
            // This is not the token itself: the guest's memory holds the token in many forms.
            key: Key::new(
                random.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
                PAGES,
            ),
            offsets: Offsets::default(),
            console: Vec::new(),
        };
        let wait = Wait {
            token,
            key: saved.key,
        };
        let archive = initramfs::pack_waiting(&wait, init).map_err(said)?;
        fs::write(saved.archive(), archive).map_err(said)?;
        let path = saved.dir.path().join("monitor");
        let listener = outside::listen(&path).map_err(said)?;
        let mut lines = Vec::new();
        if asks_host {
            // The second serial port of the runs. Nobody is connected to it yet.
            lines.extend(["-serial".to_owned(), "null".to_owned()]);
        }
        lines.extend(outside::monitor_args(&path));
        let mut command = machine.command(&saved.archive(), Accel::Tcg, &lines);
        let (qemu, lines) = started(&mut command).map_err(said)?;
        let start = Instant::now();
        let mut boot = Booting {
            lines,
            token: &wait.token,
            console: Vec::new(),
            waits: false,
            said: Vec::new(),
        };
        while !boot.waits {
            if start.elapsed() >= machine.time_limit {
                let why = "it did not come up within the time limit";
                return Err(NotSaved::Boot(why.to_owned()));
            }
            if !boot.look().map_err(NotSaved::Boot)? {
                let said = boot.said.join("; ");
                return Err(NotSaved::Boot(format!("it ended in the boot: {said}")));
            }
        }
        let stop = AtomicBool::new(false);
        let monitor = outside::connection(&listener, &stop).map_err(|e| e.to_string())?;
        let mut monitor = Monitor::start(monitor, Instant::now() + outside::GREETING)?;
        let state = saved.save(&mut monitor, &mut boot)?;
        // An error does not matter: QEMU may have ended already.
        let _ = monitor.execute("quit", &Map::new(), Instant::now() + LOOK);
        while boot.look()? {}
        drop(qemu);
        saved.offsets = Offsets::find(&state, saved.key)
            .ok_or("the mailbox is not in what was saved".to_owned())?;
        fs::write(saved.state(), state).map_err(said)?;
        saved.console = boot.console;
        Ok(saved)
    }

    /// Has QEMU send the machine to a socket of this process, and returns the machine.
    fn save(
        &self,
        monitor: &mut Monitor,
        boot: &mut Booting<'_>,
    ) -> std::result::Result<Vec<u8>, String> {
        let deadline = Instant::now() + SAVE;
        let path = self.dir.path().join("outgoing");
        let listener = outside::listen(&path).map_err(|e| e.to_string())?;
        let mut execute = |command: &str, arguments: Value| {
            let arguments = arguments.as_object().cloned().unwrap_or_default();
            monitor.execute(command, &arguments, deadline)
        };
        execute(
            "migrate-set-parameters",
            json!({ "max-bandwidth": BANDWIDTH }),
        )?;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let read = scope.spawn(|| {
                let mut stream = outside::connection(&listener, &stop)?;
                let mut state = Vec::new();
                stream.read_to_end(&mut state)?;
                std::io::Result::Ok(state)
            });
            let saved = (|| {
                execute(
                    "migrate",
                    json!({ "uri": format!("unix:{}", path.display()) }),
                )?;
                loop {
                    let status = execute("query-migrate", json!({}))?;
                    match status["status"].as_str() {
                        Some("completed") => return Ok(()),
                        Some("failed" | "cancelled") => {
                            return Err(format!("QEMU did not save it: {status}"));
                        }
                        _ if Instant::now() >= deadline => {
                            return Err("QEMU did not save it in time".to_owned());
                        }
                        _ => {}
                    }
                    boot.look()?;
                }
            })();
            // If QEMU has not connected by now, it never will.
            stop.store(true, Ordering::Relaxed);
            let state = read.join().map_err(|_| "its reader panicked".to_owned())?;
            saved?;
            state.map_err(|e| format!("QEMU did not send it: {e}"))
        })
    }

    /// Resumes the machine with this plan.
    fn resume(
        &self,
        machine: &Machine,
        plan: &Plan,
        progress: &mut dyn FnMut(&StepResult),
    ) -> std::result::Result<Report, NotResumed> {
        let token = token()?;
        let dir = fs::tempdir()?;
        let job = initramfs::pack_job(plan, &token)?;
        let Some(pages) = self.key.filled(&job) else {
            return Err(NotResumed::Why(format!(
                "a job of {} bytes does not fit into the mailbox",
                job.len()
            )));
        };
        let pages = self.offsets.replaced(pages);
        let outside = if plan.asks_host() {
            Some(Outside::open(dir.path())?)
        } else {
            None
        };
        let lines = outside.as_ref().map(Outside::args).unwrap_or_default();
        let socket = dir.path().join("incoming");
        let mut command: Command = machine.command(&self.archive(), Accel::Tcg, &lines);
        command
            .arg("-incoming")
            .arg(format!("unix:{}", socket.display()));
        let mut transcript = Transcript::new(plan, &token);
        for line in &self.console {
            transcript.line(line, 0.0);
        }
        let _serving = outside.map(Outside::serve);
        let stop = AtomicBool::new(false);
        let (ran, fed) = thread::scope(|scope| {
            let feeding = scope.spawn(|| feed(&socket, &self.state(), &pages, &stop));
            let ran = attempt(machine, &mut command, Accel::Tcg, &mut transcript, progress);
            stop.store(true, Ordering::Relaxed);
            (ran, feeding.join())
        });
        let ran = ran?;
        if !transcript.up() {
            let why = match fed {
                Ok(Ok(())) => transcript.last_line().unwrap_or_default().to_owned(),
                Ok(Err(e)) => e.to_string(),
                Err(_) => "its writer panicked".to_owned(),
            };
            return Err(NotResumed::Why(format!("it did not go on: {why}")));
        }
        Ok(ran.report(machine, transcript)?)
    }
}

/// Sends the saved machine to QEMU, with these pages instead of the original ones.
fn feed(
    socket: &Path,
    state: &Path,
    pages: &[(usize, Vec<u8>)],
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let mut qemu = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(e) if stop.load(Ordering::Relaxed) => return Err(e),
            // QEMU has not made the socket yet, or does not listen yet.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(e) => return Err(e),
        }
    };
    let mut state = File::open(state)?;
    let mut at = 0;
    for (offset, page) in pages {
        copy(&mut state, &mut qemu, offset - at)?;
        qemu.write_all(page)?;
        at = offset + page.len();
        state.seek(SeekFrom::Start(at as u64))?;
    }
    copy(&mut state, &mut qemu, usize::MAX)
}

/// Copies this number of bytes, or fewer if there are no more.
fn copy(from: &mut File, to: &mut UnixStream, mut bytes: usize) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE.min(bytes)];
    while bytes > 0 {
        let length = piece.len().min(bytes);
        let length = from.read(&mut piece[..length])?;
        if length == 0 {
            break;
        }
        to.write_all(&piece[..length])?;
        bytes -= length;
    }
    Ok(())
}

/// A machine that boots to be saved.
struct Booting<'a> {
    lines: Receiver<Line>,
    token: &'a str,
    console: Vec<String>,
    /// `true` if the program in the machine has said that it waits.
    waits: bool,
    /// QEMU's own output.
    said: Vec<String>,
}

impl Booting<'_> {
    /// Takes the next line, if one comes soon. Returns whether the machine still runs. The error
    /// says what is wrong with the machine.
    fn look(&mut self) -> std::result::Result<bool, String> {
        check_interrupted().map_err(|e| e.to_string())?;
        match self.lines.recv_timeout(Duration::from_millis(20)) {
            Ok(Line::Console(line)) => {
                let text = message(&line);
                match Record::read(text, self.token) {
                    Some(record) => self.waits |= record == Record::Waiting {},
                    None if problems::meaning(text).is_some() => return Err(line),
                    None => self.console.push(line),
                }
            }
            Ok(Line::Said(line)) if self.said.len() < SAID => self.said.push(line),
            Ok(Line::Said(_)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
        Ok(true)
    }
}
