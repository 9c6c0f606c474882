// SPDX-License-Identifier: GPL-2.0-only
//! QEMU's monitor for programs, QMP (QEMU's `docs/interop/qmp-spec.rst`): commands and answers as
//! JSON, and events between them.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// The interval between checks of the deadline during a wait.
const LOOK: Duration = Duration::from_millis(50);

/// A connection to the monitor.
pub(crate) struct Monitor {
    read: BufReader<UnixStream>,
    write: UnixStream,
    /// The bytes of the next message that have come so far.
    partial: Vec<u8>,
    /// The events that have come but were not asked for yet.
    events: Vec<Value>,
}

impl Monitor {
    /// Starts the conversation on a connection that QEMU has made.
    pub(crate) fn start(stream: UnixStream, deadline: Instant) -> Result<Self, String> {
        let failed = |e: io::Error| format!("QEMU's monitor: {e}");
        stream.set_read_timeout(Some(LOOK)).map_err(failed)?;
        let mut monitor = Self {
            write: stream.try_clone().map_err(failed)?,
            read: BufReader::new(stream),
            partial: Vec::new(),
            events: Vec::new(),
        };
        let greeting = monitor.message(deadline)?;
        if greeting.get("QMP").is_none() {
            return Err(format!("QEMU's monitor greets with {greeting}"));
        }
        monitor.execute("qmp_capabilities", &Map::new(), deadline)?;
        Ok(monitor)
    }

    /// Sends a command and waits for its answer. Forgets the events that came before the command.
    pub(crate) fn execute(
        &mut self,
        command: &str,
        arguments: &Map<String, Value>,
        deadline: Instant,
    ) -> Result<Value, String> {
        self.events.clear();
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.write
            .write_all(line.as_bytes())
            .map_err(|e| format!("{command}: QEMU's monitor: {e}"))?;
        loop {
            let mut message = self
                .message(deadline)
                .map_err(|e| format!("{command}: {e}"))?;
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            if let Some(error) = message.get("error") {
                let text = error.get("desc").and_then(Value::as_str);
                return Err(format!(
                    "{command}: {}",
                    text.map_or_else(|| error.to_string(), str::to_owned)
                ));
            }
            self.keep(message);
        }
    }

    /// Sends a line to the human monitor, and returns the text that it prints.
    pub(crate) fn line(&mut self, line: &str, deadline: Instant) -> Result<String, String> {
        let arguments = Map::from_iter([("command-line".to_owned(), Value::from(line))]);
        let answer = self.execute("human-monitor-command", &arguments, deadline)?;
        Ok(answer.as_str().unwrap_or_default().trim().replace('\r', ""))
    }

    /// Waits for one of these events. Only events since the last command count.
    pub(crate) fn event(
        &mut self,
        is: impl Fn(&Value) -> bool,
        deadline: Instant,
    ) -> Result<Value, String> {
        loop {
            if let Some(at) = self.events.iter().position(&is) {
                return Ok(self.events.remove(at));
            }
            let message = self.message(deadline)?;
            self.keep(message);
        }
    }

    fn keep(&mut self, message: Value) {
        if message.get("event").is_some() {
            self.events.push(message);
        }
    }

    fn message(&mut self, deadline: Instant) -> Result<Value, String> {
        loop {
            match self.read.read_until(b'\n', &mut self.partial) {
                Ok(0) => return Err("QEMU's monitor has ended".to_owned()),
                Ok(_) if self.partial.ends_with(b"\n") => {
                    let line = std::mem::take(&mut self.partial);
                    return serde_json::from_slice(&line)
                        .map_err(|e| format!("QEMU's monitor: {e}"));
                }
                // The last line has no line end. The next read reports the end of the stream.
                Ok(_) => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) =>
                {
                    if Instant::now() >= deadline {
                        return Err("no answer in time".to_owned());
                    }
                }
                Err(e) => return Err(format!("QEMU's monitor: {e}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Returns a monitor whose other end sends these lines: the first at once, each further one
    /// after a command.
    fn speaking(lines: &'static [&'static str]) -> (UnixStream, thread::JoinHandle<Vec<Value>>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let other = thread::spawn(move || {
            let mut write = theirs.try_clone().unwrap();
            let mut commands = BufReader::new(theirs).lines();
            let mut heard = Vec::new();
            for line in lines {
                write.write_all(line.as_bytes()).unwrap();
                if let Some(Ok(command)) = commands.next() {
                    heard.push(serde_json::from_str(&command).unwrap());
                }
            }
            heard
        });
        (ours, other)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn answers_errors_and_events_are_told_apart() {
        let (stream, other) = speaking(&[
            "{\"QMP\": {}}\n",
            "{\"return\": {}}\n",
            "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"a\"}}\n{\"return\": {\"x\": 1}}\n",
            "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'b' not found\"}}\n",
        ]);
        let mut monitor = Monitor::start(stream, soon()).unwrap();
        let arguments = Map::from_iter([("id".to_owned(), Value::from("a"))]);
        assert_eq!(
            monitor.execute("device_del", &arguments, soon()),
            Ok(json!({ "x": 1 }))
        );
        let event = monitor
            .event(|event| event["event"] == "DEVICE_DELETED", soon())
            .unwrap();
        assert_eq!(event["data"]["device"], "a");
        let error = monitor
            .execute("device_del", &Map::new(), soon())
            .unwrap_err();
        assert_eq!(error, "device_del: Device 'b' not found");
        drop(monitor);
        let heard = other.join().unwrap();
        assert_eq!(heard[0]["execute"], "qmp_capabilities");
        assert_eq!(
            heard[1],
            json!({ "execute": "device_del", "arguments": { "id": "a" } })
        );
    }

    #[test]
    fn silence_and_an_end_are_errors() {
        let (stream, other) = UnixStream::pair().unwrap();
        let late = Instant::now() + Duration::from_millis(10);
        assert!(Monitor::start(stream, late).is_err_and(|e| e.contains("in time")));
        drop(other);
        let (stream, other) = UnixStream::pair().unwrap();
        drop(other);
        assert!(Monitor::start(stream, soon()).is_err_and(|e| e.contains("ended")));
    }
}
