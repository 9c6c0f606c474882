// SPDX-License-Identifier: GPL-2.0-only
//! Child processes that end when this process ends.
//!
//! Each child leads a process group, so that ending the child also ends what it started (`make` and
//! its compilers). After [`watch_signals`], the first SIGINT, SIGTERM, SIGHUP or SIGQUIT ends every
//! running child. The call that waits for a child then returns [`Error::interrupted`], so that
//! values are dropped and clean up. A second signal ends this process at once.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::{Error, Result};

/// The process groups that this process has started and not yet waited for.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
/// The signal that asked this process to end, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes SIGINT and SIGTERM end the children first, and SIGHUP and SIGQUIT too unless they are
/// ignored, as `nohup` does with SIGHUP. Only `main` calls it, once.
pub fn watch_signals() -> Result<()> {
    let failed = |e: io::Error| {
        Error::new(
            "signals",
            "to watch the signals that end this process",
            e,
            "see what the system reports above",
        )
    };
    let mut watched = vec![libc::SIGINT, libc::SIGTERM];
    watched.extend(
        [libc::SIGHUP, libc::SIGQUIT]
            .iter()
            .filter(|&&s| !is_ignored(s)),
    );
    let mut signals = signal_hook::iterator::Signals::new(watched).map_err(failed)?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let again = SIGNAL.swap(signal, Ordering::SeqCst) != 0;
            for &group in running().iter() {
                kill_group(group, if again { libc::SIGKILL } else { libc::SIGTERM });
            }
            if again {
                end_by(signal);
            }
        }
    });
    Ok(())
}

/// Returns whether this process ignores a signal.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: A `sigaction` of all zeroes must be valid: it is a plain C structure.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: sigaction(2) with a null pointer for the new action changes nothing, and writes the
    // present action to `now`, which has room for it.
    let failed = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) };
    failed == 0 && now.sa_sigaction == libc::SIG_IGN
}

/// Returns the signal that asked this process to end, if there was one.
pub fn signalled() -> Option<i32> {
    Some(SIGNAL.load(Ordering::SeqCst)).filter(|&signal| signal != 0)
}

/// Checks that no signal asked this process to end. Call it between the steps of long work.
///
/// # Errors
///
/// [`Error::interrupted`] after a signal.
pub fn check_interrupted() -> Result<()> {
    if signalled().is_some() {
        Err(Error::interrupted())
    } else {
        Ok(())
    }
}

/// Ends this process as the signal would have, so that a shell sees the reason.
pub fn end_by(signal: i32) -> ! {
    // `emulate_default_handler` does not return for the signals that are watched.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

fn kill_group(group: i32, signal: i32) {
    // SAFETY: kill(2) takes two integers. The group must be that of a child of this process. It is,
    // because the group stays in `RUNNING` only until its child is reaped. The kernel does not give
    // its number to another process before that.
    unsafe { libc::kill(-group, signal) };
}

/// A running child. Dropping the value ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    line: String,
}

impl Running {
    /// Starts `command` in a process group of its own.
    pub fn start(command: &mut Command) -> Result<Self> {
        check_interrupted()?;
        let line = command_line(command);
        command.process_group(0);
        // The lock is held while the child starts, so that a signal in between finds the child in
        // the list.
        let mut groups = running();
        let child = command
            .spawn()
            .map_err(|e| not_started(&line, command, &e))?;
        groups.insert(child.id().cast_signed());
        Ok(Self { child, line })
    }

    /// Returns the child, whose pipes the caller may take.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Returns the command as a user would type it.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Waits for the child's end.
    pub fn wait(mut self) -> Result<ExitStatus> {
        self.until_ended();
        let status = self.child.wait().map_err(|e| {
            Error::new(
                &self.line,
                "to wait for its end",
                e,
                "see what the system reports above",
            )
        });
        check_interrupted()?;
        status
    }

    /// Waits for the child's end without reaping it, and takes its group off the list. Once the
    /// child is reaped, its number may belong to another process.
    fn until_ended(&self) {
        let pid = self.child.id();
        // SAFETY: A `siginfo_t` of all zeroes must be valid: it is a plain C structure.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        loop {
            // SAFETY: waitid(2) takes space for one `siginfo_t`, and `info` is that space.
            let ended = unsafe {
                libc::waitid(
                    libc::P_PID,
                    pid,
                    &raw mut info,
                    libc::WEXITED | libc::WNOWAIT,
                )
            };
            if ended == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                break;
            }
        }
        running().remove(&pid.cast_signed());
    }

    /// Returns whether the child has ended. It does not reap the child.
    fn has_ended(&self) -> bool {
        // SAFETY: A `siginfo_t` of all zeroes must be valid: it is a plain C structure.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let how = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
        // SAFETY: waitid(2) takes space for one `siginfo_t`, and `info` is that space.
        let asked = unsafe { libc::waitid(libc::P_PID, self.child.id(), &raw mut info, how) };
        // With WNOHANG, waitid(2) also succeeds while the child runs. The signal's number then
        // stays 0.
        asked == 0 && info.si_signo != 0
    }

    /// Waits for the child's end, and reads what it prints.
    fn wait_with_output(mut self) -> Result<Output> {
        use std::io::Read;
        let mut out = self.child.stdout.take();
        let mut err = self.child.stderr.take();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(err) = err.as_mut() {
                let _ = err.read_to_end(&mut text);
            }
            text
        });
        let mut stdout = Vec::new();
        if let Some(out) = out.as_mut() {
            let _ = out.read_to_end(&mut stdout);
        }
        let stderr = reader.join().unwrap_or_default();
        Ok(Output {
            status: self.wait()?,
            stdout,
            stderr,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = self.child.id().cast_signed();
        if running().contains(&group) {
            kill_group(group, libc::SIGKILL);
            self.until_ended();
            let _ = self.child.wait();
        }
    }
}

/// Runs `command` and returns its output, for any exit code.
pub fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Running::start(command)?.wait_with_output()
}

/// Runs `command` as [`output`] does, and calls `go_on` several times a second. An error of `go_on`
/// ends the command.
pub fn output_while(
    command: &mut Command,
    mut go_on: impl FnMut() -> Result<()>,
) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running::start(command)?;
    let stdout = read_all(running.child.stdout.take());
    let stderr = read_all(running.child.stderr.take());
    while !running.has_ended() {
        go_on()?;
        thread::sleep(LOOK);
    }
    Ok(Output {
        status: running.wait()?,
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}

/// Runs `command`, discards its output, and returns its exit status and its peak memory in bytes.
///
/// The figure is the kernel's count of the program's own memory (`VmHWM`, proc_pid_status(5)), read
/// just before the program ends. `ru_maxrss` of wait4(2) does not serve: a process keeps it over
/// execve(2), so it includes the memory of this process.
pub fn peak_memory(command: &mut Command) -> Result<(ExitStatus, u64)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let traced = || {
        // SAFETY: PTRACE_TRACEME takes no pointer. It lets the parent trace the calling process.
        match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: Code between fork(2) and execve(2) may only do what a signal handler may do
    // (signal-safety(7)). `traced` makes a system call without pointers and reads `errno`, which is
    // allowed.
    unsafe { command.pre_exec(traced) };
    let running = Running::start(command)?;
    let pid = running.child.id().cast_signed();
    let failed = |what: &str, e: &dyn std::fmt::Display| {
        let remedy = "see what the system reports above; a system that forbids ptrace(2) cannot \
                      measure this";
        Error::new(&running.line, what, e, remedy)
    };
    let mut peak = None;
    while let Some(stop) = stopped(pid).map_err(|e| failed("to wait for it", &e))? {
        let (signal, event) = (stop & 0xff, stop >> 8);
        if event == libc::PTRACE_EVENT_EXIT {
            let path = format!("/proc/{pid}/status");
            let status = std::fs::read_to_string(&path)
                .map_err(|e| failed("to read how much memory it had", &e))?;
            peak = high_water(&status);
        }
        // A traced process stops with SIGTRAP at each execve(2). The program must not receive that
        // signal.
        let own = if signal == libc::SIGTRAP { 0 } else { signal };
        let options = libc::PTRACE_O_TRACEEXIT | libc::PTRACE_O_EXITKILL;
        // SAFETY: PTRACE_SETOPTIONS takes an integer. The calling thread must be the tracer of the
        // child: it is, because it started the child.
        let set = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options) };
        // SAFETY: PTRACE_CONT takes an integer. The calling thread is the child's tracer, as above.
        let going = set != -1 && unsafe { libc::ptrace(libc::PTRACE_CONT, pid, 0, own) } != -1;
        if !going {
            // The child was killed meanwhile, or tracing is forbidden. Waiting for the child tells
            // which.
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::ESRCH) {
                return Err(failed("to trace it", &error));
            }
        }
    }
    let peak = peak.ok_or_else(|| {
        failed(
            "to say how much memory it had",
            &"no value, because the program was killed",
        )
    })?;
    Ok((running.wait()?, peak))
}

/// Waits until a traced child stops, and returns the signal with ptrace(2)'s event above it.
/// Returns `None` once the child has ended, and does not reap it.
fn stopped(pid: i32) -> io::Result<Option<i32>> {
    let id = pid.cast_unsigned();
    // SAFETY: A `siginfo_t` of all zeroes must be valid: it is a plain C structure.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        let how = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;
        // SAFETY: waitid(2) takes space for one `siginfo_t`, and `info` is that space.
        if unsafe { libc::waitid(libc::P_PID, id, &raw mut info, how) } == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    if matches!(
        info.si_code,
        libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED
    ) {
        return Ok(None);
    }
    // SAFETY: `si_status` must have been filled in. waitid(2) does so whenever it succeeds, and it
    // did.
    Ok(Some(unsafe { info.si_status() }))
}

/// Returns the peak memory of a process in bytes, from the text of its `status` file.
fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// How long to wait between two calls of `go_on`.
const LOOK: Duration = Duration::from_millis(100);

/// Reads a child's pipe to its end, in a thread.
fn read_all(pipe: Option<impl io::Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut text);
        }
        text
    })
}

/// Runs `command` and returns its standard output.
///
/// # Errors
///
/// An exit code other than 0; the error includes what the command printed.
pub fn run(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(command, output.status, &said(&output)))
    }
}

/// Creates the error for a command that failed. `said` is what it printed.
pub fn failed(command: &Command, status: ExitStatus, said: &str) -> Error {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("its end by signal {signal}"),
        (None, None) => "an unknown exit status".to_owned(),
    };
    let remedy = if said.contains("No space left on device") {
        "free some space, or set LINUX_DRIVER_CACHE to a folder on a larger disk"
    } else {
        "see what it printed; run the line above by hand to try again"
    };
    Error::new(
        command_line(command),
        "exit code 0",
        format_args!("{how}, after it printed:\n{}", tail(said, 40)),
        remedy,
    )
}

/// Returns what a child printed: its standard output, then its standard error.
pub fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Returns the command as a user would type it in a shell, with the folder that it runs in.
pub fn command_line(command: &Command) -> String {
    let mut line = String::new();
    if let Some(dir) = command.get_current_dir() {
        line.push_str(&format!("cd {} && ", quoted(&dir.to_string_lossy())));
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            line.push_str(&format!(
                "{}={} ",
                name.to_string_lossy(),
                quoted(&value.to_string_lossy())
            ));
        }
    }
    line.push_str(&quoted(&command.get_program().to_string_lossy()));
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(&arg.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn not_started(line: &str, command: &Command, error: &io::Error) -> Error {
    let program = command.get_program().to_string_lossy();
    let remedy = if error.kind() == io::ErrorKind::NotFound {
        format!(
            "install {program}, or put it on the PATH (`cargo xtask doctor` names what is missing)"
        )
    } else {
        "see what the system reports above".to_owned()
    };
    Error::new(line, format_args!("to start {program}"), error, remedy)
}

/// Returns the first executable file of this name on the PATH.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| {
            path.metadata()
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_its_command_line_and_output() {
        let error =
            run(Command::new("sh").args(["-c", "echo 'last words' >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sh -c 'echo '\\''last words'\\'' >&2; exit 3'"),
            "{text}"
        );
        assert!(
            text.contains("exit code 3") && text.contains("last words"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let text = run(&mut Command::new("no-such-program"))
            .unwrap_err()
            .to_string();
        assert!(text.contains("install no-such-program"), "{text}");
    }

    #[test]
    fn the_peak_memory_of_a_child_is_its_own() {
        let peak = |blocks: &str| {
            let mut dd = Command::new("dd");
            dd.args(["if=/dev/zero", "of=/dev/null", "count=1"])
                .arg(format!("bs={blocks}"));
            peak_memory(&mut dd).unwrap()
        };
        let (small, large) = (peak("4096"), peak("67108864"));
        assert!(small.0.success() && large.0.success());
        assert!(
            small.1 > 0 && large.1 >= small.1 + (48 << 20),
            "{small:?} {large:?}"
        );
        // Run the smaller one second: its peak must not be the largest of all children.
        assert!(peak("4096").1 < large.1);
    }

    #[test]
    fn the_peak_memory_of_a_child_excludes_the_parent() {
        let ours = std::hint::black_box(vec![1_u8; 256 << 20]);
        let (status, peak) = peak_memory(Command::new("sh").args(["-c", "exec true"])).unwrap();
        assert!(status.success());
        assert!(peak > 0 && peak < ours.len() as u64 / 4, "{peak}");
        // The exit code and a signal that the child sends itself are reported as usual.
        let (status, _) =
            peak_memory(Command::new("sh").args(["-c", "kill -STOP $$; exit 3"])).unwrap();
        assert_eq!(status.code(), Some(3));
        let killed = peak_memory(Command::new("sh").args(["-c", "kill -TERM $$"]));
        assert_eq!(killed.unwrap().0.signal(), Some(libc::SIGTERM));
    }

    #[test]
    fn a_condition_that_fails_ends_the_command() {
        let mut times = 0;
        let error = output_while(Command::new("sleep").arg("1000"), || {
            times += 1;
            if times < 3 {
                Ok(())
            } else {
                Err(Error::new("here", "a", "b", "c"))
            }
        });
        assert_eq!(error.unwrap_err().location(), "here");
        let output = output_while(Command::new("echo").arg("done"), || Ok(())).unwrap();
        assert_eq!(output.stdout, b"done\n");
    }

    #[test]
    fn a_child_and_what_it_started_end_with_its_value() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 1000 & echo $!; wait"])
            .stdout(Stdio::piped());
        let mut child = Running::start(&mut command).unwrap();
        let mut line = String::new();
        let mut out = io::BufReader::new(child.child().stdout.take().unwrap());
        io::BufRead::read_line(&mut out, &mut line).unwrap();
        let sleeper: i32 = line.trim().parse().unwrap();
        drop(child);
        // The pipe closes when the last process that holds it is gone.
        let mut rest = String::new();
        io::Read::read_to_string(&mut out, &mut rest).unwrap();
        assert!(rest.is_empty());
        // A process closes its files a little before it is gone.
        let state = || std::fs::read_to_string(format!("/proc/{sleeper}/stat")).unwrap_or_default();
        let gone =
            |state: &str| state.is_empty() || state.contains(") Z ") || state.contains(") X ");
        let ended = (0..1000).any(|_| {
            gone(&state())
                || (
                    std::thread::sleep(std::time::Duration::from_millis(10)),
                    false,
                )
                    .1
        });
        assert!(ended, "still running: {}", state());
    }
}
