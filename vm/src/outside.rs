// SPDX-License-Identifier: GPL-2.0-only
//! The host's part in a plan. The program in the guest sends requests on the machine's second
//! serial port. A thread of the host acts on QEMU's monitor and answers on that port.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use linux_driver_host::{Error, Result};
use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::Action;
use crate::monitor::Monitor;
use crate::protocol::{ANSWER, Answer, Request};

/// The longest path of a socket, in bytes (`sun_path`, without its NUL).
const LONGEST: usize = 107;
/// The interval between checks for a connection.
const LOOK: Duration = Duration::from_millis(20);
/// The time that QEMU may take to send its greeting.
pub(crate) const GREETING: Duration = Duration::from_secs(20);

/// The host's ends of the monitor and of the serial port. QEMU connects to them when it starts.
pub(crate) struct Outside {
    monitor: UnixListener,
    port: UnixListener,
    paths: [PathBuf; 2],
}

/// The thread that acts on the guest's requests. It ends with QEMU, or when this value is dropped.
pub(crate) struct Serving {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Outside {
    /// Makes the sockets in this folder.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let paths = ["monitor", "port"].map(|name| dir.join(name));
        Ok(Self {
            monitor: listen(&paths[0])?,
            port: listen(&paths[1])?,
            paths,
        })
    }

    /// Returns QEMU's arguments for the sockets. They must come after those of the first serial
    /// port.
    pub(crate) fn args(&self) -> Vec<String> {
        let mut args = vec![
            "-chardev".to_owned(),
            socket("outside", &self.paths[1]),
            "-serial".to_owned(),
            "chardev:outside".to_owned(),
        ];
        args.extend(monitor_args(&self.paths[0]));
        args
    }

    /// Starts to act on the guest's requests.
    pub(crate) fn serve(self) -> Serving {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            // If a connection has ended, nobody is left to tell.
            let _ = self.work(&stopped);
        });
        Serving {
            stop,
            thread: Some(thread),
        }
    }

    fn work(&self, stop: &AtomicBool) -> io::Result<()> {
        let port = connection(&self.port, stop)?;
        let monitor = connection(&self.monitor, stop)?;
        let mut monitor = Monitor::start(monitor, Instant::now() + GREETING);
        port.set_read_timeout(Some(LOOK))?;
        let mut write = port.try_clone()?;
        let mut read = BufReader::new(port);
        let mut line = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            match read.read_until(b'\n', &mut line) {
                Ok(0) => return Ok(()),
                Ok(_) if line.ends_with(b"\n") => {
                    let answer = match &mut monitor {
                        Ok(monitor) => answer(monitor, &line),
                        Err(e) => Answer::Failed(e.clone()),
                    };
                    let mut text = serde_json::to_string(&answer)?;
                    text.push('\n');
                    write.write_all(text.as_bytes())?;
                    line.clear();
                }
                Ok(_) => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns QEMU's `-chardev` for the socket at this path.
fn socket(id: &str, path: &Path) -> String {
    // In QEMU's options a comma is written twice.
    let path = path.display().to_string().replace(',', ",,");
    format!("socket,id={id},path={path}")
}

/// Returns QEMU's arguments for a monitor at this socket.
pub(crate) fn monitor_args(path: &Path) -> [String; 4] {
    [
        "-chardev".to_owned(),
        socket("monitor", path),
        "-mon".to_owned(),
        "chardev=monitor,mode=control".to_owned(),
    ]
}

/// Makes a non-blocking socket that accepts connections.
pub(crate) fn listen(path: &Path) -> Result<UnixListener> {
    let length = path.as_os_str().len();
    if length > LONGEST {
        return Err(Error::new(
            path.display(),
            format_args!("a path for a socket, of at most {LONGEST} bytes"),
            format_args!("{length} bytes"),
            "set TMPDIR to a shorter path, such as /tmp",
        ));
    }
    // An earlier attempt that failed may have left a socket there.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|e| Error::io(path, "write", &e))?;
    listener
        .set_nonblocking(true)
        .map_err(|e| Error::io(path, "write", &e))?;
    Ok(listener)
}

pub(crate) fn connection(listener: &UnixListener, stop: &AtomicBool) -> io::Result<UnixStream> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
        if stop.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
        thread::sleep(LOOK);
    }
}

/// Acts on the request in this line.
fn answer(monitor: &mut Monitor, line: &[u8]) -> Answer {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(e) => return Answer::Failed(format!("the host does not understand the guest: {e}")),
    };
    let deadline = Instant::now() + Duration::from_millis(request.ms);
    let cut = |mut text: String| {
        text.truncate(text.floor_char_boundary(ANSWER));
        text
    };
    match perform(monitor, &request.action, deadline) {
        Ok(text) => Answer::Done(cut(text)),
        Err(text) => Answer::Failed(cut(text)),
    }
}

fn perform(monitor: &mut Monitor, action: &Action, deadline: Instant) -> Result<String, String> {
    match action {
        Action::Unplug { id } => unplug(monitor, id, deadline),
        Action::Plug { device } => {
            // The human monitor accepts the syntax of the command line. It prints nothing on
            // success.
            let said = monitor.line(&format!("device_add {device}"), deadline)?;
            if said.is_empty() { Ok(said) } else { Err(said) }
        }
        Action::Monitor { execute, arguments } => {
            let answer = monitor.execute(execute, arguments, deadline)?;
            let nothing = answer.as_object().is_some_and(Map::is_empty);
            Ok(if nothing {
                String::new()
            } else {
                answer.to_string()
            })
        }
        Action::MonitorLine { line, prints } => {
            let said = monitor.line(line, deadline)?;
            let right = match prints {
                Some(pattern) => Regex::new(pattern)
                    .map_err(|e| e.to_string())?
                    .is_match(&said),
                None => said.is_empty(),
            };
            if right {
                Ok(said)
            } else {
                Err(format!("{line}: QEMU printed {said:?}"))
            }
        }
        _ => Err("the host does not perform this action".to_owned()),
    }
}

/// The interval between requests to a guest that is busy.
const AGAIN: Duration = Duration::from_millis(200);

fn unplug(monitor: &mut Monitor, id: &str, deadline: Instant) -> Result<String, String> {
    let arguments = Map::from_iter([("id".to_owned(), Value::from(id))]);
    while let Err(error) = monitor.execute("device_del", &arguments, deadline) {
        // The slot's light still blinks while the guest plugs the device in. The driver is bound
        // before the blinking ends.
        if !error.contains("guest is busy") || Instant::now() >= deadline {
            return Err(error);
        }
        thread::sleep(AGAIN);
    }
    let ours = |event: &Value| event["data"]["device"] == id;
    let ended = monitor.event(
        |event| {
            let kind = event["event"].as_str().unwrap_or_default();
            ours(event) && matches!(kind, "DEVICE_DELETED" | "DEVICE_UNPLUG_GUEST_ERROR")
        },
        deadline,
    );
    match ended {
        Ok(event) if event["event"] == "DEVICE_DELETED" => Ok(String::new()),
        Ok(_) => Err(format!(
            "device_del {id}: the guest does not release the device"
        )),
        Err(e) => Err(format!(
            "device_del {id}: the guest has not released the device: {e}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_done_and_answered() {
        let dir = tempfile::tempdir().unwrap();
        let outside = Outside::open(dir.path()).unwrap();
        assert!(outside.args()[1].starts_with("socket,id=outside,path=/"));
        let paths = outside.paths.clone();
        let serving = outside.serve();
        let mut port = UnixStream::connect(&paths[1]).unwrap();
        let mut qemu = UnixStream::connect(&paths[0]).unwrap();
        let mut commands = BufReader::new(qemu.try_clone().unwrap()).lines();
        qemu.write_all(b"{\"QMP\": {}}\n").unwrap();
        commands.next().unwrap().unwrap();
        qemu.write_all(b"{\"return\": {}}\n").unwrap();
        let request = Request {
            action: Action::Unplug { id: "edu1".into() },
            ms: 5000,
        };
        writeln!(port, "{}", serde_json::to_string(&request).unwrap()).unwrap();
        assert!(commands.next().unwrap().unwrap().contains("edu1"));
        qemu.write_all(b"{\"error\": {\"desc\": \"Hot-unplug failed: guest is busy (power indicator blinking)\"}}\n")
            .unwrap();
        assert!(commands.next().unwrap().unwrap().contains("edu1"));
        qemu.write_all(b"{\"return\": {}}\n{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"other\"}}\n")
            .unwrap();
        qemu.write_all(
            b"{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"device\": \"edu1\"}}\n",
        )
        .unwrap();
        let mut answers = BufReader::new(port.try_clone().unwrap()).lines();
        let answer: Answer = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(
            answer,
            Answer::Failed("device_del edu1: the guest does not release the device".into())
        );
        writeln!(port, "nonsense").unwrap();
        let answer: Answer = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert!(matches!(answer, Answer::Failed(text) if text.contains("not understand")));
        drop(serving);
    }

    #[test]
    fn the_thread_ends_if_nobody_connects() {
        let dir = tempfile::tempdir().unwrap();
        drop(Outside::open(dir.path()).unwrap().serve());
    }

    #[test]
    fn a_folder_with_too_long_a_name_is_refused() {
        let long = "x".repeat(LONGEST);
        let error = Outside::open(Path::new(&format!("/tmp/{long}")))
            .err()
            .unwrap()
            .to_string();
        // With `/tmp/` and `/monitor`.
        let found = format!("{} bytes", LONGEST + 13);
        assert!(
            error.contains("TMPDIR") && error.contains(&found),
            "{error}"
        );
    }
}
