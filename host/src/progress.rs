// SPDX-License-Identifier: GPL-2.0-only
//! Progress messages on standard error: a spinner on a terminal, else one line for each task.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Prints one line on standard error.
pub fn say(text: &str) {
    output::error_line(text);
}

/// A task in progress. Dropping the value prints the task's end.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    text: String,
    start: Instant,
}

impl Progress {
    /// Starts a task: "building core for the kernel".
    pub fn start(text: impl Into<String>) -> Self {
        let text = text.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(text.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            say(&format!("{text} …"));
        }
        Self {
            bar,
            text,
            start: Instant::now(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            say(&format!(
                "{} ({:.1} s)",
                self.text,
                self.start.elapsed().as_secs_f64()
            ));
        }
    }
}
