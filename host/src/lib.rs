// SPDX-License-Identifier: GPL-2.0-only
//! What every tool library of `linux-driver` needs of the machine that it runs on.
//!
//! One idea a module: [`error`] is the one shape of error that users see, [`mod@fs`] reads and
//! writes files with such errors, [`process`] runs child processes that end when we do, [`cache`]
//! keeps what was downloaded or built once, [`packages`] names or installs what is missing on the
//! system, [`path`] refuses paths that make cannot work in, [`output`] says what there is to say,
//! [`progress`] says on standard error what is going on, [`table`] aligns the columns of a
//! table.

// `output` does not panic where nobody reads.
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
