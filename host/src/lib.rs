// SPDX-License-Identifier: GPL-2.0-only
//! The parts that every tool library of `linux-driver` shares: errors, files, processes and output.
//!
//! - [`error`]: the one form of error that users see.
//! - [`mod@fs`]: reads and writes files, with such errors.
//! - [`process`]: runs child processes, and ends them when this process ends.
//! - [`cache`]: keeps what was downloaded or built once.
//! - [`packages`]: names or installs what is missing on the system.
//! - [`path`]: refuses paths that make cannot handle.
//! - [`output`]: prints the tool's results.
//! - [`progress`]: reports on standard error what is going on.

// The functions of `output` do not panic when the reader has closed the pipe; `println!` does.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod cache;
pub mod error;
pub mod fs;
pub mod output;
pub mod packages;
pub mod path;
pub mod process;
pub mod progress;
pub mod table;

pub use cache::Cache;
pub use error::{Blame, Error, Result};
