// SPDX-License-Identifier: GPL-2.0-only
//! Requests to the host: sent on the second serial port, and answered there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use linux_driver_vm::Action;
use linux_driver_vm::protocol::{Answer, HOST_LINE, Request};

use crate::action::{Failure, Result, failed};
use crate::sys;

/// The connection to the host.
pub(crate) struct Outside {
    line: File,
    /// The bytes of the next answer that have come so far.
    partial: Vec<u8>,
}

impl Outside {
    pub(crate) fn open() -> io::Result<Self> {
        let line = OpenOptions::new().read(true).write(true).open(HOST_LINE)?;
        sys::make_raw(line.as_fd())?;
        Ok(Self {
            line,
            partial: Vec::new(),
        })
    }

    /// Asks the host to do this action, and waits for its answer.
    pub(crate) fn ask(&mut self, action: &Action, deadline: Instant) -> Result {
        let left = deadline.saturating_duration_since(Instant::now());
        let request = Request {
            action: action.clone(),
            ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        };
        let mut text = serde_json::to_string(&request).map_err(Failure::new)?;
        text.push('\n');
        self.line
            .write_all(text.as_bytes())
            .map_err(failed(HOST_LINE))?;
        // At the deadline the host gives up and sends an answer. That answer needs some time to
        // arrive.
        match self.answer(deadline + Duration::from_millis(500))? {
            Answer::Done(text) => Ok(text),
            Answer::Failed(text) => Err(Failure::new(text)),
        }
    }

    fn answer(&mut self, deadline: Instant) -> Result<Answer> {
        loop {
            if let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.partial.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .map_err(|e| Failure::new(format_args!("the host's answer: {e}")));
            }
            // A read returns without data after a short time.
            let mut bytes = [0; 512];
            let length = self.line.read(&mut bytes).map_err(failed(HOST_LINE))?;
            self.partial.extend_from_slice(&bytes[..length]);
            if length == 0 && Instant::now() >= deadline {
                return Err(Failure::new("the host does not answer"));
            }
        }
    }
}
